/** Watches one process: how long its event loop was blocked, how busy it was, and what CPU time it used. */
import { type EventLoopUtilization, monitorEventLoopDelay, performance } from 'node:perf_hooks'

export interface LoopFigures {
  /** The longest time for which no timer could fire. */
  readonly longestBlockMs: number
  /** The part of the time in which the loop had something to do. */
  readonly busy: number
  readonly cpuMs: number
}

export class LoopWatch {
  readonly #delay = monitorEventLoopDelay({ resolution: 1 })
  #utilization: EventLoopUtilization = performance.eventLoopUtilization()
  #cpu = process.cpuUsage()

  /** From now on. */
  begin(): void {
    this.#delay.enable()
    this.#delay.reset()
    this.#utilization = performance.eventLoopUtilization()
    this.#cpu = process.cpuUsage()
  }

  /** Until now. The block that is just ending is seen only after a turn of the loop. */
  async end(): Promise<LoopFigures> {
    await new Promise((resolve) => setTimeout(resolve, 5))
    this.#delay.disable()
    const { user, system } = process.cpuUsage(this.#cpu)
    return {
      longestBlockMs: this.#delay.max / 1e6,
      busy: performance.eventLoopUtilization(this.#utilization).utilization,
      cpuMs: (user + system) / 1000,
    }
  }
}
