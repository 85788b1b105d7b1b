/**
 * Promises over rollouts with real schedules and real failures: a schedule that keeps its promise, one that
 * does not, and the story that shows it, again by its seed.
 */
import test from 'ava'
import type { NodeRow } from '../../core/model/nodeRow.js'
import { atMost } from '../../core/schedules/combine.js'
import { eagerly } from '../../core/schedules/eagerly.js'
import { gradually } from '../../core/schedules/gradually.js'
import { keepCovered } from '../../core/schedules/keepCovered.js'
import { oneReplicaAtATime } from '../../core/schedules/oneReplicaAtATime.js'
import { covered, doneWithin, keeps, promising, type RolloutPromise } from '../../core/schedules/rolloutPromise.js'
import { isDone } from '../../core/schedules/rowConditions.js'
import { type Schedule, schedule } from '../../core/schedules/schedule.js'
import { tellStories } from '../../rehearsal/rollout/promiseStories.js'
import { planRollout } from '../../rehearsal/rollout/rolloutPlan.js'
import { playStory } from '../../rehearsal/rollout/rolloutStory.js'
import { ids, proposal, row, shops, till, tills, upgradeOf } from './proposals.js'

/** Three replicas of each set, each on a host of its own. */
function replicas(sets: number): readonly NodeRow[] {
  return ids(sets, 's').flatMap((set) => [1, 2, 3].map((number) => row(`${set}-${number}`, { hostId: `h-${set}-${number}` })))
}

const twoOfThree = keeps({ service: 'shop', serving: 2, of: '{set}-*' })

/** In each set so many at a time. */
function replicasAtATime(number: number): Schedule {
  return schedule(`${number} of each set at a time`, (view) =>
    view.until(async () => {
      const set = view.nodeId.split('-')[0]!
      const rows = (await view.nodes(view.service)).filter(({ nodeId }) => nodeId.startsWith(`${set}-`))
      const before = rows.filter((each) => each.nodeId < view.nodeId && each.alive && !isDone(each, view.target))
      return before.length < number
    }),
  )
}

function tried(its: Schedule, rows: readonly NodeRow[], ...promises: readonly RolloutPromise[]) {
  return proposal(upgradeOf([shops(promising(its, ...promises))]), rows, { assumed: { limit: { percent: 100 } } })
}

const chances = { seed: 1, stories: 20, failures: 0 }

test('one replica at a time keeps two of three, in all stories', async (t) => {
  for (const its of [oneReplicaAtATime(), replicasAtATime(1)]) {
    const found = await tellStories(tried(its, replicas(4), twoOfThree), chances)
    t.like(found, { stories: 20, kept: 20, paused: 0, broken: 0, worst: null })
    t.deepEqual(found.promises, ['keeps 2 nodes of each set {set}-* of shop serving'])
  }
})

test('a schedule of two replicas at once breaks it, and its seed tells the same story again', async (t) => {
  const wrong = tried(replicasAtATime(2), replicas(4), twoOfThree)
  const found = await tellStories(wrong, chances)
  t.is(found.broken, 20)
  const { seed, broken, lines } = found.worst!
  t.regex(broken!.what, /: 1 of 3 nodes of set s\d serves, 2 are away for the upgrade$/)
  t.deepEqual(lines.at(-1) && lines.find(([, what]) => what.startsWith('broken: ')), [broken!.atMs, `broken: ${broken!.what}`])
  const { worst: again } = await tellStories(wrong, { ...chances, seed, stories: 1 })
  t.deepEqual(again, found.worst)
})

test('a schedule that is wrong once in many stories is found, and its seed replays exactly, failures too', async (t) => {
  // It looks at who serves, and two that look before either goes both go.
  const hasty = schedule('when two others serve', async (view) => {
    await view.sleep(view.random() * 60_000)
    await view.until(async () => {
      const set = view.nodeId.split('-')[0]!
      const rows = (await view.nodes(view.service)).filter(({ nodeId }) => nodeId.startsWith(`${set}-`))
      return rows.filter(({ nodeId, alive, phase }) => nodeId !== view.nodeId && alive && phase !== 'draining').length >= 2
    })
  })
  const wrong = tried(hasty, replicas(6), twoOfThree)
  const all = { seed: 1, stories: 40, failures: 1 }
  const found = await tellStories(wrong, all)
  t.true(found.broken > 0 && found.broken < 40, `${found.broken}`)
  t.true(found.worst!.seed > 1)
  t.deepEqual((await tellStories(wrong, { ...all, seed: found.worst!.seed, stories: 1 })).worst, found.worst)
})

test('a set that loses a host is not taken further: an upgrade server pauses the rollout before it breaks', async (t) => {
  const found = await tellStories(tried(replicasAtATime(1), replicas(6), twoOfThree), { seed: 1, stories: 60, failures: 2 })
  t.true(found.paused > 0, `${found.paused}`)
  const story = found.worst!
  if (found.broken === 0) {
    t.regex(story.paused!.what, /not serving otherwise, and the next that goes leaves 1; 2 must serve$/)
    t.true(story.lines.some(([, what]) => /^host h-s\d-\d fails/.test(what)))
  } else {
    // A host that fails while another of its set is away: no schedule can know.
    t.regex(story.broken!.what, /1 is away for the upgrade, s\d-\d not serving otherwise/)
  }
  t.is(found.kept + found.paused + found.broken, 60)
})

test('one of three outlives the failure of any one host, whichever it is', async (t) => {
  const one = keeps({ service: 'shop', serving: 1, of: '{set}-*' })
  const found = await tellStories(tried(replicasAtATime(1), replicas(6), one), { seed: 1, stories: 60, failures: 1 })
  t.like(found, { broken: 0, paused: 0, kept: 60 })
})

test('a field stays covered by the schedule for it, and not by chance', async (t) => {
  const nodes = ids(12)
  const beside = (id: string) =>
    [nodes[nodes.indexOf(id) - 1], nodes[nodes.indexOf(id) + 1]].filter((other) => other !== undefined)
  const places = Object.fromEntries(nodes.slice(1, -1).map((id) => [id, [id, ...beside(id)]]))
  const field = covered({ service: 'shop', atLeast: 1, places })
  const rows = nodes.map((id) => row(id))
  t.like(await tellStories(tried(keepCovered(beside, 1), rows, field), chances), { kept: 20, broken: 0 })
  const found = await tellStories(tried(eagerly(), rows, field), chances)
  t.is(found.broken, 20)
  t.regex(found.worst!.broken!.what, /^keeps 1 of shop serving at each of 10 places: 0 of 3 nodes at n\d\d serve, 3 are away/)
})

test('a rollout that takes longer than it promises is late, and one that does not is not', async (t) => {
  const rows = ids(10).map((id) => row(id))
  t.like(await tellStories(tried(atMost(1), rows, doneWithin('1m')), chances), { kept: 20 })
  const found = await tellStories(tried(atMost(1), rows, doneWithin('10s')), chances)
  t.is(found.broken, 20)
  t.like(found.worst!.broken, { atMs: 10_000, missing: 1 })
  t.regex(found.worst!.broken!.what, /^done within 10s: not there by then: n\d\d, n\d\d, n\d\d and \d more$/)
})

test('a promise that not even the first node can keep pauses the rollout at once', async (t) => {
  const all = keeps({ service: 'shop', serving: 3, of: '{set}-*' })
  const later = schedule('in a minute', (view) => view.sleep(60_000))
  const found = await tellStories(tried(later, replicas(1), all), { ...chances, stories: 1 })
  t.like(found, { broken: 0, paused: 1 })
  t.true(found.worst!.paused!.atMs < 3_000)
  t.regex(found.worst!.paused!.what, /3 of 3 nodes of set s1 serve, and the next that goes leaves 2; 3 must serve$/)
})

test('a failed host takes its nodes out of the rollout and back into it, and its permits stay its own', async (t) => {
  const rows = [
    ...ids(6).map((id) => row(id, { hostId: id < 'n4' ? 'h1' : 'h2' })),
    ...ids(3, 't').map((id) => till(id, { hostId: 'h3' })),
  ]
  const upgrade = upgradeOf([shops(gradually({ every: '20s', probability: 0.3 })), tills(oneReplicaAtATime())], {
    promises: [keeps({ service: 'shop', serving: 1 })],
  })
  let isBack = 0
  for (let seed = 1; seed <= 60; seed++) {
    const { rollout, lines } = await playStory(proposal(upgrade, rows), { seed, failures: 2, horizonMs: 120_000 })
    t.is(rollout.gaveUp, null)
    const lost = lines.flatMap(([, what]) => /^host (\w+) fails for good/.exec(what)?.[1] ?? [])
    const failing = lines.filter(([, what]) => /^host \w+ fails,/.test(what)).length
    t.is(lines.filter(([, what]) => what.endsWith(' is back')).length, failing)
    if (lost.length === 0 && lines.every(([, what]) => !what.startsWith('an upgrade server'))) {
      isBack += failing
      t.true(
        rollout.outcomes.every(({ arrivesMs }) => arrivesMs !== null),
        `seed ${seed}: all who are back get there`,
      )
    }
    for (const { nodeId, obstacle } of rollout.outcomes) {
      if (obstacle?.kind === 'host') t.true(lost.includes(obstacle.hostId), `seed ${seed}: ${nodeId}`)
    }
    // A quarter of six, and of three, is one of each: the permit of a failed node is nobody else's.
    t.true(rollout.mostAway('shop') <= 1 && rollout.mostAway('till') <= 1, `seed ${seed}`)
  }
  t.true(isBack > 0)
})

test('members of a group that lose their host begin again together', async (t) => {
  const rows = ids(4, 'g').flatMap((id) => [row(`${id}s`, { group: id, hostId: id }), till(`${id}t`, { group: id, hostId: id })])
  const upgrade = upgradeOf([shops(gradually({ every: '20s', probability: 0.3 })), tills(eagerly())])
  for (let seed = 1; seed <= 60; seed++) {
    const { rollout, lines } = await playStory(proposal(upgrade, rows), { seed, failures: 3, horizonMs: 60_000 })
    const isLost = lines.some(([, what]) => what.includes('fails for good'))
    const arrived = new Map(rollout.outcomes.map(({ nodeId, arrivesMs }) => [nodeId, arrivesMs]))
    const goes = new Map(rollout.outcomes.map(({ nodeId, goesMs }) => [nodeId, goesMs]))
    for (const id of ids(4, 'g')) t.is(goes.get(`${id}s`), goes.get(`${id}t`), `seed ${seed}: ${id} goes together`)
    for (const id of ids(4, 'g')) t.is(arrived.get(`${id}s`) === null, arrived.get(`${id}t`) === null, `seed ${seed}: ${id}`)
    if (!isLost)
      t.true(
        [...arrived.values()].every((ms) => ms !== null),
        `seed ${seed}`,
      )
  }
})

test('a plan tells what it found of promises, and nothing where there is none', async (t) => {
  const plan = await planRollout(tried(replicasAtATime(1), replicas(2), twoOfThree), {
    seed: 1,
    runs: 2,
    stories: 3,
    failures: 1,
  })
  t.like(plan.promises, { stories: 3, failures: 1 })
  const without = await planRollout(tried(eagerly(), replicas(2)), { seed: 1, runs: 2 })
  t.is(without.promises, null)
  const usual = await planRollout(tried(eagerly(), replicas(2), twoOfThree), { seed: 1, runs: 2 })
  t.like(usual.promises, { stories: 2, failures: 0, broken: 2 })
})
