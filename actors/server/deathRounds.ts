/**
 * How an upgrade server declares versions dead (C8), and lets the upgrade database know that it is attended:
 * leases run while somebody is heard, and whoever is heard is a witness of what it has been answered
 * (core/control/standing.ts).
 */

import { Fault } from '../../core/base/fault.js'
import { isVersion, type Version } from '../../core/base/ids.js'
import type { Software } from '../../core/base/level.js'
import type { Audited } from '../../core/control/audit.js'
import type { Session, Standing } from '../../core/control/standing.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import { clientService, oldestPossible } from '../../core/model/nodeRow.js'
import type { Clock } from '../../core/ports/clock.js'
import { deadlineMsMax } from '../../core/wire/envelope.js'

/** How often the database hears of a server, at least; more often where leases are short. */
const attendMs = 2_000

export interface DeathOptions {
  readonly database: UpgradeDatabase
  readonly clock: Clock
  readonly deathDelayMs?: number
  readonly name?: string
  readonly software?: Software
  readonly tell?: (what: Audited) => void
  /** The oldest version that nodes may be held at, though none is there now. */
  readonly history?: { heldAt(): Promise<Version | undefined> }
}

export class DeathRounds {
  readonly #startedMs: number
  #stampMs = 0

  constructor(private readonly options: DeathOptions) {
    this.#startedMs = options.clock.monotonicMs()
  }

  get session(): Session {
    const { clock, name = 'upgrade-server', software } = this.options
    const ageMs = clock.monotonicMs() - this.#startedMs
    const session = { id: name, hostId: 'upgrade-server', directoryId: null, ageMs, stampMs: this.#stampMs, epoch: null }
    return software === undefined ? session : { ...session, software }
  }

  /** Is heard from now on. Returns what ends that. */
  attend(): () => void {
    const { clock } = this.options
    let isOver = false
    let cancel = () => {}
    const later = (ms: number): void => {
      cancel = clock.after(ms, () => {
        this.#attend()
          .then(({ leaseMs }) => (leaseMs > 0 ? Math.min(leaseMs / 4, attendMs) : attendMs))
          // It is away: the rounds say so.
          .catch(() => attendMs / 4)
          .then((next) => void (isOver || later(next)))
      })
    }
    later(0)
    return () => {
      isOver = true
      cancel()
    }
  }

  async #attend(): Promise<Standing> {
    const standing = await this.options.database.attend(this.session)
    this.#stampMs = Math.max(this.#stampMs, standing.stampMs)
    return standing
  }

  /**
   * P1. Throws `upgrade.probation` while the database may have lost a version that hosts know: another one in
   * its place would be a second manifest for one version.
   */
  async checkInstallable(): Promise<void> {
    const { probation } = await this.#attend()
    if (probation === null || probation.doubt === 'silent') return
    const seconds = Math.ceil(probation.leftMs / 1000)
    throw new Fault(
      'upgrade.probation',
      `the upgrade database ${probation.doubt === 'lost' ? 'has lost something' : 'has restarted'}: nothing is installed until all hosts have told what they know, in ${seconds} s or so`,
    )
  }

  /** Declares dead what no registered node runs or may still run, counting those that are down. */
  async declare(): Promise<void> {
    const { database, deathDelayMs = deadlineMsMax } = this.options
    if ((await this.#attend()).probation !== null) return
    // One that is due takes effect, or is withdrawn.
    const before = await database.dead()
    // A client that is pinned to a dead version calls in vain, and keeps nothing alive.
    const rows = (await database.nodes()).filter(({ service, version }) => service !== clientService || version >= before.inForce)
    // Without any node it is not known what the next one needs.
    if (rows.length === 0) return
    const { version } = await database.head()
    const held = (await this.options.history?.heldAt()) ?? version
    // Not spread: a system may have more rows than a call takes arguments.
    const below = rows.reduce((least, row) => Math.min(least, oldestPossible(row)), Math.min(version, held))
    if (below <= before.below) return
    const after = await database.declareDead(below, deathDelayMs)
    if (after.below === below) this.options.tell?.({ act: 'death', below, sinceMs: after.sinceMs })
  }

  /**
   * The deaths and finality that a host knows, which the database may have lost; on probation
   * it believes that.
   */
  async restoreEnded(ended: unknown): Promise<void> {
    const { database } = this.options
    const { dead, final } = (ended ?? {}) as Record<string, unknown>
    if (!isVersion(dead) || !isVersion(final) || (dead === 0 && final === 0)) return
    if (dead > (await database.dead()).inForce || final > (await database.finalized()))
      await database.restoreEnded({ dead, final })
  }
}
