/**
 * The module that bundles import as `theseus`. It has all that the main entry has, and each name that release
 * 0.1.0 had there: a bundle that imports a name which is gone would not load. No name ever leaves it, and a
 * test compares it with each release. Hosts resolve the name to this file (transports/modules).
 */
export { phases } from './core/base/phases.js'
export { runtimeInterface } from './core/upgrade/runtimeInterface.js'
export * from './index.js'
export {
  areFacts,
  bundleBytesMax,
  clientService,
  decodeManifest,
  digestOf,
  encodeManifest,
  forksTable,
  isDigest,
  isName,
  isSeen,
  isTableKey,
  isTableValue,
  isVersion,
  manifestBytesMax,
  manifestFormat,
  milliseconds,
  oldestPossible,
  permitsAllowed as slotsAllowed,
  quantileMs,
  reasonOf,
  strictestLimit,
  tableKeyLengthMax,
  tableValueBytesMax,
  upgradeStatechartDescription,
} from './operator.js'
