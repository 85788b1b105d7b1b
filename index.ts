/**
 * The main door, `theseus-actors`: for authors of services and upgrades, and for programs that run hosts.
 * docs/reference.md has every name.
 */
import 'reflect-metadata'
import * as tsyringe from 'tsyringe'
import * as bundleInterface from './bundleInterface.js'
import { shareWithBundles } from './transports/modules/hostModules.js'
import { nameInBundles } from './transports/modules/runtimeNames.js'

export { defaultSettings, type HostSettings } from './actors/base/settings.js'
export type { RefOptions } from './actors/host/clients.js'
export type { GroupHandle } from './actors/node/groupHandle.js'
export type { ChainEntry, MemberHandle, NodeHandle } from './actors/node/nodeHandle.js'
export type { Operator } from './actors/operator/operator.js'
export type { BuiltUpgrade, PublishOptions } from './actors/operator/publisher.js'
export type { ArrivingCall, CallFilter } from './actors/serving/callAdmission.js'
export {
  type ConnectionOptions,
  connectOperator,
  createHost,
  type HostOptions,
  type NeighbourOptions,
  type NeighboursOption,
  type RunningHost,
  type SigningOptions,
  startUpgradeServer,
  type TrustOptions,
} from './compose.js'
export type { Duration } from './core/base/duration.js'
export { applicationFault, Fault, type FaultCode, type FaultKind, faultCodes, isFault } from './core/base/fault.js'
export type { Version } from './core/base/ids.js'
export type { Phase } from './core/base/phases.js'
export type { HostEvent, HostObserver } from './core/inspection/hostEvents.js'
export { type HostStatus, type NodeSnapshot, type OfferSnapshot, reasonsNotReady } from './core/inspection/hostStatus.js'
export type { Allow, Roles } from './core/model/allow.js'
export type { Collection, KeyRange, ReadonlyCollection } from './core/model/collection.js'
export { type EventType, event, hears } from './core/model/event.js'
export { command, type MethodKind, query } from './core/model/methods.js'
export type { NeighbourClass } from './core/model/neighbour.js'
export type { NodeFacts, NodeFilter } from './core/model/nodeFilter.js'
export { type CallOptions, type NodeClass, NodeObject, type OneWay, type Remote, type StateOf } from './core/model/nodeObject.js'
export type { NodeRow, NodeStatus } from './core/model/nodeRow.js'
export type { ObjectState } from './core/model/objectState.js'
export { asItIs, type MakeRecord, type Records } from './core/model/recordTransform.js'
export {
  futureSO,
  type InitialCollections,
  type KeptCollections,
  none,
  notNeeded,
  pastSO,
  type SimulationThis,
} from './core/model/simulation.js'
export type { Accepts, StandardSchema } from './core/model/standardSchema.js'
export type { TableEntries } from './core/model/tables.js'
export { type Uses, uses } from './core/model/uses.js'
export type { Signer } from './core/ports/signatures.js'
export { afterMyServers } from './core/schedules/afterMyServers.js'
export { classBefore } from './core/schedules/classBefore.js'
export { allOf, andThen, anyOf, atMost, within } from './core/schedules/combine.js'
export { eagerly } from './core/schedules/eagerly.js'
export { gradually } from './core/schedules/gradually.js'
export { keepCovered, type Neighbours } from './core/schedules/keepCovered.js'
export { oneReplicaAtATime } from './core/schedules/oneReplicaAtATime.js'
export { onlyNodes } from './core/schedules/onlyNodes.js'
export type { Pace, RolloutPace } from './core/schedules/rolloutPace.js'
export {
  covered,
  doneWithin,
  keeps,
  promising,
  type ReplicaSets,
  type RolloutPromise,
  type Share,
} from './core/schedules/rolloutPromise.js'
export {
  type Contact,
  type ObservedSimulation,
  type ObservedState,
  type Schedule,
  type SchedulingView,
  schedule,
} from './core/schedules/schedule.js'
export type { ServiceLimit } from './core/schedules/serviceLimit.js'
export { type StepSize, steps } from './core/schedules/steps.js'
export { whenIdle } from './core/schedules/whenIdle.js'
export type { Trust } from './core/trust/trust.js'
export type { TrustRoot } from './core/trust/trustRoot.js'
export { draftManifest } from './core/upgrade/draftManifest.js'
export type { GateLimits } from './core/upgrade/gateLimits.js'
export type { ManifestDraft } from './core/upgrade/manifest.js'
export { defineUpgrade, type Upgrade, upgradeClass } from './core/upgrade/upgrade.js'
export type { CallerInfo } from './core/wire/callerInfo.js'

shareWithBundles(nameInBundles, bundleInterface)
shareWithBundles('tsyringe', tsyringe)
shareWithBundles('reflect-metadata', {})
