/** One upgrade server as a process: there are two, over one upgrade database, and either may be killed. */
import { startUpgradeServer } from 'theseus'
import { memoryTransport } from 'theseus/memory'
import { Lifeline } from './lifeline.js'
import type { Stage } from './stage.js'

const tryAgainMs = 150

export class ServerProcess {
  #lifeline: Lifeline

  constructor(
    readonly name: string,
    private readonly stage: Stage,
  ) {
    this.#lifeline = new Lifeline(name, stage.time)
    this.#lifeline.cut()
  }

  start(): void {
    const lifeline = new Lifeline(this.name, this.stage.time)
    this.#lifeline = lifeline
    void this.#start(lifeline)
  }

  async #start(lifeline: Lifeline): Promise<void> {
    const { stage, name } = this
    for (;;) {
      try {
        await startUpgradeServer({
          system: stage.system,
          transport: {
            connect: async (options) => {
              lifeline.transport = memoryTransport(stage.network.broker, { ...options, name })
              return lifeline.transport
            },
          },
          udb: { open: (system, clock) => stage.openDatabase(system, clock, lifeline) },
          clock: lifeline.clock,
        })
        return
      } catch (error) {
        stage.trace(`${name} does not start: ${error}`)
        await lifeline.pause(tryAgainMs)
      }
    }
  }

  kill(): void {
    this.#lifeline.cut()
  }

  get isAlive(): boolean {
    return !this.#lifeline.isDead
  }
}
