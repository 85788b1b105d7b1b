/** One worker, from outside. It is killed when it is silent for too long: a mutant may turn for ever. */
import { type ChildProcess, fork, spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { Answer, Order } from './messages.js'

const entry = fileURLToPath(new URL('./worker.js', import.meta.url))

let reaper: Socket | undefined

/**
 * Has `reaper.ts` know of a worker: one process for all workers, in a group of its own, and
 * nobody waits for it.
 */
function tellReaper(line: string): void {
  if (reaper === undefined) {
    const path = fileURLToPath(new URL('./reaper.js', import.meta.url))
    const child = spawn(process.execPath, [path], { stdio: ['pipe', 'ignore', 'ignore'], detached: true })
    child.unref()
    reaper = child.stdin as Socket
    reaper.unref()
    // Without it the workers run as well.
    reaper.on('error', () => {})
  }
  reaper.write(`${line}\n`)
}

export interface WorkerSetup {
  readonly root: string
  /** Folder of the instrumented code. */
  readonly instrumented: string
  /** Its files, each with how many mutants it has. */
  readonly mutants: ReadonlyMap<string, number>
}

/** The worker ended before its answer: `silent` when it was killed for that. */
export class WorkerGone extends Error {
  constructor(readonly why: 'silent' | 'ended') {
    super(`the worker is gone: ${why}`)
  }
}

export class WorkerProcess {
  readonly #child: ChildProcess
  #errors = ''
  #waiting: ((answer: Answer | WorkerGone) => void) | undefined
  #gone: WorkerGone | undefined
  /** Orders carried out. */
  orders = 0

  constructor({ root, instrumented, mutants }: WorkerSetup) {
    const files = [...mutants].map(([file, count]) => `${file}:${count}`)
    this.#child = fork(entry, [root, instrumented, ...files], {
      cwd: root,
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      execArgv: ['--no-warnings'],
      // A process group of its own: servers that its tests have started end with it, also when it is killed.
      detached: true,
    })
    const { pid } = this.#child
    if (pid !== undefined) tellReaper(`+${pid}`)
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = (this.#errors + text).slice(-2000)
    })
    this.#child.on('message', (answer: Answer) => this.#waiting?.(answer))
    this.#child.on('exit', () => {
      this.#endGroup()
      if (pid !== undefined) tellReaper(`-${pid}`)
      this.#gone ??= new WorkerGone('ended')
      this.#waiting?.(this.#gone)
    })
  }

  get isGone(): boolean {
    return this.#gone !== undefined
  }

  /** The last text that it wrote to its standard error. */
  get errors(): string {
    return this.#errors
  }

  /**
   * Sends an order, and gives each answer to `heed` until that returns something: the result.
   * Rejects with `WorkerGone`.
   */
  ask<T>(order: Order, silenceMs: number, heed: (answer: Answer) => T | undefined): Promise<T> {
    if (this.#gone !== undefined) return Promise.reject(this.#gone)
    this.orders++
    return new Promise<T>((resolve, reject) => {
      let timer = this.#killAfter(silenceMs)
      this.#waiting = (answer) => {
        clearTimeout(timer)
        if (answer instanceof WorkerGone) {
          this.#waiting = undefined
          reject(answer)
          return
        }
        const result = heed(answer)
        if (result === undefined) {
          timer = this.#killAfter(silenceMs)
          return
        }
        this.#waiting = undefined
        resolve(result)
      }
      this.#child.send(order, (error) => {
        if (error !== null) this.#waiting?.(this.#gone ?? new WorkerGone('ended'))
      })
    })
  }

  #killAfter(ms: number): NodeJS.Timeout {
    return setTimeout(() => {
      this.#gone ??= new WorkerGone('silent')
      this.#child.kill('SIGKILL')
    }, ms)
  }

  #endGroup(): void {
    const { pid } = this.#child
    try {
      if (pid !== undefined) process.kill(-pid, 'SIGKILL')
    } catch {
      // Nothing was left of it.
    }
  }

  async end(): Promise<void> {
    if (this.#gone !== undefined) return
    const ended = new Promise((resolve) => this.#child.once('exit', resolve))
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 5000)
    this.#child.send({ type: 'end' } satisfies Order)
    await ended
    clearTimeout(timer)
  }

  kill(): void {
    this.#gone ??= new WorkerGone('ended')
    this.#child.kill('SIGKILL')
  }
}
