/**
 * The work of a plan's operators: they publish upgrades and undos, pause and resume, hold and release, and
 * order retries of what does not succeed.
 */
import { type BuiltUpgrade, draftManifest, Fault, isFault, type RunningHost, type Upgrade, type Version } from 'theseus-actors'
import type { ControlName } from '../../core/control/control.js'
import { takesBack } from './classSpecs.js'
import type { OrderChecker } from './operations/orderChecker.js'
import type { Plan, Step } from './plan.js'
import type { UpgradeDatabase } from './processEnvironment.js'
import type { WorldTime } from './virtualTime.js'

export interface OperatorsContext {
  readonly plan: Plan
  readonly time: WorldTime
  readonly database: UpgradeDatabase
  /** The process at which an operator sits. */
  host(name: string): { readonly running: RunningHost | undefined }
  readonly orders: OrderChecker
  trace(line: string): void
}

export type OperatorStep = Extract<Step, { kind: 'pause' | 'hold' | 'now' | 'retryVersion' | 'finalize' }>

const tryAgainMs = 200
const publishWithinMs = 5_000
const finalizeTriesMax = 25
/** After a loss, the hosts give back what they know of the history before anybody publishes. */
const givenBackWithinMs = 8_000
/** After a call without an answer has ended at its deadline, its server may still be busy with it. */
const carriedOutWithinMs = 5_000

export class Operators {
  #publishFromMs = 0

  constructor(
    private readonly world: OperatorsContext,
    /** Of upgrades 1, 2, …; undefined where one is an undo. */
    private readonly built: readonly (BuiltUpgrade | undefined)[],
  ) {}

  databaseLost(): void {
    this.#publishFromMs = this.world.time.elapsedMs + givenBackWithinMs
  }

  /** Bundles that no host has fetched before the loss. One that is there is the same. */
  async bringBundles(): Promise<void> {
    for (const built of this.built)
      if (built !== undefined) await this.world.database.putChunk(built.manifest.bundle.digest, 0, built.bundle)
  }

  /** The version after this one was published, and nobody knows it any more. */
  publishAgain(newest: Version): void {
    if (this.world.time.elapsedMs < this.#publishFromMs || this.#publishFromMs === 0) return
    this.databaseLost()
    void this.publish(this.world.plan.clients[0]!, newest + 1)
  }

  /** Publishes a version as soon as the one before it is there, until it is. */
  async publish(client: string, version: Version): Promise<void> {
    const { database, time } = this.world
    for (;;) {
      try {
        const head = await database.head()
        if (head.version >= version) return
        const { running } = this.world.host(client)
        if (head.version === version - 1 && running !== undefined && time.elapsedMs >= this.#publishFromMs) {
          // If the client is killed meanwhile, nothing comes of it.
          const tried = this.#install(running, version).then(() => 'published')
          const result = await Promise.race([tried, time.sleep(publishWithinMs)])
          this.world.trace(`${client}: version ${version}, ${result ?? 'no answer'}`)
        }
      } catch (error) {
        this.world.trace(`${client} has not published version ${version}: ${error}`)
      }
      await time.sleep(tryAgainMs)
    }
  }

  #install(running: RunningHost, version: Version): Promise<Version> {
    const built = this.built[version - 1]
    if (built !== undefined) return running.publish(built, { asVersion: version })
    const { undoes, rewinds } = this.world.plan.upgrades[version - 1]!
    return running.operator.undo({ version: undoes!, rewind: rewinds === true })
  }

  /**
   * Asks what the step says, once; the way back of a pause or a hold is tried until it succeeds. Returns it.
   */
  ask(step: OperatorStep): (() => void) | undefined {
    const { plan } = this.world
    const operator = this.world.host(plan.clients[0]!).running?.operator
    if (operator === undefined) return undefined
    const once = (asked: Promise<unknown>): Promise<unknown> =>
      asked.catch((error) => this.world.trace(`an operator's ${step.kind} fails: ${error}`))
    switch (step.kind) {
      case 'pause': {
        const { version } = step
        const asked = once(this.#heard({ kind: 'pause', version }, operator.pause(version, 'the plan says so')))
        // Nobody is held by it: it may stay.
        if (takesBack(plan, version)) return undefined
        return () => this.#takeBack(asked, () => this.world.database.removeControl({ kind: 'pause', version }))
      }
      case 'hold': {
        const { nodeId } = step
        const asked = once(this.#heard({ kind: 'hold', nodeId }, operator.hold(nodeId, 'the plan says so')))
        return () => this.#takeBack(asked, () => this.world.database.removeControl({ kind: 'hold', nodeId }))
      }
      case 'now':
        void once(this.#heard({ kind: 'now', nodeId: step.nodeId }, operator.upgradeNow(step.nodeId)))
        return undefined
      case 'retryVersion':
        void once(this.#heard({ kind: 'retry', version: step.version }, operator.retry(step.version)))
        return undefined
      case 'finalize':
        void once(operator.finalize(step.version))
        return undefined
    }
  }

  async #heard(control: ControlName, answer: Promise<unknown>): Promise<void> {
    const { time, orders } = this.world
    const givenAtMs = time.elapsedMs
    await answer
    orders.answered(control, givenAtMs)
  }

  /**
   * A request may be carried out as long as it has no answer, and a while after that; nobody
   * takes it back before.
   */
  #takeBack(asked: Promise<unknown>, action: () => Promise<unknown>): void {
    void asked.then(() => {
      this.#insist(action)
      this.world.time.after(carriedOutWithinMs, () => this.#insist(action))
    })
    // Where who asked is gone, no answer comes.
    this.world.time.after(2 * carriedOutWithinMs, () => this.#insist(action))
  }

  #insist(action: () => Promise<unknown>): void {
    action().catch(() => this.world.time.after(tryAgainMs, () => this.#insist(action)))
  }

  /** Nobody goes back from the newest version any more: an undo of it is refused, and installs nothing. */
  async finish(running: RunningHost, violated: (rule: string, what: string) => void): Promise<void> {
    const newest = this.world.plan.upgrades.length
    let final = await running.operator.finalize(newest)
    // A database that doubts itself makes nothing final, and says so by its answer.
    for (let tries = 0; final !== newest && tries < finalizeTriesMax; tries++) {
      await this.world.time.sleep(tryAgainMs)
      final = await running.operator.finalize(newest)
    }
    if (final !== newest) {
      violated('C8', `every node is at version ${newest}, and it can't be made final: ${final} is`)
      return
    }
    const outcome = await running.operator.undo().then(
      (version) => `is installed as version ${version}`,
      (error) => (isFault(error) && error.code === 'upgrade.invalid' ? undefined : `ends with ${error}`),
    )
    if (outcome !== undefined) violated('C8', `version ${newest} is final, and an undo of it ${outcome}`)
  }
}

/** An upgrade in a bundle that nobody will open: who loads it is given the upgrade itself. */
export function draftOf(upgrade: Upgrade, seed: number, version: Version): BuiltUpgrade {
  const bundle = new TextEncoder().encode(`bundle ${version} of seed ${seed}`)
  return { manifest: draftManifest(upgrade, bundle), bundle }
}

export function badBundle(): Fault {
  return new Fault('upgrade.invalid', 'the loading of this bundle fails')
}
