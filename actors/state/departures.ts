/**
 * The border of a node: all that it says to others leaves here. That is the answer to a call, the sends,
 * events and timers of a command, and calls that it makes.
 *
 * C12. Nothing leaves a node before every earlier write that it may have seen is on disk. An answer or a
 *      message that has seen a lost write does not leave; nor does one of a node that another host has.
 */
import { InvariantViolation } from '../../core/base/invariant.js'
import type { BatchNumber, Waiter } from './journal.js'
import type { Ticket } from './nodeState.js'

/**
 * The product of one turn: it leaves the node as one, after all that it may have seen. It waits in the
 * journal itself: a command makes nothing else for that.
 */
export abstract class Departure implements Waiter {
  #departures: Departures | undefined
  #seen: BatchNumber = 0

  /** For the message which says that it would have left too early. */
  abstract readonly name: string
  abstract leave(): void
  /** Something that it has seen is not on disk, and never will be. */
  abstract lost(error: unknown): void

  /** @internal It waits for all up to this batch. */
  waitsFor(seen: BatchNumber, departures: Departures): this {
    this.#seen = seen
    this.#departures = departures
    return this
  }

  settled(error: unknown): void {
    this.#departures?.end(this, this.#seen, error)
  }
}

/** The state that what leaves may have seen. */
export interface SeenState {
  readonly batch: BatchNumber
  readonly isCommitted: boolean
  isOnDisk(batch: BatchNumber): boolean
  whenCommitted(waiter: Waiter): void
  keep(ticket: Ticket): boolean
}

export interface DepartingNode {
  readonly nodeId: string
  readonly isElsewhere: boolean
  /** A broken invariant: the node restarts. */
  crash(error: unknown): void
}

export class Departures {
  constructor(
    private readonly state: SeenState,
    private readonly node: DepartingNode,
  ) {}

  /** All that the node has written is on disk: what leaves now waits for nothing. */
  get isOpen(): boolean {
    return this.state.isCommitted
  }

  /** It leaves when all that the node has written so far is on disk. */
  add(departure: Departure): void {
    this.state.whenCommitted(departure.waitsFor(this.state.batch, this))
  }

  /** @internal All up to the batch that it has seen is on disk, or something of that is lost. */
  end(departure: Departure, seen: BatchNumber, error: unknown): void {
    if (this.node.isElsewhere) return
    if (error !== undefined) departure.lost(error)
    else if (this.state.isOnDisk(seen)) departure.leave()
    else this.node.crash(tooEarly(departure.name))
  }

  /** The same for messages that nobody waits for. */
  addSends(sends: readonly (() => void)[]): void {
    this.add(new Sends(this.node.nodeId, sends))
  }

  /**
   * The same for a call that the node makes. Resolves when it may leave. Where another host has the node it
   * leaves nevertheless: its caller would wait for ever, and the node could not stop.
   */
  mayCall(): Promise<void> {
    const seen = this.state.batch
    return new Promise((resolve, reject) => {
      const settled = (error: unknown) => {
        if (error !== undefined) reject(error)
        else if (this.state.isOnDisk(seen)) resolve()
        else {
          const early = tooEarly(`a call of ${this.node.nodeId}`)
          this.node.crash(early)
          reject(early)
        }
      }
      this.state.whenCommitted({ settled })
    })
  }

  /**
   * Ends a query while this is open: its answer leaves at once, for it has written nothing. False if it has:
   * then its answer would leave too early. Throws what `keep` throws.
   */
  keepAtOnce(ticket: Ticket): boolean {
    const seen = this.state.batch
    this.state.keep(ticket)
    return this.state.batch === seen
  }
}

class Sends extends Departure {
  constructor(
    private readonly nodeId: string,
    private readonly sends: readonly (() => void)[],
  ) {
    super()
  }

  override get name(): string {
    return `a message of ${this.nodeId}`
  }

  override leave(): void {
    for (const send of this.sends) send()
  }

  override lost(): void {}
}

/** C12. */
export function tooEarly(name: string): InvariantViolation {
  return new InvariantViolation(`C12: ${name} would leave before what it has seen is on disk`)
}
