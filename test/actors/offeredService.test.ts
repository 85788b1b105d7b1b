/** A host whose logs can't be opened, as its operator hears of it. */
import test from 'ava'
import { Fault } from '../../core/base/fault.js'
import type { ShardLogs } from '../../core/ports/log.js'
import { createHost } from '../../index.js'
import { memoryStore } from '../../transports/memory/index.js'
import { until } from '../support/eventually.js'
import { TestSystem } from '../support/testSystem.js'
import { CartV1 } from './cartClasses.js'

test('logs that can’t be opened are told of once, not for each shard and each try, and used when they can', async (t) => {
  const system = await TestSystem.start(t)
  let isAway = true
  let tries = 0
  const client = system.shardLogs.client('a')
  const shards: ShardLogs = {
    open: (service, shard) => {
      tries++
      if (isAway) return Promise.reject(new Fault('unavailable.storage', 'does nats-server run with JetStream?'))
      return client.open(service, shard)
    },
    shardsOf: (service) => client.shardsOf(service),
    close: () => client.close(),
  }
  const told: string[] = []
  const host = await createHost({
    ...{ ...system.ways(), hostId: 'a', state: memoryStore(), shards, trust: 'nobody' },
    observe: (event) => void (event.type === 'warning' && told.push(event.message)),
  })
  t.teardown(() => host.stop())
  await host.offer(CartV1)
  await until(() => tries > 40, 'all are tried again')
  t.is(told.filter((text) => text.includes('does nats-server run with JetStream?')).length, 1)
  isAway = false
  await until(() => host.shards.length === 8, 'the host has all shards')
})
