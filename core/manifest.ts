/** Where 0.1.0 had it: tools that read a build by its paths find it here. The code is in its room. */
export { digestOf, isDigest } from './base/digest.js'
export {
  bundleBytesMax,
  bundleChunkBytes,
  chunkCount,
  decodeManifest,
  encodeManifest,
  identifiedFormat,
  identityIn,
  manifestBytesMax,
  manifestFormat,
  manifestOf,
  trustChangeIn,
  usesMax,
} from './upgrade/manifest.js'
