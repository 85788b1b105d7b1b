/**
 * The composition root: the one place that knows core, actors and transports together. Each host is a
 * container (tsyringe); the ports are its tokens.
 */
import 'reflect-metadata'
import { join } from 'node:path'
import { OpenParts } from './actors/base/openParts.js'
import { defaultSettings } from './actors/base/settings.js'
import { StopBudget } from './actors/base/stopBudget.js'
import { tokens } from './actors/base/tokens.js'
import { Host } from './actors/host/host.js'
import { HostedShards, type OfferOptions, type ShardStatus } from './actors/host/hostedShards.js'
import { Inspection } from './actors/inspection/inspection.js'
import { Neighbours } from './actors/neighbours/neighbours.js'
import { Operator } from './actors/operator/operator.js'
import type { BuiltUpgrade, PublishOptions } from './actors/operator/publisher.js'
import type { GateMode } from './actors/server/gateRounds.js'
import { UpgradeServer } from './actors/server/upgradeServer.js'
import {
  type ConnectionOptions,
  clockOf,
  connect,
  firstLevelOf,
  type NeighboursOption,
  openNeighbourDatabases,
  type TrustOptions,
} from './connections.js'
import { type Duration, milliseconds } from './core/base/duration.js'
import { Fault } from './core/base/fault.js'
import { checkName, type Version } from './core/base/ids.js'
import type { HostObserver } from './core/inspection/hostEvents.js'
import type { HostStatus } from './core/inspection/hostStatus.js'
import { noTrustWarning } from './core/inspection/noTrustWarning.js'
import type { NodeClass } from './core/model/nodeObject.js'
import { randomName } from './core/ports/random.js'
import { checkTrust } from './core/trust/trust.js'
import type { HostOptions, SigningOptions } from './hostOptions.js'
import { isTrustSaid, openScope } from './hostScope.js'
import { openNeighbours } from './neighbourScope.js'
import { checkProduction, type ProductionOptions } from './production.js'
import { answerDiscovery } from './telemetry/discovery.js'
import { lmdb } from './transports/lmdb/index.js'
import { memoryStore } from './transports/memory/memoryStore.js'
import { bundleRepository } from './transports/modules/bundleRepository.js'
import { checkNaming } from './transports/namedTransport.js'
import { nkeySignatures } from './transports/nkeys/nkeys.js'
import { systemRandom } from './transports/systemRandom.js'

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 20))
  throw new Fault('config.invalid', `Theseus needs Node.js 22.20 or newer, this is ${process.versions.node}`)

export type { ConnectionOptions, NeighbourOptions, NeighboursOption, TrustOptions } from './connections.js'
export type { HostOptions, SigningOptions } from './hostOptions.js'

/** A running host. */
export interface RunningHost extends Pick<Host, 'id' | 'system' | 'node' | 'group' | 'ref' | 'sender' | 'flush'> {
  /**
   * Makes the host a candidate for shards of the class's service (`static override readonly shards`).
   * Resolves when it has told others so. Throws `config.invalid`.
   */
  offer(definition: NodeClass, options?: OfferOptions): Promise<void>
  /** The shards that this host has at this moment. */
  readonly shards: readonly ShardStatus[]
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
  const state = options.state ?? lmdb(join(directory, 'state'))
  const store = await state.open()
  parts.add('store', () => store.close())
  const embedded = state.directory === undefined ? {} : { embeddedIn: state.directory }
  const { scope, observers, metrics, telemetries } = await openScope({ ...options, ...embedded }, store, parts)
  const warn = (error: Fault) => observers.notify({ type: 'warning', message: 'no upgrade can be loaded here', error })
  scope.register(tokens.repository, { useValue: typeof bundles === 'string' ? bundleRepository(bundles, warn) : bundles })
  const neighbours = scope.resolve(Neighbours)
  parts.add('neighbours', (budget) => neighbours.stop(budget))
  await openNeighbours(options, store, scope)
  options.register?.(scope)
  const host = scope.resolve(Host)
  parts.add('host', (budget) => host.stop(budget))
  const shards = scope.resolve(HostedShards)
  parts.add('shards', (budget) => shards.stop(budget))
  observers.add(scope.resolve(Inspection).observe)
  const telemetry = scope.resolve(tokens.telemetry)
  parts.add('telemetry', () => telemetry?.stop?.())
  for (const { observe } of telemetries) if (observe !== undefined) observers.add(observe)
  const operator = scope.resolve(Operator)
  const status = (): HostStatus => ({ ...host.status(), ...(shards.offers.length === 0 ? {} : { offers: shards.offers }) })
  const metricsServer = await metrics?.serve(status)
  parts.add('metrics', () => metricsServer?.close())
  host.start()
  const [transport, clock] = [scope.resolve(tokens.transport), scope.resolve(tokens.clock)]
  if (options.discovery ?? options.transport !== undefined)
    parts.add('discovery', answerDiscovery({ transport, status, startedMs: clock.now() }))
  // A host serves until it is stopped; where the system is embedded nothing else keeps the process.
  const keepAlive = options.transport === undefined ? keepProcess() : () => {}
  let stopping: Promise<void> | undefined
  const stop = () => (stopping ??= closeAll(parts, options).finally(keepAlive))
  return {
    id: host.id,
    system,
    node: (definition, nodeId) => host.node(definition, nodeId),
    group: (name, classes) => host.group(name, classes),
    offer: (definition, offerOptions) => shards.offer(definition, offerOptions),
    get shards() {
      return shards.status
    },
    ref: (target, nodeId, refOptions) => host.ref(target, nodeId, refOptions),
    sender: (target, nodeId, refOptions) => host.sender(target, nodeId, refOptions),
    flush: () => host.flush(),
    publish: (upgrade, publishOptions) => operator.publish(upgrade, publishOptions),
    observe: (observer) => observers.add(observer),
    operator,
    status,
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
    const { scope } = await openScope({ ...options, hostId }, store, parts)
    return Object.assign(scope.resolve(Operator), { close })
  } catch (error) {
    await close().catch(() => {})
    throw error
  }
}

/** Starts an upgrade server. Several may run for one system, over one UDB. */
export async function startUpgradeServer(
  options: ConnectionOptions &
    NeighboursOption &
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
  const neighbours = await openNeighbourDatabases(options, options.observe ?? (() => {})).catch(async (error) => {
    await connections.close()
    throw error
  })
  const server = new UpgradeServer({
    system,
    neighbours,
    ...connections,
    ...rounds,
    clock: clockOf(options),
    signatures: nkeySignatures,
    trust,
    level: firstLevelOf(options),
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
