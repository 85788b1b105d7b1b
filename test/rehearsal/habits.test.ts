/** Habits of a plan's code: each is drawn for itself, and what watches it finds what is wrong. */
import test from 'ava'
import { type Habit, habits, needs } from '../../rehearsal/world/code/habits.js'
import { isMadeFor, lateOf, rootOf, timerOf } from '../../rehearsal/world/code/operationIds.js'
import { TableChecker } from '../../rehearsal/world/code/table.js'
import { TickChecker, tickMs } from '../../rehearsal/world/code/ticks.js'
import { partsOf } from '../../rehearsal/world/code/walks.js'
import { ExecutionOracle } from '../../rehearsal/world/executionOracle.js'
import { always } from '../../rehearsal/world/operations/dimensions.js'
import type { Plan, Step, UpgradePlan } from '../../rehearsal/world/plan.js'
import { planOf } from '../../rehearsal/world/planGenerator.js'
import { storyOf } from '../../rehearsal/world/report.js'

const plans = Array.from({ length: 120 }, (_, i) => planOf(i + 1, always, habits))

const asked = ({ steps }: Plan) => steps.flatMap((step) => (step.kind === 'call' ? [step.asked] : []))

test('every habit is had by some plans and not by others, and never without the one that it needs', (t) => {
  for (const name of habits) {
    t.true(
      plans.some((plan) => plan.habits.includes(name)),
      name,
    )
    t.false(
      plans.every((plan) => plan.habits.includes(name)),
      name,
    )
  }
  for (const plan of plans)
    for (const name of plan.habits)
      if (needs[name] !== undefined) t.true(plan.habits.includes(needs[name]), `${plan.seed}: ${name}`)
})

test('a habit that is left out changes no step of the others', (t) => {
  const others = habits.filter((name): name is Habit => name !== 'oddThrows')
  const isOther = (step: Step) => step.kind !== 'call' || !('manner' in step.asked) || step.asked.manner !== 'throwingOddly'
  for (const { seed, steps } of plans.slice(0, 40)) t.deepEqual(planOf(seed, always, others).steps, steps.filter(isOther))
})

test('plans with habits are data, and their stories tell of them', (t) => {
  for (const plan of plans.slice(0, 40)) {
    t.deepEqual(JSON.parse(JSON.stringify(plan)), plan)
    if (plan.habits.length > 0) t.true(storyOf(plan).includes(`habits: ${plan.habits.join(', ')}`))
  }
})

test('walks come back, fan out, are not awaited and fail early; tables are overwritten, deleted from and read by range', (t) => {
  const all = plans.flatMap(asked)
  const walks = all.flatMap((each) => (each.what === 'walk' ? [each.walk] : []))
  const ways = new Set(walks.flatMap((walk) => [...partsOf('', '', walk)]).map(({ walk }) => walk.awaits))
  t.deepEqual([...ways].sort(), ['aFailure', 'atOnce', 'inTurn', 'nothing'])
  t.true(walks.some(({ to }) => to.length > 1))
  const comesBack = (plan: Plan) =>
    plan.steps.some(
      (step) =>
        step.kind === 'call' &&
        step.asked.what === 'walk' &&
        [...partsOf('', step.node!, step.asked.walk)].slice(1).some(({ node }) => node === step.node),
    )
  t.true(plans.some(comesBack))
  t.true(all.some((each) => each.what === 'set' && each.change.value === null))
  t.true(all.some((each) => each.what === 'table' && each.range.limit !== undefined))
  t.true(all.some((each) => each.what === 'setLater'))
})

test('upgrades of some nodes only are undone, and their undos too', (t) => {
  const canaries = Array.from({ length: 600 }, (_, i) => planOf(i + 1))
    .filter((plan) => plan.habits.includes('canaries'))
    .map(({ upgrades }) => upgrades)
  const isForSome = ({ classUpgrades }: UpgradePlan) => classUpgrades.some(({ only }) => only !== null)
  const undone = canaries.filter((all) =>
    all.some((each, i) => isForSome(each) && each.undoes === null && all[i + 1]?.undoes === i + 1),
  )
  t.true(undone.length > 0)
  for (const all of undone)
    t.true(
      all.some((each) => each.undoes !== null && isForSome(each)),
      'the undo is for the same nodes',
    )
  t.true(undone.some((all) => all.some((each, i) => isForSome(each) && each.undoes !== null && all[i + 1]?.undoes === i + 1)))
})

test('two ticks within a period are found, and a node that ticks no more (A1, A2)', (t) => {
  let nowMs = 0
  const found: string[] = []
  const ticks = new TickChecker(
    () => nowMs,
    (rule) => found.push(rule),
  )
  for (nowMs = 0; nowMs <= 3 * tickMs; nowMs += tickMs) ticks.ticked('n')
  ticks.checkTicking('n')
  t.deepEqual(found, [])
  nowMs -= tickMs - 100
  ticks.ticked('n')
  t.deepEqual(found, ['A1'])
  nowMs += 3 * tickMs
  ticks.checkTicking('n')
  t.deepEqual(found, ['A1', 'A2'])
  ticks.died('n')
  ticks.ticked('n')
  t.deepEqual(found, ['A1', 'A2'])
})

const call = (asked: object): Step => ({ kind: 'call', asked }) as Step
const tablePlan = {
  steps: [
    call({ what: 'set', change: { key: 'b', value: 0 } }),
    call({ what: 'set', change: { key: 'a', value: 1 } }),
    call({ what: 'set', change: { key: 'b', value: null } }),
    call({ what: 'setLater', change: { key: 'c', value: 6 } }),
  ],
} as unknown as Plan

function tableFinds(...reads: readonly [list: string[], records: [string, string][], root: [string, string][]][]): string[] {
  const found: string[] = []
  const watch = new TableChecker(tablePlan, (rule) => found.push(rule))
  for (const [list, records, root] of reads) watch.read({ node: 'n', list, records, root }, {})
  return found
}

test('a table that is not what its operations made of it is found (T5)', (t) => {
  const a: [string, string] = ['a', "'text'"]
  const b: [string, string] = ['b', '1']
  t.deepEqual(
    tableFinds([
      ['#0', '#1'],
      [a, b],
      [b, a],
    ]),
    [],
  )
  t.deepEqual(
    tableFinds([
      ['#0', '#1'],
      [b, a],
      [a, b],
    ]),
    ['T5'],
  )
  t.deepEqual(tableFinds([['#0', '#1', '#2'], [a, b], [a]]), ['T5'])
  t.deepEqual(tableFinds([['#0', '#1', '#2'], [a], [a, b]]), ['T5'])
  t.deepEqual(tableFinds([['#0'], [['b', '2']], [b]]), ['T5'])
})

test('a value that is another after a restart is found (T6); what a timer sets counts when it has come', (t) => {
  t.deepEqual(tableFinds([['#3'], [], []]), [])
  const [odd, other]: [string, string][] = [
    ['c', '{ a: undefined, b: 1 }'],
    ['c', '{ a: null, b: 1 }'],
  ]
  t.deepEqual(tableFinds([['#3', '#3t'], [odd!], [odd!]], [['#3', '#3t'], [odd!], [odd!]]), [])
  t.deepEqual(tableFinds([['#3', '#3t'], [odd!], [odd!]], [['#3', '#3t'], [odd!], [other!]]), ['T6'])
})

test('only what is made for the call that runs may begin beside it, until all of that has ended (C2)', (t) => {
  const found: string[] = []
  const oracle = oracleOf(found)
  oracle.begins('n', '#1')
  oracle.begins('n', '#1.1.1')
  oracle.ends('n', '#1')
  oracle.begins('n', '#1.2')
  oracle.begins('n', lateOf('#1'))
  t.deepEqual(found, [])
  oracle.begins('n', '#12')
  t.deepEqual(found, [`#12 begins on n while #1.1.1, #1.2, #1z runs there`])
  t.true(isMadeFor('#1.1.1', '#1.1'))
  t.false(isMadeFor('#1.2', '#1.1'))
  t.is(rootOf(timerOf('#12.1')), '#12')
})

test('a process that goes on without its node ends what it had begun: that is no call beside another (C2)', (t) => {
  const found: string[] = []
  const oracle = oracleOf(found)
  oracle.begins('n', '#1')
  oracle.moves('n')
  oracle.begins('n', '#1.1')
  oracle.begins('n', '#1.2')
  t.deepEqual(found, [])
  oracle.moved('n')
  oracle.begins('n', '#2')
  oracle.begins('n', lateOf('#1'))
  t.deepEqual(found, [])
  oracle.begins('n', '#3')
  oracle.begins('n', '#1.3')
  t.deepEqual(found, ['#3 begins on n while #2 runs there', '#1.3 begins on n while #2, #3 runs there'])
})

function oracleOf(found: string[]): ExecutionOracle {
  const world = { isAlive: () => true, begins() {}, runs() {}, pause: async () => {}, ticked() {}, hangs() {}, signalled() {} }
  return new ExecutionOracle({ ...world, violated: (_, what) => found.push(what) })
}
