export type { Verified } from '../../core/verifiedHistory.js'
export { isSignedBy, signatureOver } from './documents.js'
export { isUpgraderKey, newKey, signer } from './nkeys.js'
export { type HistoryVerdict, verifyHistory } from './verifyHistory.js'
