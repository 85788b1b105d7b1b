/**
 * Each schedule of the paper (§4) over many nodes: its promise, for several seeds, and not only
 * its code path.
 */
import test from 'ava'
import { isFault } from '../../core/base/fault.js'
import { afterMyServers } from '../../core/schedules/afterMyServers.js'
import { classBefore } from '../../core/schedules/classBefore.js'
import { allOf, andThen, anyOf, atMost, within } from '../../core/schedules/combine.js'
import { eagerly } from '../../core/schedules/eagerly.js'
import { gradually } from '../../core/schedules/gradually.js'
import { keepCovered } from '../../core/schedules/keepCovered.js'
import { oneReplicaAtATime } from '../../core/schedules/oneReplicaAtATime.js'
import { onlyNodes } from '../../core/schedules/onlyNodes.js'
import { ownRolloutPace } from '../../core/schedules/rolloutPace.js'
import { schedule } from '../../core/schedules/schedule.js'
import { steps } from '../../core/schedules/steps.js'
import { whenIdle } from '../../core/schedules/whenIdle.js'
import { nodeIds, ScheduledPopulation } from '../support/scheduledPopulation.js'

const seeds = [1, 2, 3, 4, 5, 6, 7, 8]
const hour = 3_600_000

test('eagerly: every node signals before any time has passed', async (t) => {
  const nodes = new ScheduledPopulation(
    1,
    nodeIds(100).map((nodeId) => ({ nodeId, schedule: eagerly() })),
  )
  await nodes.clock.runUntil(0)
  t.is(nodes.signalled.length, 100)
})

test('gradually: all go in the end, spread over time as the coin says', async (t) => {
  for (const seed of seeds) {
    const nodes = new ScheduledPopulation(
      seed,
      nodeIds(200).map((nodeId) => ({ nodeId, schedule: gradually({ every: '10s', probability: 0.2 }) })),
    )
    const after: number[] = []
    for (let period = 0; period < 6; period++) {
      await nodes.runFor(10_000)
      after.push(nodes.signalled.length)
    }
    // Of those left, about a fifth goes in each period: never all at once, never nobody.
    t.true(after[0]! > 15 && after[0]! < 70, `seed ${seed}: ${after}`)
    t.true(after[5]! > 110 && after[5]! < 180, `seed ${seed}: ${after}`)
    await nodes.runFor(10 * 60_000)
    t.is(nodes.upgraded.length, 200)
  }
})

test('oneReplicaAtATime: never two away at once, the lowest id first', async (t) => {
  for (const seed of seeds) {
    const ids = nodeIds(20)
    const nodes = new ScheduledPopulation(
      seed,
      ids.map((nodeId) => ({ nodeId, schedule: oneReplicaAtATime() })),
    )
    await nodes.runFor(hour, () => t.true(nodes.away.length <= 1, `seed ${seed}: ${nodes.away}`))
    t.deepEqual(nodes.signalled, ids)
    t.is(nodes.upgraded.length, 20)
  }
})

test('oneReplicaAtATime: dead replicas do not block the others', async (t) => {
  const ids = nodeIds(10)
  const nodes = new ScheduledPopulation(
    3,
    ids.map((nodeId) => ({ nodeId, schedule: oneReplicaAtATime(), alive: nodeId !== 'n01' && nodeId !== 'n05' })),
  )
  await nodes.runFor(hour)
  t.deepEqual(
    nodes.signalled,
    ids.filter((nodeId) => nodeId !== 'n01' && nodeId !== 'n05'),
  )
})

test('steps: no node of a step goes before every node of the step before has served for the bake time', async (t) => {
  const bakeMs = 20_000
  for (const seed of seeds.slice(0, 4)) {
    const ids = nodeIds(40)
    const schedule = steps(['1 node', '10%', '50%', 'all'], { bake: '20s' })
    const nodes = new ScheduledPopulation(
      seed,
      ids.map((nodeId) => ({ nodeId, schedule })),
    )
    const begun = new Map<number, number>()
    const sizes = [1, 4, 20, 40]
    await nodes.runFor(150_000, () => {
      const step = sizes.findIndex((size) => nodes.signalled.length <= size)
      for (let earlier = 1; earlier <= step; earlier++) if (!begun.has(earlier)) begun.set(earlier, nodes.clock.now())
    })
    t.is(nodes.upgraded.length, 40)
    t.deepEqual([...nodes.signalled].slice(0, 1), ['n01'])
    const lastOf = (size: number) => Math.max(...ids.slice(0, size).map((nodeId) => nodes.row(nodeId).since))
    for (let step = 1; step < sizes.length; step++) {
      t.true(begun.get(step)! >= lastOf(sizes[step - 1]!) + bakeMs, `seed ${seed}, step ${step}`)
    }
  }
})

test('steps: a clock that is set back by an hour does not make a step wait for that hour', async (t) => {
  const nodes = new ScheduledPopulation(
    1,
    nodeIds(6).map((nodeId) => ({ nodeId, schedule: steps(['3 nodes', 'all'], { bake: '20s' }) })),
    2 * hour,
  )
  await nodes.runFor(10_000)
  t.is(nodes.upgraded.length, 3)
  nodes.clock.setBy(-hour)
  await nodes.runFor(5_000)
  t.is(nodes.signalled.length, 3)
  await nodes.runFor(25_000)
  t.is(nodes.upgraded.length, 6)
})

test('steps: a clock that is set forward by hours ends no bake time', async (t) => {
  const nodes = new ScheduledPopulation(
    1,
    nodeIds(6).map((nodeId) => ({ nodeId, schedule: steps(['3 nodes', 'all'], { bake: '60s' }) })),
    2 * hour,
  )
  await nodes.runFor(10_000)
  t.is(nodes.upgraded.length, 3)
  for (let set = 0; set < 3; set++) {
    nodes.clock.setBy(3 * hour)
    await nodes.runFor(10_000)
    t.is(nodes.signalled.length, 3)
  }
  await nodes.runFor(50_000)
  t.is(nodes.upgraded.length, 6)
})

test('steps: a step that does not come to its end holds the later ones; a dead node holds none', async (t) => {
  const ids = nodeIds(10)
  const nodes = new ScheduledPopulation(
    1,
    ids.map((nodeId) => ({
      nodeId,
      schedule: nodeId === 'n02' ? schedule('never', (view) => view.sleep(24 * hour)) : steps(['2 nodes', 'all'], { bake: '1m' }),
      alive: nodeId !== 'n01',
    })),
  )
  await nodes.runFor(300_000)
  // n01 is dead, so that n02 and n03 are the first step; n02 does not go.
  t.deepEqual(nodes.signalled, ['n03'])
})

test('steps that end before all nodes have gone, or are no sizes, are refused', (t) => {
  t.throws(() => steps(['1 node', '50%'], { bake: '1m' }), { message: /the last step is 'all'/ })
  for (const size of ['0 nodes', '101%', 'half', '1.5%'])
    t.throws(() => steps([size as never, 'all'], { bake: '1m' }), { message: /use '1 node', '5 nodes', '10%' or 'all'/ })
})

test('afterMyServers: no client goes before every server serves at the new version', async (t) => {
  for (const seed of seeds) {
    const servers = nodeIds(10).map((nodeId) => ({
      nodeId,
      service: 'pages',
      schedule: gradually({ every: '5s', probability: 0.3 }),
    }))
    const clients = nodeIds(30).map((id) => ({ nodeId: `c${id}`, service: 'web', schedule: afterMyServers('pages') }))
    const nodes = new ScheduledPopulation(seed, [...clients, ...servers])
    await nodes.runFor(hour, () => {
      const isClientAway = nodes.signalled.some((nodeId) => nodeId.startsWith('c'))
      if (isClientAway) for (const { nodeId } of servers) t.is(nodes.row(nodeId).version, 1)
    })
    t.is(nodes.upgraded.length, 40)
  }
})

test('afterMyServers without a name waits for all nodes of the services that its class calls, and for no others', async (t) => {
  const nodes = new ScheduledPopulation(1, [
    { nodeId: 'client', service: 'web', schedule: afterMyServers(), servers: ['pages'], contacts: ['caller', 'called'] },
    { nodeId: 'called', schedule: schedule('later', (view) => view.sleep(10_000)) },
    { nodeId: 'other', schedule: schedule('later still', (view) => view.sleep(20_000)) },
    // A caller of the client is no server of it.
    { nodeId: 'caller', service: 'desk', schedule: onlyNodes() },
  ])
  await nodes.runFor(19_000)
  t.deepEqual(nodes.signalled, ['called'])
  await nodes.runFor(20_000)
  t.deepEqual(nodes.signalled, ['called', 'other', 'client'])
})

test('classBefore: nodes of the second class go when no node of the first is left', async (t) => {
  for (const seed of seeds) {
    const first = nodeIds(12).map((nodeId) => ({
      nodeId: `a${nodeId}`,
      className: 'Pages.v1',
      schedule: allOf(classBefore('Pages.v1', 'Cache.v1'), gradually({ every: '3s', probability: 0.3 })),
    }))
    const second = nodeIds(12).map((nodeId) => ({
      nodeId: `b${nodeId}`,
      service: 'cache',
      className: 'Cache.v1',
      schedule: classBefore('Pages.v1', 'Cache.v1'),
    }))
    const nodes = new ScheduledPopulation(seed, [...second, ...first])
    await nodes.runFor(hour)
    t.is(nodes.upgraded.length, 24)
    const lastOfFirst = Math.max(...first.map(({ nodeId }) => nodes.signalled.indexOf(nodeId)))
    t.is(lastOfFirst, 11, `seed ${seed}: ${nodes.signalled}`)
  }
})

test('onlyNodes: those named go, the others never do', async (t) => {
  const nodes = new ScheduledPopulation(
    1,
    nodeIds(9).map((nodeId) => ({ nodeId, schedule: onlyNodes('n1', 'n2', 'n5') })),
  )
  await nodes.runFor(24 * hour)
  t.deepEqual(nodes.signalled.toSorted(), ['n1', 'n2', 'n5'])
})

test('whenIdle: a node goes only after it has answered no call for so long', async (t) => {
  for (const seed of seeds) {
    const nodes = new ScheduledPopulation(
      seed,
      nodeIds(20).map((nodeId) => ({ nodeId, schedule: whenIdle('30s') })),
    )
    // Each node is called every 20 seconds, node n until minute n.
    const lastCall = new Map<string, number>()
    nodeIds(20).forEach((nodeId, i) => {
      const call = () => {
        nodes.answerCall(nodeId)
        lastCall.set(nodeId, nodes.clock.now())
        if (nodes.clock.now() < (i + 1) * 60_000) nodes.clock.after(20_000, call)
      }
      call()
    })
    const seen = new Set<string>()
    await nodes.runFor(hour, () => {
      for (const nodeId of nodes.signalled) {
        if (seen.has(nodeId)) continue
        seen.add(nodeId)
        t.true(
          nodes.clock.now() - lastCall.get(nodeId)! >= 30_000,
          `${nodeId} was called ${nodes.clock.now() - lastCall.get(nodeId)!} ms before`,
        )
      }
    })
    t.is(seen.size, 20)
  }
})

test('keepCovered: at no moment is a place without the nodes it needs', async (t) => {
  // A field of 10 × 10 sensors, each covering its own place and those beside, above and below.
  const side = 10
  const id = (x: number, y: number) => `s${x}${y}`
  const neighbours = (nodeId: string) => {
    const [x, y] = [Number(nodeId[1]), Number(nodeId[2])]
    const beside = [
      [x - 1, y],
      [x + 1, y],
      [x, y - 1],
      [x, y + 1],
    ] as const
    return beside.filter(([a, b]) => a >= 0 && b >= 0 && a < side && b < side).map(([a, b]) => id(a, b))
  }
  const field = Array.from({ length: side * side }, (_, i) => id(i % side, Math.floor(i / side)))
  for (const seed of seeds.slice(0, 4)) {
    const nodes = new ScheduledPopulation(
      seed,
      field.map((nodeId) => ({
        nodeId,
        schedule: allOf(gradually({ every: '2s', probability: 0.5 }), keepCovered(neighbours, 2)),
      })),
    )
    let mostAway = 0
    await nodes.runFor(2 * hour, () => {
      mostAway = Math.max(mostAway, nodes.away.length)
      for (const place of field) {
        const serving = [place, ...neighbours(place)].filter((nodeId) => nodes.isServing(nodeId)).length
        if (serving < 2) t.fail(`seed ${seed}: only ${serving} at ${place} while ${nodes.away} are away`)
      }
    })
    t.is(nodes.upgraded.length, 100, `seed ${seed}`)
    t.true(mostAway > 1, 'those that share no place go at the same time')
  }
})

test('atMost: never more away than that, though every schedule has signalled', async (t) => {
  for (const limit of [2, '10%'] as const) {
    const nodes = new ScheduledPopulation(
      5,
      nodeIds(30).map((nodeId) => ({ nodeId, schedule: atMost(limit) })),
    )
    let most = 0
    await nodes.runFor(hour, () => {
      most = Math.max(most, nodes.away.length)
    })
    t.is(most, limit === 2 ? 2 : 3)
    t.is(nodes.upgraded.length, 30)
  }
})

test('allOf waits for all, anyOf for the first, andThen asks one after the other', async (t) => {
  const at = (ms: number) => schedule(`after ${ms}`, (view) => view.sleep(ms))
  const nodes = new ScheduledPopulation(1, [
    { nodeId: 'all', schedule: allOf(at(1000), at(3000)) },
    { nodeId: 'any', schedule: anyOf(at(1000), at(3000)) },
    { nodeId: 'then', schedule: andThen(at(1000), at(3000)) },
  ])
  await nodes.runFor(1000)
  t.deepEqual(nodes.signalled, ['any'])
  await nodes.runFor(2000)
  t.deepEqual(nodes.signalled, ['any', 'all'])
  await nodes.runFor(1000)
  t.deepEqual(nodes.signalled, ['any', 'all', 'then'])
  t.deepEqual(nodes.failures, [])
})

test('a schedule that throws inside a combination throws out of it', async (t) => {
  const broken = schedule('broken', async () => {
    throw new Error('no such table')
  })
  const nodes = new ScheduledPopulation(1, [
    { nodeId: 'all', schedule: allOf(broken, eagerly()) },
    { nodeId: 'then', schedule: andThen(eagerly(), broken) },
    { nodeId: 'any', schedule: anyOf(onlyNodes(), broken) },
  ])
  await nodes.runFor(1000)
  t.deepEqual(nodes.signalled, [])
  t.deepEqual(nodes.failures.map(String), ['Error: no such table', 'Error: no such table', 'Error: no such table'])
})

test('within: nodes go inside the window only, also when the inner schedule needs several nights', async (t) => {
  for (const seed of seeds.slice(0, 4)) {
    const noon = 12 * hour
    const inner = andThen(gradually({ every: '1h', probability: 0.3 }))
    const nodes = new ScheduledPopulation(
      seed,
      nodeIds(40).map((nodeId) => ({ nodeId, schedule: within({ from: '23:00', for: '2h' }, inner) })),
      noon,
    )
    let before = 0
    await nodes.runFor(20 * 24 * hour, () => {
      if (nodes.signalled.length === before) return
      before = nodes.signalled.length
      const timeOfDay = nodes.clock.now() % (24 * hour)
      t.true(timeOfDay >= 23 * hour || timeOfDay <= hour, `seed ${seed}: at ${timeOfDay / hour} o’clock`)
    })
    t.is(nodes.upgraded.length, 40)
    t.deepEqual(nodes.failures, [])
  }
})

test('settings that can’t be are refused when the schedule is made, and say what to write', (t) => {
  const wrong: readonly (() => unknown)[] = [
    () => gradually({ every: '10s', probability: 0 }),
    () => gradually({ every: '10 seconds' as never, probability: 0.5 }),
    () => anyOf(),
    () => atMost(0),
    () => within({ from: '25:00', for: '1h' }, eagerly()),
    () => within({ from: '01:00', for: '25h' }, eagerly()),
  ]
  for (const make of wrong) {
    const error = t.throws(make, { any: true })
    t.true(isFault(error) && error.code === 'config.invalid', String(error))
  }
})

test('a schedule’s description is how it was written', (t) => {
  t.is(
    within({ from: '02:00', for: '2h' }, allOf(atMost('10%'), gradually({ every: '10s', probability: 0.2 }))).describe,
    'within(02:00 UTC for 2h, allOf(atMost(10%), gradually({ every: 10s, probability: 0.2 })))',
  )
  t.is(
    andThen(classBefore('A.v1', 'B.v1'), oneReplicaAtATime(), afterMyServers('pages'), onlyNodes('n1'), whenIdle('1m')).describe,
    'andThen(classBefore(A.v1, B.v1), oneReplicaAtATime, afterMyServers(pages), onlyNodes(n1), whenIdle(1m))',
  )
})

test('gradually: an operator changes the coin and its period', async (t) => {
  const nodes = new ScheduledPopulation(
    1,
    nodeIds(50).map((nodeId) => ({ nodeId, schedule: gradually({ every: '10s', probability: 0.01 }) })),
    0,
    { ...ownRolloutPace, probability: 1, everyMs: 2_000 },
  )
  await nodes.runFor(2_000)
  t.is(nodes.signalled.length, 50)
})
