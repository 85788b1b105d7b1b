/**
 * What kill -9 takes away from a process in one stroke: its timers never end, its connection is cut, its database never answers. What is left
 * of it in this process's memory can do nothing that another could notice.
 */
import type { Clock, Operator } from 'theseus'
import type { MemoryTransport } from 'theseus/memory'
import type { VirtualTime } from './virtualTime.js'

type UpgradeDatabase = Operator['database']

export class Lifeline {
  #isDead = false
  transport: MemoryTransport | undefined

  constructor(
    readonly name: string,
    private readonly time: VirtualTime,
  ) {}

  get isDead(): boolean {
    return this.#isDead
  }

  readonly clock: Clock = {
    now: () => this.time.now(),
    monotonicMs: () => this.time.monotonicMs(),
    after: (ms, action) => this.time.after(ms, () => void (this.#isDead || action())),
    turn: (action) => this.time.turn(() => void (this.#isDead || action())),
  }

  pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.clock.after(ms, resolve))
  }

  cut(): void {
    this.#isDead = true
    this.transport?.disconnect()
  }

  /** The database as this process reaches it: `passage` lets a request through, and its answer back. */
  database(database: UpgradeDatabase, passage: (request: () => Promise<unknown>) => Promise<unknown>): UpgradeDatabase {
    return new Proxy(database, {
      get: (target, key) => {
        const method: unknown = Reflect.get(target, key)
        // Not `then`: the database is no promise. Closing asks nothing of it.
        if (typeof method !== 'function') return method
        if (key === 'close') return () => method.apply(target)
        return (...args: unknown[]) =>
          this.#isDead ? new Promise(() => {}) : this.#whileAlive(passage(() => method.apply(target, args)))
      },
    })
  }

  #whileAlive(answer: Promise<unknown>): Promise<unknown> {
    return new Promise((resolve, reject) => {
      answer.then(
        (value) => void (this.#isDead || resolve(value)),
        (error) => void (this.#isDead || reject(error)),
      )
    })
  }
}
