/**
 * The connections of a host, an operator or an upgrade server: a transport and an upgrade database, opened
 * and closed together. A part of the composition root.
 */
import { join } from 'node:path'
import type { NeighbourAccess } from './actors/server/neighbourVersions.js'
import { UpgradeServer } from './actors/server/upgradeServer.js'
import { Fault } from './core/base/fault.js'
import { firstLevel, type Level, newestLevel } from './core/base/level.js'
import type { UpgradeDatabase } from './core/control/upgradeDatabase.js'
import type { HostObserver } from './core/inspection/hostEvents.js'
import { type Clock, type WallClock, withMonotonic } from './core/ports/clock.js'
import type { Random } from './core/ports/random.js'
import type { Transport } from './core/ports/transport.js'
import { checkTrust, type Trust } from './core/trust/trust.js'
import { openDeferred } from './transports/deferredDatabase.js'
import { connectDeferred } from './transports/deferredTransport.js'
import type { TransportFactory } from './transports/factory.js'
import { lmdb } from './transports/lmdb/index.js'
import { type EmbeddedServices, embeddedServices } from './transports/memory/embeddedServices.js'
import { type CallersTaken, checkNaming, namedTransport } from './transports/namedTransport.js'
import { nkeySignatures } from './transports/nkeys/nkeys.js'
import { systemClock } from './transports/systemClock.js'
import type { UdbFactory } from './transports/udbFactory.js'

/** The keys that a host or an upgrade server lets install upgrades. */
export interface TrustOptions {
  /**
   * The upgraders who are trusted at version 0: their public keys, as `natsctl key new` prints them, or the
   * trust root that `natsctl trust new` writes. It stays as it is when keys change: a signed upgrade says who
   * is trusted from then on. `'nobody'`: upgrades need no signature. Left out: the same, and each host and
   * server of a system that is not embedded says so in its log, its status and to `natsctl doctor`. A host is
   * refused by an upgrade server that is told to trust others.
   */
  readonly trust?: Trust | 'nobody'
}

/**
 * The connections to others. Without `transport` and `udb` the system is embedded: it lives in this process
 * and needs no server.
 */
export interface ConnectionOptions {
  /**
   * The name of the deployment: all its nodes share a transport, an upgrade server and an upgrade database.
   */
  readonly system: string
  /** `nats('nats://…')`. By default the memory of this process. */
  readonly transport?: TransportFactory
  /** `redis('redis://…')`. By default the memory of this process. */
  readonly udb?: UdbFactory
  readonly clock?: Clock | WallClock
  readonly random?: Random
  /**
   * The name that this process calls under: a node's method sees it in `this.caller`. NATS must let this
   * process's login alone publish to subjects that end with it (docs/security.md). Left out: it has no name.
   */
  readonly as?: string
  /**
   * Whose calls are taken here: `unnamed`, those of callers without a name; `named`, those of callers with
   * one, which is the default where `as` is given; `either`, while a system goes from one to the other.
   */
  readonly callers?: CallersTaken
}

/** A host's directory, if it has one. */
export interface EmbeddedOption {
  /** Where the first host of an embedded system keeps the upgrade database of all: in `udb` there. */
  readonly embeddedIn?: string
}

/** Another system that this one calls, with its own upgrade servers, its own database and its own keys. */
export interface NeighbourOptions
  extends Partial<Pick<ConnectionOptions, 'transport' | 'udb' | 'as' | 'callers'>>,
    TrustOptions {}

export interface NeighboursOption {
  /**
   * The systems that classes may call as `StockV1.of('warehouse')`, by name. `transport`: by default that of
   * this system. `udb`: the neighbour's own, or left out where it is embedded in this process. `trust`: the
   * neighbour's upgraders, as its own hosts are told them.
   */
  readonly neighbours?: Readonly<Record<string, NeighbourOptions>>
}

/** For an upgrade server: the databases of the neighbours, each opened as soon as it can be. */
export async function openNeighbourDatabases(
  { neighbours = {}, ...options }: ConnectionOptions & NeighboursOption,
  observe: HostObserver,
): Promise<readonly NeighbourAccess[]> {
  const clock = clockOf(options)
  const opened: NeighbourAccess[] = []
  try {
    for (const [system, { udb, trust }] of Object.entries(neighbours)) {
      if (system === options.system) throw new Fault('config.invalid', `system ${system} is no neighbour of itself`)
      const away = (error: Fault) =>
        observe({
          type: 'warning',
          message: `the upgrade database of neighbour ${system} does not answer; it is tried again`,
          error,
        })
      const database = await openDeferred(udb ?? embeddedServices(system).database, system, clock, away)
      opened.push({ system, database, trust: checkTrust(nkeySignatures, trust, system), level: firstLevelOf({ udb }) })
    }
    return opened
  } catch (error) {
    await Promise.allSettled(opened.map(({ database }) => database.close()))
    throw error
  }
}

/** How to reach a neighbour: as this system is, where nothing else is said. Throws `config.invalid`. */
export function neighbourConnections(
  options: ConnectionOptions,
  system: string,
  { transport, udb, ...more }: NeighbourOptions,
): ConnectionOptions & TrustOptions {
  if (system === options.system) throw new Fault('config.invalid', `system ${system} is no neighbour of itself`)
  const { as, callers, clock, random } = options
  const own = {
    ...(as === undefined ? {} : { as }),
    ...(callers === undefined ? {} : { callers }),
    ...(clock === undefined ? {} : { clock }),
    ...(random === undefined ? {} : { random }),
  }
  // One that is embedded in this process has a transport of its own too.
  const way = transport ?? (udb === undefined ? undefined : options.transport)
  return { ...own, system, ...more, ...(way === undefined ? {} : { transport: way }), ...(udb === undefined ? {} : { udb }) }
}

export interface Connected {
  readonly transport: Transport
  readonly database: UpgradeDatabase
  close(): Promise<void>
}

/** One per clock given, so that all parts of a process measure with the same. */
const clocks = new WeakMap<Clock | WallClock, Clock>()

export function clockOf({ clock: given = systemClock }: Pick<ConnectionOptions, 'clock'>): Clock {
  const known = clocks.get(given)
  if (known !== undefined) return known
  const clock = withMonotonic(given)
  clocks.set(given, clock)
  return clock
}

/** T2. The level at version 0 of the system. */
export function firstLevelOf({ udb }: Pick<ConnectionOptions, 'udb'>): Level {
  return udb === undefined ? newestLevel : (udb.level ?? firstLevel)
}

/** The connections that it goes on without, and tries again. */
export type Patience = 'none' | 'database' | 'all'

/** Connects, or opens nothing at all. */
export async function connect(
  options: ConnectionOptions & TrustOptions & NeighboursOption & EmbeddedOption,
  name: string,
  observe: HostObserver,
  patience: Patience = 'none',
): Promise<Connected> {
  if ((options.transport === undefined) !== (options.udb === undefined)) {
    throw new Fault('config.invalid', 'give transport and udb together, or neither: then the system is embedded in this process')
  }
  const clock = clockOf(options)
  const naming = checkNaming(options)
  const world = options.transport === undefined || options.udb === undefined ? enter(options, observe) : undefined
  const onError = (error: unknown) => observe({ type: 'warning', message: 'the transport reports an error', error })
  const opened: { close(): Promise<void> }[] = []
  const close = async () => {
    // At once: neither waits for a server that the other one needs.
    const closed = await Promise.allSettled(opened.map((each) => each.close()))
    await world?.leave()
    for (const result of closed) if (result.status === 'rejected') throw result.reason
  }
  try {
    const { as } = naming
    const factory = options.transport ?? world!.transport
    const how = { name, onError, ...(as === null ? {} : { as }) }
    const noTransport = (error: Fault) =>
      observe({ type: 'warning', message: 'the transport is not connected; it is tried again', error })
    const way = await (patience === 'all' ? connectDeferred(factory, how, clock, noTransport) : factory.connect(how))
    opened.push(way)
    const transport = namedTransport(way, options.system, naming, onError)
    const udb = options.udb ?? world!.database
    const away = (error: Fault) =>
      observe({
        type: 'warning',
        message: 'the upgrade database does not answer; nodes serve without it, and it is tried again',
        error,
      })
    const tell = (message: string) => observe({ type: 'warning', message, error: undefined })
    const database = await (patience !== 'none'
      ? openDeferred(udb, options.system, clock, away, tell)
      : udb.open(options.system, clock, tell))
    opened.push(database)
    await world?.ready
    return { transport, database, close }
  } catch (error) {
    await close().catch(() => {})
    throw error
  }
}

interface Entered {
  readonly transport: TransportFactory
  readonly database: UdbFactory
  readonly ready: Promise<void>
  leave(): Promise<void>
}

/**
 * An embedded system has its upgrade server in the same process, from the first host until the last has
 * stopped; it trusts whom the first does.
 */
const servers = new WeakMap<EmbeddedServices, Promise<UpgradeServer>>()

function enter(options: ConnectionOptions & TrustOptions & NeighboursOption & EmbeddedOption, observe: HostObserver): Entered {
  const { system, trust, embeddedIn } = options
  const world = embeddedServices(system)
  const isFirst = world.enter()
  if (isFirst && embeddedIn !== undefined) world.keepIn(() => lmdb(join(embeddedIn, 'udb')).open())
  if (isFirst) servers.set(world, embeddedServer(world, system, trust))
  const server = servers.get(world)!
  const ready = async () => {
    const neighbours = await openNeighbourDatabases(options, observe)
    for (const neighbour of neighbours) (await server).addNeighbour(neighbour)
    await server
  }
  const isReady = ready()
  // It is waited for last: what fails before says more.
  isReady.catch(() => {})
  return {
    transport: world.transport,
    database: world.database,
    ready: isReady,
    leave: async () => {
      if (!world.leave()) return
      try {
        await (await servers.get(world))?.stop()
      } finally {
        await world.close()
      }
    },
  }
}

async function embeddedServer(world: EmbeddedServices, system: string, trust: TrustOptions['trust']): Promise<UpgradeServer> {
  const server = new UpgradeServer({
    system,
    transport: await world.transport.connect({ name: 'upgrade-server' }),
    database: await world.database.open(system, systemClock),
    clock: systemClock,
    signatures: nkeySignatures,
    trust: checkTrust(nkeySignatures, trust, system),
    level: newestLevel,
  })
  await server.start()
  return server
}
