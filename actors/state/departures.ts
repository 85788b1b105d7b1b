/**
 * The border of a node: all that it says to others leaves here. That is the answer to a call, the sends,
 * events and timers of a command, and calls that it makes.
 *
 * C12. Nothing leaves a node before every earlier write that it may have seen is on disk. An answer or a
 *      message that has seen a lost write does not leave; nor does one of a node that another host has.
 */
import { InvariantViolation } from '../../core/base/invariant.js'
import type { BatchNumber } from './journal.js'
import type { Ticket } from './nodeState.js'

/** The product of one turn: it leaves the node as one, after all that it may have seen. */
export interface Departure {
  /** For the message which says that it would have left too early. */
  readonly name: string
  leave(): void
  /** Something that it has seen is not on disk, and never will be. */
  lost(error: unknown): void
}

/** The state that what leaves may have seen. */
export interface SeenState {
  readonly batch: BatchNumber
  readonly isCommitted: boolean
  isOnDisk(batch: BatchNumber): boolean
  whenCommitted(done: (error: unknown) => void): void
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
    const seen = this.state.batch
    this.state.whenCommitted((error) => {
      if (this.node.isElsewhere) return
      if (error !== undefined) departure.lost(error)
      else if (this.state.isOnDisk(seen)) departure.leave()
      else this.node.crash(tooEarly(departure.name))
    })
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
      this.state.whenCommitted((error) => {
        if (error !== undefined) reject(error)
        else if (this.state.isOnDisk(seen)) resolve()
        else {
          const early = tooEarly(`a call of ${this.node.nodeId}`)
          this.node.crash(early)
          reject(early)
        }
      })
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

class Sends implements Departure {
  constructor(
    private readonly nodeId: string,
    private readonly sends: readonly (() => void)[],
  ) {}

  get name(): string {
    return `a message of ${this.nodeId}`
  }

  leave(): void {
    for (const send of this.sends) send()
  }

  lost(): void {}
}

/** C12. */
export function tooEarly(name: string): InvariantViolation {
  return new InvariantViolation(`C12: ${name} would leave before what it has seen is on disk`)
}
