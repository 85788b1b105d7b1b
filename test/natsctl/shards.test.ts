/** `natsctl shard`, and calls to nodes of sharded services. */
import test from 'ava'
import { createHost } from 'theseus-actors'
import { memoryStore } from 'theseus-actors/memory'
import { shardOf } from '../../core/model/shard.js'
import { encodeOffer } from '../../core/model/shardOffer.js'
import { subjectsOf } from '../../core/wire/subjects.js'
import { NodeObject } from '../../index.js'
import { prometheus } from '../../telemetry/prometheus/index.js'
import { memoryShardLogs } from '../../transports/memory/memoryShardLogs.js'
import { CartV1 } from '../actors/cartClasses.js'
import { until } from '../support/eventually.js'
import { newDirectory } from './natsctlProcess.js'
import { runnerOf, startServer, systemsOf } from './natsctlSystem.js'

const systems = systemsOf('shards')

class LocalCart extends NodeObject<{ items: string[] }> {
  static override readonly className = 'Cart.v0'
  static override initial() {
    return { items: [] as string[] }
  }
}

test('shards are listed with the hosts that have them, and a node is called in its shard', async (t) => {
  const at = systems()
  await startServer(t, at)
  const logs = memoryShardLogs()
  const host = await createHost({
    ...{ system: at.system, hostId: 'h1', ...at.ways, state: memoryStore(), bundles: newDirectory(t) },
    shards: logs.client('h1'),
  })
  t.teardown(() => host.stop())
  await host.offer(CartV1)
  await until(() => host.shards.length === 8, 'the host has all shards')
  t.is(await host.ref(CartV1, 'c1').add('tea'), 1)
  const { run, json } = runnerOf(t, at.env)
  const found = await json('shard', 'ls')
  t.deepEqual(found[3], { service: 'cart', shard: 3, of: 8, host: 'h1', placed: null })
  t.is(found.length, 8)
  t.regex((await run('shard', 'ls', '--service', 'cart')).stdout, /^cart +7 +8 +h1 +-$/m)
  const none = await run('shard', 'ls', '--service', 'carts')
  t.is(none.code, 1)
  t.regex(none.stderr, /no host of system .* offers a sharded service "carts".*cart/)
  t.deepEqual(await json('call', 'c1', 'add', 'milk'), 2)
  t.deepEqual(await json('call', 'c1', 'items', '--query'), ['tea', 'milk'])
})

test('a shard is moved by an order, waited for, listed as placed, and released', async (t) => {
  const at = systems()
  await startServer(t, at)
  const logs = memoryShardLogs()
  const start = async (hostId: string) => {
    const host = await createHost({
      ...{ system: at.system, hostId, ...at.ways, state: memoryStore(), bundles: newDirectory(t) },
      shards: logs.client(hostId),
    })
    t.teardown(() => host.stop())
    await host.offer(CartV1)
    return host
  }
  const [h1, h2] = [await start('h1'), await start('h2')]
  await until(() => h1.shards.length + h2.shards.length === 8, 'every shard has an owner')
  const { shard } = h1.shards[0]!
  const { run, json } = runnerOf(t, at.env)
  const dry = await run('shard', 'move', 'cart', `${shard}`, '--dry-run')
  t.is(dry.stdout, `would move shard ${shard} of cart to host h2\n`)
  const moved = await json('shard', 'move', 'cart', `${shard}`, '--to', 'h2', '--reason', 'h1 is hot')
  t.deepEqual(moved, { service: 'cart', shard, host: 'h2', isThere: true })
  t.true(h2.shards.some((each) => each.shard === shard))
  const listed = (await json('shard', 'ls'))[shard]
  t.like(listed, { host: 'h2', placed: { host: 'h2', isThere: true, reason: 'h1 is hot' } })
  t.regex((await run('audit')).stdout, new RegExp(`place/cart/${shard} at h2`))
  const away = await run('shard', 'move', 'cart', `${shard}`, '--to', 'h9')
  t.deepEqual([away.code, away.stderr.includes('host h9 does not offer service cart: h1, h2 do')], [1, true])
  await h2.stop()
  t.regex((await run('shard', 'ls')).stdout, new RegExp(`^cart +${shard} +8 .* h2, which is gone$`, 'm'))
  t.is((await run('shard', 'release', 'cart', `${shard}`)).stdout, `released shard ${shard} of cart\n`)
  const again = await run('shard', 'release', 'cart', `${shard}`)
  t.regex(again.stderr, new RegExp(`shard ${shard} of cart was not placed`))
})

test('a move that does not come about ends by its time, and the order stands', async (t) => {
  const at = systems()
  await startServer(t, at)
  const logs = memoryShardLogs()
  const host = await createHost({
    ...{ system: at.system, hostId: 'h1', ...at.ways, state: memoryStore(), bundles: newDirectory(t) },
    shards: logs.client('h1'),
  })
  t.teardown(() => host.stop())
  await host.offer(CartV1)
  await until(() => host.shards.length === 8, 'the host has all shards')
  // Another host says that it offers the service, and takes nothing.
  const transport = await at.ways.transport.connect()
  t.teardown(() => transport.close())
  const told = { owned: [], positions: [], promised: [], followed: [], waits: null, troubles: [] }
  const services = [{ service: 'cart', shards: 8, capacity: 0.001, ...told }]
  const offer = encodeOffer({ hostId: 'h2', start: 's2', isLeaving: false, asks: false, services })
  const timer = setInterval(() => transport.publish(subjectsOf(at.system).offers, offer), 100)
  t.teardown(() => clearInterval(timer))
  const { run } = runnerOf(t, at.env)
  const late = await run('shard', 'move', 'cart', '3', '--to', 'h2', '--timeout', '500ms')
  t.is(late.code, 5)
  t.regex(late.stderr, /host h2 does not have shard 3 of cart after 0.5 s; the order stands.*natsctl shard release cart 3/)
  t.is(
    (await run('shard', 'move', 'cart', '4', '--to', 'h2', '--no-wait')).stdout,
    'ordered to move shard 4 of cart to host h2\n',
  )
})

test('a node tells its shard; one that is asleep is no trouble, and its shard and host can be completed', async (t) => {
  const at = systems()
  await startServer(t, at)
  const logs = memoryShardLogs()
  const host = await createHost({
    ...{ system: at.system, hostId: 'h1', ...at.ways, state: memoryStore(), bundles: newDirectory(t) },
    ...{ shards: logs.client('h1'), settings: { sleepAfterMs: 200 }, metrics: prometheus({ port: 0, processMetrics: false }) },
  })
  t.teardown(() => host.stop())
  await host.offer(CartV1)
  await until(() => host.shards.length === 8, 'the host has all shards')
  await host.ref(CartV1, 'c1').add('tea')
  const shard = shardOf('c1', 8)
  const { run, json } = runnerOf(t, at.env)
  await until(async () => {
    const [row] = await host.operator.database.nodes('cart')
    return row?.alive === false && row.shard === shard
  }, 'the node is asleep')
  t.like((await json('node', 'ls'))[0], { node: 'c1', shard, asleep: true, alive: false })
  t.regex((await run('node', 'ls')).stdout, /^c1 .* asleep +h1/m)
  const described = (await run('node', 'describe', 'c1')).stdout
  t.regex(described, new RegExp(`^shard +${shard} of cart: its owner runs the node$`, 'm'))
  t.regex(described, /^host +asleep, last heard of at h1$/m)
  t.regex((await run('explain', 'c1')).stdout, new RegExp(`c1 of cart, of shard ${shard}, runs .*\\n +waits for nothing`))
  const checks = (await json('doctor')).checks as readonly { check: string; status: string; found: string }[]
  const of = (check: string) => checks.find((each) => each.check === check)
  t.like(of('shards'), { status: 'ok', found: '8 shards of cart on 1 host, each with an owner' })
  t.like(of('nodes'), { status: 'ok', found: '1 node, all heard of or asleep (1)' })
  t.is((await run('__complete', 'shard', 'move', '')).stdout, 'cart\n:\n')
  t.is((await run('__complete', 'shard', 'move', 'cart', '')).stdout, `${shard}\t1 node\n:\n`)
  t.is((await run('__complete', 'shard', 'move', 'cart', '1', '--to', '')).stdout, 'h1\n:\n')
  const metrics = await (await fetch(`${host.metricsUrl}/metrics`)).text()
  for (const line of [
    /^theseus_shards\{service="cart",.*\} 8$/m,
    /^theseus_shards_owned\{service="cart",.*\} 8$/m,
    /^theseus_shards_offered\{service="cart",.*\} 1$/m,
    /^theseus_shard_nodes_awake\{service="cart",.*\} 0$/m,
    /^theseus_shard_changes_total\{service="cart",change="claimed",.*\} 8$/m,
    /^theseus_shard_changes_total\{service="cart",change="taken_over",.*\} 0$/m,
    /^theseus_shard_commit_bytes_total\{service="cart",.*\} [1-9]/m,
  ])
    t.regex(metrics, line)
})

test('the nodes of a local service move into its shards by an order, which is waited for', async (t) => {
  const at = systems()
  await startServer(t, at)
  const logs = memoryShardLogs()
  const start = async (hostId: string) => {
    const host = await createHost({
      ...{ system: at.system, hostId, ...at.ways, state: memoryStore(), bundles: newDirectory(t) },
      shards: logs.client(hostId),
    })
    t.teardown(() => host.stop())
    return host
  }
  const [h1, h2] = [await start('h1'), await start('h2')]
  const { run, json } = runnerOf(t, at.env)
  const none = await run('service', 'move', 'cart', '--to', 'sharded')
  t.deepEqual([none.code, none.stderr.includes('no host offers a sharded service cart')], [1, true])
  // As it was before its class had shards.
  await h1.node(LocalCart, 'c1')
  await h2.offer(CartV1)
  await until(() => h2.shards.length === 8, 'every shard has an owner')
  const silent = await run('service', 'move', 'cart', '--to', 'sharded')
  t.regex(silent.stderr, /h1 must offer service cart too/)
  await h1.offer(CartV1, { capacity: 0.001 })
  const dry = await run('service', 'move', 'cart', '--to', 'sharded', '--dry-run')
  t.is(dry.stdout, 'would move service cart to its shards: 0 nodes there, 1 to come\n')
  const late = await run('service', 'move', 'cart', '--to', 'sharded', '--timeout', '1500ms')
  t.is(late.code, 5)
  t.regex(late.stderr, /1 node of cart have not moved: c1 on h1.*natsctl service release cart/)
  t.regex((await run('audit')).stdout, /home\/cart in its shards/)
  t.is((await run('service', 'release', 'cart')).stdout, 'released service cart\n')
  t.regex((await run('service', 'release', 'cart')).stderr, /no order moves service cart/)
  t.regex((await run('service', 'move', 'cart', '--to', 'local')).stderr, /--to local needs --host <host>/)
  const away = await run('service', 'move', 'cart', '--to', 'local', '--host', 'h9')
  t.regex(away.stderr, /host h9 does not offer service cart: h1, h2 do/)
  t.is(
    (await run('service', 'move', 'cart', '--to', 'local', '--host', 'h1')).stdout,
    'moved service cart to host h1: 1 node there, 0 to come\n',
  )
  t.deepEqual(await json('service', 'move', 'cart', '--to', 'sharded', '--no-wait'), {
    ...{ service: 'cart', to: 'sharded', moved: 0, left: ['c1'] },
  })
})
