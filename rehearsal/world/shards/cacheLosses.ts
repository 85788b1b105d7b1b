/** A host is killed, and comes back without its copies of shards, or with old ones. */
import type { HostProcess } from '../hostProcess.js'
import type { WorldTime } from '../virtualTime.js'
import type { ShardStep } from './shardPlan.js'

export interface CacheLossContext {
  readonly time: WorldTime
  host(name: string): HostProcess
  trace(line: string): void
}

const ofShards = 'shard/'

export function loseCache(
  world: CacheLossContext,
  { host: name, how, inMs, forMs }: Extract<ShardStep, { readonly kind: 'cacheLost' }>,
  endAfter: (ms: number, end: () => void) => void,
): void {
  const host = world.host(name)
  const before = [...host.content].filter(([key]) => key.startsWith(ofShards))
  endAfter(inMs, () => {
    if (!host.isAlive) return
    host.kill()
    const others = [...host.content].filter(([key]) => !key.startsWith(ofShards))
    world.trace(`${name} is killed, and its copies of shards are ${how}`)
    const replaced = host.replaceDisk(new Map(how === 'gone' ? others : [...others, ...before]))
    endAfter(forMs, () => void replaced.then(() => host.isAlive || host.start()))
  })
}
