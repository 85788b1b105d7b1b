/**
 * Rollouts rehearsed with real schedules over nodes that are rows only: who goes, when, how
 * many at once, and why who does not.
 */
import test from 'ava'
import { isFault } from '../../core/base/fault.js'
import { notServing } from '../../core/base/phases.js'
import type { NodeRow } from '../../core/model/nodeRow.js'
import { notNeeded } from '../../core/model/simulation.js'
import { afterMyServers } from '../../core/schedules/afterMyServers.js'
import { classBefore } from '../../core/schedules/classBefore.js'
import { allOf, atMost, within } from '../../core/schedules/combine.js'
import { eagerly } from '../../core/schedules/eagerly.js'
import { gradually } from '../../core/schedules/gradually.js'
import { keepCovered } from '../../core/schedules/keepCovered.js'
import { oneReplicaAtATime } from '../../core/schedules/oneReplicaAtATime.js'
import { onlyNodes } from '../../core/schedules/onlyNodes.js'
import { type Schedule, schedule } from '../../core/schedules/schedule.js'
import { steps } from '../../core/schedules/steps.js'
import { whenIdle } from '../../core/schedules/whenIdle.js'
import { reversed } from '../../core/upgrade/reversedUpgrade.js'
import { upgradeClass } from '../../core/upgrade/upgrade.js'
import { planRollout, type RolloutPlan } from '../../rehearsal/rollout/rolloutPlan.js'
import { warningsOf } from '../../rehearsal/rollout/warnings.js'
import { ids, proposal, row, ShopV2, shops, startMs, TillV2, till, tills, upgradeOf } from './proposals.js'

const chances = { seed: 1, runs: 5 }
const awayMs = 3_000
const hourMs = 3_600_000

function planOf(its: Schedule, rows: readonly NodeRow[], change: Parameters<typeof proposal>[2] = {}, chance = chances) {
  return planRollout(proposal(upgradeOf([shops(its)]), rows, change), chance)
}

function order({ services }: RolloutPlan, service = 'shop'): readonly string[] {
  return services.find((found) => found.service === service)!.goes.map(({ nodeId }) => nodeId)
}

function goesMs({ services }: RolloutPlan, nodeId: string): number {
  return services.flatMap(({ goes }) => goes).find((found) => found.nodeId === nodeId)!.goesMs
}

function waits({ absent }: RolloutPlan): readonly (readonly [readonly string[], string])[] {
  return absent.map(({ nodes, obstacle }) => [nodes, obstacle.kind])
}

test('the members of a group go together, once all of them have signalled', async (t) => {
  const rows = [row('g_shop', { group: 'g' }), till('g_till', { group: 'g' }), row('s2')]
  const later = schedule('later', (view) => view.sleep(60_000))
  const plan = await planRollout(proposal(upgradeOf([shops(eagerly()), tills(later)]), rows), chances)
  t.true(goesMs(plan, 's2') < 60_000)
  t.true(goesMs(plan, 'g_shop') >= 60_000)
  t.is(goesMs(plan, 'g_shop'), goesMs(plan, 'g_till'))
  t.deepEqual(plan.absent, [])
})

test('a member whose group can’t go waits for the others, or has their reason', async (t) => {
  const rows = [row('g_shop', { group: 'g' }), till('g_till', { group: 'g' })]
  const never = schedule('never', (view) => view.until(() => false))
  const throws = schedule('throws', async () => {
    throw new Error('no clock')
  })
  const with_ = (its: Schedule) => planRollout(proposal(upgradeOf([shops(eagerly()), tills(its)]), rows), chances)
  const waiting = await with_(never)
  t.deepEqual(
    new Map(waits(waiting).map(([nodes, kind]) => [nodes.join(' '), kind])),
    new Map([
      ['g_shop', 'group'],
      ['g_till', 'schedule'],
    ]),
  )
  const group = waiting.absent.find(({ obstacle }) => obstacle.kind === 'group')!.obstacle
  t.deepEqual(group, { kind: 'group', version: 1, waitsFor: ['g_till'] })
  const thrown = await with_(throws)
  t.deepEqual(
    thrown.absent.map(({ obstacle }) => ('reason' in obstacle ? obstacle.reason : obstacle.kind)),
    ['g_till: no clock'],
  )
})

test('a group goes after its servers, but not after its own members', async (t) => {
  const rows = [row('g_shop', { group: 'g' }), till('g_till', { group: 'g' }), row('s2')]
  const plan = await planRollout(proposal(upgradeOf([shops(eagerly()), tills(afterMyServers('shop'))]), rows), chances)
  t.deepEqual(plan.absent, [])
  t.true(goesMs(plan, 'g_till') > goesMs(plan, 's2'))
})

const tenShops = ids(10).map((id) => row(id))

test('one replica at a time: the lowest id first, one away at once, each after the one before serves', async (t) => {
  const plan = await planOf(oneReplicaAtATime(), tenShops)
  t.deepEqual(order(plan), ids(10))
  t.is(plan.mostAway, 1)
  t.is(plan.runs, 1)
  t.is(plan.lots, 'none')
  const [{ goes }] = plan.services as [RolloutPlan['services'][number]]
  for (const [i, { goesMs: at }] of goes.slice(1).entries()) {
    const before = goes[i]!.arrivesMs!
    // A node at work looks after 500 to 750 ms.
    t.true(at > before && at - before <= 750, `${goes[i + 1]!.nodeId} after ${at - before} ms`)
  }
  t.is(plan.duration!.medianMs, goes[9]!.arrivesMs!)
  t.deepEqual(plan.absent, [])
})

test('a schedule’s own limit holds, and so does the one of the hosts', async (t) => {
  const two = await planOf(
    atMost(2),
    ids(20).map((id) => row(id)),
  )
  t.is(two.services[0]!.mostAway, 2)
  t.deepEqual(two.services[0]!.limit, { nodes: 2, of: 'atMost(2)' })
  t.true(two.duration!.longestMs >= 10 * awayMs && two.duration!.longestMs < 11 * awayMs)
  t.is(two.lots, 'slots')
  const hosts = await planOf(
    atMost(8),
    ids(20).map((id) => row(id)),
  )
  t.is(hosts.services[0]!.mostAway, 5)
  t.deepEqual(hosts.services[0]!.limit, { nodes: 5, of: 'hosts' })
  const told = await planOf(
    eagerly(),
    ids(20).map((id) => row(id)),
    { assumed: { limit: { nodes: 7 } } },
  )
  t.is(told.services[0]!.mostAway, 7)
})

test('how long nodes are away is as assumed', async (t) => {
  const plan = await planOf(
    atMost(1),
    ids(4).map((id) => row(id)),
    { assumed: { drainMs: 5_000, transformMs: 55_000 } },
  )
  t.true(plan.duration!.medianMs > 240_000 && plan.duration!.medianMs < 242_000, `${plan.duration!.medianMs}`)
})

test('a schedule that draws lots is rehearsed several times: the same for a seed, another for another', async (t) => {
  const its = gradually({ every: '10s', probability: 0.2 })
  const plan = await planOf(its, tenShops)
  t.is(plan.runs, 5)
  t.is(plan.lots, 'schedules')
  t.true(plan.duration!.medianMs < plan.duration!.longestMs)
  t.is(order(plan).length, 10)
  t.deepEqual(await planOf(its, tenShops), plan)
  const other = await planOf(its, tenShops, {}, { seed: 100, runs: 5 })
  t.notDeepEqual(order(other), order(plan))
  t.is((await planOf(its, tenShops, {}, { seed: 1, runs: 2 })).runs, 2)
})

test('steps: nobody goes before the step before has served for the bake time', async (t) => {
  const nodes = ids(20)
  const plan = await planOf(
    steps(['1 node', '25%', 'all'], { bake: '10m' }),
    nodes.map((id) => row(id)),
  )
  const firstOf = (from: number, to: number) => Math.min(...nodes.slice(from, to).map((id) => goesMs(plan, id)))
  const lastOf = (from: number, to: number) => Math.max(...nodes.slice(from, to).map((id) => goesMs(plan, id))) + awayMs
  t.is(order(plan)[0], 'n01')
  for (const [before, from, to] of [
    [[0, 1], 1, 5],
    [[1, 5], 5, 20],
  ] as const) {
    const baked = lastOf(before[0], before[1]) + 600_000
    t.true(firstOf(from, to) >= baked && firstOf(from, to) < baked + 20_000, `${firstOf(from, to)} and ${baked}`)
  }
})

test('clients go after all their servers, named or declared as called', async (t) => {
  for (const its of [afterMyServers('shop'), afterMyServers()]) {
    const upgrade = upgradeOf([tills(its), shops(gradually({ every: '5s', probability: 0.5 }))])
    const plan = await planRollout(proposal(upgrade, [...tenShops, ...ids(5, 't').map((id) => till(id))]), chances)
    const served = Math.max(...plan.services.find(({ service }) => service === 'shop')!.goes.map(({ arrivesMs }) => arrivesMs!))
    t.is(order(plan, 'till').length, 5)
    for (const id of order(plan, 'till')) t.true(goesMs(plan, id) >= served, `${id} of ${its.describe}`)
    t.true(plan.assumptions.some((text) => text.includes('its class declares to call')))
  }
})

test('nodes of the second class go when none of the first is left', async (t) => {
  const its = classBefore('Shop.v1', 'Till.v1')
  const upgrade = upgradeOf([tills(its), shops(its)])
  const plan = await planRollout(proposal(upgrade, [...tenShops, till('t1')]), chances)
  t.true(goesMs(plan, 't1') >= Math.max(...order(plan).map((id) => goesMs(plan, id))) + awayMs)
})

test('idle nodes are those that nobody calls, which is said', async (t) => {
  const plan = await planOf(whenIdle('30s'), tenShops)
  t.true(Math.min(...order(plan).map((id) => goesMs(plan, id))) >= 30_000)
  t.true(plan.assumptions.some((text) => text.startsWith('nobody calls the nodes')))
})

test('a maintenance window begins when it begins, by the clock of the plan', async (t) => {
  const plan = await planOf(
    within({ from: '02:00', for: '2h' }, oneReplicaAtATime()),
    ids(3).map((id) => row(id)),
  )
  for (const id of order(plan)) {
    const hour = ((startMs + goesMs(plan, id)) % (24 * hourMs)) / hourMs
    t.true(hour >= 2 && hour < 4, `${id} at ${hour}`)
  }
  t.is(order(plan).length, 3)
})

test('no place of a field is left without the nodes that it needs', async (t) => {
  const nodes = ids(30)
  const beside = (id: string) =>
    [nodes[nodes.indexOf(id) - 1], nodes[nodes.indexOf(id) + 1]].filter((other) => other !== undefined)
  const its = allOf(gradually({ every: '2s', probability: 0.5 }), keepCovered(beside, 1))
  const { services } = await planOf(
    its,
    nodes.map((id) => row(id)),
  )
  const [{ goes }] = services as [RolloutPlan['services'][number]]
  t.is(goes.length, 30)
  const times = new Map(goes.map(({ nodeId, goesMs: from, arrivesMs }) => [nodeId, [from, arrivesMs!] as const]))
  for (const id of nodes.slice(1, -1)) {
    const [from] = times.get(id)!
    const others = beside(id).filter((other) => times.get(other)![0] < from && times.get(other)![1] > from)
    t.true(others.length < 2, `${others} are away as ${id} goes`)
  }
})

test('a table is as it is, with what the upgrade puts into it', async (t) => {
  const authorized = schedule('when authorized', (view) =>
    view.until(async () => (await view.table('authorized')).get(view.nodeId) === 'yes'),
  )
  const upgrade = upgradeOf([shops(authorized)], { tables: { authorized: { n02: 'yes' } } })
  const tables = new Map([['authorized', new Map([['n01', 'yes']])]])
  const plan = await planRollout(proposal(upgrade, tenShops, { situation: { tables } }), chances)
  t.deepEqual(order(plan).toSorted(), ['n01', 'n02'])
  t.deepEqual(waits(plan), [[ids(10).slice(2), 'schedule']])
  t.true(plan.assumptions.includes('table authorized stays as it is, with 2 entries'))
})

test('a schedule that never ends is told of with who waits for it, and the others go', async (t) => {
  const plan = await planOf(onlyNodes('n03'), tenShops)
  t.deepEqual(order(plan), ['n03'])
  t.like(plan.absent[0]!.obstacle, { kind: 'schedule', version: 1, schedule: 'onlyNodes(n03)' })
  t.is(plan.absent[0]!.nodes.length, 9)
  t.is(plan.gaveUp, null)
})

test('who waits longer than the bound is taken not to come', async (t) => {
  const its = schedule('tomorrow', (view) => view.sleep(24 * hourMs))
  t.deepEqual(waits(await planOf(its, [row('n1')], { assumed: { withinMs: 23 * hourMs } })), [[['n1'], 'schedule']])
  t.deepEqual(order(await planOf(its, [row('n1')], { assumed: { withinMs: 25 * hourMs } })), ['n1'])
})

const brokenOnOne = schedule('broken on n01', async (view) => {
  if (view.nodeId === 'n01') throw new Error('no such table')
  await view.sleep(60_000)
})

test('a schedule that throws is told of, and the health gate pauses the others', async (t) => {
  const plan = await planOf(brokenOnOne, tenShops)
  t.deepEqual(
    plan.absent.find(({ nodes }) => nodes[0] === 'n01'),
    { nodes: ['n01'], obstacle: { kind: 'threw', version: 1, reason: 'no such table' } },
  )
  t.regex(plan.paused!, /node n01 is stalled: no such table/)
  t.is(plan.absent.find(({ nodes }) => nodes.length === 9)!.obstacle.kind, 'control')
  t.deepEqual(order(plan), [])
})

test('without a gate the others go on', async (t) => {
  const plan = await planRollout(proposal(upgradeOf([shops(brokenOnOne)], { gate: 'open' }), tenShops), chances)
  t.is(plan.paused, null)
  t.is(order(plan).length, 9)
})

test('a held node stays, a paused version holds all, and who is told to go is not asked its schedule', async (t) => {
  const hold = { kind: 'hold', nodeId: 'n02', reason: 'busy', since: 0 } as const
  const held = await planOf(eagerly(), tenShops, { situation: { controls: [hold] } })
  t.deepEqual(held.absent, [{ nodes: ['n02'], obstacle: { kind: 'control', version: 1, control: hold } }])
  t.is(order(held).length, 9)
  const pause = { kind: 'pause', version: 1, reason: 'lunch', since: 0 } as const
  const now = { kind: 'now', nodeId: 'n05', version: 1, since: 0 } as const
  const paused = await planOf(onlyNodes(), tenShops, { situation: { controls: [pause, now] } })
  t.deepEqual(order(paused), ['n05'])
  t.deepEqual(waits(paused), [[ids(10).filter((id) => id !== 'n05'), 'schedule']])
  t.is((await planOf(eagerly(), tenShops, { situation: { controls: [pause] } })).absent[0]!.obstacle.kind, 'control')
  t.true(paused.warnings.includes('version 1 is paused before it is installed'))
})

test('a dead node does not come, holds up those who wait for it, and keeps its slot', async (t) => {
  const rows = [row('n1'), row('n2', { alive: false }), ...ids(3, 't').map((id) => till(id))]
  const upgrade = upgradeOf([shops(oneReplicaAtATime()), tills(afterMyServers('shop'))])
  const plan = await planRollout(proposal(upgrade, rows), chances)
  t.deepEqual(order(plan), ['n1'])
  t.deepEqual(waits(plan), [
    [ids(3, 't'), 'schedule'],
    [['n2'], 'host'],
  ])
  t.true(plan.warnings.includes('not heard of: n2'))
  const lost = ids(8).map((id) => row(id, id === 'n1' ? { alive: false, phase: 'draining' } : {}))
  const fewer = await planOf(atMost(1), lost)
  t.deepEqual(order(fewer), [])
  t.deepEqual(fewer.absent[0]!.obstacle, { kind: 'slot', version: 1, heldBy: ['n1'] })
})

test('a node in trouble stays where it is, and one on its way comes back first', async (t) => {
  const before = [upgradeOf([tills(eagerly())])]
  const rows = [
    row('n1', { version: 1, phase: 'failed', reason: 'no disk' }),
    row('n2', { version: 1 }),
    till('t1', { phase: 'stalled', target: 1, reason: 'it throws' }),
    till('t2', { phase: 'transforming', target: 1 }),
  ]
  const next = upgradeOf([shops(eagerly())])
  const plan = await planRollout(proposal(next, rows, { before, assumed: { limit: { nodes: 2 } } }), chances)
  t.is(plan.version, 2)
  t.deepEqual(order(plan), ['n2'])
  t.deepEqual(plan.absent, [{ nodes: ['n1'], obstacle: { kind: 'trouble', phase: 'failed', reason: 'no disk' } }])
  t.true(plan.warnings.includes('in trouble already: n1, t1'))
  t.true(plan.warnings.includes('not at the newest version yet: t2'))
  // n1 has its slot, so that of the two slots one is left.
  t.is(plan.services[0]!.mostAway, 2)
})

test('a node that is on its way has the class of the version that it goes to when it comes back', async (t) => {
  const before = [upgradeOf([shops(eagerly())])]
  const rows = [
    row('n1', { phase: 'draining', target: 1 }),
    row('n2', { phase: 'recovering', version: 1, className: 'Shop.v2', target: 1 }),
  ]
  const plan = await planRollout(proposal(upgradeOf([fromV2]), rows, { before, assumed: { limit: { nodes: 2 } } }), chances)
  t.deepEqual(order(plan).toSorted(), ['n1', 'n2'])
  t.deepEqual(plan.absent, [])
  for (const id of order(plan)) t.true(goesMs(plan, id) >= awayMs)
})

const fromV2 = upgradeClass({
  oldClass: ShopV2,
  newClass: class ShopV3 extends ShopV2 {
    static override readonly className = 'Shop.v3'
  },
  futureSO: notNeeded,
  pastSO: notNeeded,
  transform: (old) => old,
  schedule: eagerly(),
})

test('a node that is behind goes through the version before first, each with its own schedule', async (t) => {
  const before = [upgradeOf([shops(schedule('after a minute', (view) => view.sleep(60_000)))])]
  const rows = [row('n1'), row('n2', { version: 1, className: 'Shop.v2' })]
  const plan = await planRollout(proposal(upgradeOf([fromV2]), rows, { before }), chances)
  t.deepEqual(order(plan), ['n2', 'n1'])
  t.true(goesMs(plan, 'n2') < 1_000)
  t.true(goesMs(plan, 'n1') >= 60_000 + awayMs)
  const { upgrades, ...rest } = proposal(upgradeOf([fromV2]), rows, { before })
  const without = await planRollout({ ...rest, upgrades: new Map([[2, upgrades.get(2)!]]) }, chances)
  t.deepEqual(without.absent, [{ nodes: ['n1'], obstacle: { kind: 'notLoaded', version: 1 } }])
  const dead = await planRollout(proposal(upgradeOf([fromV2]), rows, { before, situation: { dead: 1 } }), chances)
  t.true(goesMs(dead, 'n1') < 10_000, 'a node at a dead version is not asked')
})

test('a version that was undone is skipped by who has not gone there', async (t) => {
  const bring = upgradeOf([tills(onlyNodes())])
  const { situation, ...rest } = proposal(upgradeOf([shops(eagerly())]), [row('n1'), till('t1', { uses: [] })], {
    before: [bring, reversed(bring)],
  })
  const manifests = situation.manifests.map((manifest) => (manifest.version === 2 ? { ...manifest, undoes: 1 } : manifest))
  const its = schedule('after the tills', (view) =>
    view.until(async () => (await view.nodes('till')).every(({ version }) => version === 3)),
  )
  const upgrade = upgradeOf([shops(its)])
  const plan = await planRollout({ ...rest, situation: { ...situation, manifests }, upgrades: new Map([[3, upgrade]]) }, chances)
  t.deepEqual(order(plan), ['n1'])
})

test('nodes that the upgrade leaves alone advance at once, and pinned callers never', async (t) => {
  const rows = [...tenShops, till('t1', { uses: [] }), row('pin', { service: 'client', className: 'client' })]
  const its = schedule('when the tills are there', (view) =>
    view.until(async () => (await view.nodes('till')).every(({ version }) => version === view.target)),
  )
  const plan = await planOf(its, rows)
  t.is(order(plan).length, 10)
  t.deepEqual(plan.callers, [{ version: 0, clients: ['pin'], refused: ['Shop.v1.sell'] }])
})

test('of an upgrade that takes all at once, the plan says that nobody answers calls meanwhile', async (t) => {
  const plan = await planOf(atMost('all'), tenShops)
  t.is(plan.mostAway, 10)
  t.deepEqual(plan.services[0]!.limit, { nodes: 10, of: 'atMost(all)' })
  const said = (of: RolloutPlan) => of.warnings.filter((text) => text.includes("atMost('all')"))
  t.regex(
    said(plan).join(),
    /^all nodes of service shop may be away at once .*: nobody answers calls to it meanwhile; .*unavailable.upgrading/,
  )
  const draft = { classUpgrades: [{ service: 'shop', oldClass: 'Shop.v1', limit: 'all', only: { nodes: ids(10).slice(0, 2) } }] }
  const situation = { rows: tenShops, controls: [], manifests: [] }
  const [some] = warningsOf({ situation, draft } as never)
  t.regex(some!, /^2 of 10 nodes of service shop .*: the others answer/)
  t.deepEqual(said(await planOf(atMost(2), tenShops)), [])
})

test('of a filter the node ids are known, and facts are assumed', async (t) => {
  const like = (only: object) =>
    upgradeClass({
      oldClass: TillV2,
      newClass: class TillV3 extends TillV2 {
        static override readonly className = 'Till.v3'
      },
      futureSO: notNeeded,
      pastSO: notNeeded,
      transform: () => ({}),
      schedule: eagerly(),
      only: only as never,
    })
  const rows = ids(4, 't').map((id) => till(id, { className: 'Till.v2', uses: [] }))
  const named = await planRollout(proposal(upgradeOf([like({ nodes: ['t1', 't3'] })]), rows), chances)
  t.deepEqual(order(named, 'till').toSorted(), ['t1', 't3'])
  const facts = await planRollout(proposal(upgradeOf([like({ facts: { zone: 'eu' } })]), rows), chances)
  t.is(order(facts, 'till').length, 4)
  t.true(facts.assumptions.some((text) => text.includes('no database tells')))
})

test('what schedules see of the state is that of a new node, which is said', async (t) => {
  const its = schedule('when nothing is in stock', async (view) => {
    while (Object.keys(view.state.stock as object).length > 0) await view.sleep(1_000)
    if ([...view.collection('sold').entries()].length > 0) throw new Error('there is something')
    ;(view.state as { stock: unknown }).stock = 'mine'
  })
  const plan = await planOf(its, [row('n1')])
  t.regex((plan.absent[0]!.obstacle as { reason: string }).reason, /Cannot assign to read only property/)
  t.true(plan.assumptions.some((text) => text.startsWith('every node has the state of a new one')))
})

test('what a schedule has read does not change under it', async (t) => {
  const its = schedule('when others have changed', async (view) => {
    const before = await view.nodes('shop')
    const was = JSON.stringify(before)
    if (view.nodeId !== 'n01') await view.until(async () => (await view.nodes('shop')).some(({ version }) => version === 1))
    if (JSON.stringify(before) !== was) throw new Error('it has')
  })
  t.is(order(await planOf(its, tenShops)).length, 10)
})

test('a schedule that asks without waiting, or far too often, ends the rehearsal and not the patience', async (t) => {
  const busy = schedule('busy', async (view) => {
    while ((await view.nodes()).length > 0);
  })
  t.deepEqual((await planOf(busy, [row('n1')])).absent[0]!.obstacle, {
    kind: 'threw',
    version: 1,
    reason: 'it asks again and again without waiting',
  })
  const hasty = schedule('hasty', async (view) => {
    for (;;) await view.sleep(0)
  })
  t.regex((await planOf(hasty, [row('n1')])).gaveUp!, /no time has passed/)
})

test('a condition that rests on nothing that is seen is looked at all the same', async (t) => {
  const its = schedule('when a flag is up', async (view) => {
    let isUp = false
    void view.sleep(5 * 60_000).then(() => {
      isUp = true
    })
    await view.until(async () => (await view.nodes()).length > 0 && isUp)
  })
  const plan = await planOf(its, [row('n1')])
  t.true(goesMs(plan, 'n1') >= 5 * 60_000 && goesMs(plan, 'n1') < 11 * 60_000)
})

test('a thousand nodes that wait for one another look not much oftener than something changes', async (t) => {
  let looks = 0
  const counted = schedule('counted', (view) =>
    view.until(async () => {
      looks++
      const { nodeId } = view
      const rows = await view.nodes('shop')
      return rows.every((found) => found.nodeId >= nodeId || (found.version === 1 && !notServing.has(found.phase)))
    }),
  )
  const plan = await planOf(
    counted,
    ids(1_000).map((id) => row(id)),
  )
  t.deepEqual(order(plan), ids(1_000))
  t.is(plan.mostAway, 1)
  // Half a million, with each of them once for each that comes before it; at work it would be
  // five times as many.
  t.true(looks < 600_000, `${looks}`)
})

test('nodes that wait for time to pass look the more seldom the longer it takes, and are late by a twentieth at most', async (t) => {
  let looks = 0
  const nodes = ids(2_000)
  const hours = new Map(nodes.map((id, i) => [id, [2, 4, 8, 16][i] ?? 24]))
  const hoursOf = (nodeId: string) => hours.get(nodeId)!
  const its = schedule('in some hours', (view) => {
    const from = view.now()
    return view.until(() => {
      looks++
      return view.now() - from >= hoursOf(view.nodeId) * hourMs
    })
  })
  const plan = await planOf(
    its,
    nodes.map((id) => row(id)),
    { assumed: { limit: { nodes: 2_000 } } },
  )
  t.is(order(plan).length, 2_000)
  for (const id of nodes) {
    const lateHours = goesMs(plan, id) / hourMs - hoursOf(id)
    // The longest quiet is one of eight hours.
    t.true(lateHours >= 0 && lateHours <= Math.min(8, hoursOf(id)) / 20 + 0.001, `${id} is ${lateHours} h late`)
  }
  // At work it would be 270 million.
  t.true(looks < 2_000_000, `${looks}`)
})

test('who waits for a slot gets it by lot, and not in the order in which they came', async (t) => {
  const nodes = ids(10)
  const inTurn = schedule('in turn', (view) => view.sleep(200 * (1 + nodes.indexOf(view.nodeId))))
  const plan = await planOf(inTurn, tenShops, { assumed: { limit: { nodes: 1 } } })
  t.is(order(plan)[0], 'n01')
  t.deepEqual(order(plan).toSorted(), nodes)
  t.notDeepEqual(order(plan), nodes)
  t.is(plan.lots, 'slots')
  t.is(plan.runs, 1)
})

test('the calls that simulation objects refuse, the callers who are pinned, and the way back are told', async (t) => {
  const plan = await planRollout(proposal(upgradeOf([shops(eagerly()), tills(eagerly())]), [...tenShops]), chances)
  t.deepEqual(plan.refusals, [
    {
      service: 'shop',
      role: 'futureSO',
      simulates: 'Shop.v2',
      over: 'Shop.v1',
      version: 1,
      refused: ['order'],
      mayRefuse: [],
      cut: [],
    },
    {
      service: 'shop',
      role: 'pastSO',
      simulates: 'Shop.v1',
      over: 'Shop.v2',
      version: 0,
      refused: [],
      mayRefuse: ['sell'],
      cut: [],
    },
  ])
  t.deepEqual(plan.noWayBack, ['Shop.v2'])
  t.true(plan.warnings.includes('no node of service till is registered'))
  t.deepEqual((await planRollout(proposal(upgradeOf([tills(eagerly())]), [till('t1')]), chances)).noWayBack, [])
})

test('what an upgrade server would refuse is not planned', async (t) => {
  const wrong = await t.throwsAsync(planOf(eagerly(), [row('n1', { className: 'Shop.v7' })]))
  t.true(isFault(wrong) && wrong.code === 'upgrade.invalid', String(wrong))
  const upgrade = upgradeOf([shops(eagerly())])
  const again = proposal(upgrade, [row('n1', { version: 1, className: 'Shop.v2' })], { before: [upgrade] })
  const same = { ...again, draft: { ...again.draft, bundle: again.situation.manifests[0]!.bundle } }
  await t.throwsAsync(planRollout(same, chances), { message: /this upgrade is version 1 already/ })
})
