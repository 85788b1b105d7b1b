/**
 * A host's nodes move to another one while the host is frozen: by a copy of its state directory, or by being
 * forgotten and born anew. When it goes on, it must find out before it does anything for them.
 */
import { keys } from '../../../core/model/nodeRecord.js'
import type { Cluster } from '../cluster.js'
import { HostProcess } from '../hostProcess.js'
import type { ProcessEnvironment } from '../processEnvironment.js'

/**
 * - `copied`: the other host has a copy of the state directory, of before the last start there,
 *   with the state of now
 * - `hotCopied`: it has a copy of the directory as it is, while its host runs
 * - `bornAnew`: an operator forgets the nodes, and they begin anew there
 */
export type Move = 'copied' | 'hotCopied' | 'bornAnew'

export interface MovesContext extends Cluster {
  /** An operator forgets the node, until that succeeds. */
  forget(nodeId: string): Promise<void>
  /** It begins with no state. */
  restored(nodeId: string): void
  /** Its nodes there run no more, as far as others may see. */
  died(host: string, nodeIds: readonly string[]): void
  /** Those that have not come up since. */
  readonly moving: Set<string>
  trace(line: string): void
}

/** False where there is nothing to be moved, or not now. */
export function canMove(world: Cluster, from: HostProcess, to: string): boolean {
  const { running, nodes, starting } = from
  const isUp = [...nodes.values()].every(({ handle }) => handle !== undefined)
  return from.isAlive && running !== undefined && nodes.size > 0 && isUp && starting.length === 0 && !world.hosts.has(to)
}

/** @param from is frozen */
export async function move(world: MovesContext & ProcessEnvironment, from: HostProcess, to: string, how: Move): Promise<void> {
  const plans = [...from.nodes.values()].map(({ plan }) => ({ ...plan, host: to }))
  world.trace(`${plans.map(({ nodeId }) => nodeId).join(', ')} of ${from.name} move to ${to}, ${how}`)
  const there = new HostProcess(to, world, how === 'bornAnew' ? to : from.name)
  world.hosts.set(to, there)
  const content = how === 'bornAnew' ? new Map<string, Uint8Array>() : new Map(from.content)
  if (how === 'copied') content.delete(keys.starts)
  world.died(
    from.name,
    plans.map(({ nodeId }) => nodeId),
  )
  for (const plan of plans) {
    from.drop(plan.nodeId)
    world.moving.add(plan.nodeId)
    world.addNode(plan)
    if (how !== 'bornAnew') continue
    world.restored(plan.nodeId)
    await world.forget(plan.nodeId)
  }
  await there.replaceDisk(content)
  there.start()
}
