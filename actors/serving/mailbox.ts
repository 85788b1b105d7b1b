/**
 * The mailbox of one node. It alone knows what runs now.
 *
 * C2. Calls to one node, of all versions, run in one serial order.
 *
 * A call that finds the mailbox open and idle runs at once, without a promise if its method is synchronous.
 * `close` lets the running one finish and holds the rest, until `open`. It may let in some turns still: those
 * without which a turn that runs elsewhere can't end.
 */
import { Fault } from '../../core/base/fault.js'
import { InvariantViolation } from '../../core/base/invariant.js'
import type { Clock } from '../../core/ports/clock.js'

/** One turn of the node: a call, or work of the runtime between calls. */
export interface Turn {
  /**
   * Runs it. If it throws after all, or its promise rejects, the owner hears of it and the mailbox goes on.
   */
  run(): void | Promise<void>
}

/** The node that the mailbox is of. */
export interface MailboxOwner {
  /** A turn threw, or its promise rejected. */
  turnThrew(error: unknown): void
  /** Whether nothing that has waited may run now; then `goOn` is called when it may. */
  holds(goOn: () => void): boolean
}

const nobody = (_turn: Turn) => false

/** Turns run in one go before other work of the host gets its chance. */
const turnsAtOnceMax = 256

export class Mailbox {
  #queue: Turn[] = []
  #head = 0
  #running: Turn | undefined
  #open = false
  /** Which turns run while it is closed. */
  #admits = nobody
  #resumeScheduled = false
  #isHeld = false
  /** These are there while somebody waits: most nodes are idle, and each list takes memory. */
  #drained: (() => void)[] | undefined
  #idle: (() => void)[] | undefined
  #opening: (() => void)[] | undefined
  #goOn: (() => void) | undefined

  constructor(
    private readonly clock: Clock,
    private readonly turnsMax: number,
    private readonly owner: MailboxOwner,
  ) {}

  /** The turn that runs now, if it has not finished within its first stretch of synchronous code. */
  get running(): Turn | undefined {
    return this.#running
  }

  get waiting(): number {
    return this.#queue.length - this.#head
  }

  get isOpen(): boolean {
    return this.#open
  }

  /** Nothing runs, and nothing waits that could. */
  get isIdle(): boolean {
    return this.#running === undefined && (this.waiting === 0 || !this.#open)
  }

  /** Resolves when it is idle. */
  whenIdle(): Promise<void> {
    return this.isIdle ? Promise.resolve() : new Promise((resolve) => (this.#idle ??= []).push(resolve))
  }

  /** Those that wait. */
  turns(): readonly Turn[] {
    return this.#queue.slice(this.#head)
  }

  /** Runs the turn when its time comes. Throws `unavailable.overloaded` when too many wait. */
  post(turn: Turn): void {
    if (this.#open && this.#running === undefined && this.waiting === 0) {
      this.#start(turn)
      // The turns that it has posted itself.
      if (this.waiting > 0) this.#pump()
      return
    }
    if (this.waiting >= this.turnsMax)
      throw new Fault('unavailable.overloaded', `${this.waiting} calls wait for this node already`)
    this.#queue.push(turn)
    this.#pump()
  }

  /** The same for a turn that is never refused: something else bounds how many of these there are. */
  add(turn: Turn): void {
    this.#queue.push(turn)
    this.#pump()
  }

  /** Work of the runtime as a turn among the calls. */
  turn<T>(work: () => T | Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const run = async () => {
        try {
          resolve(await work())
        } catch (error) {
          reject(error as Error)
        }
      }
      this.add({ run })
    })
  }

  /**
   * Holds all turns from now on, but for those that `admits`; resolves when the running one has finished.
   */
  close(admits = nobody): Promise<void> {
    this.#open = false
    this.#admits = admits
    this.#checkIdle()
    if (admits !== nobody) this.#pump()
    return this.finished()
  }

  /** Resolves when the turn that runs now has finished. */
  finished(): Promise<void> {
    if (this.#running === undefined) return Promise.resolve()
    return new Promise((resolve) => (this.#drained ??= []).push(resolve))
  }

  open(): void {
    this.#open = true
    this.#admits = nobody
    const opening = this.#opening
    this.#opening = undefined
    if (opening !== undefined) for (const work of opening) work()
    this.#pump()
  }

  /**
   * Work of the runtime as soon as the mailbox opens, before any turn that waits, and beside one that did not
   * end while it was closed.
   */
  atOpening<T>(work: () => T | Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      ;(this.#opening ??= []).push(() => {
        try {
          resolve(work())
        } catch (error) {
          reject(error as Error)
        }
      })
    })
  }

  /** Takes out everything that waits, for a node that stops. */
  clear(): readonly Turn[] {
    const waiting = this.#queue.slice(this.#head)
    this.#queue = []
    this.#head = 0
    return waiting
  }

  #pump(): void {
    if (this.#isHeld || this.#running !== undefined || this.waiting === 0) return
    if (!this.#open && this.#admits === nobody) return
    this.#goOn ??= () => this.#release()
    if (this.owner.holds(this.#goOn)) {
      this.#isHeld = true
      return
    }
    if (!this.#open) this.#pumpAdmitted()
    let left = turnsAtOnceMax
    while (this.#open && this.#running === undefined && this.waiting > 0) {
      if (left-- === 0) {
        this.#pumpLater()
        break
      }
      const turn = this.#queue[this.#head]!
      this.#queue[this.#head++] = undefined as never
      if (this.#head > 1024 && this.#head * 2 > this.#queue.length) {
        this.#queue = this.#queue.slice(this.#head)
        this.#head = 0
      }
      this.#start(turn)
    }
  }

  /** While it is closed. */
  #pumpAdmitted(): void {
    for (let i = this.#head; i < this.#queue.length && this.#running === undefined && !this.#open; i++) {
      const turn = this.#queue[i]!
      if (!this.#admits(turn)) continue
      this.#queue.splice(i--, 1)
      this.#start(turn)
    }
  }

  #release(): void {
    this.#isHeld = false
    this.#pump()
  }

  #start(turn: Turn): void {
    this.#running = turn
    const unfinished = this.#ran(turn)
    if (unfinished === undefined) {
      this.#finished(turn)
      return
    }
    const goOn = () => {
      this.#finished(turn)
      this.#pump()
    }
    unfinished.then(goOn, (error) => {
      this.#threw(error)
      goOn()
    })
  }

  #ran(turn: Turn): void | Promise<void> {
    try {
      return turn.run()
    } catch (error) {
      this.#threw(error)
    }
  }

  /** A mailbox that stopped here would never run a turn again. */
  #threw(error: unknown): void {
    try {
      this.owner.turnThrew(error)
    } catch {}
  }

  #finished(turn: Turn): void {
    // C2. The turn that runs goes on: the next one does not begin beside it.
    if (this.#running !== turn) {
      this.#threw(new InvariantViolation('C2: a turn ended that did not run any more'))
      return
    }
    this.#running = undefined
    const drained = this.#drained
    this.#drained = undefined
    if (drained !== undefined) for (const resolve of drained) resolve()
    this.#checkIdle()
  }

  #checkIdle(): void {
    const idle = this.#idle
    if (idle === undefined || !this.isIdle) return
    this.#idle = undefined
    for (const resolve of idle) resolve()
  }

  #pumpLater(): void {
    if (this.#resumeScheduled) return
    this.#resumeScheduled = true
    this.clock.turn(() => {
      this.#resumeScheduled = false
      this.#pump()
    })
  }
}
