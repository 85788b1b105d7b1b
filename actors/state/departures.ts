/**
 * The border of a node: all that it says to others leaves here. That is the answer to a call, the sends,
 * events and timers of a command, and calls that it makes.
 *
 * C12. Nothing leaves a node before every earlier write that it may have seen is on disk. An answer or a
 *      message that has seen a lost write does not leave; nor does one of a node that another host has.
 * H4, F1. While its host does not know whether it still has the node, nothing leaves, whatever it was that
 *     took so long: a query that has waited for another node, or a call that is refused at last.
 */
import { Fault } from '../../core/base/fault.js'
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
  /** Whether nothing may leave now. */
  readonly isFenced: boolean
  /** The same; then `goOn` is called when something may, if ever. */
  holds(goOn: () => void): boolean
  /** A broken invariant: the node restarts. */
  crash(error: unknown): void
}

export class Departures {
  constructor(
    private readonly state: SeenState,
    private readonly node: DepartingNode,
  ) {}

  /** All that the node has written is on disk, and it may speak: what leaves now waits for nothing. */
  get isOpen(): boolean {
    return this.state.isCommitted && !this.node.isFenced
  }

  get isSilent(): boolean {
    return this.node.isElsewhere || this.node.isFenced
  }

  /** It leaves when all that the node has written so far is on disk. */
  add(departure: Departure): void {
    this.state.whenCommitted(departure.waitsFor(this.state.batch, this))
  }

  /** @internal All up to the batch that it has seen is on disk, or something of that is lost. */
  end(departure: Departure, seen: BatchNumber, error: unknown): void {
    if (this.node.isElsewhere) return
    if (this.node.isFenced && this.node.holds(() => this.end(departure, seen, error))) return
    if (error !== undefined) departure.lost(error)
    else if (this.state.isOnDisk(seen)) departure.leave()
    else this.node.crash(tooEarly(departure.name))
  }

  /** The same for messages that nobody waits for. */
  addSends(sends: readonly (() => void)[]): void {
    this.add(new Sends(this.node.nodeId, sends))
  }

  /**
   * The same for a call that the node makes. Resolves when it may leave. Throws `unavailable.stopped` where
   * another host has the node: its caller would wait for ever, and the node could not stop.
   */
  mayCall(): Promise<void> {
    const seen = this.state.batch
    return new Promise((resolve, reject) => {
      const settled = (error: unknown) => {
        if (this.node.isElsewhere) reject(nodeElsewhere(this.node.nodeId))
        else if (this.node.isFenced && this.node.holds(() => settled(error))) return
        else if (error !== undefined) reject(error)
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

function nodeElsewhere(nodeId: string): Fault {
  return new Fault('unavailable.stopped', `another host has node ${nodeId}: it makes no call from here any more`)
}

/** C12. */
export function tooEarly(name: string): InvariantViolation {
  return new InvariantViolation(`C12: ${name} would leave before what it has seen is on disk`)
}
