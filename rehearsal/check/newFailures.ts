/**
 * Programming errors that nothing is held against: the new class throws them after the flip, and the call is
 * refused before it, or fails there too. The transform is to blame if a node that was born with the new class
 * carries the same calls out.
 */
import type { Version } from 'theseus-actors'
import type { Cast } from './cast.js'
import { type History, targetOf } from './history.js'
import { isProgrammingError, type Outcome } from './outcomes.js'
import { type Player, play, type Trace } from './playing.js'
import { Stage } from './stage.js'

/** The histories, each with the failing call as the one that is exchanged with the flip. */
export function newFailures(
  history: History,
  late: Trace,
  looks: readonly History['call'][],
  target: Version,
): readonly History[] {
  if (late.flip !== undefined) return []
  const isNew = ({ node, version }: History['call'], outcome: Outcome) =>
    node === history.flip && version >= target && isProgrammingError(outcome)
  const made: History['before'] =
    late.call.is === 'answer' ? [...history.before, { is: 'call', ...history.call }] : history.before
  return [
    ...(isNew(history.call, late.call) ? [{ ...history, after: [] }] : []),
    ...looks
      .filter((look, i) => isNew(look, late.looks[i]!))
      .map((call) => ({ before: made, call, flip: history.flip, after: [] })),
  ]
}

/** The two ends of its call, where the state that the transform has made lets it fail. */
export async function failureOf(
  history: History,
  player: Player,
): Promise<{ readonly early: Outcome; readonly late: Outcome & { readonly is: 'threw' } } | undefined> {
  const playing = { seed: 1, looks: [] }
  const [{ call: early, flip }, { call: late }] = await Promise.all([
    play(history, 'callFirst', player, playing),
    play(history, 'flipFirst', player, playing),
  ])
  if (flip !== undefined || late.is !== 'threw' || !isProgrammingError(late) || early.is === 'answer') return undefined
  const { cast } = player.sources
  const born = await bornWithClass(history, targetOf(history, cast)!, cast)
  return born.is === 'answer' ? { early, late } : undefined
}

/** The end of the call where all nodes have had their new classes from birth, after the same calls. */
async function bornWithClass({ before, call, flip }: History, target: Version, cast: Cast): Promise<Outcome> {
  const classes = Object.fromEntries([...cast.members].map(([nodeId, { line }]) => [nodeId, line[target]!]))
  const stage = await Stage.open({ upgrades: [], seed: 1, facts: cast.facts }, classes)
  try {
    const made = ({ node, method, args }: History['call']) =>
      stage.call(node, 0, method, args, cast.methodsAt(node, target).get(method) ?? 'command')
    for (const step of before) {
      if (step.is !== 'call' || !cast.methodsAt(step.node, target).has(step.method)) continue
      await made(step)
      await stage.settle()
    }
    return await made({ ...call, node: flip })
  } finally {
    await stage.close()
  }
}
