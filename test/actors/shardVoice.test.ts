/** A shard has one voice (C14). */

import test from 'ava'
import { FewAtOnce } from '../../actors/base/fewAtOnce.js'
import { ShardCache } from '../../actors/shards/shardCache.js'
import { ShardClaim } from '../../actors/shards/shardClaim.js'
import { ShardCopy } from '../../actors/shards/shardCopy.js'
import { memoryShardLogs } from '../../transports/memory/memoryShardLogs.js'
import { memoryStore } from '../../transports/memory/memoryStore.js'
import { seededRandom } from '../../transports/seededRandom.js'
import { until } from '../support/eventually.js'
import { VirtualClock } from '../support/virtualClock.js'
import { Contender, shardSettings } from './shardsFixture.js'

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

test('a claim that was given up, and is accepted late, is not taken for a later one of the same host', async (t) => {
  const clock = new VirtualClock()
  t.teardown(() => clock.stop())
  const logs = memoryShardLogs({ clock, durability: 'replicated' })
  const claims: string[] = []
  logs.shard('pages', 0).log.fate = ({ bytes }) => {
    claims.push(Buffer.from(bytes).toString('hex'))
    return 'lose'
  }
  const log = await logs.client('a').open('pages', 0)
  const claimer = { owner: 'a-1', hostId: 'a', isWanted: () => true, isNext: () => true, hasEnded: () => false }
  const services = { clock, random: seededRandom(1), observe: () => {}, settings: shardSettings, copying: new FewAtOnce(1) }
  const cache = new ShardCache('pages/0', await memoryStore({ turn: (action) => clock.turn(action) }).open())
  const copy = new ShardCopy(log, cache, 'shard 0 of pages', services)
  for (const before of [0, 1]) {
    const claim = new ShardClaim(log, 'shard 0 of pages', claimer, copy, services)
    const claimed = claim.run()
    await until(() => new Set(claims).size > before, 'it claims')
    claim.stop()
    t.is(await claimed, undefined)
  }
  t.not(claims[0], claims.at(-1))
})
