/** `natsctl shard ls`, and calls to nodes of sharded services. */
import test from 'ava'
import { createHost } from 'theseus-actors'
import { memoryStore } from 'theseus-actors/memory'
import { memoryShardLogs } from '../../transports/memory/memoryShardLogs.js'
import { CartV1 } from '../actors/cartClasses.js'
import { until } from '../support/eventually.js'
import { newDirectory } from './natsctlProcess.js'
import { runnerOf, startServer, systemsOf } from './natsctlSystem.js'

const systems = systemsOf('shards')

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
  t.deepEqual(found[3], { service: 'cart', shard: 3, of: 8, host: 'h1' })
  t.is(found.length, 8)
  t.regex((await run('shard', 'ls', '--service', 'cart')).stdout, /^cart +7 +8 +h1$/m)
  const none = await run('shard', 'ls', '--service', 'carts')
  t.is(none.code, 1)
  t.regex(none.stderr, /no host of system .* offers a sharded service "carts".*cart/)
  t.deepEqual(await json('call', 'c1', 'add', 'milk'), 2)
  t.deepEqual(await json('call', 'c1', 'items', '--query'), ['tea', 'milk'])
})
