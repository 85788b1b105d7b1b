/** A shard has one voice (C14). */
import test from 'ava'
import { memoryShardLogs } from '../../transports/memory/memoryShardLogs.js'
import { VirtualClock } from '../support/virtualClock.js'
import { Contender } from './shardsFixture.js'

test('C14: a shard is not given away while its owner may still speak', async (t) => {
  const clock = new VirtualClock()
  const logs = memoryShardLogs({ clock, durability: 'replicated' })
  const host = new Contender('a', { clock, logs, random: { next: () => 0.5 } as never })
  t.teardown(() => {
    host.stop()
    clock.stop()
  })
  const owned = (await host.own())!
  const { last } = logs.shard('pages', 0).log
  Object.defineProperty(owned.lease, 'lose', { value: () => {}, configurable: true })
  await t.throwsAsync(owned.release(null), {
    name: 'InvariantViolation',
    message: 'C14: a shard is given away while its owner may still speak',
  })
  t.is(logs.shard('pages', 0).log.last, last)
})
