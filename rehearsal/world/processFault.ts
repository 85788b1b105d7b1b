/**
 * A process as the world holds it: its clock, its connection and its way to the database. It can be frozen
 * and go on, and be killed.
 *
 * The kill -9 of a process is one stroke: its timers never end, its connection is cut, its database never
 * answers. The rest of it in this process's memory can do nothing that another could notice.
 */

import type { Operator } from 'theseus-actors'
import type { MemoryTransport } from 'theseus-actors/memory'
import type { Clock } from '../../core/ports/clock.js'
import type { VirtualTime } from './virtualTime.js'

type UpgradeDatabase = Operator['database']

/** An answer that the database gave before may arrive so much later. */
const answersLateMs = 50

export class ProcessFault {
  #isDead = false
  #freezes = 0
  #silentUntilMs = 0
  /** The events that would have happened while it is frozen, in order. */
  #held: (() => void)[] = []
  readonly #atCut: (() => void)[] = []
  transport: MemoryTransport | undefined
  /** Hears of every request that the database has carried out, before its answer arrives. */
  onRequest: () => void = () => {}

  constructor(
    readonly name: string,
    private readonly time: VirtualTime,
    /** How far its wall clock is ahead. */
    readonly skew: { readonly ms: number } = { ms: 0 },
  ) {}

  get isDead(): boolean {
    return this.#isDead
  }

  readonly clock: Clock = {
    now: () => this.time.now() + this.skew.ms,
    monotonicMs: () => this.time.monotonicMs(),
    after: (ms, action) => {
      let cancel = this.time.after(ms, due)
      const again = () => {
        cancel = this.time.after(0, due)
      }
      const run = () => this.whenRunning(action, again)
      function due() {
        run()
      }
      return () => cancel()
    },
    turn: (action) => this.turn(action),
  }

  turn(action: () => void): void {
    this.time.turn(() => this.whenRunning(action, () => this.turn(action)))
  }

  /**
   * Does it now, or when the process goes on; never when it is dead. `again` asks for it anew then, so that
   * it can still be cancelled.
   */
  whenRunning(action: () => void, again: () => void = () => this.whenRunning(action)): void {
    if (this.#isDead) return
    if (this.#freezes > 0) this.#held.push(again)
    else action()
  }

  /** The same for its disk, which outlives it. */
  whenWriting(action: () => void): void {
    if (this.#freezes > 0) this.#held.push(() => this.whenWriting(action))
    else action()
  }

  /** Stops the process where it is, until the returned function is called. */
  freeze(): () => void {
    this.#freezes++
    this.#silentUntilMs = Number.POSITIVE_INFINITY
    return () => {
      if (--this.#freezes > 0) return
      const held = this.#held
      this.#held = []
      for (const action of held) this.time.turn(action)
    }
  }

  /** The database has carried out nothing for it since it was frozen: its leases may have run out. */
  get isSilent(): boolean {
    return this.time.now() < this.#silentUntilMs
  }

  get isFrozen(): boolean {
    return this.#freezes > 0
  }

  /** Its connection: what arrives waits while it is frozen. */
  connected(transport: MemoryTransport): MemoryTransport {
    this.transport = transport
    const { subscribe, onStatus } = transport
    transport.subscribe = (subject, handler, options) =>
      subscribe.call(transport, subject, (message) => this.whenRunning(() => handler(message)), options)
    transport.onStatus = (listener) => onStatus.call(transport, (status) => this.whenRunning(() => listener(status)))
    return transport
  }

  pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.clock.after(ms, resolve))
  }

  cut(): void {
    this.#isDead = true
    this.transport?.disconnect()
    for (const action of this.#atCut.splice(0)) action()
  }

  onCut(action: () => void): void {
    this.#atCut.push(action)
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
          this.#isDead ? new Promise(() => {}) : this.whileAlive(passage(() => this.#carriedOut(method.apply(target, args))))
      },
    })
  }

  async #carriedOut(answer: Promise<unknown>): Promise<unknown> {
    await answer
    if (!this.isFrozen) this.#silentUntilMs = Math.min(this.#silentUntilMs, this.time.now() + answersLateMs)
    this.onRequest()
    return answer
  }

  /** The answer, when the process runs; never if it is dead. */
  whileAlive<T>(answer: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      answer.then(
        (value) => this.whenRunning(() => resolve(value)),
        (error) => this.whenRunning(() => reject(error)),
      )
    })
  }
}
