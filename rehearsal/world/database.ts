/**
 * The upgrade database of the world: answers take a while, may be lost with or without the request having
 * been carried out, or it is away.
 */
import { Fault } from 'theseus-actors'
import { memoryDatabase } from 'theseus-actors/memory'
import type { Random } from '../../core/ports/random.js'
import { type DatabaseLoss, losing, type SurvivingControls } from './operations/databaseLoss.js'
import type { UpgradeDatabase } from './processEnvironment.js'
import type { ProcessFault } from './processFault.js'
import type { VirtualTime } from './virtualTime.js'

const answerMsMax = 3
/** While it is flaky, the share of requests that fail, and of answers that are lost. */
const flakyShare = 0.15

/** Hears every request that was carried out, with its answer, at the moment of it. */
export type DatabaseObserver = (method: string, args: readonly any[], answer: any) => void

export class WorldDatabase {
  readonly #factory = memoryDatabase()
  #away = 0
  #flaky = 0
  #looked: UpgradeDatabase | undefined
  /** Losses of which the oracle does not know yet what they left, and what was carried out since. */
  #losses = 0
  readonly #sinceLoss: (() => void)[] = []

  constructor(
    private readonly time: VirtualTime,
    private readonly random: Random,
    private readonly carriedOut: DatabaseObserver,
    private readonly tamper: (database: UpgradeDatabase) => UpgradeDatabase = (database) => database,
  ) {}

  /** As one process reaches it. */
  async open(system: string, processFault: ProcessFault): Promise<UpgradeDatabase> {
    return processFault.database(this.tamper(await this.look(system)), (request) => this.#passage(request))
  }

  /** As the oracle looks at it: without a fault. Not while it is away. */
  async look(system: string): Promise<UpgradeDatabase> {
    const opened = await this.#factory.open(system, this.time)
    // The oracle's own comes first, and is never closed.
    this.#looked ??= opened
    return new Proxy(opened, {
      get: (target, key) => {
        const method: unknown = Reflect.get(target, key)
        if (typeof method !== 'function' || typeof key !== 'string') return method
        return async (...args: unknown[]) => {
          const answer: unknown = await method.apply(target, args)
          if (this.#losses > 0) this.#sinceLoss.push(() => this.carriedOut(key, args, answer))
          else this.carriedOut(key, args, answer)
          return answer
        }
      },
    })
  }

  away(): () => void {
    this.#factory.away(++this.#away > 0)
    return () => this.#factory.away(--this.#away > 0)
  }

  /**
   * Returns what makes it lose data, all at once, and tells what is left before anything that
   * is carried out after that.
   */
  losing(how: DatabaseLoss): (tell: (left: SurvivingControls) => void) => Promise<void> {
    const lose = losing(this.#factory, how)
    return async (tell) => {
      lose()
      this.#losses++
      // Also while nobody else reaches it: before anybody does, the oracle knows.
      this.#factory.away(false)
      const read = Promise.all([this.#looked!.controls(), this.#looked!.dead(), this.#looked!.finalized()])
      this.#factory.away(this.#away > 0)
      const [controls, death, final] = await read
      tell({ controls, death, final })
      if (--this.#losses === 0) for (const carriedOut of this.#sinceLoss.splice(0)) carriedOut()
    }
  }

  flaky(): () => void {
    this.#flaky++
    return () => void this.#flaky--
  }

  async #passage(request: () => Promise<unknown>): Promise<unknown> {
    await this.time.sleep(Math.floor(this.random.next() * answerMsMax))
    this.#mayFail('was not carried out')
    const answer = await request()
    await this.time.sleep(Math.floor(this.random.next() * answerMsMax))
    this.#mayFail('was carried out')
    return answer
  }

  #mayFail(what: string): void {
    if (this.#flaky > 0 && this.random.next() < flakyShare) {
      throw new Fault('unavailable.disconnected', `the upgrade database is flaky: the request ${what}`)
    }
  }
}
