/**
 * A neighbour as a host knows it (§3: "multiple upgrade servers, each with its own version number"): its
 * history, the version to which a class of it belongs, and the way there.
 *
 * N1. A call to a neighbour is labelled with the version of the neighbour to which the named class belongs:
 *     the newest at which the lineage has it. The label moves forward with the neighbour's history, and never
 *     back.
 * N4. No label comes from a manifest that the neighbour's own keys have not signed. The history is kept with
 *     the host's state, so a host starts while the neighbour's servers are away.
 */
import { Fault, isFault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import type { HostObserver } from '../../core/inspection/hostEvents.js'
import type { NodeClass } from '../../core/model/nodeObject.js'
import type { Clock } from '../../core/ports/clock.js'
import type { Random } from '../../core/ports/random.js'
import type { StateStore } from '../../core/ports/stateStore.js'
import { isNamed, newestVersionOf } from '../../core/upgrade/classLineage.js'
import { pack } from '../../core/wire/codec.js'
import { type Subjects, subjectsOf } from '../../core/wire/subjects.js'
import type { HostSettings } from '../base/settings.js'
import type { StopBudget } from '../base/stopBudget.js'
import type { CallTable } from '../calls/callTable.js'
import type { CalledNeighbour } from '../calls/upgradeLayer.js'
import type { UpgradeHistory } from '../history/upgradeHistory.js'
import type { Journal } from '../state/journal.js'
import type { SystemPin } from './systemPin.js'

/** The host as the neighbour sees it: one without nodes. */
export interface NeighbourHost {
  ref(target: NodeClass, nodeId?: string, options?: object): object
  sender(target: NodeClass, nodeId?: string, options?: object): object
  stop(budget?: StopBudget): Promise<void>
}

export interface NeighbourParts {
  readonly system: string
  readonly host: NeighbourHost
  readonly calls: CallTable
  readonly history: Pick<UpgradeHistory, 'ask' | 'fetch' | 'manifests' | 'newest' | 'newer'>
  readonly journal: Pick<Journal, 'commit'>
  readonly store: Pick<StateStore, 'range'>
  readonly pin: SystemPin
  readonly clock: Clock
  readonly random: Random
  readonly settings: Pick<HostSettings, 'askServerMs'>
  readonly observe: HostObserver
}

/** Classes that no upgrade of the neighbour names, and for which its history was asked. */
export const askedKeys = { of: (className: string) => `asked/${className}`, all: ['asked/', 'asked0'] as const }

interface FoundLabel {
  readonly version: Version
  /** The newest version of the neighbour when it was looked for. */
  readonly newest: Version
}

export class Neighbour implements CalledNeighbour {
  readonly subjects: Subjects
  readonly #labels = new Map<string, FoundLabel>()
  readonly #asked: Set<string>
  /** The classes that this host's classes call. */
  readonly #needed = new Set<string>()
  #isPinned = true
  #cancel: () => void = () => {}

  constructor(private readonly parts: NeighbourParts) {
    const { system, history, store } = parts
    this.subjects = subjectsOf(system)
    this.#asked = new Set([...store.range(...askedKeys.all)].map(([key]) => key.slice(askedKeys.of('').length)))
    history.newer.on((version) => void history.fetch(version).catch(() => {}))
  }

  get system(): string {
    return this.parts.system
  }

  get calls(): CallTable {
    return this.parts.calls
  }

  get host(): NeighbourHost {
    return this.parts.host
  }

  /** N1. Undefined where the history must be asked first: `find` does. */
  label(className: string): Version | undefined {
    const { newest, manifests } = this.parts.history
    const known = this.#labels.get(className)
    if (known?.newest === newest) return known.version
    // A class that no known upgrade names may be of one that is not known yet.
    if (!isNamed(manifests, className) && !this.#asked.has(className)) return undefined
    const version = newestVersionOf(manifests, className)
    this.#labels.set(className, { version, newest })
    return version
  }

  /** The same, after its upgrade servers were asked. Throws `upgrade.fetch`, `config.other-trust`. */
  async find(className: string): Promise<Version> {
    const known = this.label(className)
    if (known !== undefined) return known
    const { history, journal, system } = this.parts
    try {
      const newest = await history.ask()
      await history.fetch(newest)
      if (history.newest < newest)
        throw new Error(`version ${history.newest + 1} there is not one that this host accepts: is its trust right?`)
    } catch (error) {
      if (isFault(error) && error.kind === 'config') throw error
      const why = error instanceof Error ? error.message : String(error)
      const message = `the history of neighbour ${system} is neither on this host's disk nor to be had, so the version of ${className} there is not known: ${why}`
      throw new Fault('upgrade.fetch', message, { system, className }, { cause: error })
    }
    if (!isNamed(history.manifests, className)) {
      await journal.commit([[askedKeys.of(className), pack(true)]])
      this.#asked.add(className)
    }
    return this.label(className)!
  }

  /** One of this host's classes calls it: its version is found. It is pinned too, which nobody waits for. */
  async need(className: string): Promise<void> {
    const version = await this.find(className)
    this.#needed.add(className)
    void this.#pin(() => this.parts.pin.atMost(version))
  }

  /** Asks now and then. */
  start(): void {
    const { clock, random, settings, history } = this.parts
    this.#cancel = clock.after(settings.askServerMs * (1 + random.next() / 4), () => {
      history.ask().catch(() => {
        // Asked again soon; a reply of a newer version asks too.
      })
      void this.#renewPin()
      this.start()
    })
  }

  async stop(budget?: StopBudget): Promise<void> {
    this.#cancel()
    await this.parts.host.stop(budget)
  }

  /** N2. The system's upgrade servers keep it. A host puts it back where they know no neighbours. */
  async #renewPin(): Promise<void> {
    const versions = [...this.#needed].map((className) => this.label(className)!)
    if (versions.length > 0) await this.#pin(() => this.parts.pin.renew(Math.min(...versions)))
  }

  /** Nodes start without it: the upgrade servers set it too, and a version dies a longest deadline later. */
  async #pin(set: () => Promise<'kept' | 'forgotten'>): Promise<void> {
    const { system, observe } = this.parts
    try {
      const isKept = (await set()) === 'kept'
      if (!isKept && this.#isPinned) observe({ type: 'warning', message: forgottenText(system), error: undefined })
      this.#isPinned = isKept
    } catch (error) {
      if (this.#isPinned)
        observe({ type: 'warning', message: `neighbour ${system} could not be told which version it must keep alive`, error })
      this.#isPinned = false
    }
  }
}

export function forgottenText(system: string): string {
  return `an operator of neighbour ${system} has forgotten this system: the versions that it calls may die there`
}
