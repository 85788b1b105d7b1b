/**
 * The upgrade database of an embedded system that is kept in a store, beside the state of its nodes: the one
 * in memory, whose changes are written before they are answered.
 */
import { newestLevel } from '../../core/base/level.js'
import { type AuditBounds, auditKept } from '../../core/control/audit.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import { type Clock, withMonotonic } from '../../core/ports/clock.js'
import type { StateStore, Write } from '../../core/ports/stateStore.js'
import type { UdbFactory } from '../udbFactory.js'
import { entriesOf, KeptRows, readKept, type Section, stampEntries } from './keptSystem.js'
import { MemoryDatabase } from './memoryDatabase.js'
import { MemorySystem, reach, type Server, type SystemData } from './memorySystem.js'

/** Of rows each tells by itself whether it has changed. */
type Part = Section | 'nodes'

/** The parts that each method may change. Those that read, or renew what is of a process, change none. */
const changes = {
  ...{
    head: [],
    manifests: [],
    level: [],
    bundleWrites: [],
    getChunk: [],
    unreplicated: [],
    nodes: [],
    standing: [],
    servers: [],
  },
  ...{ controls: [], directives: [], recentDirectives: [], auditHead: [], audit: [], table: [], tables: [], finalized: [] },
  ...{ renew: [], attend: [], close: [] },
  install: ['facts', 'manifests', 'bundles', 'tables'],
  restoreLevel: ['facts'],
  putChunk: ['bundles'],
  keepBundle: ['bundles'],
  register: ['facts', 'nodes', 'slots'],
  report: ['facts', 'nodes'],
  reportGone: ['nodes'],
  forget: ['facts', 'nodes', 'slots', 'controls'],
  doubt: ['facts'],
  claimPermit: ['slots'],
  releasePermit: ['slots'],
  restorePermit: ['slots'],
  setControl: ['controls'],
  removeControl: ['controls'],
  directiveLog: ['facts'],
  direct: ['facts', 'directives', 'controls', 'tables', 'nodes', 'slots'],
  appendAudit: ['audit'],
  setInTable: ['tables'],
  removeFromTable: ['tables'],
  dead: ['facts'],
  declareDead: ['facts'],
  restoreEnded: ['facts'],
  finalize: ['facts'],
} as const satisfies Record<keyof UpgradeDatabase, readonly Part[]>

export interface KeptDatabase extends UdbFactory {
  /** The data of all, and the faults of memory, for tests. */
  readonly server: Server
  /** Waits for what is being written. The store is closed by whoever opened it. */
  close(): Promise<void>
}

/** @param clock the process's, by whose time the store's goes on */
export function keptDatabase(
  system: string,
  store: StateStore,
  clock: Pick<Clock, 'monotonicMs'>,
  audit: AuditBounds = auditKept,
): KeptDatabase {
  const { data, nowMs } = readKept(store)
  const server: Server = { systems: new Map([[system, data]]), run: 1, logs: 0, isAway: false }
  // K2.
  const aheadMs = nowMs - clock.monotonicMs()
  const dataNow = () => server.systems.get(system)
  const keeper = new Keeper(store, dataNow, () => Math.ceil(clock.monotonicMs() + aheadMs))
  return {
    level: newestLevel,
    server,
    async open(name, at) {
      reach(server)
      const of = withMonotonic(at)
      const kept: Clock = {
        now: () => of.now(),
        monotonicMs: () => of.monotonicMs() + aheadMs,
        after: (ms, action) => of.after(ms, action),
        turn: (action) => of.turn(action),
      }
      const inMemory = new MemoryDatabase(new MemorySystem(name, kept, server), audit)
      return name === system ? keeping(inMemory, keeper) : inMemory
    },
    close: () => keeper.close(),
  }
}

function keeping(database: UpgradeDatabase, keeper: Keeper): UpgradeDatabase {
  return new Proxy(database, {
    get: (_, name) => {
      const method: unknown = Reflect.get(database, name)
      const sections = (changes as Record<string | symbol, readonly Part[] | undefined>)[name]
      if (typeof method !== 'function' || sections === undefined) return method
      return async (...args: unknown[]) => {
        const answer: unknown = await Reflect.apply(method, database, args)
        if (sections.length > 0) await keeper.keep(sections)
        return answer
      }
    },
  })
}

/** A value that no entry has: it is written again. */
const unwritten = Symbol('unwritten')

/** Writes the differences, in the order in which they came about. */
class Keeper {
  readonly #written = new Map<Section, Map<string, unknown>>()
  #newest: Promise<unknown> = Promise.resolve()
  #of: SystemData | undefined
  #rows: KeptRows | undefined

  constructor(
    private readonly store: StateStore,
    private readonly dataNow: () => SystemData | undefined,
    private readonly nowMs: () => number,
  ) {
    const data = this.dataNow()!
    this.#of = data
    this.#rows = new KeptRows(data)
    for (const section of allSections) {
      const entries = entriesOf(section, data).map(({ key, value }) => [key, value] as const)
      // Of a new one nothing is written yet.
      this.#written.set(section, new Map(store.get(stampEntries(0)[0]!.key) === undefined ? [] : entries))
    }
  }

  keep(parts: readonly Part[]): Promise<void> {
    const data = this.dataNow()
    const found = parts.filter((part) => part !== 'nodes').flatMap((section) => this.#differences(section, data))
    const rows = parts.includes('nodes') && data !== undefined ? this.#changesOfRows(data) : []
    const writes = [...found.map(({ write }) => write), ...rows]
    // Others may be on their way: their answers are no earlier.
    if (writes.length === 0) return this.#newest.then(() => {})
    const stamps = stampEntries(this.nowMs()).map(({ key, bytes }): Write => [key, bytes()])
    const done = this.store.commit([...stamps, ...writes]).catch((error: unknown) => {
      for (const { section, write } of found) this.#written.get(section)!.set(write[0], unwritten)
      this.#rows?.unwritten(rows)
      throw error
    })
    this.#newest = done.catch(() => {})
    return done
  }

  /** Data in the place of those before them, which only a test's have, are compared with what is stored. */
  #changesOfRows(data: SystemData): Write[] {
    if (this.#rows !== undefined && this.#of === data) return this.#rows.changes()
    this.#of = data
    this.#rows = new KeptRows(data)
    return this.#rows.all(this.store)
  }

  #differences(section: Section, data: SystemData | undefined): { readonly section: Section; readonly write: Write }[] {
    if (data === undefined) return []
    const before = this.#written.get(section)!
    const after = new Map<string, unknown>()
    const found: { readonly section: Section; readonly write: Write }[] = []
    for (const { key, value, bytes } of entriesOf(section, data)) {
      after.set(key, value)
      if (before.get(key) !== value) found.push({ section, write: [key, bytes()] })
    }
    for (const key of before.keys()) if (!after.has(key)) found.push({ section, write: [key, null] })
    this.#written.set(section, after)
    return found
  }

  async close(): Promise<void> {
    await this.#newest
  }
}

const allSections = [...new Set(Object.values(changes).flat())].filter((part) => part !== 'nodes')
