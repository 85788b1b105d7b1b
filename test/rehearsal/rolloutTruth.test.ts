/**
 * A plan against the truth: the same upgrade, planned from the upgrade database of a system in memory, and
 * then carried out there.
 */
import test, { type ExecutionContext } from 'ava'
import { notServing, type Phase } from '../../core/base/phases.js'
import { atMost } from '../../core/schedules/combine.js'
import { oneReplicaAtATime } from '../../core/schedules/oneReplicaAtATime.js'
import type { Schedule } from '../../core/schedules/schedule.js'
import type { ServiceLimit } from '../../core/schedules/serviceLimit.js'
import { planRollout, type RolloutPlan } from '../../rehearsal/rollout/rolloutPlan.js'
import { until } from '../support/eventually.js'
import { TestSystem } from '../support/testSystem.js'
import { ids, ShopV1, shops, upgradeOf } from './proposals.js'

interface Compared {
  readonly plan: RolloutPlan
  /** The nodes in the order in which they went. */
  readonly went: readonly string[]
  readonly mostAway: number
}

/**
 * @param meet how many transforms wait for one another, so that it does not depend on the
 *   machine how many are away at once
 */
async function planAndDo(t: ExecutionContext, its: Schedule, nodes: readonly string[], limit: ServiceLimit, meet: number) {
  const system = await TestSystem.start(t, { limit })
  const went: string[] = []
  const away = new Set<string>()
  let mostAway = 0
  const hear = (nodeId: string, phase: Phase) => {
    if (phase === 'draining') went.push(nodeId)
    if (notServing.has(phase)) away.add(nodeId)
    else away.delete(nodeId)
    mostAway = Math.max(mostAway, away.size)
  }
  const hosts = [await system.host('a'), await system.host('b')]
  for (const { running } of hosts)
    running.observe((event) => {
      if (event.type === 'phase') hear(event.nodeId, event.phase)
    })
  // Across the hosts, and not in the order of their ids.
  for (const [i, nodeId] of nodes.toReversed().entries()) await hosts[i % 2]!.node(ShopV1, nodeId)

  let arrive = () => {}
  let met = new Promise<void>((resolve) => {
    arrive = resolve
  })
  let arrived = 0
  const classUpgrade = shops(its)
  const upgrade = upgradeOf([
    {
      ...classUpgrade,
      transform: async (...given) => {
        if (++arrived % meet === 0) {
          arrive()
          met = new Promise((resolve) => {
            arrive = resolve
          })
        } else await met
        return classUpgrade.transform(...given)
      },
    },
  ])
  const built = system.build(upgrade)
  const { database } = system
  const situation = {
    rows: await database.nodes(),
    controls: await database.controls(),
    tables: new Map(),
    manifests: [],
    dead: 0,
    nowMs: system.clock.now(),
  }
  const assumed = { drainMs: 10, transformMs: 20, limit, withinMs: 3_600_000 }
  const proposal = { situation, draft: built.manifest, upgrades: new Map([[1, upgrade]]), assumed }
  const plan = await planRollout(proposal, { seed: 1, runs: 5 })
  t.deepEqual(await database.nodes(), situation.rows, 'a plan changes nothing')
  t.is((await database.head()).version, 0)

  went.length = 0
  mostAway = 0
  await system.desk.publish(built)
  const isThere = async () => (await database.nodes('shop')).every(({ version, phase }) => version === 1 && phase === 'current')
  await until(isThere, 'every node is there')
  const found: Compared = { plan, went, mostAway }
  return found
}

function order({ services }: RolloutPlan): readonly string[] {
  return services[0]!.goes.map(({ nodeId }) => nodeId)
}

test('a plan of one replica at a time is what then happens: the same order, one away at once', async (t) => {
  const { plan, went, mostAway } = await planAndDo(t, oneReplicaAtATime(), ids(6), { nodes: 3 }, 1)
  t.deepEqual(went, order(plan))
  t.is(mostAway, plan.services[0]!.mostAway)
  t.is(mostAway, 1)
})

test('a plan under a limit is what then happens: the same nodes, as many away at once and never more', async (t) => {
  const { plan, went, mostAway } = await planAndDo(t, atMost(2), ids(8), { nodes: 3 }, 2)
  t.deepEqual(went.toSorted(), order(plan).toSorted())
  t.is(mostAway, plan.services[0]!.mostAway)
  t.is(mostAway, 2)
})
