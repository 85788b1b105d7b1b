/** One system of the upgrade database in memory: its data, and the process that keeps them. */
import { Fault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import type { Control } from '../../core/control/control.js'
import type { DirectiveLog, OrderResult } from '../../core/control/directive.js'
import { type Death, type Head, nothingDead, type StoredLevel } from '../../core/control/upgradeDatabase.js'
import type { Clock } from '../../core/ports/clock.js'
import type { Signed } from '../../core/trust/signed.js'
import type { SignedManifest } from '../../core/upgrade/manifest.js'
import { type MemoryAudit, noAudit } from './memoryAudit.js'
import { MemoryRegistrations, noRegistrations, type RegistrationTables } from './memoryRegistrations.js'

/** The data of one system, whoever opened it. Plain data, so that a backup can be a copy. */
export interface SystemData extends RegistrationTables {
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
  level: StoredLevel | null
}

export function newSystem(): SystemData {
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
    level: null,
  }
}

/** The process that all opened databases of a factory talk to. */
export interface Server {
  systems: Map<string, SystemData>
  /** Another number after each restart. */
  run: number
  /** Logs of directives that were begun, to tell them apart. */
  logs: number
  isAway: boolean
}

export function reach({ isAway }: Server): void {
  if (isAway) throw new Fault('unavailable.disconnected', 'the upgrade database in memory is away')
}

/** A system as one opened database reaches it. */
export class MemorySystem {
  #closed = false

  constructor(
    private readonly name: string,
    readonly clock: Clock,
    readonly server: Server,
  ) {}

  close(): void {
    this.#closed = true
  }

  data(): SystemData {
    if (this.#closed) throw new Fault('unavailable.disconnected', 'this upgrade database is closed')
    reach(this.server)
    const { systems } = this.server
    const found = systems.get(this.name) ?? newSystem()
    systems.set(this.name, found)
    return found
  }

  registrations(): MemoryRegistrations {
    // A stamp of 0 would be none.
    const data = this.data()
    return new MemoryRegistrations(data, this.clock.monotonicMs() + 1, String(this.server.run), data.level)
  }
}

/** Its bytes are nobody else’s to change. */
export function copyOf(manifest: SignedManifest): SignedManifest {
  return { bytes: new Uint8Array(manifest.bytes), signature: manifest.signature && new Uint8Array(manifest.signature) }
}
