/** The public entry: what a user's code, samples and benches import from `theseus`. */
import 'reflect-metadata'
import * as tsyringe from 'tsyringe'
import * as theseus from './index.js'
import { shareWithBundles } from './transports/modules/hostModules.js'

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
export type { Allow, Roles } from './core/allow.js'
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
} from './core/audit.js'
export { type Recorded, type Uncovered, type Untold, uncovered } from './core/auditCover.js'
export type { CallerInfo } from './core/callerInfo.js'
export type { Collection, KeyRange, ReadonlyCollection } from './core/collection.js'
export { type Control, controlKey, isControl } from './core/control.js'
export { type Directive, decodeDirective, describeOrder, identityNamed } from './core/directive.js'
export { draftManifest } from './core/draftManifest.js'
export { type Duration, milliseconds } from './core/duration.js'
export { type EventType, event, hears } from './core/event.js'
export { applicationFault, Fault, type FaultCode, type FaultKind, faultCodes, isFault, reasonOf } from './core/fault.js'
export type { GateLimits } from './core/gateLimits.js'
export type { HostEvent, HostObserver } from './core/hostEvents.js'
export { type HostStatus, type NodeSnapshot, reasonsNotReady } from './core/hostStatus.js'
export { type HttpPlace, type HttpRefusal, isLoopback, refusalOf, targetOf } from './core/httpGuard.js'
export { isName, isVersion, type Version } from './core/ids.js'
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
} from './core/inspection.js'
export { instantMs } from './core/instant.js'
export {
  bundleBytesMax,
  type ClassUpgradeEntry,
  chunkCount,
  decodeManifest,
  digestOf,
  encodeManifest,
  identityIn,
  isDigest,
  type Manifest,
  type ManifestDraft,
  manifestBytesMax,
  manifestFormat,
  manifestOf,
  type SignedManifest,
} from './core/manifest.js'
export { command, type MethodKind, query } from './core/methods.js'
export { areFacts, type NodeFacts, type NodeFilter } from './core/nodeFilter.js'
export { type NodeClass, NodeObject, type OneWay, type Remote, type StateOf } from './core/nodeObject.js'
export { type Phase, phases } from './core/phases.js'
export type { Clock, WallClock } from './core/ports/clock.js'
export type { HostMetrics, MetricsFactory, MetricsServer } from './core/ports/metrics.js'
export type { Random } from './core/ports/random.js'
export type { Signatures, Signer } from './core/ports/signatures.js'
export type {
  CallMade,
  CallReceived,
  Hop,
  MadeWatch,
  ReceivedOutcome,
  ReceivedWatch,
  Telemetry,
} from './core/ports/telemetry.js'
export {
  clientService,
  type Death,
  type NodeRow,
  type NodeStatus,
  oldestPossible,
  type ServiceLimit,
  slotsAllowed,
  strictestLimit,
} from './core/ports/upgradeDatabase.js'
export { asItIs, type MakeRecord, type Records } from './core/recordTransform.js'
export { forksTable } from './core/reservedTables.js'
export { type Contact, type Schedule, type SchedulingView, schedule } from './core/schedule.js'
export { afterMyServers } from './core/schedules/afterMyServers.js'
export { classBefore } from './core/schedules/classBefore.js'
export { allOf, andThen, anyOf, atMost, within } from './core/schedules/combine.js'
export { eagerly } from './core/schedules/eagerly.js'
export { gradually } from './core/schedules/gradually.js'
export { keepCovered, type Neighbours } from './core/schedules/keepCovered.js'
export { oneReplicaAtATime } from './core/schedules/oneReplicaAtATime.js'
export { onlyNodes } from './core/schedules/onlyNodes.js'
export { type StepSize, steps } from './core/schedules/steps.js'
export { whenIdle } from './core/schedules/whenIdle.js'
export type { Purpose, Signed } from './core/signed.js'
export { futureSO, type InitialCollections, none, notNeeded, pastSO, type SimulationThis } from './core/simulation.js'
export type { Doubt, Probation, Session, Standing } from './core/standing.js'
export {
  type StatechartDescription,
  type StateDescription,
  type TransitionDescription,
  upgradeStatechartDescription,
} from './core/statechartDescription.js'
export type { SnapshotSeen, StatechartEvent } from './core/statechartEvent.js'
export { isTableKey, isTableValue, type TableEntries, tableKeyLengthMax, tableValueBytesMax } from './core/tables.js'
export { quantileMs } from './core/timeBuckets.js'
export { hasEnded, identityAt, isTrustRoot, type Trust, type Trusted, upgradersMax } from './core/trust.js'
export { changedRootAdvice, isSameTrust, markText, nobodysMark, type TrustMark, type Trusts } from './core/trustMark.js'
export {
  type Decision,
  decisions,
  isNeed,
  type Need,
  type TrustedKey,
  type TrustRoot,
  trustRootFormat,
} from './core/trustRoot.js'
export { takesBack, undoneBy } from './core/undo.js'
export { defineUpgrade, type Upgrade, upgradeClass } from './core/upgrade.js'

shareWithBundles('theseus', theseus)
shareWithBundles('tsyringe', tsyringe)
shareWithBundles('reflect-metadata', {})

export { runtimeInterface, runtimeInterfaces } from './core/runtimeInterface.js'
