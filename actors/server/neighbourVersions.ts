/**
 * The part of an upgrade server that knows the system's neighbours.
 *
 * N2. The pin at a neighbour is set before the upgrade is installed that needs it. Every round sets it to the
 *     oldest version that some class of this system may still call, so it moves forward when an upgrade that
 *     needed an older one is final and its versions are dead. Two servers that write it at once are right
 *     again after a round: a version dies there a longest deadline after its declaration, and not at all if
 *     the pin names it by then.
 * N3. An upgrade is refused whose classes call a class that no version of the neighbour has, or a dead one
 *     only. An undo is not: going back must always be possible.
 * N4. The neighbour's history is verified with the neighbour's keys.
 */
import { Fault, isFault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import { type Level, type Software, softwareSince } from '../../core/base/level.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import type { HostObserver } from '../../core/inspection/hostEvents.js'
import type { NeighbourUse } from '../../core/model/neighbour.js'
import type { Clock } from '../../core/ports/clock.js'
import type { Signatures } from '../../core/ports/signatures.js'
import type { Trust } from '../../core/trust/trust.js'
import type { Manifest } from '../../core/upgrade/manifest.js'
import {
  type NeighbourState,
  neededVersion,
  neighboursNeeded,
  softwareOfAll,
  troubleWith,
  usesBrought,
} from '../../core/upgrade/neighbourNeeds.js'
import { forgottenText } from '../neighbours/neighbour.js'
import { SystemPin } from '../neighbours/systemPin.js'
import { InstalledHistory } from './installedHistory.js'

/** How to read a neighbour's history, and to pin a version there. */
export interface NeighbourAccess {
  readonly system: string
  readonly database: UpgradeDatabase
  readonly trust: Trust | undefined
  /** That of its version 0. */
  readonly level: Level
}

export interface NeighbourVersionsOptions {
  readonly system: string
  readonly database: UpgradeDatabase
  readonly clock: Clock
  readonly signatures: Signatures
  readonly name?: string
  readonly observe?: HostObserver
}

interface Known {
  readonly database: UpgradeDatabase
  readonly history: InstalledHistory
  readonly pin: SystemPin
}

export class NeighbourVersions {
  readonly #known = new Map<string, Known>()
  /** The neighbours of which a warning was given, and not taken back since. */
  readonly #warned = new Map<string, string>()

  readonly #own: Software
  /** The same for all of this system, as far as its rows tell. */
  #software: Software

  constructor(private readonly options: NeighbourVersionsOptions) {
    this.#own = softwareSince(options.clock.now())
    this.#software = this.#own
  }

  /** An embedded server learns of the neighbours of its hosts as these start. */
  add({ system: neighbour, database, trust, level }: NeighbourAccess): void {
    if (this.#known.has(neighbour)) {
      void database.close()
      return
    }
    const { system, clock, signatures, name = 'upgrade-server' } = this.options
    this.#known.set(neighbour, {
      database,
      history: new InstalledHistory({ system: neighbour, database, signatures, trust, level }),
      pin: new SystemPin({ system, neighbour, database, clock, by: name, software: () => this.#software }),
    })
  }

  /** N3, N2. Throws `upgrade.neighbour`, or sets the pins that the upgrade needs. */
  async prepare(manifest: Manifest): Promise<void> {
    for (const [system, uses] of Map.groupBy(usesBrought(manifest.classUpgrades), (use) => use.system)) {
      try {
        await this.#prepare(system, uses)
      } catch (error) {
        if (manifest.undoes === null) throw error
        this.#warn(system, `an undo is installed that calls ${system}, whose versions could not be pinned`, error)
      }
    }
  }

  async #prepare(system: string, uses: readonly (NeighbourUse & { readonly by: string })[]): Promise<void> {
    const known = this.#known.get(system)
    const [first] = uses
    if (known === undefined)
      throw refused(
        `${first!.by} calls ${first!.className} of ${system}, which is no neighbour of this upgrade server: give "neighbours: { ${system}: { udb, trust } }" when it starts`,
        first!,
      )
    const before = await this.#state(system, known)
    const versions = uses.map((use) => {
      const found = neededVersion(before, use.className)
      const trouble = troubleWith(use.by, use, found)
      if (trouble !== undefined) throw refused(trouble, use)
      return (found as { readonly version: Version }).version
    })
    // The pin first: from now on no version dies that it names.
    const pinned = await known.pin.read()
    // A pin at a dead version keeps nothing alive.
    const kept = pinned === undefined || pinned < before.death.inForce ? [] : [pinned]
    await known.pin.claim(Math.min(...versions, ...kept))
    const { inForce } = await known.database.dead()
    const dead = versions.findIndex((version) => version < inForce)
    if (dead === -1) return
    const use = uses[dead]!
    throw refused(troubleWith(use.by, use, { is: 'dead', version: versions[dead]!, oldest: inForce })!, use)
  }

  /** N2. Says each trouble once. */
  async keepPins(history: readonly Manifest[]): Promise<void> {
    if (this.#known.size === 0) return
    const { database } = this.options
    const [rows, { inForce }, final] = await Promise.all([database.nodes(), database.dead(), database.finalized()])
    this.#software = softwareOfAll(rows, this.#own)
    const needed = Map.groupBy(neighboursNeeded(history, rows, { dead: inForce, final }), ({ system }) => system)
    for (const [system, known] of this.#known) {
      try {
        await this.#keepPin(system, known, needed.get(system) ?? [])
      } catch (error) {
        this.#warn(system, `the versions of neighbour ${system} that this system calls could not be pinned`, error)
      }
    }
  }

  async #keepPin(system: string, known: Known, needed: readonly NeighbourUse[]): Promise<void> {
    // One that was needed once goes forward, and keeps nothing alive.
    if (needed.length === 0 && (await known.pin.read()) === undefined) return
    const state = await this.#state(system, known)
    const found = needed.map((use) => ({ use, version: neededVersion(state, use.className) }))
    const alive = found.flatMap(({ version }) => (version.is === 'alive' || version.is === 'dying' ? version.version : []))
    if ((await known.pin.set(Math.min(state.history.length, ...alive))) === 'forgotten') {
      this.#warn(system, forgottenText(system), undefined)
      return
    }
    const over = found.flatMap(({ use, version }) => troubleWith('this system', use, version) ?? [])
    if (over.length > 0) this.#warn(system, over.join('; '), undefined)
    else this.#warned.delete(system)
  }

  async #state(system: string, { database, history }: Known): Promise<NeighbourState> {
    try {
      const verified = await history.at(await database.head())
      const [rows, death] = await Promise.all([database.nodes(), database.dead()])
      return { history: verified.manifests, running: new Set(rows.map(({ className }) => className)), death }
    } catch (error) {
      const why = isFault(error) || error instanceof Error ? error.message : String(error)
      const message = `the versions of neighbour ${system} can't be read: ${why}`
      throw new Fault('upgrade.neighbour', message, { system }, { cause: error })
    }
  }

  #warn(system: string, message: string, error: unknown): void {
    if (this.#warned.get(system) === message) return
    this.#warned.set(system, message)
    this.options.observe?.({ type: 'warning', message, error })
  }

  async close(): Promise<void> {
    await Promise.all([...this.#known.values()].map(({ database }) => database.close()))
  }
}

function refused(message: string, { system, className }: NeighbourUse): Fault {
  return new Fault('upgrade.neighbour', message, { system, className })
}
