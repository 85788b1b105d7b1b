/**
 * Nodes of a host go forward a few at a time, in a queue (UpgradeQueue); who is held does not hold
 * those behind it.
 */
import 'reflect-metadata'
import test, { type ExecutionContext } from 'ava'
import { defaultSettings } from '../../actors/base/settings.js'
import { UpgradeQueue } from '../../actors/upgrade/upgradeQueue.js'
import { until } from '../support/eventually.js'
import { gate, type Settings, TestSystem } from '../support/testSystem.js'
import { NotesV1, toV2 } from './notesClasses.js'

const ids = ['n1', 'n2', 'n3', 'n4']
const away: ReadonlySet<string> = new Set(['draining', 'transforming', 'checking', 'flipping', 'recovering'])

const never = new AbortController().signal
const line = (upgradesAtOnceMax: number) => new UpgradeQueue({ ...defaultSettings, system: 's', hostId: 'h', upgradesAtOnceMax })

test('places are taken in the order of asking, and each service has its own', async (t) => {
  const places = line(1)
  const first = await places.take('a', never)
  const order: string[] = []
  const [second, third] = ['second', 'third'].map((who) => places.take('a', never).finally(() => order.push(who)))
  t.true(places.isFull('a'))
  t.false(places.isFull('b'))
  ;(await places.take('b', never))()
  first()
  // An upgrade that gives back twice gives nothing that is another's.
  first()
  const giveSecond = await second!
  t.deepEqual(order, ['second'])
  giveSecond()
  ;(await third!)()
  t.deepEqual(order, ['second', 'third'])
  t.false(places.isFull('a'))
})

test('a place that was given back is one place, as long as others are taken', async (t) => {
  const places = line(2)
  const [first, second] = [await places.take('a', never), await places.take('a', never)]
  t.true(places.isFull('a'))
  first()
  t.false(places.isFull('a'))
  const third = await places.take('a', never)
  t.true(places.isFull('a'))
  for (const giveBack of [second, third]) giveBack()
  t.false(places.isFull('a'))
})

test('whoever leaves the queue is not waited for', async (t) => {
  const places = line(1)
  const first = await places.take('a', never)
  const over = new AbortController()
  const left = places.take('a', over.signal)
  const next = places.take('a', never)
  over.abort(new Error('undone'))
  await t.throwsAsync(left, { message: 'undone' })
  await t.throwsAsync(places.take('a', over.signal), { message: 'undone' })
  first()
  ;(await next)()
  t.false(places.isFull('a'))
})

async function open(t: ExecutionContext, settings: Settings) {
  const system = await TestSystem.start(t, { controlsMs: 5, ...settings })
  const host = await system.host('h1')
  const nodes = await Promise.all(ids.map((id) => host.node(NotesV1, id)))
  let claims = 0
  host.changeDatabase({
    claimPermit: (...args) => {
      claims++
      return system.database.claimPermit(...args)
    },
  })
  return { system, host, nodes, claims: () => claims }
}

test('as many of a host go forward at once as its settings say, though their limit would let all go', async (t) => {
  const { system, host, nodes } = await open(t, { limit: { percent: 100 }, upgradesAtOnceMax: 2 })
  const held = gate()
  await system.publish(toV2({ beforeTransform: () => held.pass() }))
  await until(() => held.waiting === 2, 'two are transforming')
  await until(() => ids.some((id) => /its turn among the notes of this host/.test(host.last(id)?.reason ?? '')), 'others say why')
  t.is(ids.filter((id) => away.has(host.last(id)!.phase)).length, 2)
  held.open()
  await Promise.all(nodes.map((node) => node.reached(1)))
})

test('behind one that waits for a permit nobody asks for one', async (t) => {
  const { system, host, nodes, claims } = await open(t, { limit: { nodes: 1 }, upgradesAtOnceMax: 1 })
  const held = gate()
  await system.publish(toV2({ beforeTransform: () => held.pass() }))
  await until(() => held.waiting === 1, 'one is transforming')
  await until(() => ids.filter((id) => host.last(id)!.phase === 'scheduled').length === 3, 'the others wait')
  t.is(claims(), 1)
  held.open()
  await Promise.all(nodes.map((node) => node.reached(1)))
})

test('a node that an operator holds does not hold those behind it; one that is undone in the queue comes back to nothing', async (t) => {
  const { system, host, nodes } = await open(t, { limit: { nodes: 1 }, upgradesAtOnceMax: 1 })
  const { operator } = system.desk.running
  await operator.hold('n1', 'the test')
  await system.publish(toV2())
  await Promise.all(nodes.slice(1).map((node) => node.reached(1)))
  t.is(host.last('n1')!.phase, 'scheduled')
  await operator.undo()
  await Promise.all(nodes.map((node) => node.reached(2)))
  t.deepEqual(
    nodes.map(({ className }) => className),
    ids.map(() => 'Notes.v1'),
  )
})

test('a node that fails on its way makes room for the next', async (t) => {
  const { system, host, nodes } = await open(t, { limit: { percent: 100 }, upgradesAtOnceMax: 1 })
  let transforms = 0
  const first = () => (++transforms === 1 ? Promise.reject(new Error('not this one')) : undefined)
  await system.publish({ ...toV2({ beforeTransform: first }), gate: null })
  await until(() => nodes.filter(({ version }) => version === 1).length === 3, 'three are there')
  t.is(ids.filter((id) => host.last(id)!.phase === 'stalled').length, 1)
})
