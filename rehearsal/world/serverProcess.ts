/** One upgrade server as a process: there are two, over one upgrade database, and either may be killed. */
import { startUpgradeServer } from 'theseus'
import { memoryTransport } from 'theseus/memory'
import { Lifeline } from './lifeline.js'
import type { Stage } from './stage.js'

const tryAgainMs = 150

export class ServerProcess {
  #lifeline: Lifeline
  readonly #skew = { ms: 0 }
  #isSpared = false
  #isRunning = false

  constructor(
    readonly name: string,
    private readonly stage: Stage,
  ) {
    this.#lifeline = new Lifeline(name, stage.time, this.#skew)
    this.#lifeline.cut()
  }

  start(): void {
    const lifeline = new Lifeline(this.name, this.stage.time, this.#skew)
    this.#lifeline = lifeline
    void this.#start(lifeline)
  }

  async #start(lifeline: Lifeline): Promise<void> {
    const { stage, name } = this
    const { deaths } = stage.plan
    for (;;) {
      try {
        await startUpgradeServer({
          system: stage.system,
          transport: {
            connect: async (options) => lifeline.connected(memoryTransport(stage.network.broker, { ...options, name })),
          },
          udb: { open: (system, clock) => stage.openDatabase(system, clock, lifeline) },
          clock: lifeline.clock,
          ...(deaths === null ? {} : { deathRound: deaths.roundMs, deathDelay: deaths.delayMs }),
        })
        this.#isRunning = true
        return
      } catch (error) {
        stage.trace(`${name} does not start: ${error}`)
        await lifeline.pause(tryAgainMs)
      }
    }
  }

  /** Kills it at its so-many-th message from now on, or when a second has passed. */
  killAfter(messages: number, killed: () => void): void {
    const { network, time } = this.stage
    const lifeline = this.#lifeline
    this.#isSpared = false
    const kill = () => this.#kill(lifeline, killed)
    if (messages === 0) {
      kill()
      return
    }
    let left = messages
    network.onMessage(this.name, () => {
      if (--left === 0) time.turn(kill)
    })
    time.after(1_000, kill)
  }

  /** Kills it at its so-many-th request to the upgrade database from now on, or when a second has passed. */
  killAfterRequests(requests: number, killed: () => void): void {
    const lifeline = this.#lifeline
    this.#isSpared = false
    let left = requests
    lifeline.onRequest = () => {
      if (--left === 0) this.#kill(lifeline, killed)
    }
    this.stage.time.after(1_000, () => this.#kill(lifeline, killed))
  }

  #kill(lifeline: Lifeline, killed: () => void): void {
    if (lifeline.isDead || this.#isSpared) return
    this.stage.network.onMessage(this.name, undefined)
    lifeline.cut()
    this.#isRunning = false
    this.stage.trace(`${this.name} is gone`)
    killed()
  }

  freeze(): () => void {
    return this.#lifeline.freeze()
  }

  setClock(byMs: number): void {
    this.#skew.ms += byMs
  }

  spare(): void {
    this.#isSpared = true
  }

  /** Whether it answers questions. */
  get isRunning(): boolean {
    return this.#isRunning
  }

  get isAlive(): boolean {
    return !this.#lifeline.isDead
  }
}
