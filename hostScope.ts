/**
 * The container of a host (tsyringe): its ports are tokens, and its parts are made of them. A part of the
 * composition root.
 */
import 'reflect-metadata'
import { container, type DependencyContainer } from 'tsyringe'
import { combinedTelemetry } from './actors/base/combinedTelemetry.js'
import { Observers } from './actors/base/observers.js'
import type { OpenParts } from './actors/base/openParts.js'
import { defaultSettings, type HostSettings } from './actors/base/settings.js'
import { type Signing, tokens } from './actors/base/tokens.js'
import { CallTable } from './actors/calls/callTable.js'
import { Contacts } from './actors/calls/contacts.js'
import { KeptContacts } from './actors/calls/nodeContacts.js'
import { Outbox } from './actors/calls/outbox.js'
import { ClassRegistry } from './actors/history/classRegistry.js'
import { DenialReports } from './actors/history/denialReports.js'
import { HostHistoryRestore } from './actors/history/hostHistoryRestore.js'
import { Intake } from './actors/history/intake.js'
import { keepLogAtLevel } from './actors/history/logAtLevel.js'
import { readVerified, UpgradeHistory } from './actors/history/upgradeHistory.js'
import { UpgradeServerClient } from './actors/history/upgradeServerClient.js'
import { Clients } from './actors/host/clients.js'
import { Host } from './actors/host/host.js'
import { HostedShards } from './actors/host/hostedShards.js'
import { NodeServices } from './actors/host/nodeServices.js'
import { NodeSet } from './actors/host/nodeSet.js'
import { CallRecorder } from './actors/inspection/callRecorder.js'
import { Inspection } from './actors/inspection/inspection.js'
import { InspectionClient } from './actors/inspection/inspectionClient.js'
import { Neighbours } from './actors/neighbours/neighbours.js'
import { Operator } from './actors/operator/operator.js'
import { Controls } from './actors/registration/controls.js'
import { HostFence } from './actors/registration/hostFence.js'
import { HostSession } from './actors/registration/hostSession.js'
import { NodeRowCache } from './actors/registration/nodeRowCache.js'
import { NodesOfHost } from './actors/registration/nodesOfHost.js'
import { StatusReporter } from './actors/registration/statusReporter.js'
import { Backlog } from './actors/serving/backlog.js'
import { CallAdmission, callFilter } from './actors/serving/callAdmission.js'
import { Denials, denialCounter } from './actors/serving/denials.js'
import { EventHub } from './actors/serving/eventHub.js'
import { ObjectFactory } from './actors/software/objectFactory.js'
import { commitFence, Journal } from './actors/state/journal.js'
import { RecordPassScheduler } from './actors/state/recordPassScheduler.js'
import { TimerWheel } from './actors/timerWheel.js'
import { UpgradeQueue } from './actors/upgrade/upgradeQueue.js'
import {
  type ConnectionOptions,
  clockOf,
  connect,
  type EmbeddedOption,
  firstLevelOf,
  type Patience,
  type TrustOptions,
} from './connections.js'
import { checkName } from './core/base/ids.js'
import { VerifiedHistory } from './core/control/verifiedHistory.js'
import type { HostMetrics } from './core/inspection/metrics.js'
import type { Telemetry } from './core/inspection/telemetry.js'
import { checkRoles } from './core/model/allow.js'
import { checkFacts } from './core/model/nodeFilter.js'
import { keys } from './core/model/nodeRecord.js'
import { randomName } from './core/ports/random.js'
import type { StateStore } from './core/ports/stateStore.js'
import { checkTrust } from './core/trust/trust.js'
import { trustMark } from './core/trust/trustMark.js'
import type { CallOrigin } from './core/wire/envelope.js'
import type { HostOptions } from './hostOptions.js'
import { embeddedServices } from './transports/memory/embeddedServices.js'
import { nkeySignatures } from './transports/nkeys/nkeys.js'
import { systemRandom } from './transports/systemRandom.js'

/** Whether it says which keys it trusts, if any. An embedded system has nobody else in it. */
export function isTrustSaid({ trust, transport }: ConnectionOptions & TrustOptions): boolean {
  return trust !== undefined || transport === undefined
}

const hostParts: readonly (new (...args: any[]) => object)[] = [
  CallAdmission,
  Backlog,
  DenialReports,
  Denials,
  Journal,
  Outbox,
  Contacts,
  KeptContacts,
  TimerWheel,
  CallTable,
  UpgradeServerClient,
  HostHistoryRestore,
  UpgradeHistory,
  ClassRegistry,
  Intake,
  HostSession,
  HostFence,
  NodesOfHost,
  StatusReporter,
  NodeRowCache,
  RecordPassScheduler,
  UpgradeQueue,
  EventHub,
  Controls,
  Inspection,
  CallRecorder,
  InspectionClient,
  ObjectFactory,
  Neighbours,
  NodeServices,
  NodeSet,
  Clients,
  Operator,
  HostedShards,
  Host,
]

export interface Opened {
  readonly scope: DependencyContainer
  readonly observers: Observers
  readonly metrics: HostMetrics | undefined
  readonly telemetries: readonly Telemetry[]
}

export async function openScope(
  options: HostOptions & EmbeddedOption,
  store: StateStore,
  parts: OpenParts,
  patience?: Patience,
  origin?: CallOrigin,
): Promise<Opened> {
  const system = checkName('system', options.system)
  const random = options.random ?? systemRandom
  const hostId = checkName('node id', options.hostId ?? `host-${randomName(random)}`)
  const trust = checkTrust(nkeySignatures, options.trust, system)
  const verified = readVerified(store, new VerifiedHistory(system, trust, nkeySignatures, firstLevelOf(options)))
  const upgraders = options.upgrader === undefined ? [] : [options.upgrader].flat()
  const signing: Signing = { upgraders, trust, gather: options.gather }
  const observers = new Observers()
  if (options.observe !== undefined) observers.add(options.observe)
  await keepLogAtLevel(store, verified, observers.notify)
  // A host that comes back with nodes does not wait for the database.
  const [hasNodes] = store.range(...keys.allRecords, 1)
  const connections = await connect(options, hostId, observers.notify, patience ?? (hasNodes === undefined ? 'none' : 'database'))
  parts.add('connections', () => connections.close())
  const metrics = options.metrics?.open({ system, hostId })
  const scope = container.createChildContainer()
  const settings: HostSettings = {
    ...defaultSettings,
    ...options.settings,
    facts: checkFacts(options.facts ?? {}),
    roles: checkRoles(options.roles ?? {}),
    system,
    hostId,
  }
  scope.register(tokens.transport, { useValue: connections.transport })
  scope.register(tokens.database, { useValue: metrics?.database(connections.database) ?? connections.database })
  scope.register(tokens.store, { useValue: metrics?.store(store) ?? store })
  scope.register(tokens.clock, { useValue: clockOf(options) })
  scope.register(tokens.random, { useValue: random })
  scope.register(tokens.settings, { useValue: settings })
  scope.register(tokens.observer, { useValue: observers.notify })
  scope.register(tokens.verified, { useValue: verified })
  scope.register(tokens.origin, { useValue: origin ?? { system, host: hostId } })
  scope.register(tokens.beginsAt, { useValue: firstLevelOf(options) })
  scope.register(tokens.trusts, { useValue: { mark: trustMark(trust), isSaid: isTrustSaid(options) } })
  scope.register(tokens.signing, { useValue: signing })
  scope.register(tokens.neighbours, { useToken: Neighbours })
  const logs = options.shards ?? (options.transport === undefined ? embeddedServices(system).shardLogs(hostId) : undefined)
  parts.add('logs', () => logs?.close())
  // By a factory, for there may be none.
  scope.register(tokens.shardLogs, { useFactory: () => logs })
  // One of each per host, not per process: `@singleton()` would make them the whole process's.
  for (const part of hostParts) scope.registerSingleton(part)
  const telemetries = [options.telemetry, metrics?.telemetry].filter((telemetry) => telemetry !== undefined)
  const telemetry = combinedTelemetry(telemetries)
  scope.register(tokens.container, { useValue: scope })
  // By factories, for they may give nothing.
  scope.register(tokens.telemetry, { useFactory: () => telemetry })
  scope.register(tokens.inspect, { useFactory: () => options.inspect })
  scope.register(callFilter, { useFactory: () => options.filter })
  scope.register(denialCounter, { useToken: DenialReports })
  scope.register(commitFence, { useToken: HostFence })
  return { scope, observers, metrics, telemetries }
}
