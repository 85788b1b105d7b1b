/** The target of a call that an object makes, as a recording names it. */
import type { NeighbourClass } from '../../core/model/neighbour.js'
import { describeClass, type NodeClass } from '../../core/model/nodeObject.js'

export function callTarget(target: NodeClass, nodeId: string | undefined): string {
  return `${describeClass(target).service}/${nodeId ?? ''}`
}

export function neighbourTarget({ target, system }: NeighbourClass, nodeId: string | undefined): string {
  return `${system}/${callTarget(target, nodeId)}`
}

export function eventTarget(name: string): string {
  return `event/${name}`
}
