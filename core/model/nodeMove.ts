/**
 * A node on its way from a host's own store into the log of its shard. Two stores know of it: the *source*,
 * from which it goes, and the *target*.
 *
 * M1. The source commits a departure before anything is sent. A node with a departure does not start there,
 *     also after a crash.
 * M2. The target decides once about each departure, in one commit: `arrived`, together with all of the node's
 *     state, or `refused`. Its decision stands, and is answered whenever it is asked for again.
 * M3. The source deletes the node's state when it hears `arrived`, and never before. It has the node again
 *     when it hears `refused`, and never before.
 * M4. A departure has the number of the node's start that is over. Each later one of the node has a higher
 *     number. So a message of an earlier move that is late decides nothing.
 */
import { Fault } from '../base/fault.js'
import { formats, isRead, numbersRead } from '../base/formats.js'
import { keys } from './nodeRecord.js'

export const moveFormat = formats.move.newest

/** At the source. */
export interface Departure {
  readonly format: typeof moveFormat
  /** M4. */
  readonly number: number
  /** The identity of the store that is to have it: no other one decides. */
  readonly target: string
  /** The host of that store; undefined: it is a shard's. */
  readonly hostId?: string | undefined
  /** M3. The node is there, and its state is deleted here. */
  readonly isOver: boolean
}

export type Verdict = 'arrived' | 'refused'

/** At the target: the newest of the node. */
export interface Arrival {
  readonly format: typeof moveFormat
  readonly number: number
  readonly verdict: Verdict
  /** The identity of the source's store: with it the node was registered. */
  readonly from: string
}

/** Throws `config.invalid` for what another release wrote in a layout that this one does not know. */
export function checkMove<M extends Departure | Arrival>(value: unknown): M {
  const { format } = (value ?? {}) as { readonly format?: unknown }
  if (isRead(formats.move, format)) return value as M
  throw new Fault('config.invalid', `a move of format ${String(format)}: this Theseus reads formats ${numbersRead(formats.move)}`)
}

/** The keys of everything that goes with the node, as ranges. */
export function rangesOfNode(nodeId: string): readonly (readonly [from: string, to: string])[] {
  const only = (key: string) => [key, `${key}\0`] as const
  return [
    only(keys.record(nodeId)),
    only(keys.contacts(nodeId)),
    keys.allStateSlots(nodeId),
    keys.allOperations(nodeId),
    keys.differences(nodeId),
  ]
}
