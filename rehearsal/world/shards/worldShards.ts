/** The sharded services of a world: their logs, those who check these, and the nodes wherever they are. */
import type { Random } from '../../../core/ports/random.js'
import type { CodeCheckers } from '../code/codeCheckers.js'
import type { DeadVersionChecker } from '../deadVersionChecker.js'
import type { HostProcess } from '../hostProcess.js'
import type { RetryChecker } from '../operations/retryChecker.js'
import type { Plan } from '../plan.js'
import type { ProcessCodes } from '../processCodes.js'
import type { VirtualTime } from '../virtualTime.js'
import { shardGuardMs } from '../worldSettings.js'
import { ShardChecker } from './shardChecker.js'
import { ShardedNodes } from './shardedNodes.js'
import { WorldLogs } from './worldLogs.js'

export interface WorldShards {
  readonly checker: ShardChecker
  readonly nodes: ShardedNodes
  readonly logs: WorldLogs
}

export interface ShardedWorld {
  readonly plan: Plan
  readonly time: VirtualTime
  readonly hosts: ReadonlyMap<string, HostProcess>
  readonly code: CodeCheckers
  readonly retries: RetryChecker
  readonly deaths: DeadVersionChecker
  violated(rule: string, what: string): void
  trace(line: string): void
}

/** Undefined where no service is sharded. */
export function worldShards(world: ShardedWorld, codes: ProcessCodes, random: Random): WorldShards | undefined {
  const { plan, time } = world
  if (plan.shards === undefined) return undefined
  const checker = new ShardChecker(
    {
      plan,
      nowMs: () => time.elapsedMs,
      claimed(owner, nodeIds) {
        world.code.died('', nodeIds)
        for (const nodeId of nodeIds) {
          codes.oracleOf(owner).moved(nodeId)
          world.retries.died(nodeId)
        }
      },
      counted: (writes) => world.deaths.committed(writes, () => true),
      violated: (rule, what) => world.violated(rule, what),
      trace: (line) => world.trace(line),
    },
    shardGuardMs,
  )
  return { checker, nodes: new ShardedNodes(checker, world.hosts), logs: new WorldLogs(plan.shards, time, random, checker) }
}
