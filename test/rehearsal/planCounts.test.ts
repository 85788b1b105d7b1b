/**
 * The work of a plan is counted, so that it does not grow faster than the number of nodes: at four times as
 * many nodes each has as much work as before. And those who look less often see the same.
 */
import test from 'ava'
import type { NodeRow } from '../../core/model/nodeRow.js'
import { afterMyServers } from '../../core/schedules/afterMyServers.js'
import { classBefore } from '../../core/schedules/classBefore.js'
import { allOf, atMost, within } from '../../core/schedules/combine.js'
import { eagerly } from '../../core/schedules/eagerly.js'
import { gradually } from '../../core/schedules/gradually.js'
import { keepCovered } from '../../core/schedules/keepCovered.js'
import { oneReplicaAtATime } from '../../core/schedules/oneReplicaAtATime.js'
import { onlyNodes } from '../../core/schedules/onlyNodes.js'
import type { Schedule } from '../../core/schedules/schedule.js'
import { steps } from '../../core/schedules/steps.js'
import { SystemRehearsal } from '../../rehearsal/rollout/systemRehearsal.js'
import { ids, proposal, row, shops, till, tills, upgradeOf } from './proposals.js'

const few = 500
const many = 4 * few
const assumed = { withinMs: 365 * 24 * 3_600_000 }

function rehearse(shop: Schedule, tillSchedule: Schedule, rows: readonly NodeRow[], limit = {}) {
  const upgrade = upgradeOf([shops(shop), tills(tillSchedule)])
  return new SystemRehearsal(proposal(upgrade, rows, { assumed: { ...assumed, ...limit } }), 1).play()
}

function nodesOf(count: number): readonly NodeRow[] {
  return [...ids(count / 2).map((id) => row(id)), ...ids(count / 2, 't').map((id) => till(id))]
}

/** Two share each place, and cover it in turn. */
function beside(nodeId: string): readonly string[] {
  const number = Number(nodeId.slice(1))
  const other = number % 2 === 0 ? number - 1 : number + 1
  return [`n${String(other).padStart(nodeId.length - 1, '0')}`]
}

const cases: readonly (readonly [name: string, shop: Schedule, till: Schedule])[] = [
  ['eagerly', eagerly(), eagerly()],
  ['gradually', gradually({ every: '10s', probability: 0.2 }), gradually({ every: '10s', probability: 0.2 })],
  ['in steps', steps(['1 node', '10%', 'all'], { bake: '10m' }), steps(['5 nodes', 'all'], { bake: '1h' })],
  ['one replica at a time', oneReplicaAtATime(), oneReplicaAtATime()],
  ['after their servers, which go one at a time', oneReplicaAtATime(), afterMyServers('shop')],
  ['after their servers, as declared', atMost('10%'), afterMyServers()],
  ['by class', oneReplicaAtATime(), classBefore('Shop.v1', 'Till.v1')],
  ['while every place is covered', keepCovered(beside, 1), eagerly()],
  ['at night', within({ from: '02:00', for: '2h' }, oneReplicaAtATime()), atMost(1)],
  ['gradually, under a limit', allOf(gradually({ every: '1s', probability: 0.5 }), atMost(3)), eagerly()],
]

for (const [name, shop, tillSchedule] of cases) {
  test(`${name}: a node of a large population costs a plan as much as one of a small one`, async (t) => {
    const [small, large] = [await rehearse(shop, tillSchedule, nodesOf(few)), await rehearse(shop, tillSchedule, nodesOf(many))]
    for (const each of [small, large]) t.true(each.outcomes.every(({ arrivesMs }) => arrivesMs !== null))
    for (const what of ['events', 'looks', 'rows'] as const) {
      const [before, after] = [small.work[what] / few, large.work[what] / many]
      t.true(after <= 1.3 * before + 1, `${what}: ${before} for each of ${few} nodes, ${after} for each of ${many}`)
    }
  })
}

test('members of groups, and nodes that do not come, cost as much as in a small population', async (t) => {
  const grouped = (count: number) => nodesOf(count).map((each) => ({ ...each, group: each.nodeId.slice(1) }))
  const costs = async (count: number) => {
    const together = await rehearse(oneReplicaAtATime(), steps(['10%', 'all'], { bake: '1m' }), grouped(count))
    const absent = await rehearse(onlyNodes('n1'), afterMyServers('shop'), nodesOf(count))
    const waiting = await rehearse(
      eagerly(),
      eagerly(),
      nodesOf(count).map((each) => (each.nodeId.endsWith('1') ? { ...each, alive: false, phase: 'draining' as const } : each)),
      { limit: { nodes: 1 } },
    )
    t.true(absent.outcomes.every(({ obstacle }) => obstacle !== null))
    t.true(together.outcomes.every(({ arrivesMs }) => arrivesMs !== null))
    // All wait for permits that dead nodes hold: the same obstacle, not one each.
    t.true(new Set(waiting.outcomes.map(({ obstacle }) => obstacle).filter((each) => each?.kind === 'slot')).size <= 2)
    return [together, absent, waiting].map(({ work }) => (work.events + work.looks + work.rows) / count)
  }
  const [before, after] = [await costs(few), await costs(many)]
  for (const [i, cost] of after.entries()) t.true(cost <= 1.3 * before[i]! + 1, `${before[i]} and ${cost}`)
})
