export { newKey, signer } from './nkeys.js'
