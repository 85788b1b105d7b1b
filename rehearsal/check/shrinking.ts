/** Makes a history smaller, as long as it still shows a difference of the same call at the same version. */
import type { History, Sources, Step } from './history.js'
import { targetOf } from './history.js'
import { simplestOf } from './shapes.js'

/** Histories played at most for one finding, as long as there is time. */
const triesMax = 120

export async function shrunk(
  history: History,
  sources: Sources,
  untilMs: number,
  stillFails: (candidate: History) => Promise<boolean>,
): Promise<History> {
  let smallest = history
  let tries = 0
  const take = async (candidate: History): Promise<boolean> => {
    if (
      tries >= triesMax ||
      performance.now() > untilMs ||
      targetOf(candidate, sources.cast) !== targetOf(smallest, sources.cast)
    )
      return false
    tries++
    if (!(await stillFails(candidate))) return false
    smallest = candidate
    return true
  }
  const { states, ...stateless } = history
  if (states !== undefined) await take(stateless)
  if (smallest.after.length > 0) await take({ ...smallest, after: [] })
  if (history.waitMs !== undefined) {
    const { waitMs, ...rest } = smallest
    await take(rest)
  }
  for (let length = Math.ceil(history.before.length / 2); length >= 1; length = Math.floor(length / 2))
    for (let from = 0; from < smallest.before.length; )
      if (!(await take({ ...smallest, before: smallest.before.toSpliced(from, length) }))) from += length
  for (let i = smallest.after.length - 1; i >= 0; i--) await take({ ...smallest, after: smallest.after.toSpliced(i, 1) })
  for (const [i, step] of smallest.before.entries())
    if (step.is === 'call')
      for (const args of simplerArgs(step, sources))
        if (await take({ ...smallest, before: smallest.before.with(i, { ...step, args }) })) break
  for (const args of simplerArgs({ is: 'call', ...smallest.call }, sources))
    if (await take({ ...smallest, call: { ...smallest.call, args } })) break
  return smallest
}

type CallStep = Extract<Step, { readonly is: 'call' }>

/** One argument after the other at its simplest, and all of them. */
function simplerArgs(
  { node, version, method, args }: CallStep,
  { cast, parametersOf }: Sources,
): readonly (readonly unknown[])[] {
  const shapes = parametersOf(cast.member(node).line[version]!.className, method)?.shapes ?? []
  const simple = args.map((arg, i) => (shapes[i] === undefined ? arg : simplestOf(shapes[i])))
  const one = args.map((_, i) => args.with(i, simple[i])).filter((candidate, i) => candidate[i] !== args[i])
  return one.length === 0 ? [] : [simple, ...one]
}
