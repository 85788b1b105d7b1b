/// <reference lib="dom" />
/**
 * The classes that answer each version on one node (§5, Figure 1): past-SOs, the object, future-SOs, and how
 * many calls each has carried out.
 */
import { element } from './dom.js'
import type { RolloutNode } from './rollout.js'

const roles = { pastSO: 'past-SO', object: 'object', futureSO: 'future-SO', alias: 'neighbour answers' } as const
const number = new Intl.NumberFormat('en')

export function chainView(node: RolloutNode): HTMLElement {
  const calls = new Map(node.calls)
  if (node.chain.length === 0)
    return element(
      'p',
      { class: 'quiet' },
      `its host has not told its chain; the database has ${node.className} at version ${node.version}`,
    )
  const links = node.chain.map(({ version, className, role }) =>
    element(
      'li',
      { class: `link ${role}` },
      element('span', { class: 'role' }, roles[role]),
      element('b', {}, `v${version}`),
      element('span', { class: 'class' }, className),
      element('span', { class: 'quiet small' }, `${number.format(calls.get(version) ?? 0)} calls`),
    ),
  )
  const gone = node.calls.filter(([version]) => !node.chain.some((link) => link.version === version))
  const before = gone.reduce((sum, [, count]) => sum + count, 0)
  return element(
    'div',
    {},
    element('ol', { class: 'chain', 'aria-label': 'The chain, oldest version first' }, ...links),
    before === 0
      ? ''
      : element('p', { class: 'quiet small' }, `and ${number.format(before)} calls at versions that are dead here`),
  )
}
