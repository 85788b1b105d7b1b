/**
 * The main job, on the real thing: three host processes, five nodes, clients at versions 0, 1 and 2 under
 * load, over NATS and Redis.
 */
import anyTest, { type TestFn } from 'ava'
import { until } from '../support/eventually.js'
import { startNatsServer, startRedisServer, type TestServer } from '../support/servers.js'
import type { KillPoint } from './hostProcess.js'
import { LiveSystem } from './liveSystem.js'

const test = anyTest.serial as TestFn<{ servers: { nats: TestServer; redis: TestServer } }>

test.before(async (t) => {
  t.context.servers = { nats: await startNatsServer(), redis: await startRedisServer() }
})

test.after.always(async (t) => {
  await t.context.servers?.nats.stop()
  await t.context.servers?.redis.stop()
})

test('five nodes on three hosts go from version 0 to 2 under load: no failed call, no lost write, no wrong answer', async (t) => {
  const live = await LiveSystem.start(t.context.servers)
  t.teardown(() => live.stop())
  for (const host of ['h1', 'h2', 'h3'] as const) await live.startHost(host)
  await live.startClient(0)
  await live.publish(1)
  await live.startClient(1)
  await live.untilAllAt(1)
  await live.publish(2)
  await live.startClient(2)
  await live.untilAllAt(2)

  const { tallies, lost } = await live.verdict(2)

  t.deepEqual(lost, [])
  for (const tally of tallies) {
    t.true(tally.calls > 100, `${tally.calls} calls`)
    t.deepEqual(tally.contradictions, [])
    t.deepEqual([...tally.failures], [])
  }
  t.deepEqual(live.deaths, [])
})

const killPoints: readonly (KillPoint & { readonly words: string })[] = [
  { at: 'scheduled', version: 1, words: 'while it is scheduled' },
  { at: 'draining', version: 1, words: 'while it drains' },
  { at: 'transforming', version: 1, words: 'while it transforms' },
  { at: 'checking', version: 1, words: 'when the new generation is whole' },
  { at: 'flipping', version: 1, words: 'right before the flip' },
  { at: 'flipped', version: 1, words: 'right after the flip' },
  { at: 'recovering', version: 1, words: 'while it recovers' },
]

for (const { words, ...kill } of killPoints) {
  test(`a host killed by SIGKILL ${words} comes back and ends the upgrade: no lost write, no wrong answer`, async (t) => {
    const live = await LiveSystem.start(t.context.servers)
    t.teardown(() => live.stop())
    await live.startHost('h1')
    await live.startHost('h2', kill)
    await live.startHost('h3')
    await live.startClient(0)
    await live.publish(1)
    await live.startClient(1)
    await until(() => live.deaths.length > 0, 'the host to kill itself')
    t.deepEqual(live.deaths, ['h2 SIGKILL'])
    await live.startHost('h2')
    await live.untilAllAt(1)

    const { tallies, lost } = await live.verdict(1)

    t.deepEqual(lost, [])
    for (const tally of tallies) {
      t.deepEqual(tally.contradictions, [])
      // Only commands that had been delivered to the killed host may have ended without an answer.
      t.is(tally.failed, 0, JSON.stringify([...tally.failures]))
    }
    t.deepEqual(live.deaths, ['h2 SIGKILL'])
  })
}
