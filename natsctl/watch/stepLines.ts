/**
 * How nodes go: the schedule of each service with the step that it is in, and the gate that
 * pauses a rollout in trouble.
 */
import { age, count } from '../output/output.js'
import { promiseLine, promiseStates } from '../rollout/promiseState.js'
import { rewindableText } from '../rollout/rewindState.js'
import type { Steps } from './steps.js'
import { type Line, lineWidth, type Span } from './styledLine.js'
import type { WatchedRollout } from './watchedRollout.js'

export function scheduleLines({ schedules }: WatchedRollout, columns: number): readonly Line[] {
  return schedules.map(({ service, schedule, steps }) => {
    if (steps === undefined) return [`${service} goes by ${schedule}`]
    const line: Line = [`${service} goes by steps  `, ...stepSpans(steps)]
    return lineWidth(line) <= columns ? line : currentStep(service, steps)
  })
}

function currentStep(service: string, { steps, current, bakesForMs }: Steps): Line {
  const step = steps[current]
  if (step === undefined) return [`${service}: all ${steps.length} steps`]
  const bakes = bakesForMs === undefined ? '' : `, ${age(bakesForMs + 999)}`
  return [`${service}: step ${current + 1} of ${steps.length}, ${step.there} of ${step.nodes} there${bakes}`]
}

function stepSpans({ steps, current, bakesForMs }: Steps): readonly Span[] {
  return steps.flatMap(({ size, nodes, there }, i): Span[] => {
    const after = i === steps.length - 1 ? '' : '  '
    if (i < current) return [{ text: `✓ ${size}`, style: 'green' }, after]
    if (i > current) return [{ text: size, style: 'dim' }, after]
    const bakes = bakesForMs === undefined || i === steps.length - 1 ? '' : `, the next in ${age(bakesForMs + 999)}`
    return [{ text: `▸ ${size}: ${there} of ${nodes} there${bakes}`, style: 'bold' }, after]
  })
}

const namesMax = 3

export function gateLine({ rollout, known }: WatchedRollout): readonly Line[] {
  const gate = known.manifests[rollout.goal - 1]?.gate
  if (gate === undefined) return []
  if (gate === null) return [[{ text: 'no gate: trouble does not pause it by itself', style: 'dim' }]]
  const { moreFailuresMax, slowerMax, callsMin } = gate
  const limits = `${(moreFailuresMax * 100).toFixed(0)} % more failures, ${slowerMax} times as slow, after ${callsMin} calls`
  const control = known.controls.find((one) => one.kind === 'gate' && one.version === rollout.goal)
  const heeded = control?.kind === 'gate' ? control.heeded : []
  if (heeded.length === 0) return [[{ text: 'gate open', style: 'green' }, `: pauses at a node in trouble, ${limits}`]]
  // A key ends with when it began, which tells troubles apart and nobody anything.
  const named = heeded.slice(-namesMax).map((key) => key.replace(/ \d{10,}$/, ''))
  const more = heeded.length > namesMax ? ` and ${heeded.length - namesMax} before` : ''
  return [[{ text: 'gate', style: 'red' }, ` has heeded ${count(heeded.length, 'trouble')}: ${named.join(', ')}${more}`]]
}

export function promiseLines({ rollout, rows, known, at }: WatchedRollout): readonly Line[] {
  return promiseStates(known.manifests, rollout.goal, rows, at).map((state) => [
    { text: promiseLine(state), style: state.trouble === null ? 'green' : 'red' },
  ])
}

/** Until when it can be rewound, by service. */
export function rewindLines({ rollout, at }: WatchedRollout): readonly Line[] {
  return rollout.services.flatMap(({ service, rewind }) =>
    rewind === null ? [] : [[`${service}: ${rewindableText(rewind, at)}`]],
  )
}
