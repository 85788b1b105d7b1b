/**
 * The composition root: the one place that knows core, actors and transports together. Each host is a
 * container (tsyringe); the ports are its tokens.
 */
import 'reflect-metadata'
import { join } from 'node:path'
import { container, type DependencyContainer } from 'tsyringe'
import type { InspectionEvent } from 'xstate'
import { combinedTelemetry } from './actors/base/combinedTelemetry.js'
import { Observers } from './actors/base/observers.js'
import { OpenParts } from './actors/base/openParts.js'
import { defaultSettings, type HostSettings } from './actors/base/settings.js'
import { StopBudget } from './actors/base/stopBudget.js'
import { type Gather, type Signing, tokens } from './actors/base/tokens.js'
import { CallTable } from './actors/calls/callTable.js'
import { Contacts } from './actors/calls/contacts.js'
import { KeptContacts } from './actors/calls/nodeContacts.js'
import { Outbox } from './actors/calls/outbox.js'
import { ClassRegistry } from './actors/history/classRegistry.js'
import { DenialReports } from './actors/history/denialReports.js'
import { HostHistoryRestore } from './actors/history/hostHistoryRestore.js'
import { Intake } from './actors/history/intake.js'
import { readVerified, UpgradeHistory } from './actors/history/upgradeHistory.js'
import { UpgradeServerClient } from './actors/history/upgradeServerClient.js'
import { Clients } from './actors/host/clients.js'
import { Host } from './actors/host/host.js'
import { NodeServices } from './actors/host/nodeServices.js'
import { Inspection } from './actors/inspection/inspection.js'
import { InspectionClient } from './actors/inspection/inspectionClient.js'
import { Operator } from './actors/operator/operator.js'
import type { BuiltUpgrade, PublishOptions } from './actors/operator/publisher.js'
import { Controls } from './actors/registration/controls.js'
import { HostFence } from './actors/registration/hostFence.js'
import { HostSession } from './actors/registration/hostSession.js'
import { NodeRowCache } from './actors/registration/nodeRowCache.js'
import { NodesOfHost } from './actors/registration/nodesOfHost.js'
import { StatusReporter } from './actors/registration/statusReporter.js'
import type { GateMode } from './actors/server/gateRounds.js'
import { UpgradeServer } from './actors/server/upgradeServer.js'
import { Backlog } from './actors/serving/backlog.js'
import { CallAdmission, type CallFilter, callFilter } from './actors/serving/callAdmission.js'
import { Denials, denialCounter } from './actors/serving/denials.js'
import { EventHub } from './actors/serving/eventHub.js'
import { ObjectFactory } from './actors/software/objectFactory.js'
import { commitFence, Journal } from './actors/state/journal.js'
import { RecordPassScheduler } from './actors/state/recordPassScheduler.js'
import { TimerWheel } from './actors/timerWheel.js'
import { UpgradeQueue } from './actors/upgrade/upgradeQueue.js'
import { type ConnectionOptions, clockOf, connect, type TrustOptions } from './connections.js'
import { type Duration, milliseconds } from './core/base/duration.js'
import { Fault } from './core/base/fault.js'
import { checkName, type Version } from './core/base/ids.js'
import { VerifiedHistory } from './core/control/verifiedHistory.js'
import type { HostObserver } from './core/inspection/hostEvents.js'
import type { HostStatus } from './core/inspection/hostStatus.js'
import type { HostMetrics, MetricsFactory } from './core/inspection/metrics.js'
import { noTrustWarning } from './core/inspection/noTrustWarning.js'
import type { Telemetry } from './core/inspection/telemetry.js'
import { checkRoles, type Roles } from './core/model/allow.js'
import { checkFacts, type NodeFacts } from './core/model/nodeFilter.js'
import { keys } from './core/model/nodeRecord.js'
import { randomName } from './core/ports/random.js'
import type { Signer } from './core/ports/signatures.js'
import type { StateStore } from './core/ports/stateStore.js'
import { checkTrust } from './core/trust/trust.js'
import { trustMark } from './core/trust/trustMark.js'
import type { ClassRepository } from './core/upgrade/classRepository.js'
import { checkProduction, type ProductionOptions } from './production.js'
import { answerDiscovery } from './telemetry/discovery.js'
import { lmdb } from './transports/lmdb/index.js'
import { memoryStore } from './transports/memory/memoryStore.js'
import { bundleRepository } from './transports/modules/bundleRepository.js'
import { checkNaming } from './transports/namedTransport.js'
import { nkeySignatures } from './transports/nkeys/nkeys.js'
import type { StateFactory } from './transports/stateFactory.js'
import { systemRandom } from './transports/systemRandom.js'

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 20))
  throw new Fault('config.invalid', `Theseus needs Node.js 22.20 or newer, this is ${process.versions.node}`)

export type { ConnectionOptions, TrustOptions } from './connections.js'

/** The publisher of upgrades. */
export interface SigningOptions {
  /** Signs upgrades: `signer(seed)` of `theseus-actors/nkeys`. Several, where a trust root needs them. */
  readonly upgrader?: Signer | readonly Signer[]
  /**
   * Takes each document that this process signs, which then goes to no upgrade server: others sign it first.
   * It is sent with `operator.publishSigned` or `operator.sendSigned`.
   */
  readonly gather?: Gather
}

export interface HostOptions extends ConnectionOptions, TrustOptions, SigningOptions, ProductionOptions {
  /** Names this host among the others. By default a random name. */
  readonly hostId?: string
  /** The host's data on disk. By default `.theseus/<system>`; one host per directory. */
  readonly directory?: string
  /** `lmdb('./state')`. By default LMDB in `state` in the host's directory. */
  readonly state?: StateFactory
  /** Where bundles are written to be imported. By default `bundles` in the host's directory. */
  readonly bundles?: string | ClassRepository
  /** Lasting facts of the nodes born here, as `{ zone: 'eu' }`: class upgrades can be restricted by them. */
  readonly facts?: NodeFacts
  /** Bounds and intervals that differ from the defaults. */
  readonly settings?: Partial<Omit<HostSettings, 'system' | 'hostId' | 'facts' | 'roles'>>
  /** Registers what the classes of this host ask for in their constructors. */
  readonly register?: (container: DependencyContainer) => void
  readonly observe?: HostObserver
  /** The callers that have each role: `{ editors: ['alice'] }`, for classes that allow `role:editors`. */
  readonly roles?: Roles
  /** Decides on every call that arrives. A call that it does not let in ends with `denied.filter`. */
  readonly filter?: CallFilter
  /** Hears the inspection events of every upgrade manager's statechart. */
  readonly inspect?: (event: InspectionEvent) => void
  /** `openTelemetry()`, of theseus-actors/telemetry: spans. Without it trace context is only passed on. */
  readonly telemetry?: Telemetry
  /** `prometheus({ port: 9464 })`, of theseus-actors/prometheus: `/metrics`, `/healthz` and `/readyz`. */
  readonly metrics?: MetricsFactory
  /** Whether `nats micro ls` lists the host. By default it does, unless the system is embedded. */
  readonly discovery?: boolean
}

/** A running host. */
export interface RunningHost extends Pick<Host, 'id' | 'system' | 'node' | 'ref' | 'sender' | 'flush'> {
  /** Installs an upgrade as the next version. */
  publish(upgrade: BuiltUpgrade, options?: PublishOptions): Promise<Version>
  /** Watches the host. Returns what ends that. */
  observe(observer: HostObserver): () => void
  /** Everything an operator may ask and do. */
  readonly operator: Operator
  /** The host and its nodes at this moment. */
  status(): HostStatus
  /** Where its metrics are, if it was given `metrics`. */
  readonly metricsUrl: string | undefined
  /** Ends nodes, connections and the state store; loses nothing. An `await using` block ends so. */
  stop(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Starts a host. Throws `config.*` for settings that can't be, `unavailable.disconnected` when a server can't
 * be reached; then nothing that it opened stays open.
 */
export async function createHost(options: HostOptions): Promise<RunningHost> {
  const parts = new OpenParts()
  try {
    return await assemble(options, parts)
  } catch (error) {
    await closeAll(parts, options).catch(() => {}) // Why it could not be started says more.
    throw error
  }
}

async function assemble(options: HostOptions, parts: OpenParts): Promise<RunningHost> {
  const system = checkName('system', options.system)
  checkProduction(options)
  checkNaming(options)
  const directory = options.directory ?? join('.theseus', system)
  const { bundles = join(directory, 'bundles') } = options
  const store = await (options.state ?? lmdb(join(directory, 'state'))).open()
  parts.add('store', () => store.close())
  const { scope, observers, metrics, telemetries } = await open(options, store, parts)
  const warn = (error: Fault) => observers.notify({ type: 'warning', message: 'no upgrade can be loaded here', error })
  scope.register(tokens.repository, { useValue: typeof bundles === 'string' ? bundleRepository(bundles, warn) : bundles })
  options.register?.(scope)
  const host = scope.resolve(Host)
  parts.add('host', (budget) => host.stop(budget))
  observers.add(scope.resolve(Inspection).observe)
  const telemetry = scope.resolve(tokens.telemetry)
  parts.add('telemetry', () => telemetry?.stop?.())
  for (const { observe } of telemetries) if (observe !== undefined) observers.add(observe)
  const operator = scope.resolve(Operator)
  const metricsServer = await metrics?.serve(() => host.status())
  parts.add('metrics', () => metricsServer?.close())
  host.start()
  const [transport, clock] = [scope.resolve(tokens.transport), scope.resolve(tokens.clock)]
  if (options.discovery ?? options.transport !== undefined)
    parts.add('discovery', answerDiscovery({ transport, status: () => host.status(), startedMs: clock.now() }))
  // A host serves until it is stopped; where the system is embedded nothing else keeps the process.
  const keepAlive = options.transport === undefined ? keepProcess() : () => {}
  let stopping: Promise<void> | undefined
  const stop = () => (stopping ??= closeAll(parts, options).finally(keepAlive))
  return {
    id: host.id,
    system,
    node: (definition, nodeId) => host.node(definition, nodeId),
    ref: (target, nodeId, refOptions) => host.ref(target, nodeId, refOptions),
    sender: (target, nodeId, refOptions) => host.sender(target, nodeId, refOptions),
    flush: () => host.flush(),
    publish: (upgrade, publishOptions) => operator.publish(upgrade, publishOptions),
    observe: (observer) => observers.add(observer),
    operator,
    status: () => host.status(),
    metricsUrl: metricsServer?.url,
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

async function closeAll(parts: OpenParts, { settings, ...time }: Pick<HostOptions, 'clock' | 'settings'>): Promise<void> {
  const leaveMs = settings?.leaveMs ?? defaultSettings.leaveMs
  const budget = new StopBudget(clockOf(time), leaveMs)
  // A wait may have no more than a timer, which keeps no process. It ends with the budget, because a clock
  // that was given may stand still.
  const letGo = keepProcess(leaveMs + keepMs)
  try {
    await parts.close(budget)
  } finally {
    budget.end()
    letGo()
  }
}

/** More than the budget of a stop, by real time. */
const keepMs = 1_000

/** Returns what lets the process go. It goes by itself `forMs` later. */
function keepProcess(forMs = Number.POSITIVE_INFINITY): () => void {
  const timer = forMs === Number.POSITIVE_INFINITY ? setInterval(() => {}, 2 ** 30) : setTimeout(() => {}, forMs)
  return () => clearTimeout(timer)
}

/** A connection for an operator: no nodes, no state. */
export async function connectOperator(
  options: ConnectionOptions & TrustOptions & SigningOptions & Pick<HostOptions, 'settings'>,
): Promise<Operator & { close(): Promise<void> }> {
  const parts = new OpenParts()
  const close = () => closeAll(parts, options)
  try {
    const store = await memoryStore().open()
    const hostId = `operator-${randomName(options.random ?? systemRandom)}`
    const { scope } = await open({ ...options, hostId }, store, parts)
    return Object.assign(scope.resolve(Operator), { close })
  } catch (error) {
    await close().catch(() => {})
    throw error
  }
}

/** Starts an upgrade server. Several may run for one system, over one UDB. */
export async function startUpgradeServer(
  options: ConnectionOptions &
    TrustOptions &
    ProductionOptions & {
      readonly observe?: HostObserver
      /**
       * How long after its declaration the death of a version takes effect: the longest deadline that a call
       * of this system can have. By default what the wire allows, ten minutes.
       */
      readonly deathDelay?: Duration
      /** How often it is looked which versions nobody runs any more; 10 s by default. */
      readonly deathRound?: Duration
      /** The answer to a rollout in trouble: by default it is paused. */
      readonly gate?: GateMode
      /** How often it is looked whether the rollout goes well; 2 s by default. */
      readonly gateRound?: Duration
    },
): Promise<{ stop(): Promise<void> }> {
  const system = checkName('system', options.system)
  checkProduction(options)
  const trust = checkTrust(nkeySignatures, options.trust, system)
  const rounds = {
    ...(options.deathDelay === undefined ? {} : { deathDelayMs: milliseconds(options.deathDelay) }),
    ...(options.gateRound === undefined ? {} : { gateRoundMs: milliseconds(options.gateRound) }),
    ...(options.deathRound === undefined ? {} : { deathRoundMs: milliseconds(options.deathRound) }),
  }
  const connections = await connect(options, 'upgrade-server', options.observe ?? (() => {}))
  const server = new UpgradeServer({
    system,
    ...connections,
    ...rounds,
    clock: clockOf(options),
    signatures: nkeySignatures,
    trust,
    // Not of the system's own chance: a rehearsal is the same whatever a server is called.
    name: randomName(systemRandom),
    ...(options.observe === undefined ? {} : { observe: options.observe }),
    ...(options.gate === undefined ? {} : { gate: options.gate }),
  })
  const stopOnce = async () => {
    const budget = new StopBudget(clockOf(options), defaultSettings.leaveMs)
    try {
      await budget.forLeaving(server.stop())
      await budget.forClosing(connections.close())
    } finally {
      budget.end()
    }
  }
  let stopping: Promise<void> | undefined
  const stop = () => (stopping ??= stopOnce())
  await server.start().catch(async (error) => {
    await stop().catch(() => {})
    throw error
  })
  if (!isTrustSaid(options)) options.observe?.(noTrustWarning('the upgrade server', system))
  return { stop }
}

/** Whether it says which keys it trusts, if any. An embedded system has nobody else in it. */
function isTrustSaid({ trust, transport }: ConnectionOptions & TrustOptions): boolean {
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
  InspectionClient,
  ObjectFactory,
  NodeServices,
  Clients,
  Operator,
  Host,
]

interface Opened {
  readonly scope: DependencyContainer
  readonly observers: Observers
  readonly metrics: HostMetrics | undefined
  readonly telemetries: readonly Telemetry[]
}

async function open(options: HostOptions, store: StateStore, parts: OpenParts): Promise<Opened> {
  const system = checkName('system', options.system)
  const random = options.random ?? systemRandom
  const hostId = checkName('node id', options.hostId ?? `host-${randomName(random)}`)
  const trust = checkTrust(nkeySignatures, options.trust, system)
  const verified = readVerified(store, new VerifiedHistory(system, trust, nkeySignatures))
  const upgraders = options.upgrader === undefined ? [] : [options.upgrader].flat()
  const signing: Signing = { upgraders, trust, gather: options.gather }
  const observers = new Observers()
  if (options.observe !== undefined) observers.add(options.observe)
  // A host that comes back with nodes does not wait for the database.
  const [hasNodes] = store.range(...keys.allRecords, 1)
  const connections = await connect(options, hostId, observers.notify, hasNodes !== undefined)
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
  scope.register(tokens.trusts, { useValue: { mark: trustMark(trust), isSaid: isTrustSaid(options) } })
  scope.register(tokens.signing, { useValue: signing })
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
