/**
 * `npm run rehearse`: plays plans of many seeds in the deterministic world, or one seed with
 * everything that happens in it.
 *
 *   --seeds N      so many seeds (2,000)
 *   --from N       the first of them (1)
 *   --seed N       this one alone, with its trace
 *   --with NAMES   goes through these dimensions too, which are not in every run: as in `stops,clocks`, or
 *                  `all` (world/operations/dimensions.ts)
 *   --habits A,B   the habits that a plan's code may have, or "all" (those that are usual)
 *   --of NAME      only plans that go through this dimension, or have this habit
 *   --first        ends with the first seed that fails
 *   --shrink       makes a failing plan as small as it can before it is printed
 */
import { parseArgs } from 'node:util'
import { habits, usualHabits } from './world/code/habits.js'
import { dimensionsOf } from './world/operations/dimensions.js'
import type { Plan } from './world/plan.js'
import { planOf } from './world/planGenerator.js'
import { failureOf, storyOf, violationsOf } from './world/report.js'
import { shrink } from './world/shrink.js'
import { play, type Result } from './world/world.js'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    from: { type: 'string' },
    seed: { type: 'string' },
    habits: { type: 'string' },
    first: { type: 'boolean' },
    shrink: { type: 'boolean' },
    with: { type: 'string' },
    of: { type: 'string' },
  },
})
const asked = dimensionsOf(values.with ?? '')
const among =
  values.habits === undefined
    ? usualHabits
    : habits.filter((name) => values.habits!.split(',').some((each) => each === 'all' || each === name))
/** A plan follows from its seed and from these. */
const flags = (['with', 'habits'] as const)
  .flatMap((name) => (values[name] === undefined ? [] : [` --${name} ${values[name]}`]))
  .join('')
const say = (text: string) => process.stdout.write(`${text}\n`)

if (values.seed !== undefined) {
  const plan = planOf(Number(values.seed), asked, among)
  const result = await play(plan)
  say(`${storyOf(plan)}\n\n${result.trace.join('\n')}\n\ndigest ${result.digest}`)
  // The rules that are broken come last: above them are thousands of lines.
  if (result.violations.length > 0 && values.shrink === true) {
    const smaller = await shrink(plan, result.violations[0]!.rule)
    say(`\nThe plan with all left out that the broken rule does without:\n${storyOf(smaller)}`)
    say(violationsOf(smaller, await play(smaller)))
  } else say(violationsOf(plan, result))
  if (result.violations.length > 0) process.exitCode = 1
} else {
  const seeds = Number(values.seeds ?? 2_000)
  const from = Number(values.from ?? 1)
  let played = 0
  let failed = 0
  let virtualMs = 0
  const beganMs = performance.now()
  let seed = from
  for (; played < seeds; seed++) {
    const plan = planOf(seed, asked, among)
    if (values.of !== undefined && ![...plan.habits, ...plan.dimensions].some((name) => name === values.of)) continue
    played++
    const result = await play(plan)
    virtualMs += result.virtualMs
    if (result.violations.length > 0) {
      failed++
      await fail(plan, result)
      if (values.first === true) break
    }
    if (played % 1_000 === 0) say(`${played} seeds, ${failed} failed`)
  }
  const seconds = (performance.now() - beganMs) / 1_000
  say(
    `${played} seeds from ${from} to ${seed - 1}: ${failed} failed; ${(virtualMs / 3_600_000).toFixed(1)} hours of virtual time in ${seconds.toFixed(0)} s, ${(played / seconds).toFixed(0)} seeds a second`,
  )
}

async function fail(plan: Plan, result: Result): Promise<void> {
  process.exitCode = 1
  if (values.shrink !== true) {
    say(failureOf(plan, result, flags))
    return
  }
  const smaller = await shrink(plan, result.violations[0]!.rule)
  say(failureOf(smaller, await play(smaller), flags))
}
