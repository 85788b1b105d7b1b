/**
 * Calls that never end: their node waits for them, so that all calls after them end in time-outs as well. The
 * first one of an order is the culprit.
 */
import { type Call, type History, looksAfter, type Sources } from './history.js'
import type { Outcome } from './outcomes.js'
import type { Trace } from './playing.js'

/** The first call that did not end in this order, if there is one. */
export function endlessCall(
  history: History,
  order: 'callFirst' | 'flipFirst',
  trace: Trace,
  sources: Sources,
): Call | undefined {
  const looks = looksAfter(history, sources)
  const made: (readonly [Call, Outcome | undefined])[] = []
  const all = (calls: readonly Call[], outcomes: readonly Outcome[] | undefined) => {
    calls.forEach((call, i) => {
      made.push([call, outcomes?.[i]])
    })
  }
  all(
    history.before.filter((step) => step.is === 'call'),
    trace.before,
  )
  made.push([history.call, trace.call])
  if (order === 'callFirst') all(looks, trace.looksBefore)
  all(looks, trace.looks)
  all(history.after, trace.after)
  return made.find(([, outcome]) => outcome?.is === 'threw' && /^timeout\./.test(outcome.code))?.[0]
}

/** The method of a call, as `Sources.endless` has it. */
export function methodOf({ node, version, method }: Call, { cast }: Pick<Sources, 'cast'>): string {
  return `${cast.member(node).line[version]!.className}.${method}`
}
