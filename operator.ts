/**
 * The door `theseus-actors/operator`: for tools that show and change a running system, as `natsctl` does.
 * Together with the main entry it is all that `natsctl` uses. docs/reference.md says what each name is.
 */
export type { Gather } from './actors/base/tokens.js'
export type { RecordedBatch } from './actors/operator/callRecordings.js'
export { type MoveProgress, moveProgress } from './actors/operator/serviceMove.js'
export { type ShardSeen, shardsOf } from './actors/operator/shardsSeen.js'
export { copyShard } from './actors/shards/shardBackup.js'
export type { ShardReplacement } from './actors/shards/shardReplacement.js'
export { digestOf, isDigest } from './core/base/digest.js'
export { milliseconds } from './core/base/duration.js'
export { reasonOf } from './core/base/fault.js'
export { fileFormats, isRead, numbersRead } from './core/base/formats.js'
export { type HttpPlace, type HttpRefusal, isLoopback, refusalOf, targetOf } from './core/base/httpGuard.js'
export { isName, isVersion } from './core/base/ids.js'
export { instantMs } from './core/base/instant.js'
export { notServing, type PhaseStage, phases, stageOf } from './core/base/phases.js'
export { quantileMs } from './core/base/timeBuckets.js'
export { type AuditEntry, type AuditHead, auditPageMax, checkAudit, decodeAuditEntry } from './core/control/audit.js'
export { type Uncovered, uncovered } from './core/control/auditCover.js'
export { callRecordingBounds, isFieldName } from './core/control/callRecording.js'
export {
  type Control,
  controlKey,
  type Home,
  type HomeOrder,
  homeText,
  isControl,
  type Placement,
} from './core/control/control.js'
export { type Directive, decodeDirective, describeOrder, identityNamed, orderReason } from './core/control/directive.js'
export { checkNeeds } from './core/control/neededLevel.js'
export {
  isPercent,
  isProbability,
  type PaceChange,
  type Promotion,
  paceChangeOf,
  promotedNodes,
  promotionOf,
} from './core/control/paceOrders.js'
export { type Reader, readersOf, readersText } from './core/control/readers.js'
export type { Doubt } from './core/control/standing.js'
export type { Death } from './core/control/upgradeDatabase.js'
export {
  type CallsSeen,
  type FieldsSeen,
  type FiguresSeen,
  isSeen,
  type LinkSeen,
  type NodeSeen,
  type PhaseSeen,
  type Seen,
  type StatechartSeen,
  type StateSeen,
  type VersionFigures,
} from './core/inspection/inspection.js'
export type { RewoundSeen } from './core/inspection/rewoundSeen.js'
export { type NeighbourUse, neighbourUsesIn, systemOfPin } from './core/model/neighbour.js'
export { areFacts } from './core/model/nodeFilter.js'
export { nodeIdOfKey } from './core/model/nodeRecord.js'
export { clientService, mayBeAsleep, oldestPossible } from './core/model/nodeRow.js'
export { type ObjectPlace, objectPlaceOf, objectStateOf } from './core/model/objectState.js'
export type { ReportedDifference } from './core/model/recordedOperation.js'
export { forksTable } from './core/model/reservedTables.js'
export { shardsMax } from './core/model/shard.js'
export type { HostOffer } from './core/model/shardOffer.js'
export { isTableKey, isTableValue, tableKeyLengthMax, tableValueBytesMax } from './core/model/tables.js'
export type { ShardLogs } from './core/ports/log.js'
export type { Write as StateWrite } from './core/ports/stateStore.js'
export type { Pace } from './core/schedules/rolloutPace.js'
export { isPromiseList, promiseText } from './core/schedules/rolloutPromise.js'
export { permitsAllowed, strictestLimit } from './core/schedules/serviceLimit.js'
export type { Signed } from './core/trust/signed.js'
export { hasEnded, identityAt, isTrustRoot, type Trusted, upgradersMax } from './core/trust/trust.js'
export { changedRootAdvice, isSameTrust, markText, nobodysMark, type TrustMark } from './core/trust/trustMark.js'
export { decisions, isNeed, type Need, type TrustedKey, trustRootFormat } from './core/trust/trustRoot.js'
export { storedBundle } from './core/upgrade/bundleParts.js'
export {
  bundleBytesMax,
  decodeManifest,
  encodeManifest,
  formatOf,
  identityIn,
  levelFormat,
  levelIn,
  type Manifest,
  manifestBytesMax,
  manifestFormat,
  manifestOf,
  promisesIn,
  type SignedManifest,
} from './core/upgrade/manifest.js'
export {
  type NeededVersion,
  type NeighbourState,
  neededVersion,
  neighboursNeeded,
  troubleWith,
  usesBrought,
} from './core/upgrade/neighbourNeeds.js'
export { brokenPromises } from './core/upgrade/promisedRollout.js'
export {
  type StatechartDescription,
  type StateDescription,
  type TransitionDescription,
  upgradeStatechartDescription,
} from './core/upgrade/statechartDescription.js'
export type { StatechartEvent } from './core/upgrade/statechartEvent.js'
export { takesBack, undoesIn, undoneBy } from './core/upgrade/undo.js'
export { groupInTheWay, obstacleToUndo, wordOn } from './core/upgrade/undoable.js'
export { bundleSpecifier, hostSpecifier } from './transports/modules/runtimeNames.js'
export { ownDirectory, ownFileMode } from './transports/ownDirectory.js'
