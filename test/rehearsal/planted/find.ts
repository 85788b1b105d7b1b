/**
 * Plays plans until one is found wrong, in a process of its own, over the runtime that is beside it. Its
 * order is the first argument, as JSON; it prints what it found, as JSON.
 */
import type { Habit } from '../../../rehearsal/world/code/habits.js'
import { always, type Dimension, names } from '../../../rehearsal/world/operations/dimensions.js'
import { planOf } from '../../../rehearsal/world/planGenerator.js'
import { play } from '../../../rehearsal/world/world.js'

export interface FindOrder {
  /** Played first: where it was found before. */
  readonly firstSeed: number
  /** Plans without this habit or dimension are passed over: the fault does not show there. */
  readonly shownBy: Habit | Dimension | null
  readonly seedsMax: number
}

export interface Found {
  readonly seed: number | null
  readonly played: number
  readonly rule: string
  readonly what: string
}

// To take the stack of each fault of a plan is a tenth of the work, and nobody looks at one here.
Error.stackTraceLimit = 0

const order: FindOrder = JSON.parse(process.argv[2]!)
// A dimension that is not usual is asked for.
const asked = new Set([...always, ...names.filter((name) => name === order.shownBy)])
let played = 0

async function find(): Promise<Found> {
  for (const seed of seeds()) {
    const plan = planOf(seed, asked)
    const has: readonly (Habit | Dimension)[] = [...plan.habits, ...plan.dimensions]
    if (order.shownBy !== null && !has.includes(order.shownBy)) continue
    played++
    const [violation] = (await play(plan)).violations
    if (violation !== undefined) return { seed, played, rule: violation.rule, what: violation.what }
  }
  return { seed: null, played, rule: '', what: '' }
}

function* seeds(): Iterable<number> {
  yield order.firstSeed
  for (let seed = 1; seed <= order.seedsMax; seed++) yield seed
}

process.stdout.write(`${JSON.stringify(await find())}\n`, () => process.exit(0))
