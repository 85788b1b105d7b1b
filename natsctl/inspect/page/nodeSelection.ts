/** Which nodes are shown, in which order. */
import { groupOf, type PhaseGroup, phaseGroups } from './phaseGroups.js'
import { nowOf, phaseOf, type RolloutNode } from './rollout.js'

export type NodeOrder = 'name' | 'trouble' | 'version' | 'change'

export interface NodeSelection {
  readonly find: string
  /** Empty: all. */
  readonly groups: ReadonlySet<PhaseGroup>
  readonly order: NodeOrder
}

const rank = new Map(phaseGroups.map(({ group }, i) => [group, i]))
/** `p2` before `p10`. */
const collator = new Intl.Collator('en', { numeric: true })

export function byName(nodes: Iterable<RolloutNode>): readonly RolloutNode[] {
  return [...nodes].sort((a, b) => collator.compare(a.service, b.service) || collator.compare(a.nodeId, b.nodeId))
}

/** @param nodes by name: comparing names is dear, and they stay the same */
export function selectNodes(nodes: readonly RolloutNode[], { find, groups, order }: NodeSelection): readonly RolloutNode[] {
  const words = find.toLowerCase().split(/\s+/).filter(Boolean)
  const shown = nodes.filter((node) => {
    if (groups.size > 0 && !groups.has(groupOf(phaseOf(node)))) return false
    if (words.length === 0) return true
    const { nodeId, service, className, group = '', hostId, version } = node
    const text = `${nodeId} ${service} ${className} ${group} ${hostId} v${version} ${phaseOf(node)}`.toLowerCase()
    return words.every((word) => text.includes(word))
  })
  const compare = comparison(order)
  return compare === undefined ? shown : shown.sort(compare)
}

/** Those that are alike stay in the order of their names. */
function comparison(order: NodeOrder): ((a: RolloutNode, b: RolloutNode) => number) | undefined {
  switch (order) {
    case 'name':
      return undefined
    case 'trouble':
      return (a, b) => rank.get(groupOf(phaseOf(b)))! - rank.get(groupOf(phaseOf(a)))!
    case 'version':
      return (a, b) => a.version - b.version
    case 'change':
      return (a, b) => (nowOf(b)?.at ?? 0) - (nowOf(a)?.at ?? 0)
  }
}
