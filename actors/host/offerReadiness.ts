/**
 * Whether this host may take shards of a service: it knows the history, and has the bundle of each version
 * that may be needed, verified and loaded. Nodes of a shard may be at any version that lives, and records
 * that are made lazily may need older ones. A host that lacks one would take nodes that it can't run.
 *
 * A version that this host rejects is no obstacle while no node has reached it: all hosts may reject it, and
 * nodes stay before it then. A host that takes shards already goes on while a new version is on its way.
 */
import { reasonOf } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import { describeClass, type NodeClass } from '../../core/model/nodeObject.js'
import type { NodeRow } from '../../core/model/nodeRow.js'
import type { Clock } from '../../core/ports/clock.js'
import { classesAt } from '../../core/upgrade/classLineage.js'
import type { Manifest } from '../../core/upgrade/manifest.js'
import { Signal } from '../base/signal.js'
import { within } from '../base/timeouts.js'
import { type ClassRegistry, isRejection } from '../history/classRegistry.js'
import type { UpgradeHistory } from '../history/upgradeHistory.js'
import { noAnswerFault } from '../registration/noAnswerFault.js'
import type { NodeRowCache } from '../registration/nodeRowCache.js'

export interface ReadinessServices {
  readonly clock: Clock
  readonly classes: Pick<ClassRegistry, 'know'>
  readonly history: UpgradeHistory
  readonly nodeRowCache: Pick<NodeRowCache, 'nodes'>
  readonly database: { head(): Promise<{ readonly version: Version }> }
  readonly settings: { readonly firstAnswerMs: number; readonly fenceAnswerMs: number }
}

/** While something is missing it is looked for again after so long; the pause doubles up to the longest. */
const againMs = 500
const againMsMax = 60_000

export class OfferReadiness {
  /** It may take shards, or no more, or waits for something else. */
  readonly changed = new Signal()
  #waits: string | null = 'the history is not known yet'
  #hasBeenReady = false
  #isLooking = false
  #isAskedAgain = false
  /** Something is missing, be it no obstacle now. */
  #isIncomplete = false
  #isStopped = false
  #againMs = againMs
  #cancel: () => void = () => {}

  constructor(
    private readonly definition: NodeClass,
    private readonly services: ReadinessServices,
  ) {
    services.history.newer.on(() => this.look())
  }

  /** The cause for which it takes no shards; null: it does. */
  get waits(): string | null {
    return this.#waits
  }

  /** Looks now, and again and again while something is missing. */
  look(): void {
    if (this.#isStopped) return
    this.#isAskedAgain = true
    if (!this.#isLooking) void this.#lookOn()
  }

  stop(): void {
    this.#isStopped = true
    this.#cancel()
  }

  async #lookOn(): Promise<void> {
    this.#isLooking = true
    this.#cancel()
    let waits: string | null = null
    while (this.#isAskedAgain) {
      this.#isAskedAgain = false
      this.#isIncomplete = false
      waits = await this.#missing().catch((error: unknown) => this.#unlessReady(reasonOf(error)))
    }
    this.#isLooking = false
    if (this.#isStopped) return
    this.#hasBeenReady ||= waits === null
    if (waits !== null || this.#isIncomplete) {
      this.#cancel = this.services.clock.after(this.#againMs, () => this.look())
      this.#againMs = Math.min(this.#againMs * 2, againMsMax)
    } else this.#againMs = againMs
    if (waits === this.#waits) return
    this.#waits = waits
    this.changed.emit()
  }

  async #missing(): Promise<string | null> {
    const { history } = this.services
    const newest = await this.#newest()
    if (newest === undefined) return this.#unlessReady('neither an upgrade server nor the upgrade database answers')
    await history.fetch(newest)
    const { className, service } = describeClass(this.definition)
    const classes = classesAt(history.manifests, className)
    const isConcerned = ({ version, classUpgrades }: Manifest) =>
      classUpgrades.some(({ oldClass }) => classes[version - 1]!.has(oldClass))
    const concerned = history.manifests.filter(isConcerned).map(({ version }) => version)
    for (const version of await this.#needed(service, concerned)) {
      const fault = await this.#load(version, classes[version - 1]!)
      if (fault === undefined || !(await this.#isObstacle(service, version, fault))) continue
      // Others can run it: with the next look it is verified once more.
      history.reconsider(version)
      return obstacle(version, fault)
    }
    const next = history.newest + 1
    const refused = next <= newest ? history.whyNot(next) : undefined
    return refused !== undefined && (await this.#isObstacle(service, next, refused)) ? obstacle(next, refused) : null
  }

  /** Without those that no node runs any more, and no record is made by. */
  async #needed(service: string, concerned: readonly Version[]): Promise<readonly Version[]> {
    const { dead } = this.services.history
    // The class of the oldest version that lives came with the last upgrade up to it.
    const first = Math.max(0, concerned.filter((version) => version <= dead).length - 1)
    if (first === 0) return concerned
    const rows = await this.#rows(service)
    const isPast = rows?.every(({ figures, rewind }) => figures?.records === undefined && rewind === undefined)
    return isPast === true ? concerned.slice(first) : concerned
  }

  /** A host that serves already is not held up by a question without an answer. */
  #unlessReady(why: string): string | null {
    return this.#hasBeenReady ? null : why
  }

  /** Of the history; while no upgrade server answers, the upgrade database tells. */
  async #newest(): Promise<Version | undefined> {
    const { clock, settings, history, database } = this.services
    const asked = within(clock, settings.firstAnswerMs, history.ask(), noAnswerFault).catch(() => undefined)
    return (
      (await asked) ??
      within(clock, settings.fenceAnswerMs, database.head(), noAnswerFault).then(
        ({ version }) => version,
        () => undefined,
      )
    )
  }

  /** Why it can't be used; undefined: it can, or nobody needs it. */
  async #load(version: Version, before: ReadonlySet<string>): Promise<unknown> {
    const { history, classes } = this.services
    try {
      const { classUpgrades } = await history.load(version)
      for (const { oldClass, newClass } of classUpgrades) if (before.has(oldClass.className)) await classes.know(newClass)
      return undefined
    } catch (error) {
      const isOver = history.undoOf(version) !== null || history.takesBack(version)
      return isOver && isRejection(error) ? undefined : error
    }
  }

  async #isObstacle(service: string, version: Version, fault: unknown): Promise<boolean> {
    this.#isIncomplete = true
    if (!isRejection(fault)) return !this.#hasBeenReady
    const rows = await this.#rows(service)
    return rows === undefined ? !this.#hasBeenReady : rows.some((row) => row.version >= version)
  }

  async #rows(service: string): Promise<readonly NodeRow[] | undefined> {
    const { clock, settings, nodeRowCache } = this.services
    return within(clock, settings.fenceAnswerMs, nodeRowCache.nodes(service), noAnswerFault).catch(() => undefined)
  }
}

function obstacle(version: Version, fault: unknown): string {
  return `version ${version} can't be run here: ${reasonOf(fault)}`
}
