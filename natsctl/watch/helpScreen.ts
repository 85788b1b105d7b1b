/** `?`: which keys there are. */
import type { Line } from './styledLine.js'

const keys: readonly (readonly [string, string])[] = [
  ['↑ ↓ PgUp PgDn', 'choose a node'],
  ['Home End', 'the first, the last'],
  ['Enter', 'the history of the node'],
  ['/ n', 'find a node, the next one'],
  ['p r', 'pause the rollout, resume'],
  ['h', 'hold the node, release it'],
  ['t', 'stalled nodes try again'],
  ['u', 'upgrade the node now'],
  ['m', 'promote: the next step goes, or all'],
  ['U', 'undo the version'],
  ['Ctrl-L Ctrl-Z', 'draw anew, to the shell'],
  ['q Ctrl-C', 'quit'],
]

export const helpLines: readonly Line[] = [
  [{ text: 'natsctl rollout watch', style: 'bold' }],
  ...keys.map(([key, what]): Line => [{ text: key.padEnd(14), style: 'bold' }, what]),
]
