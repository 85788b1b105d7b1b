/** The steps of a plan that operate processes: stops, clocks, freezes. Each says in words what it does. */

import { type ShardStep, shardText } from '../shards/shardPlan.js'
import { type DatabaseLoss, lossText } from './databaseLoss.js'
import type { Move } from './moves.js'

export type OperationStep = { readonly atMs: number } & (
  | {
      readonly kind: 'stop'
      /** A host, or a client with its open calls. */
      readonly host: string
      /**
       * Null: as it runs. Else the process is killed and started first, and stopped so soon after that its
       * nodes are still starting.
       */
      readonly afterStartMs: number | null
      readonly forMs: number
    }
  | { readonly kind: 'stopNode'; readonly nodeId: string; readonly forMs: number }
  /**
   * Nothing of the process runs: its timers, messages and answers wait. Its connection is cut
   * where the freeze is long.
   */
  | { readonly kind: 'freeze'; readonly process: string; readonly forMs: number }
  /** The wall clock of a process is set, also for its later lives. Its timers go on as they were. */
  | { readonly kind: 'clock'; readonly process: string; readonly byMs: number }
  /**
   * An upgrade server is killed when the upgrade database has carried out its so-many-th request from now on,
   * and does not hear the answer.
   */
  | { readonly kind: 'serverDies'; readonly server: string; readonly requests: number; readonly forMs: number }
  /** Somebody sends all orders again that were ever sent. */
  | { readonly kind: 'replay' }
  /** The host is frozen for a while, and meanwhile its nodes are started on another one. */
  | { readonly kind: 'move'; readonly host: string; readonly to: string; readonly how: Move; readonly forMs: number }
  /** The transport refuses the host its nodes' subjects. */
  | { readonly kind: 'refused'; readonly host: string; readonly forMs: number }
  /** The upgrade database loses data so much later, or when the troubles end. */
  | { readonly kind: 'databaseLost'; readonly how: DatabaseLoss; readonly inMs: number }
  | ShardStep
)

export function operationText(step: OperationStep): string {
  switch (step.kind) {
    case 'stop': {
      const when = step.afterStartMs === null ? '' : `, ${step.afterStartMs} ms after it has started anew`
      return `${step.host} is stopped${when}, for ${step.forMs} ms`
    }
    case 'stopNode':
      return `${step.nodeId} is stopped for ${step.forMs} ms`
    case 'freeze':
      return `${step.process} is frozen for ${step.forMs} ms`
    case 'clock':
      return `the clock of ${step.process} is set by ${step.byMs} ms`
    case 'serverDies':
      return `${step.server} is killed after ${step.requests} requests to the upgrade database, for ${step.forMs} ms`
    case 'replay':
      return 'somebody sends all orders again that were ever sent'
    case 'move':
      return `the nodes of ${step.host}, frozen for ${step.forMs} ms, move to ${step.to}, ${step.how}`
    case 'refused':
      return `${step.host} may not listen for calls of its nodes for ${step.forMs} ms`
    case 'databaseLost':
      return `the upgrade database ${lossText(step.how, step.inMs)}`
    case 'cacheLost':
    case 'logsCut':
    case 'logsFlaky':
      return shardText(step)
  }
}
