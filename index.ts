/** The public entry: what a user's code, samples and benches import from `theseus-actors`. */
import 'reflect-metadata'
import * as tsyringe from 'tsyringe'
import * as theseus from './index.js'
import { shareWithBundles } from './transports/modules/hostModules.js'
import { nameInBundles } from './transports/modules/runtimeNames.js'

export { defaultSettings, type HostSettings } from './actors/base/settings.js'
export type { Gather, ToSign } from './actors/base/tokens.js'
export type { RefOptions } from './actors/host/clients.js'
export type { LookBatch } from './actors/inspection/looking.js'
export type { ChainEntry, NodeHandle } from './actors/node/nodeHandle.js'
export type { BuiltUpgrade, Operator, PublishOptions } from './actors/operator/operator.js'
export type { ArrivingCall, CallFilter } from './actors/serving/admission.js'
export {
  connectOperator,
  createHost,
  type HostOptions,
  type Publishing,
  type RunningHost,
  startUpgradeServer,
  type Trusting,
  type Ways,
} from './compose.js'
export { digestOf, isDigest } from './core/base/digest.js'
export { type Duration, milliseconds } from './core/base/duration.js'
export { applicationFault, Fault, type FaultCode, type FaultKind, faultCodes, isFault, reasonOf } from './core/base/fault.js'
export { type HttpPlace, type HttpRefusal, isLoopback, refusalOf, targetOf } from './core/base/httpGuard.js'
export { isName, isVersion, type Version } from './core/base/ids.js'
export { instantMs } from './core/base/instant.js'
export { type Phase, phases } from './core/base/phases.js'
export { quantileMs } from './core/base/timeBuckets.js'
export {
  type AuditEntry,
  type Audited,
  type AuditFrom,
  type AuditHead,
  type AuditPlace,
  type AuditVerdict,
  auditPageMax,
  checkAudit,
  decodeAuditEntry,
} from './core/control/audit.js'
export { type Recorded, type Uncovered, type Untold, uncovered } from './core/control/auditCover.js'
export { type Control, controlKey, isControl } from './core/control/control.js'
export { type Directive, decodeDirective, describeOrder, identityNamed } from './core/control/directive.js'
export type { Doubt, Probation, Session, Standing } from './core/control/standing.js'
export type { Death } from './core/control/upgradeDatabase.js'
export type { HostEvent, HostObserver } from './core/inspection/hostEvents.js'
export { type HostStatus, type NodeSnapshot, reasonsNotReady } from './core/inspection/hostStatus.js'
export {
  type CallsSeen,
  type FiguresSeen,
  isSeen,
  type LinkSeen,
  type LookFilter,
  type NodeSeen,
  type PhaseSeen,
  type Seen,
  type StatechartSeen,
  type VersionFigures,
} from './core/inspection/inspection.js'
export type { HostMetrics, MetricsFactory, MetricsServer } from './core/inspection/metrics.js'
export type {
  CallMade,
  CallReceived,
  Hop,
  MadeWatch,
  ReceivedOutcome,
  ReceivedWatch,
  Telemetry,
} from './core/inspection/telemetry.js'
export type { Allow, Roles } from './core/model/allow.js'
export type { Collection, KeyRange, ReadonlyCollection } from './core/model/collection.js'
export { type EventType, event, hears } from './core/model/event.js'
export { command, type MethodKind, query } from './core/model/methods.js'
export { areFacts, type NodeFacts, type NodeFilter } from './core/model/nodeFilter.js'
export { type NodeClass, NodeObject, type OneWay, type Remote, type StateOf } from './core/model/nodeObject.js'
export { clientService, type NodeRow, type NodeStatus, oldestPossible } from './core/model/nodeRow.js'
export { asItIs, type MakeRecord, type Records } from './core/model/recordTransform.js'
export { forksTable } from './core/model/reservedTables.js'
export { futureSO, type InitialCollections, none, notNeeded, pastSO, type SimulationThis } from './core/model/simulation.js'
export { isTableKey, isTableValue, type TableEntries, tableKeyLengthMax, tableValueBytesMax } from './core/model/tables.js'
export type { Clock, WallClock } from './core/ports/clock.js'
export type { Random } from './core/ports/random.js'
export type { Signatures, Signer } from './core/ports/signatures.js'
export { afterMyServers } from './core/schedules/afterMyServers.js'
export { classBefore } from './core/schedules/classBefore.js'
export { allOf, andThen, anyOf, atMost, within } from './core/schedules/combine.js'
export { eagerly } from './core/schedules/eagerly.js'
export { gradually } from './core/schedules/gradually.js'
export { keepCovered, type Neighbours } from './core/schedules/keepCovered.js'
export { oneReplicaAtATime } from './core/schedules/oneReplicaAtATime.js'
export { onlyNodes } from './core/schedules/onlyNodes.js'
export { type Contact, type Schedule, type SchedulingView, schedule } from './core/schedules/schedule.js'
export { type ServiceLimit, slotsAllowed, strictestLimit } from './core/schedules/serviceLimit.js'
export { type StepSize, steps } from './core/schedules/steps.js'
export { whenIdle } from './core/schedules/whenIdle.js'
export type { Purpose, Signed } from './core/trust/signed.js'
export { hasEnded, identityAt, isTrustRoot, type Trust, type Trusted, upgradersMax } from './core/trust/trust.js'
export { changedRootAdvice, isSameTrust, markText, nobodysMark, type TrustMark, type Trusts } from './core/trust/trustMark.js'
export {
  type Decision,
  decisions,
  isNeed,
  type Need,
  type TrustedKey,
  type TrustRoot,
  trustRootFormat,
} from './core/trust/trustRoot.js'
export { draftManifest } from './core/upgrade/draftManifest.js'
export type { GateLimits } from './core/upgrade/gateLimits.js'
export {
  bundleBytesMax,
  type ClassUpgradeEntry,
  chunkCount,
  decodeManifest,
  encodeManifest,
  identityIn,
  type Manifest,
  type ManifestDraft,
  manifestBytesMax,
  manifestFormat,
  manifestOf,
  type SignedManifest,
} from './core/upgrade/manifest.js'
export {
  type StatechartDescription,
  type StateDescription,
  type TransitionDescription,
  upgradeStatechartDescription,
} from './core/upgrade/statechartDescription.js'
export type { SnapshotSeen, StatechartEvent } from './core/upgrade/statechartEvent.js'
export { takesBack, undoneBy } from './core/upgrade/undo.js'
export { defineUpgrade, type Upgrade, upgradeClass } from './core/upgrade/upgrade.js'
export type { CallerInfo } from './core/wire/callerInfo.js'

shareWithBundles(nameInBundles, theseus)
shareWithBundles('tsyringe', tsyringe)
shareWithBundles('reflect-metadata', {})

export { runtimeInterface, runtimeInterfaces } from './core/upgrade/runtimeInterface.js'
