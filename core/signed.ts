/** Where 0.1.0 had it: tools that read a build by its paths find it here. The code is in its room. */
export { checkSigned, signed, signedBytes } from './trust/signed.js'
