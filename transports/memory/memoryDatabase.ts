/**
 * The upgrade database in memory: for tests, rehearsals and hosts that share a process. All hosts that are
 * given the same object share the same systems. Behaves as the one in Redis does
 * (test/contracts/databaseContract.ts), and can be made to go away.
 */

import { Fault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import type { AuditHead } from '../../core/control/audit.js'
import { type Control, type ControlName, checkControl, controlKey, type Going, holding } from '../../core/control/control.js'
import {
  type Directed,
  type Directive,
  type DirectiveLog,
  directivesKeptMax,
  firstDirectiveFormat,
  type Order,
  type OrderResult,
  type WhyNotDirected,
} from '../../core/control/directive.js'
import type { Session, Standing } from '../../core/control/standing.js'
import {
  checkDeath,
  type Death,
  type Head,
  type Heard,
  nothingDead,
  type RegisterAnswer,
  type SlotAnswer,
  type UpgradeDatabase,
} from '../../core/control/upgradeDatabase.js'
import { clientService, type NodeRow, type NodeStatus, oldestPossible } from '../../core/model/nodeRow.js'
import { checkTable, checkTables, type TableEntries } from '../../core/model/tables.js'
import { type Clock, withMonotonic } from '../../core/ports/clock.js'
import { type ServiceLimit, slotsAllowed } from '../../core/schedules/serviceLimit.js'
import type { Signed } from '../../core/trust/signed.js'
import type { SignedManifest } from '../../core/upgrade/manifest.js'
import { heldByMax, stagedBundlesMax, stagedBytesMax, stagedMs, tooMuchStaged, type UdbFactory } from '../udbFactory.js'
import { entriesBetween, type MemoryAudit, noAudit, withEntry } from './memoryAudit.js'
import { MemoryRegistrations, noRegistrations, type RegistrationTables } from './memoryRegistrations.js'

/** The faults of a database, to be asked for by tests and rehearsals. */
export interface MemoryDatabaseFactory extends UdbFactory {
  /** While away, `open` and every method of every opened database reject with `unavailable.disconnected`. */
  away(away: boolean): void
  /** Another process answers, with the data of the one before. */
  restart(): void
  /** All systems are gone, without a restart, as after FLUSHALL. */
  empty(): void
  /** All data as they are now. */
  backup(): MemoryBackup
  /** The data are those of the backup, in another process. */
  restore(backup: MemoryBackup): void
  /**
   * A replica that hears nothing from now on. It becomes the primary when the returned action
   * runs: all later writes are lost.
   */
  losingReplica(): () => void
}

/** The data that `backup` has kept. */
export interface MemoryBackup {
  readonly systems: ReadonlyMap<string, SystemTables>
}

/** The data of one system, whoever opened it. Plain data, so that a backup can be a copy. */
interface SystemTables extends RegistrationTables {
  head: Head
  readonly manifests: SignedManifest[]
  /** By digest, then by index. */
  readonly chunks: Map<string, Map<number, Uint8Array>>
  /** Until when the chunks stay of those that no installed manifest names. */
  readonly stagedUntilMs: Map<string, number>
  /** Of each bundle that is there. */
  readonly bundleWrites: Map<string, number>
  /** Node ids that hold a slot, by service. */
  readonly slots: Map<string, Set<string>>
  readonly controls: Map<string, Control>
  /**
   * Opened in this process and epoch (core/control/standing.ts). Directives before `sinceMs` may have been
   * lost with another log.
   */
  directiveLog: (DirectiveLog & { readonly run: number; readonly epoch: string | null; readonly sinceMs: number }) | undefined
  directives: readonly (Signed & { readonly number: number; readonly result: OrderResult })[]
  /** Oldest first, with all their bytes. */
  audit: MemoryAudit
  /** Upgrade-specific tables, by name; none is empty. */
  readonly tables: Map<string, Map<string, string>>
  death: Death
  /** By the clock that never goes back, unlike what is told of it. */
  deathDueMs: number
  final: Version
}

export function memoryDatabase(): MemoryDatabaseFactory {
  const server: Server = { systems: new Map(), run: 1, logs: 0, isAway: false }
  const restore = (backup: MemoryBackup) => {
    server.systems = structuredClone(backup.systems) as Map<string, SystemTables>
    server.run++
  }
  const backup = (): MemoryBackup => ({ systems: structuredClone(server.systems) })
  return {
    away(away) {
      server.isAway = away
    },
    restart() {
      server.run++
    },
    empty() {
      server.systems = new Map()
    },
    backup,
    restore,
    losingReplica() {
      const kept = backup()
      return () => restore(kept)
    },
    async open(system, clock) {
      reach(server)
      return new MemoryDatabase(system, withMonotonic(clock), server)
    },
  }
}

function reach({ isAway }: Server): void {
  if (isAway) throw new Fault('unavailable.disconnected', 'the upgrade database in memory is away')
}

function newSystem(): SystemTables {
  return {
    head: { version: 0, digest: null },
    manifests: [],
    chunks: new Map(),
    stagedUntilMs: new Map(),
    bundleWrites: new Map(),
    ...noRegistrations(),
    slots: new Map(),
    controls: new Map(),
    directiveLog: undefined,
    directives: [],
    audit: noAudit,
    tables: new Map(),
    death: nothingDead,
    deathDueMs: Number.NEGATIVE_INFINITY,
    final: 0,
  }
}

/** The process that all opened databases of a factory talk to. */
interface Server {
  systems: Map<string, SystemTables>
  /** Another number after each restart. */
  run: number
  /** Logs of directives that were begun, to tell them apart. */
  logs: number
  isAway: boolean
}

class MemoryDatabase implements UpgradeDatabase {
  #closed = false

  constructor(
    private readonly name: string,
    private readonly clock: Clock,
    private readonly server: Server,
  ) {}

  async head(): Promise<Head> {
    return this.#reach().head
  }

  async manifests(from: Version, to: Version): Promise<readonly SignedManifest[]> {
    return this.#reach()
      .manifests.slice(Math.max(from, 1) - 1, Math.max(to, 0))
      .map(copyOfManifest)
  }

  async install(
    expected: Head,
    digest: string,
    manifest: SignedManifest,
    tables: TableEntries = {},
    undoes: Version | null = null,
    bundle: string | null = null,
    writes: number | null = null,
  ): Promise<boolean> {
    const system = this.#reach()
    const written = bundle === null ? 0 : (this.#bundles().bundleWrites.get(bundle) ?? 0)
    checkTables(tables)
    const entries = Object.entries(tables).flatMap(([name, table]) =>
      Object.entries(table).map(([key, value]) => [name, key, value] as const),
    )
    if (system.head.version !== expected.version || system.head.digest !== expected.digest) return false
    if (undoes !== null && undoes <= system.final) return false
    if (writes !== null && written !== writes) return false
    for (const [name, key, value] of entries) this.#set(name, key, value)
    system.manifests.push(copyOfManifest(manifest))
    system.head = { version: expected.version + 1, digest }
    if (bundle !== null) system.stagedUntilMs.delete(bundle)
    if (bundle !== null && written > 0) system.bundleWrites.set(bundle, written + 1)
    return true
  }

  async putChunk(
    digest: string,
    index: number,
    bytes: Uint8Array,
    as: 'staged' | 'kept' = 'staged',
    writes: number | null = null,
  ): Promise<boolean> {
    const { bundleWrites, chunks, stagedUntilMs } = this.#bundles()
    const written = bundleWrites.get(digest) ?? 0
    if (writes !== null && written !== writes) return false
    const known = chunks.get(digest)
    if (as === 'kept') stagedUntilMs.delete(digest)
    else if (known === undefined || stagedUntilMs.has(digest)) {
      const staged = [...stagedUntilMs.keys()].flatMap((each) => [...chunks.get(each)!.values()])
      const total = staged.reduce((sum, { length }) => sum + length, 0)
      const more = bytes.length - (known?.get(index)?.length ?? 0)
      const { size } = stagedUntilMs
      if ((known === undefined && size >= stagedBundlesMax) || total + more > stagedBytesMax) throw tooMuchStaged(size, total)
      stagedUntilMs.set(digest, this.clock.monotonicMs() + stagedMs)
    }
    chunks.set(digest, (known ?? new Map<number, Uint8Array>()).set(index, new Uint8Array(bytes)))
    bundleWrites.set(digest, written + 1)
    return true
  }

  async bundleWrites(digest: string): Promise<number> {
    return this.#bundles().bundleWrites.get(digest) ?? 0
  }

  async keepBundle(digest: string): Promise<void> {
    this.#bundles().stagedUntilMs.delete(digest)
  }

  async getChunk(digest: string, index: number): Promise<Uint8Array | undefined> {
    const found = this.#bundles().chunks.get(digest)?.get(index)
    return found && new Uint8Array(found)
  }

  /** Without those whose time is over. */
  #bundles(): Pick<SystemTables, 'bundleWrites' | 'chunks' | 'stagedUntilMs'> {
    const system = this.#reach()
    for (const [digest, untilMs] of system.stagedUntilMs) {
      if (this.clock.monotonicMs() < untilMs) continue
      system.stagedUntilMs.delete(digest)
      system.chunks.delete(digest)
      system.bundleWrites.delete(digest)
    }
    return system
  }

  async register(status: NodeStatus, leaseMs: number, session?: Session): Promise<RegisterAnswer> {
    const { left, ...answer } = this.#registrations().register(status, leaseMs, session)
    if (left !== undefined) this.#reach().slots.get(left)?.delete(status.nodeId)
    return answer
  }

  async report(statuses: readonly NodeStatus[], leaseMs: number, session?: Session): Promise<Heard> {
    return this.#registrations().report(statuses, leaseMs, session)
  }

  async renew(nodeIds: readonly string[], leaseMs: number, session?: Session): Promise<Heard> {
    return this.#registrations().renew(nodeIds, leaseMs, session)
  }

  async gone(nodeIds: readonly string[], session: Session): Promise<void> {
    this.#registrations().gone(nodeIds, session)
  }

  async forget(nodeId: string): Promise<void> {
    this.#forget(nodeId)
  }

  /** Whether it was registered. */
  #forget(nodeId: string): boolean {
    const { slots, controls } = this.#reach()
    const isRegistered = this.#reach().nodes.has(nodeId)
    this.#registrations().forget(nodeId)
    for (const holders of slots.values()) holders.delete(nodeId)
    for (const kind of ['hold', 'now'] as const) controls.delete(controlKey({ kind, nodeId }))
    return isRegistered
  }

  async nodes(service?: string): Promise<readonly NodeRow[]> {
    return this.#registrations().rows(service)
  }

  async standing(): Promise<Standing | undefined> {
    return this.#registrations().standing()
  }

  async attend(session: Session): Promise<Standing> {
    return this.#registrations().attend(session)
  }

  async doubt(session: Session): Promise<void> {
    this.#registrations().markLost(session)
  }

  async claimSlot(service: string, going: Going, limit: ServiceLimit, by?: Session): Promise<SlotAnswer> {
    const { slots, controls } = this.#reach()
    const { nodeId } = going
    if (this.#registrations().isOfNewer(nodeId, by)) return { claimed: false, isElsewhere: true }
    const control = holding([...controls.values()], going)
    if (control !== undefined) return { claimed: false, control }
    const holders = slots.get(service) ?? new Set<string>()
    const registrations = this.#registrations()
    // Also one that is here: it may have been given back since.
    if (registrations.isLostOf(by)) return { claimed: false, onProbation: true }
    if (!holders.has(nodeId) && holders.size >= slotsAllowed(limit, registrations.registered(service).length)) {
      return { claimed: false, heldBy: [...holders].sort().slice(0, heldByMax) }
    }
    slots.set(service, holders.add(nodeId))
    return { claimed: true }
  }

  async releaseSlot(service: string, nodeId: string, by?: Session): Promise<void> {
    const { slots } = this.#reach()
    if (!this.#registrations().isOfNewer(nodeId, by)) slots.get(service)?.delete(nodeId)
  }

  async restoreSlot(service: string, nodeId: string, by?: Session): Promise<boolean> {
    const { slots } = this.#reach()
    const registrations = this.#registrations()
    if (!registrations.isLossy || registrations.isOfNewer(nodeId, by)) return false
    slots.set(service, (slots.get(service) ?? new Set<string>()).add(nodeId))
    return true
  }

  async controls(): Promise<readonly Control[]> {
    return [...this.#reach().controls.values()]
  }

  async setControl(control: Control): Promise<void> {
    this.#setControl(control)
  }

  #setControl(control: Control): void {
    checkControl(control)
    this.#reach().controls.set(controlKey(control), control)
  }

  async removeControl(name: ControlName): Promise<boolean> {
    return this.#removeControl(name)
  }

  #removeControl(name: ControlName): boolean {
    return this.#reach().controls.delete(controlKey(name))
  }

  async directives(): Promise<number> {
    return this.#reach().directiveLog?.count ?? 0
  }

  async directiveLog(doubt?: DirectiveLog | 'lost'): Promise<DirectiveLog> {
    const { id, count } = this.#directiveLog(doubt)
    return { id, count }
  }

  #directiveLog(doubt?: DirectiveLog | 'lost'): NonNullable<SystemTables['directiveLog']> {
    const system = this.#reach()
    const found = system.directiveLog
    const { server } = this
    const isLess = (seen: DirectiveLog) => found === undefined || (seen.id === found.id && found.count < seen.count)
    const epoch = system.attendance?.epoch ?? null
    // An epoch that is the first one is no loss.
    const isOther = found !== undefined && (found.run !== server.run || (found.epoch !== null && found.epoch !== epoch))
    const isLost = isOther || doubt === 'lost' || (doubt !== undefined && isLess(doubt))
    if (found !== undefined && !isLost) {
      if (found.epoch === epoch) return found
      system.directiveLog = { ...found, epoch }
      return system.directiveLog
    }
    const now = this.clock.now()
    const id = `memory-${now}-${++server.logs}`
    system.directiveLog = { id, count: found?.count ?? 0, run: server.run, epoch, sinceMs: isLost ? now : 0 }
    return system.directiveLog
  }

  async direct(directive: Directive, signed: Signed, head: Head): Promise<Directed> {
    const system = this.#reach()
    const log = this.#directiveLog()
    const { number } = directive
    const earlier = system.directives.find((kept) => kept.number === number && isSame(kept.bytes, signed.bytes))
    const no = (why: WhyNotDirected): Directed => ({
      done: false,
      why,
      log: { id: log.id, count: log.count },
      earlier: earlier && { result: earlier.result },
    })
    if (head.digest !== system.head.digest) return no('head')
    if (directive.format !== firstDirectiveFormat) {
      if (directive.head !== head.digest) return no('head')
      if (directive.log !== log.id) return no('log')
    } else if (!(Date.parse(directive.createdAt) >= log.sinceMs) && log.sinceMs > 0) return no('older')
    if (number !== log.count + 1) return no('number')
    const result = this.#carryOut(directive.what)
    system.directiveLog = { ...log, count: number }
    system.directives = [...system.directives, { ...copyOfManifest(signed), number, result }].slice(-directivesKeptMax)
    return { done: true, result }
  }

  #carryOut(what: Order): OrderResult {
    switch (what.order) {
      case 'set':
        this.#setControl(what.control)
        return true
      case 'remove':
        return this.#removeControl(what.control)
      case 'setInTable':
        checkTable(what.table, what.key, what.value)
        this.#set(what.table, what.key, what.value)
        return true
      case 'removeFromTable':
        return this.#removeFromTable(what.table, what.key)
      case 'finalize':
        return this.#finalize(what.version)
      case 'forget':
        return this.#forget(what.nodeId)
      case 'backup':
      case 'restore':
        return true
    }
  }

  async auditHead(): Promise<AuditHead> {
    return this.#reach().audit.head
  }

  async appendAudit(newest: AuditHead, bytes: Uint8Array, { hash, log }: { hash: string; log: string }): Promise<boolean> {
    const system = this.#reach()
    const { head } = system.audit
    if (head.number !== newest.number || head.hash !== newest.hash) return false
    system.audit = withEntry(system.audit, bytes, hash, log)
    return true
  }

  async audit(from: number, to: number): Promise<readonly Uint8Array[]> {
    return entriesBetween(this.#reach().audit, from, to)
  }

  async recentDirectives(): Promise<readonly Signed[]> {
    return this.#reach().directives.map(({ bytes, signature }) => ({ bytes, signature }))
  }

  async table(name: string): Promise<ReadonlyMap<string, string>> {
    checkTable(name)
    const table = this.#reach().tables.get(name) ?? new Map<string, string>()
    return new Map([...table].sort(([a], [b]) => (a < b ? -1 : 1)))
  }

  async setInTable(name: string, key: string, value: string): Promise<void> {
    checkTable(name, key, value)
    this.#set(name, key, value)
  }

  #set(name: string, key: string, value: string): void {
    const { tables } = this.#reach()
    tables.set(name, (tables.get(name) ?? new Map<string, string>()).set(key, value))
  }

  async removeFromTable(name: string, key: string): Promise<boolean> {
    return this.#removeFromTable(name, key)
  }

  #removeFromTable(name: string, key: string): boolean {
    checkTable(name, key)
    const { tables } = this.#reach()
    const table = tables.get(name)
    const removed = table?.delete(key) ?? false
    if (table?.size === 0) tables.delete(name)
    return removed
  }

  async tables(): Promise<readonly string[]> {
    return [...this.#reach().tables.keys()].sort()
  }

  async dead(): Promise<Death> {
    return this.#death()
  }

  /** Settles one that is due. */
  #death(): Death {
    const system = this.#reach()
    const registrations = this.#registrations()
    const { below, inForce } = system.death
    if (inForce === below || this.clock.monotonicMs() < system.deathDueMs || registrations.doubt !== null) return system.death
    if (!registrations.mayRunOlder(below, inForce)) system.death = { ...system.death, inForce: below }
    else if (inForce === 0) system.death = nothingDead
    else system.death = { below: inForce, sinceMs: this.clock.now(), inForce }
    return system.death
  }

  async declareDead(below: Version, delayMs: number): Promise<Death> {
    checkDeath(below, delayMs)
    const before = this.#death()
    const registrations = this.#registrations()
    if (below <= before.below || before.inForce < before.below || registrations.doubt !== null) return before
    if (registrations.mayRunOlder(below, before.inForce)) return before
    const system = this.#reach()
    system.death = { below, sinceMs: this.clock.now() + delayMs, inForce: before.below }
    system.deathDueMs = this.clock.monotonicMs() + delayMs
    return this.#death()
  }

  async giveBack({ dead, final }: { readonly dead: Version; readonly final: Version }): Promise<void> {
    checkDeath(dead, 0)
    checkDeath(final, 0)
    const system = this.#reach()
    const registrations = this.#registrations()
    if (!registrations.isLossy) return
    const { version } = system.head
    // Clients that are pinned to it call in vain, whatever is here.
    if (dead > this.#death().inForce && dead <= version && !registrations.mayRunOlder(dead, dead))
      system.death = { below: dead, sinceMs: this.clock.now(), inForce: dead }
    if (final > system.final && final <= version && !this.#isOnTheWay(final)) system.final = final
  }

  async finalized(): Promise<Version> {
    return this.#reach().final
  }

  async finalize(version: Version): Promise<Version> {
    return this.#finalize(version)
  }

  #finalize(version: Version): Version {
    checkDeath(version, 0)
    const system = this.#reach()
    const isPossible = version <= system.head.version && !this.#registrations().isLossy
    if (version > system.final && isPossible && !this.#isOnTheWay(version)) system.final = version
    return system.final
  }

  #isOnTheWay(version: Version): boolean {
    return this.#registrations()
      .registered(undefined)
      .some(({ status }) => status.service !== clientService && oldestPossible(status) < version)
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  #reach(): SystemTables {
    if (this.#closed) throw new Fault('unavailable.disconnected', 'this upgrade database is closed')
    reach(this.server)
    const { systems } = this.server
    const found = systems.get(this.name) ?? newSystem()
    systems.set(this.name, found)
    return found
  }

  #registrations(): MemoryRegistrations {
    // A stamp of 0 would be none.
    return new MemoryRegistrations(this.#reach(), this.clock.monotonicMs() + 1, String(this.server.run))
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}

function copyOfManifest(manifest: SignedManifest): SignedManifest {
  return { bytes: new Uint8Array(manifest.bytes), signature: manifest.signature && new Uint8Array(manifest.signature) }
}
