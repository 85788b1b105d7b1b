/**
 * The deterministic world (DESIGN §2, §6): thousands of plans with faults of every kind, and
 * what must always hold holds.
 */
import test from 'ava'
import { dimensionsOf } from '../../rehearsal/world/operations/dimensions.js'
import { planOf } from '../../rehearsal/world/planGenerator.js'
import { failureOf, storyOf } from '../../rehearsal/world/report.js'
import { play } from '../../rehearsal/world/world.js'
import { withoutStacks } from '../support/withoutStacks.js'

/** More are played by `npm run rehearse`. */
const seeds = 500
const seedsPerTest = 125

for (let from = 1; from <= seeds; from += seedsPerTest) {
  const to = from + seedsPerTest - 1
  test.serial(`seeds ${from} to ${to}: no plan breaks what must always hold, and each comes to rest`, async (t) => {
    const failures: string[] = []
    for (let seed = from; seed <= to; seed++) {
      const plan = planOf(seed)
      const result = await withoutStacks(() => play(plan))
      if (result.violations.length > 0) failures.push(failureOf(plan, result))
    }
    t.deepEqual(failures, [])
  })
}

test.serial('the same seed plays the same world, to the last message; another seed another', async (t) => {
  const digests = new Set<string>()
  for (let seed = 1; seed <= 20; seed++) {
    const again = () => withoutStacks(() => play(planOf(seed)))
    const [first, second] = [await again(), await again()]
    t.deepEqual(first.trace, second.trace)
    t.is(first.digest, second.digest)
    digests.add(first.digest)
  }
  t.is(digests.size, 20)
})

test.serial('every dimension that is asked for is gone through, and every story tells of it', (t) => {
  const steps = Array.from({ length: 100 }, (_, i) => planOf(i + 1, dimensionsOf('all'))).map(storyOf)
  const stories = steps.join('\n')
  for (const part of [/h\d is stopped, \d+ ms after it has started anew/, /desk\d is stopped, for/, /ledger\d is stopped for/])
    t.regex(stories, part)
  for (const part of [/database is emptied in/, /database is put back, in/, /database loses, in/, /database restarts in/])
    t.regex(stories, part)
  for (const part of [/move to h\db, copied/, /move to h\db, bornAnew/, /move to h\db, hotCopied/]) t.regex(stories, part)
  for (const part of [/is frozen for 4000 ms/, /the clock of desk\d is set by -3600000 ms/]) t.regex(stories, part)
  for (const part of [
    /desk\d pins itself to version 0 as soon as that is dead/,
    /no node needs version 0 any more, the upgrade database is away/,
  ])
    t.regex(stories, part)
  t.regex(stories, /h\d may not listen for calls of its nodes for \d+ ms/)
  const sharded = Array.from({ length: 2_000 }, (_, i) => planOf(i + 1)).filter(({ shards }) => shards !== undefined)
  const shardStories = sharded.map(storyOf).join('\n')
  for (const part of [
    /ledger has \d shards/,
    /h\d is killed in \d+ ms, for \d+ ms, and comes back without its copies of shards/,
    /and comes back with its copies of shards as they are now/,
    /h\d does not reach the logs of shards for \d+ ms/,
    /nobody reaches the logs of shards/,
    /the logs of shards are flaky, and full/,
    /h\d is killed, appended, number \d+/,
  ])
    t.regex(shardStories, part)
  t.throws(() => dimensionsOf('stops,nothing'), { message: /there is no dimension nothing: use stops/ })
})

test.serial('a plan is data, and reads as a story', (t) => {
  const plan = planOf(7)
  t.deepEqual(JSON.parse(JSON.stringify(plan)), plan)
  const story = storyOf(plan)
  for (const part of [
    /^Plan of seed 7$/m,
    /upgrade 1 is published/,
    /desk\d calls ledger\d \w+\(.*\) at version 0/,
    /the troubles end$/m,
  ])
    t.regex(story, part)
})

test.serial(
  'plans go back, pause, hold, let versions die, forget who comes back, tell events, upgrade some nodes only, and some lazily',
  (t) => {
    const plans = Array.from({ length: 200 }, (_, i) => planOf(i + 1))
    const kinds = new Set(plans.flatMap(({ steps }) => steps.map(({ kind }) => kind)))
    for (const kind of ['pause', 'hold', 'now', 'retryVersion', 'finalize', 'freeze', 'clock', 'serverDies', 'replay'] as const)
      t.true(kinds.has(kind), kind)
    t.true(plans.some(({ upgrades }) => upgrades.some(({ undoes }, i) => undoes && upgrades[i + 1]?.undoes)))
    t.true(plans.some(({ upgrades }) => upgrades.some(({ classUpgrades }) => classUpgrades.some(({ only }) => only !== null))))
    t.true(plans.some(({ deaths, steps }) => deaths !== null && steps.some((step) => step.kind === 'leave' && step.isForgotten)))
    t.true(plans.some(({ steps }) => steps.some((step) => step.kind === 'call' && step.asked.what === 'announce')))
    const lazy = plans
      .flatMap(({ upgrades }) => upgrades.flatMap(({ classUpgrades }) => classUpgrades))
      .filter(({ isLazy }) => isLazy)
    t.true(lazy.some(({ troubles }) => troubles.record !== 'none'))
  },
)
