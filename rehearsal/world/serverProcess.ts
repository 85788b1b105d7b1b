/** One upgrade server as a process: there are two, over one upgrade database, and either may be killed. */
import { startUpgradeServer } from 'theseus-actors'
import { memoryTransport } from 'theseus-actors/memory'
import type { ProcessEnvironment } from './processEnvironment.js'
import { ProcessFault } from './processFault.js'

const tryAgainMs = 150

export class ServerProcess {
  #processFault: ProcessFault
  readonly #skew = { ms: 0 }
  #isSpared = false
  #isRunning = false

  constructor(
    readonly name: string,
    private readonly environment: ProcessEnvironment,
  ) {
    this.#processFault = new ProcessFault(name, environment.time, this.#skew)
    this.#processFault.cut()
  }

  start(): void {
    const processFault = new ProcessFault(this.name, this.environment.time, this.#skew)
    this.#processFault = processFault
    void this.#start(processFault)
  }

  async #start(processFault: ProcessFault): Promise<void> {
    const { environment, name } = this
    const { deaths } = environment.plan
    for (;;) {
      try {
        await startUpgradeServer({
          system: environment.system,
          transport: {
            connect: async (options) => processFault.connected(memoryTransport(environment.network.broker, { ...options, name })),
          },
          udb: { ...environment.level, open: (system, clock) => environment.openDatabase(system, clock, processFault) },
          clock: processFault.clock,
          ...(deaths === null ? {} : { deathRound: deaths.roundMs, deathDelay: deaths.delayMs }),
        })
        this.#isRunning = true
        return
      } catch (error) {
        environment.trace(`${name} does not start: ${error}`)
        await processFault.pause(tryAgainMs)
      }
    }
  }

  /** Kills it at its so-many-th message from now on, or when a second has passed. */
  killAfter(messages: number, killed: () => void): void {
    const { network, time } = this.environment
    const processFault = this.#processFault
    this.#isSpared = false
    const kill = () => this.#kill(processFault, killed)
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
    const processFault = this.#processFault
    this.#isSpared = false
    let left = requests
    processFault.onRequest = () => {
      if (--left === 0) this.#kill(processFault, killed)
    }
    this.environment.time.after(1_000, () => this.#kill(processFault, killed))
  }

  #kill(processFault: ProcessFault, killed: () => void): void {
    if (processFault.isDead || this.#isSpared) return
    this.environment.network.onMessage(this.name, undefined)
    processFault.cut()
    this.#isRunning = false
    this.environment.trace(`${this.name} is gone`)
    killed()
  }

  freeze(): () => void {
    return this.#processFault.freeze()
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
    return !this.#processFault.isDead
  }
}
