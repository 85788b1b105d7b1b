/** The order of the pause bench to its host. */
import { NodeObject, query } from 'theseus-actors'
import type { Way } from '../meters.js'

export interface PauseOrder {
  readonly system: string
  readonly natsUrl: string
  readonly redisUrl: string
  readonly directory: string
  readonly records: number
  readonly way: Way
}

export interface PauseResult {
  /** By this machine's clock: while the node answered nobody. */
  readonly fromMs: number
  readonly toMs: number
  /** Of it, from the beginning of the transform until the new generation is whole. */
  readonly transformMs: number
  readonly longestBlockMs: number
}

export const pausedNode = 'paused'
/** In the same process, and not upgraded. */
export const neighbour = 'neighbour'

export class Neighbour extends NodeObject<{ count: number }> {
  static override readonly className = 'Neighbour.v1'
  static override initial() {
    return { count: 0 }
  }
  @query count(): number {
    return this.state.count
  }
}
