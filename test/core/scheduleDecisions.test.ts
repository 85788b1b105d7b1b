/** The decisions of a schedule when it looks once at the rows that there are. */
import test from 'ava'
import { Fault } from '../../core/base/fault.js'
import type { NodeRow } from '../../core/model/nodeRow.js'
import { afterMyServers } from '../../core/schedules/afterMyServers.js'
import { checkAwaited, serversOf, type Waiting } from '../../core/schedules/awaitedServers.js'
import { classBefore } from '../../core/schedules/classBefore.js'
import { allOf, andThen, anyOf, atMost, within } from '../../core/schedules/combine.js'
import { eagerly } from '../../core/schedules/eagerly.js'
import { gradually } from '../../core/schedules/gradually.js'
import { keepCovered } from '../../core/schedules/keepCovered.js'
import { ownRolloutPace } from '../../core/schedules/rolloutPace.js'
import { isDone, isServing, oncePerReading } from '../../core/schedules/rowConditions.js'
import { type Schedule, type SchedulingView, schedule } from '../../core/schedules/schedule.js'
import { steps } from '../../core/schedules/steps.js'
import { whenIdle } from '../../core/schedules/whenIdle.js'
import { NodeObject } from '../../index.js'

const row = (nodeId: string, more: Partial<NodeRow> = {}): NodeRow => ({
  ...{ nodeId, service: 'pages', className: 'Pages.v1', version: 0, phase: 'scheduled', target: 1, reason: null, hostId: 'h1' },
  ...{ directoryId: nodeId, since: 0, alive: true, ...more },
})
const done = { version: 1, phase: 'current' } as const
const away = { phase: 'draining' } as const

const viewOf = (rows: readonly NodeRow[], more: Partial<SchedulingView> = {}): SchedulingView => ({
  ...{ nodeId: 'n2', service: 'pages', className: 'Pages.v1', target: 1, servers: [], state: {} },
  ...{ collections: () => [], simulations: () => [], memory: async () => null },
  collection: () => ({ get: () => undefined, has: () => false, entries: () => [] }),
  nodes: async (service) => rows.filter((each) => service === undefined || each.service === service),
  table: async () => new Map(),
  pace: () => ownRolloutPace,
  contacts: () => [],
  calls: () => ({ answered: 0, failed: 0 }),
  now: () => 0,
  random: () => 0,
  sleep: async () => {},
  until: async () => {},
  signal: new AbortController().signal,
  ...more,
})

/** Whether it would signal now. */
async function decides(by: Schedule, rows: readonly NodeRow[], more: Partial<SchedulingView> = {}): Promise<boolean> {
  let answer = true
  const until = async (condition: () => boolean | Promise<boolean>) => {
    answer = await condition()
  }
  await by.run(viewOf(rows, { until, ...more }))
  return answer
}

test('a node is done when it serves at the target or past it, and serves when it is alive and not away', (t) => {
  t.true(isDone(row('a', done), 1) && isDone(row('a', { ...done, version: 2 }), 1))
  // It waits before an upgrade that is for others, and answers version 1.
  t.true(isDone(row('a', { phase: 'scheduled', settled: 1 }), 1))
  t.false(isDone(row('a', { phase: 'scheduled', settled: 1 }), 2))
  t.false(isDone(row('a'), 1) || isDone(row('a', { ...done, phase: 'recovering' }), 1))
  t.true(isServing(row('a')))
  t.false(isServing(row('a', away)) || isServing(row('a', { alive: false })))
})

test('what is made of one reading is made once for a target, and anew for another reading', (t) => {
  let made = 0
  const counted = oncePerReading((_rows, target) => `${target}: ${++made}`)
  const reading = [row('a')]
  t.deepEqual(
    [counted(reading, 1), counted(reading, 1), counted(reading, 2), counted(reading, 1)],
    ['1: 1', '1: 1', '2: 2', '1: 1'],
  )
  t.is(counted([row('a')], 1), '1: 3')
})

const server = (nodeId: string, more: Partial<NodeRow> = {}) => row(nodeId, { service: 'server', ...more })
const contact = (nodeId: string, version: number) => ({ nodeId, className: 'S', version, ageMs: 1 })

test('afterMyServers: every registered node of the servers counts, and no other', async (t) => {
  const goes = (by: Schedule, rows: readonly NodeRow[], more: Partial<SchedulingView> = {}) => decides(by, rows, more)
  const named = afterMyServers('server')
  t.true(await goes(named, []))
  t.true(await goes(named, [row('p'), server('s', done)]))
  t.false(await goes(named, [server('s', done), server('t')]))
  t.false(await goes(named, [server('s', { alive: false })]))
  // Without a name: those that its class calls; with one, these alone.
  t.false(await goes(afterMyServers(), [server('s')], { servers: ['server'] }))
  t.true(await goes(afterMyServers(), [server('s')], { servers: ['other'] }))
  t.true(await goes(afterMyServers('other'), [server('s')], { servers: ['server'] }))
  t.deepEqual([named.awaits, afterMyServers().awaits], [['server'], ['*']])
})

test('afterMyServers: a server that has answered at the version is there, though its row is late', async (t) => {
  const goes = (rows: readonly NodeRow[], ...contacts: readonly [string, number][]) =>
    decides(afterMyServers('server'), rows, { contacts: () => contacts.map(([nodeId, version]) => contact(nodeId, version)) })
  t.true(await goes([server('s')], ['s', 1]))
  t.true(await goes([server('s')], ['s', 2]))
  t.false(await goes([server('s')], ['s', 0]))
  t.false(await goes([server('s')], ['other', 1]))
  t.false(await goes([server('s'), server('t')], ['s', 1]))
  t.false(await goes([server('s', away)], ['s', 1]))
})

class Own extends NodeObject {
  static override readonly className: string = 'Own.v1'
}
class Below extends NodeObject {
  static override readonly className: string = 'Below.v1'
}
class Other extends NodeObject {
  static override readonly className: string = 'Other.v1'
}
const classOf = (service: string, calls: readonly (typeof Own | typeof Below | typeof Other)[] = [], version = 1) =>
  class extends NodeObject {
    static override readonly className = `${service}.v${version}`
    static override readonly calls = calls
  }
const waiting = (service: string, by: Schedule, before: readonly (typeof Own)[] = [], after = before): Waiting => ({
  oldClass: classOf(service, before),
  newClass: classOf(service, after, 2),
  schedule: by,
})

test('the servers of a class are the services that it calls, before the upgrade or after it, but for its own', (t) => {
  const client = waiting('Client', eagerly(), [Own], [Below])
  t.deepEqual(serversOf(client, [client]), ['own', 'below'])
  const own = waiting('Own', eagerly(), [Own, Other])
  t.deepEqual(serversOf(own, [own]), ['other'])
})

test('of services that wait for each other none is the other’s server; of those that do not wait it is', (t) => {
  const client = waiting('Client', afterMyServers(), [Below, Other])
  const back = waiting('Below', afterMyServers('client'))
  t.deepEqual(serversOf(client, [client, back]), ['other'])
  t.deepEqual(serversOf(client, [client, waiting('Below', eagerly())]), ['below', 'other'])
  // By way of a third, and by what it declares to call.
  const declared = waiting('Below', afterMyServers(), [Other])
  const third = waiting('Other', afterMyServers('client'))
  t.deepEqual(serversOf(client, [client, declared, third]), [])
})

test('services whose schedules name each other are refused; those that wait in a line are not', (t) => {
  const [one, two] = [waiting('One', afterMyServers('two')), waiting('Two', afterMyServers('one'))]
  t.throws(() => checkAwaited([one, two]), {
    code: 'upgrade.invalid',
    message:
      'class upgrade of One.v1: afterMyServers(two) waits for services that wait for one: no node of these would ever upgrade',
  })
  t.throws(() => checkAwaited([waiting('One', afterMyServers('one'))]), { code: 'upgrade.invalid' })
  t.notThrows(() => checkAwaited([one, waiting('Two', afterMyServers('three')), waiting('Three', eagerly())]))
  // A class's own declaration refines itself, and is not refused.
  t.notThrows(() => checkAwaited([waiting('Own', afterMyServers(), [Below]), waiting('Below', afterMyServers(), [Own])]))
  t.notThrows(() => checkAwaited([waiting('Own', afterMyServers(), [Below]), waiting('Below', afterMyServers('own'))]))
})

const ring: Readonly<Record<string, readonly string[]>> = { n1: ['n2'], n2: ['n1', 'n3'], n3: ['n2', 'n4'], n4: ['n3'] }
const ringOf = (nodeId: string) => ring[nodeId] ?? []

test('keepCovered: nodes that share a place go in the order of their ids; a dead one’s turn is skipped', async (t) => {
  const goes = (...rows: readonly NodeRow[]) => decides(keepCovered(ringOf, 1), rows)
  const others = [row('n2'), row('n3', done), row('n4', done)]
  t.false(await goes(row('n1'), ...others))
  t.true(await goes(row('n1', done), ...others))
  // A dead node covers nothing: n1's place has no other that could, so the place is as thin as it can be.
  t.false(await decides(keepCovered(ringOf, 1), [row('n1', { alive: false }), row('n2'), row('n3'), row('n4')]))
  t.true(
    await decides(
      keepCovered(() => ['n1', 'n3'], 1),
      [row('n1', { alive: false }), row('n2'), row('n3')],
    ),
  )
  // It is not registered.
  t.true(
    await decides(
      keepCovered(() => ['n1', 'n3'], 1),
      [row('n2'), row('n3')],
    ),
  )
  // Later ones wait for it, not it for them.
  t.true(await goes(row('n1', done), row('n2'), row('n3'), row('n4')))
})

test('keepCovered: a node goes only while others serve at each of its places', async (t) => {
  const goes = (atLeast: number, ...rows: readonly NodeRow[]) => decides(keepCovered(ringOf, atLeast), rows)
  const all = [row('n1', done), row('n2'), row('n3'), row('n4')]
  t.true(await goes(1, ...all))
  t.false(await goes(1, row('n1', { ...done, phase: 'recovering' }), ...all.slice(1)))
  // At n3's place n4 serves, which is enough of one, and not of two.
  t.true(await goes(1, row('n1', done), row('n2'), row('n3', away), row('n4')))
  t.false(await goes(2, row('n1', done), row('n2'), row('n3', away), row('n4')))
  // A place that is thinner than asked for is kept as it is.
  t.true(await goes(3, ...all))
  t.false(await goes(3, row('n1', done), row('n2'), row('n3'), row('n4', away)))
  // A node without neighbours covers its place alone.
  t.true(
    await decides(
      keepCovered(() => [], 1),
      [row('n2')],
    ),
  )
})

test('classBefore: the second waits until no node is of the first class, and none may fall back to it', async (t) => {
  const goes = (...rows: readonly NodeRow[]) =>
    decides(classBefore('First.v1', 'Pages.v1'), [row('n2'), ...rows], { className: 'Pages.v1' })
  t.true(await goes())
  t.false(await goes(row('f', { className: 'First.v1', service: 'first' })))
  t.false(await goes(row('f', { className: 'First.v2', service: 'first', phase: 'recovering' })))
  t.true(await goes(row('f', { className: 'First.v2', service: 'first' })))
  t.true(await goes(row('p', { phase: 'recovering' })))
  t.is(classBefore(Own, Below).describe, 'classBefore(Own.v1, Below.v1)')
  let asked = false
  await classBefore('First.v1', 'Pages.v1').run(viewOf([], { className: 'First.v1', until: async () => void (asked = true) }))
  t.false(asked)
})

test('steps: a node that is not registered has no place, and waits', async (t) => {
  const by = steps(['1 node', 'all'], { bake: '1s' })
  t.false(await decides(by, [row('n1', done), row('n3')]))
  t.true(await decides(by, [row('n2'), row('n3')]))
  t.false(await decides(by, [row('n1'), row('n2')]))
  // The first has served for the bake time, and not a moment less.
  t.true(await decides(by, [row('n1', { ...done, since: 5_000 }), row('n2')], { now: () => 6_000 }))
  t.false(await decides(by, [row('n1', { ...done, since: 5_000 }), row('n2')], { now: () => 5_999 }))
  // A dead node counts where it is done, and not where it is not.
  t.true(await decides(by, [row('n1', { alive: false }), row('n2')]))
  t.false(await decides(by, [row('n1', { ...done, alive: false, since: 5_000 }), row('n2')], { now: () => 5_000 }))
})

test('steps: a share is of the nodes that there are, rounded down, and of one at least', async (t) => {
  const goes = (size: '10%' | '29%' | '100%', nodeId: string) =>
    decides(
      steps([size, 'all'], { bake: '1s' }),
      Array.from({ length: 10 }, (_, i) => row(`n${i}`)),
      { nodeId },
    )
  t.deepEqual([await goes('10%', 'n0'), await goes('10%', 'n1')], [true, false])
  t.deepEqual([await goes('29%', 'n1'), await goes('29%', 'n2')], [true, false])
  t.true(await goes('100%', 'n9'))
  const of = (size: string) => () => steps([size as 'all', 'all'], { bake: 1 })
  for (const size of ['0%', '101%', '0 nodes', '1.5 nodes', '-1 node', 'some'])
    t.throws(of(size), { code: 'config.invalid', message: `step "${size}": use '1 node', '5 nodes', '10%' or 'all'` })
  t.notThrows(of('101 nodes'))
  t.true(await decides(steps(['1%', 'all'], { bake: 1 }), [row('n2'), row('n3')]))
})

test('gradually: the first coin is flipped within the first period, the next ones a period apart', async (t) => {
  const slept = async (...chances: readonly number[]) => {
    const [left, times]: [number[], number[]] = [[...chances], []]
    const sleep = async (ms: number) => {
      await new Promise(setImmediate)
      times.push(ms)
    }
    await gradually({ every: '10s', probability: 0.5 }).run(viewOf([], { random: () => left.shift()!, sleep }))
    return times
  }
  t.deepEqual(await slept(0.25, 0.49), [2500])
  t.deepEqual(await slept(0, 0.5, 0.9, 0.1), [0, 10_000, 10_000])
  t.notThrows(() => gradually({ every: 1, probability: 1 }))
  for (const probability of [0, 1.01, -1, Number.NaN])
    t.throws(() => gradually({ every: 1, probability }), { code: 'config.invalid', message: /^gradually: probability/ })
})

test('whenIdle: calls that failed disturb as well', async (t) => {
  const counts = [
    { answered: 1, failed: 1 },
    { answered: 2, failed: 2 },
    { answered: 2, failed: 2 },
  ]
  const did: unknown[] = []
  const sleep = async (ms: number) => {
    await new Promise(setImmediate)
    did.push(ms)
  }
  const calls = () => {
    did.push('looks')
    return counts.shift() ?? { answered: 0, failed: 0 }
  }
  await whenIdle('1m').run(viewOf([], { calls, sleep }))
  t.deepEqual(did, ['looks', 60_000, 'looks', 60_000, 'looks'])
  // A node that has answered no call yet may have just started.
  did.length = 0
  await whenIdle('1m').run(viewOf([], { calls, sleep }))
  t.deepEqual(did, ['looks', 60_000, 'looks'])
})

test('atMost has a limit of nodes or of a share, and a limit of nothing is refused', (t) => {
  t.deepEqual([atMost(2).limit, atMost('10%').limit], [{ nodes: 2 }, { percent: 10 }])
  for (const limit of [0, -1, Number.NaN, '0%', 'x%'])
    t.throws(() => atMost(limit as never), {
      code: 'config.invalid',
      message: `atMost(${limit}): use a number of nodes or a share such as '10%'`,
    })
})

test('a schedule of schedules has the strictest limit, and awaits what they await, each once', (t) => {
  const [one, two] = [allOf(atMost(2), afterMyServers('a', 'b')), andThen(atMost(3), afterMyServers('b', 'c'))]
  t.deepEqual([one.limit, one.awaits, two.limit, two.awaits], [{ nodes: 2 }, ['a', 'b'], { nodes: 3 }, ['b', 'c']])
  t.deepEqual(allOf(one, two).limit, { nodes: 2 })
  t.deepEqual(allOf(one, two).awaits, ['a', 'b', 'c'])
  // The first that signals is enough: it need not be one that waits.
  t.deepEqual([anyOf(one, two).limit, anyOf(one, two).awaits], [{ nodes: 2 }, undefined])
  const window = { from: '02:00', for: '1h' } as const
  t.deepEqual([within(window, one).limit, within(window, one).awaits], [{ nodes: 2 }, ['a', 'b']])
  t.deepEqual([within(window, eagerly()).limit, within(window, eagerly()).awaits], [{}, []])
})

test('a window begins at a time of day', (t) => {
  const begin = (from: string) => () => within({ from: from as never, for: '1h' }, eagerly())
  for (const from of ['0:00', '00:00', '23:59']) t.notThrows(begin(from))
  for (const from of ['24:00', '00:60', '1200', '', '12:0', 'x12:00'])
    t.throws(begin(from), {
      code: 'config.invalid',
      message: `within: ${JSON.stringify(from)} is no time of day such as '02:00'`,
    })
  t.notThrows(() => within({ from: '02:00', for: '24h' }, eagerly()))
  t.throws(() => within({ from: '02:00', for: '25h' }, eagerly()), { message: 'within: a window of 25h is longer than a day' })
})

/** A schedule that never signals, and tells how it ended. */
function endless() {
  const ended: unknown[] = []
  const by = schedule('endless', async (view) => {
    try {
      await view.sleep(1)
    } catch (error) {
      ended.push(error)
      throw error
    }
  })
  return { by, ended }
}
const never = () => new Promise<void>(() => {})

test('schedules that are not needed any more are ended, and say nothing more', async (t) => {
  const { by, ended } = endless()
  await anyOf(eagerly(), by).run(viewOf([], { sleep: never }))
  await Promise.resolve()
  await new Promise(setImmediate)
  t.deepEqual(
    ended.map((error) => [(error as Fault).code, (error as Fault).message]),
    [['upgrade.schedule', 'another schedule has decided']],
  )
})

test('a schedule of schedules ends with the view that it was given, also when it is over already', async (t) => {
  const stop = new AbortController()
  const { by, ended } = endless()
  const running = allOf(by, by).run(viewOf([], { sleep: never, signal: stop.signal }))
  const why = new Fault('upgrade.schedule', 'the node stops')
  stop.abort(why)
  t.is(await running.catch((error) => error), why)
  t.is(
    await allOf(by)
      .run(viewOf([], { sleep: never, signal: stop.signal }))
      .catch((error) => error),
    why,
  )
  t.true(ended.every((error) => error === why))
})

test('allOf waits for all and ends when one fails; anyOf for the first; andThen asks one after the other', async (t) => {
  const order: string[] = []
  const step = (name: string, turns: number) =>
    schedule(name, async () => {
      order.push(`${name} begins`)
      for (let i = 0; i < turns; i++) await new Promise(setImmediate)
      order.push(`${name} ends`)
    })
  const ran = async (by: Schedule) => {
    order.length = 0
    await by.run(viewOf([]))
    return [...order]
  }
  t.deepEqual(await ran(allOf(step('a', 1), step('b', 3))), ['a begins', 'b begins', 'a ends', 'b ends'])
  t.deepEqual(await ran(anyOf(step('a', 1), step('b', 3))), ['a begins', 'b begins', 'a ends'])
  t.deepEqual(await ran(andThen(step('a', 1), step('b', 1))), ['a begins', 'a ends', 'b begins', 'b ends'])
  const { by, ended } = endless()
  const broken = schedule('broken', async () => {
    throw new Error('no such table')
  })
  await t.throwsAsync(allOf(by, broken).run(viewOf([], { sleep: never })), { message: 'no such table' })
  await new Promise(setImmediate)
  t.is((ended[0] as Fault).message, 'another schedule has decided')
  t.throws(() => anyOf(), { code: 'config.invalid', message: 'anyOf() without a schedule would never signal' })
})
