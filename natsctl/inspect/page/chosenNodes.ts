/** Which nodes are shown, in which order. */
import { groupOf, type PhaseGroup, phaseGroups } from './phaseGroups.js'
import { nowOf, phaseOf, type RolloutNode } from './rollout.js'

export type Order = 'name' | 'trouble' | 'version' | 'change'

export interface Choice {
  readonly find: string
  /** Empty: all. */
  readonly groups: ReadonlySet<PhaseGroup>
  readonly order: Order
}

const rank = new Map(phaseGroups.map(({ group }, i) => [group, i]))
/** `p2` before `p10`. */
const collator = new Intl.Collator('en', { numeric: true })

export function chosenNodes(nodes: Iterable<RolloutNode>, { find, groups, order }: Choice): readonly RolloutNode[] {
  const words = find.toLowerCase().split(/\s+/).filter(Boolean)
  const shown = [...nodes].filter((node) => {
    if (groups.size > 0 && !groups.has(groupOf(phaseOf(node)))) return false
    const text = `${node.nodeId} ${node.service} ${node.className} ${node.hostId} v${node.version} ${phaseOf(node)}`.toLowerCase()
    return words.every((word) => text.includes(word))
  })
  const byName = (a: RolloutNode, b: RolloutNode) =>
    collator.compare(a.service, b.service) || collator.compare(a.nodeId, b.nodeId)
  return shown.sort((a, b) => comparison(order)(a, b) || byName(a, b))
}

function comparison(order: Order): (a: RolloutNode, b: RolloutNode) => number {
  switch (order) {
    case 'name':
      return () => 0
    case 'trouble':
      return (a, b) => rank.get(groupOf(phaseOf(b)))! - rank.get(groupOf(phaseOf(a)))!
    case 'version':
      return (a, b) => a.version - b.version
    case 'change':
      return (a, b) => (nowOf(b)?.at ?? 0) - (nowOf(a)?.at ?? 0)
  }
}
