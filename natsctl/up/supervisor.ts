/**
 * Keeps one child process running: reports when it ends, starts it again after a pause that
 * grows, and ends it when asked to.
 *
 * K1. After `stop` nothing is started any more, and when it returns nothing runs.
 */
import { setTimeout as sleep } from 'node:timers/promises'

/** A child process from the moment it is spawned. */
export interface Running {
  /** Resolves when it does its work. Rejects when it can't, or ends before. */
  readonly ready: Promise<void>
  /** Resolves with how it ended, whoever ended it. Never rejects. */
  readonly ended: Promise<string>
  /** Asks it to end in its own time. */
  end(): void
  kill(): void
}

export interface Task {
  readonly name: string
  launch(): Running
  /** It gets so long to end by itself. */
  readonly stopTimeoutMs: number
}

const firstPauseMs = 250
const pauseMsMax = 10_000
/** A process that ran so long did not fail at its start: its next pause is a short one again. */
const healthyMs = 30_000

export class Supervisor {
  readonly #task: Task
  readonly #report: (line: string) => void
  readonly #stopping = new AbortController()
  #running: Running | undefined
  #kept: Promise<void> = Promise.resolve()

  constructor(task: Task, report: (line: string) => void) {
    this.#task = task
    this.#report = report
  }

  /**
   * Resolves when it is ready for the first time. Rejects when it can't be: then it is not tried again, and
   * nothing of it is left.
   */
  async start(): Promise<void> {
    this.#kept = this.#keep(await this.#launch())
  }

  async stop(): Promise<void> {
    const { name, stopTimeoutMs } = this.#task
    this.#stopping.abort()
    const running = this.#running
    running?.end()
    const late = setTimeout(() => {
      this.#report(`${name} did not end within ${stopTimeoutMs / 1000} s: it is killed`)
      this.kill()
    }, stopTimeoutMs)
    await running?.ended
    await this.#kept
    clearTimeout(late)
  }

  /** For who can't wait: `stop` then returns soon. */
  kill(): void {
    this.#stopping.abort()
    this.#running?.kill()
  }

  async #launch(): Promise<Running> {
    const running = this.#task.launch()
    this.#running = running
    try {
      await running.ready
      return running
    } catch (error) {
      running.kill()
      await running.ended
      throw error
    }
  }

  async #keep(first: Running): Promise<void> {
    let failures = 0
    for (let running: Running | undefined = first; running !== undefined; ) {
      const startedAt = performance.now()
      const how = await running.ended
      if (this.#stopping.signal.aborted) return
      failures = performance.now() - startedAt > healthyMs ? 1 : failures + 1
      running = await this.#again(`ended (${how})`, failures)
    }
  }

  /** Undefined when it was asked to stop. */
  async #again(what: string, failuresBefore: number): Promise<Running | undefined> {
    const { signal } = this.#stopping
    const { name } = this.#task
    let happened = what
    for (let failures = failuresBefore; ; failures++) {
      const pauseMs = Math.min(firstPauseMs * 2 ** (failures - 1), pauseMsMax)
      this.#report(`${name} ${happened}; starting it again in ${pauseMs / 1000} s`)
      await sleep(pauseMs, undefined, { signal }).catch(() => {})
      // Right before the launch, so that none comes after `stop` (K1).
      if (signal.aborted) return undefined
      try {
        const running = await this.#launch()
        this.#report(`${name} is up again`)
        return running
      } catch (error) {
        if (signal.aborted) return undefined
        happened = `can't be started (${error instanceof Error ? error.message : String(error)})`
      }
    }
  }
}
