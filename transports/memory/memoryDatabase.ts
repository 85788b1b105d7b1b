/**
 * The upgrade database in memory: for tests, rehearsals and hosts that share a process. All hosts that are
 * given the same object share the same systems. Behaves as the one in Redis does
 * (test/contracts/databaseContract.ts), and can be made to go away.
 */

import type { Version } from '../../core/base/ids.js'
import { newestLevel } from '../../core/base/level.js'
import { type AuditBounds, type AuditHead, auditKept } from '../../core/control/audit.js'
import { type Control, type ControlName, controlKey, type Going } from '../../core/control/control.js'
import type { Directed, Directive, DirectiveLog, Order, OrderResult } from '../../core/control/directive.js'
import type { Session, Standing } from '../../core/control/standing.js'
import type {
  Death,
  Head,
  Heard,
  PermitAnswer,
  RegisterAnswer,
  ServerRow,
  StoredLevel,
  UpgradeDatabase,
} from '../../core/control/upgradeDatabase.js'
import type { NodeRow, NodeStatus } from '../../core/model/nodeRow.js'
import { checkTable } from '../../core/model/tables.js'
import { withMonotonic } from '../../core/ports/clock.js'
import type { ServiceLimit } from '../../core/schedules/serviceLimit.js'
import type { Signed } from '../../core/trust/signed.js'
import type { SignedManifest } from '../../core/upgrade/manifest.js'
import type { UdbFactory } from '../udbFactory.js'
import { entriesBetween, withEntry } from './memoryAudit.js'
import { MemoryBundles } from './memoryBundles.js'
import { MemoryControls } from './memoryControls.js'
import { MemoryDeaths } from './memoryDeaths.js'
import { MemoryDirectives } from './memoryDirectives.js'
import { MemoryHistory } from './memoryHistory.js'
import { MemoryPermits } from './memoryPermits.js'
import { MemorySystem, reach, type Server, type SystemData } from './memorySystem.js'
import { MemoryTables } from './memoryTables.js'

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
  readonly systems: ReadonlyMap<string, SystemData>
}

export function memoryDatabase(): MemoryDatabaseFactory {
  return memoryDatabaseKeeping(auditKept)
}

/** The same with other bounds of the audit. */
export function memoryDatabaseKeeping(audit: AuditBounds): MemoryDatabaseFactory {
  const server: Server = { systems: new Map(), run: 1, logs: 0, isAway: false }
  const restore = (backup: MemoryBackup) => {
    server.systems = structuredClone(backup.systems) as Map<string, SystemData>
    server.run++
  }
  const backup = (): MemoryBackup => ({ systems: structuredClone(server.systems) })
  return {
    level: newestLevel,
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
      return new MemoryDatabase(new MemorySystem(system, withMonotonic(clock), server), audit)
    },
  }
}

export class MemoryDatabase implements UpgradeDatabase {
  readonly #tables: MemoryTables
  readonly #bundles: MemoryBundles
  readonly #history: MemoryHistory
  readonly #permits: MemoryPermits
  readonly #controls: MemoryControls
  readonly #directives: MemoryDirectives
  readonly #deaths: MemoryDeaths

  constructor(
    private readonly system: MemorySystem,
    private readonly auditBounds: AuditBounds,
  ) {
    this.#tables = new MemoryTables(system)
    this.#bundles = new MemoryBundles(system)
    this.#history = new MemoryHistory(system, this.#bundles, this.#tables)
    this.#permits = new MemoryPermits(system)
    this.#controls = new MemoryControls(system)
    this.#deaths = new MemoryDeaths(system)
    this.#directives = new MemoryDirectives(system, (order) => this.#carryOut(order))
  }

  async head(): Promise<Head> {
    return this.#history.head()
  }

  async manifests(from: Version, to: Version): Promise<readonly SignedManifest[]> {
    return this.#history.manifests(from, to)
  }

  async install(...args: Parameters<UpgradeDatabase['install']>): Promise<boolean> {
    return this.#history.install(...args)
  }

  async level(): Promise<StoredLevel | null> {
    return this.#history.level()
  }

  async restoreLevel(level: StoredLevel, wrong?: StoredLevel): Promise<void> {
    this.#history.restoreLevel(level, wrong)
  }

  async putChunk(...args: Parameters<UpgradeDatabase['putChunk']>): Promise<boolean> {
    return this.#bundles.put(...args)
  }

  async bundleWrites(digest: string): Promise<number> {
    return this.#bundles.writes(digest)
  }

  async keepBundle(digest: string): Promise<void> {
    this.#bundles.keep(digest)
  }

  async getChunk(digest: string, index: number): Promise<Uint8Array | undefined> {
    return this.#bundles.chunk(digest, index)
  }

  async register(status: NodeStatus, leaseMs: number, session?: Session): Promise<RegisterAnswer> {
    const { left, ...answer } = this.system.registrations().register(status, leaseMs, session)
    if (left !== undefined) this.system.data().slots.get(left)?.delete(status.nodeId)
    return answer
  }

  async report(statuses: readonly NodeStatus[], leaseMs: number, session?: Session): Promise<Heard> {
    return this.system.registrations().report(statuses, leaseMs, session)
  }

  async renew(nodeIds: readonly string[], leaseMs: number, session?: Session): Promise<Heard> {
    return this.system.registrations().renew(nodeIds, leaseMs, session)
  }

  async reportGone(nodeIds: readonly string[], session: Session): Promise<void> {
    this.system.registrations().gone(nodeIds, session)
  }

  async forget(nodeId: string): Promise<void> {
    this.#forget(nodeId)
  }

  /** Whether it was registered. */
  #forget(nodeId: string): boolean {
    const { slots, controls } = this.system.data()
    const isRegistered = this.system.data().nodes.has(nodeId)
    this.system.registrations().forget(nodeId)
    for (const holders of slots.values()) holders.delete(nodeId)
    for (const kind of ['hold', 'now'] as const) controls.delete(controlKey({ kind, nodeId }))
    return isRegistered
  }

  async nodes(service?: string): Promise<readonly NodeRow[]> {
    return this.system.registrations().rows(service)
  }

  async standing(): Promise<Standing | undefined> {
    return this.system.registrations().standing()
  }

  async attend(session: Session): Promise<Standing> {
    return this.system.registrations().attend(session)
  }

  async servers(): Promise<readonly ServerRow[]> {
    return this.system.registrations().servers()
  }

  async doubt(session: Session): Promise<void> {
    this.system.registrations().markLost(session)
  }

  async claimPermit(service: string, going: Going, limit: ServiceLimit, by?: Session): Promise<PermitAnswer> {
    return this.#permits.claim(service, going, limit, by)
  }

  async releasePermit(service: string, nodeId: string, by?: Session): Promise<void> {
    this.#permits.release(service, nodeId, by)
  }

  async restorePermit(service: string, nodeId: string, by?: Session): Promise<boolean> {
    return this.#permits.restore(service, nodeId, by)
  }

  async controls(): Promise<readonly Control[]> {
    return this.#controls.all()
  }

  async setControl(control: Control): Promise<void> {
    this.#controls.set(control)
  }

  async removeControl(name: ControlName): Promise<boolean> {
    return this.#controls.remove(name)
  }

  async directives(): Promise<number> {
    return this.#directives.count()
  }

  async directiveLog(doubt?: DirectiveLog | 'lost'): Promise<DirectiveLog> {
    const { id, count } = this.#directives.log(doubt)
    return { id, count }
  }

  async direct(directive: Directive, signed: Signed, head: Head): Promise<Directed> {
    return this.#directives.direct(directive, signed, head)
  }

  async recentDirectives(): Promise<readonly Signed[]> {
    return this.#directives.recent()
  }

  #carryOut(what: Order): OrderResult {
    switch (what.order) {
      case 'set':
        this.#controls.set(what.control)
        return true
      case 'remove':
        return this.#controls.remove(what.control)
      case 'setInTable':
        checkTable(what.table, what.key, what.value)
        this.#tables.set(what.table, what.key, what.value)
        return true
      case 'removeFromTable':
        return this.#tables.remove(what.table, what.key)
      case 'finalize':
        return this.#deaths.finalize(what.version)
      case 'forget':
        return this.#forget(what.nodeId)
      case 'backup':
      case 'restore':
      case 'record':
        return true
    }
  }

  async auditHead(): Promise<AuditHead> {
    return this.system.data().audit.head
  }

  async appendAudit(newest: AuditHead, bytes: Uint8Array, entry: { hash: string; log: string }): Promise<boolean> {
    const system = this.system.data()
    const { head } = system.audit
    if (head.number !== newest.number || head.hash !== newest.hash) return false
    system.audit = withEntry(system.audit, bytes, entry, this.auditBounds)
    return true
  }

  async audit(from: number, to: number): Promise<readonly Uint8Array[]> {
    return entriesBetween(this.system.data().audit, from, to)
  }

  async table(name: string): Promise<ReadonlyMap<string, string>> {
    return this.#tables.entries(name)
  }

  async setInTable(name: string, key: string, value: string): Promise<void> {
    checkTable(name, key, value)
    this.#tables.set(name, key, value)
  }

  async removeFromTable(name: string, key: string): Promise<boolean> {
    return this.#tables.remove(name, key)
  }

  async tables(): Promise<readonly string[]> {
    return this.#tables.names()
  }

  async dead(): Promise<Death> {
    return this.#deaths.now()
  }

  async declareDead(below: Version, delayMs: number): Promise<Death> {
    return this.#deaths.declare(below, delayMs)
  }

  async restoreEnded(versions: { readonly dead: Version; readonly final: Version }): Promise<void> {
    this.#deaths.restoreEnded(versions)
  }

  async finalized(): Promise<Version> {
    return this.#deaths.final()
  }

  async finalize(version: Version): Promise<Version> {
    return this.#deaths.finalize(version)
  }

  async close(): Promise<void> {
    this.system.close()
  }
}
