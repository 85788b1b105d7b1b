/**
 * The answers of an upgrade server to "head", which everybody may ask as often as they like. One reading of
 * the upgrade database answers all who wait for it.
 *
 * H1. An answer is read after its question came: nobody is told of less than was installed before they asked.
 * H2. One reading at a time, and at most `headReadingsMax` within `headWindowMs`.
 * H3. A death, finality, or log that makes no sense is told of once in the log, and to nobody else: what made
 *     sense last is answered instead.
 */

import { isDigest } from '../../core/base/digest.js'
import { isFault } from '../../core/base/fault.js'
import { isVersion, type Version } from '../../core/base/ids.js'
import { isLogId } from '../../core/control/directive.js'
import type { Head, UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import type { HostObserver } from '../../core/inspection/hostEvents.js'
import type { Clock } from '../../core/ports/clock.js'
import { sleep } from '../base/timeouts.js'

export const headReadingsMax = 32
export const headWindowMs = 100
/**
 * The words of hosts about what is dead and final, which the database does not have: so many different ones
 * are looked at in one reading.
 */
export const endedVersionsMax = 16

export interface HeadAnswer extends Head {
  readonly dead: Version
  readonly final: Version
  readonly directives: number
  readonly log: string | null
  /** Bundles that were lost; left out where none is. */
  readonly wanted?: readonly string[]
}

export interface EndedVersions {
  readonly dead: Version
  readonly final: Version
}

export interface HeadSources {
  readonly database: Pick<UpgradeDatabase, 'head' | 'dead' | 'finalized'>
  /** On probation the database believes what hosts know to have ended, where nothing speaks against it. */
  readonly restoreEnded: (ended: EndedVersions) => Promise<void>
  readonly clock: Clock
  /** Of the directives. */
  readonly log: () => Promise<{ readonly id: string; readonly count: number }>
  readonly wanted: () => Promise<readonly string[]>
  readonly observe?: HostObserver | undefined
}

export class HeadAnswers {
  #reading: Promise<unknown> = Promise.resolve()
  /** Begins when the one before has ended. */
  #next: Promise<HeadAnswer> | undefined
  #ended = new Map<string, EndedVersions>()
  #windowFromMs = Number.NEGATIVE_INFINITY
  #readings = 0
  #sane: EndedVersions = { dead: 0, final: 0 }
  readonly #told = new Map<string, string>()

  constructor(private readonly from: HeadSources) {}

  answer(ended: unknown): Promise<HeadAnswer> {
    this.#remember(ended)
    this.#next ??= this.#later()
    return this.#next
  }

  #remember(ended: unknown): void {
    const { dead, final } = (ended ?? {}) as Record<string, unknown>
    if (!isVersion(dead) || !isVersion(final) || (dead === 0 && final === 0)) return
    if (this.#ended.size < endedVersionsMax) this.#ended.set(`${dead}/${final}`, { dead, final })
  }

  async #later(): Promise<HeadAnswer> {
    await this.#reading
    await this.#untilMayRead()
    const ended = [...this.#ended.values()]
    this.#ended = new Map()
    this.#next = undefined
    const reading = this.#read(ended)
    this.#reading = reading.catch(() => {})
    return reading
  }

  /** H2. */
  async #untilMayRead(): Promise<void> {
    const { clock } = this.from
    const sinceMs = clock.monotonicMs() - this.#windowFromMs
    if (sinceMs < headWindowMs && ++this.#readings <= headReadingsMax) return
    if (sinceMs < headWindowMs) await sleep(clock, headWindowMs - sinceMs)
    this.#windowFromMs = clock.monotonicMs()
    this.#readings = 1
  }

  async #read(ended: readonly EndedVersions[]): Promise<HeadAnswer> {
    const answer = await this.#readOnce()
    const { version } = answer
    const lost = ended.filter(
      ({ dead, final }) => (dead > answer.dead && dead <= version) || (final > answer.final && final <= version),
    )
    if (lost.length === 0) return answer
    for (const versions of lost) await this.from.restoreEnded(versions)
    return this.#readOnce()
  }

  /**
   * Asked for at once, and answered in this order. Deaths first: none of them passes a version
   * that is installed.
   */
  async #readOnce(): Promise<HeadAnswer> {
    const { database } = this.from
    const reads = [
      this.#readable(
        'dead',
        database.dead().then(({ inForce }) => inForce),
      ),
      this.#readable('final', database.finalized()),
      this.from.wanted(),
      this.from.log(),
      database.head(),
    ] as const
    const [dead, final, wanted, { id, count }, head] = await Promise.all(reads)
    const { version } = head
    this.#sane = {
      dead: this.#sensible('dead', dead, this.#sane.dead, version, `versions below ${dead} are dead`),
      final: this.#sensible('final', final, this.#sane.final, version, `version ${final} is final`),
    }
    const isLog = isLogId(id) && Number.isSafeInteger(count) && count >= 0
    this.#tell(
      'log',
      isLog ? undefined : 'the upgrade database has a log of directives that makes no sense: nothing can be ordered',
    )
    const digests = wanted.filter(isDigest)
    this.#tell(
      'wanted',
      digests.length === wanted.length ? undefined : 'the table theseus-wanted lists what is no digest: ignored',
    )
    return {
      ...head,
      ...this.#sane,
      directives: isLog ? count : 0,
      log: isLog ? id : null,
      ...(digests.length === 0 ? {} : { wanted: digests }),
    }
  }

  /** Undefined for what can't be read, which is told. */
  async #readable(what: 'dead' | 'final', reading: Promise<Version>): Promise<Version | undefined> {
    try {
      return await reading
    } catch (error) {
      if (!isFault(error) || error.code !== 'upgrade.invalid') throw error
      this.#tell(what, `${error.message}: ignored, until it is repaired or removed`)
      return undefined
    }
  }

  #sensible(what: 'dead' | 'final', found: Version | undefined, last: Version, newest: Version, says: string): Version {
    if (found === undefined) return Math.min(last, newest)
    const isSensible = isVersion(found) && found <= newest
    const message = `the upgrade database says that ${says}, and the newest is ${newest}: ignored, until it is repaired or removed`
    this.#tell(what, isSensible ? undefined : message)
    return isSensible ? found : Math.min(last, newest)
  }

  /** Once, until it is well again or is another. */
  #tell(what: string, message: string | undefined): void {
    if (message === undefined) this.#told.delete(what)
    else if (this.#told.get(what) !== message) {
      this.#told.set(what, message)
      this.from.observe?.({ type: 'warning', message, error: undefined })
    }
  }
}
