/**
 * A node that was down while upgrades were published catches up by itself, and answers calls of
 * all versions meanwhile.
 */
import anyTest, { type TestFn } from 'ava'
import { startNatsServer, startRedisServer, type TestServer } from '../support/servers.js'
import { LiveSystem, pagesOf } from './liveSystem.js'

const test = anyTest.serial as TestFn<{ servers: { nats: TestServer; redis: TestServer } }>

test.before(async (t) => {
  t.context.servers = { nats: await startNatsServer(), redis: await startRedisServer() }
})

test.after.always(async (t) => {
  await t.context.servers?.nats.stop()
  await t.context.servers?.redis.stop()
})

test('a node stopped at version 0 while versions 1, 2 and 3 were published catches up, and answers all four versions meanwhile', async (t) => {
  const live = await LiveSystem.start(t.context.servers)
  t.teardown(() => live.stop())
  for (const host of ['h1', 'h2', 'h3'] as const) await live.startHost(host)
  const [v0, v1, v2, v3] = ([0, 1, 2, 3] as const).map((version) => pagesOf(live.desk, version)('p3'))
  await v0!.put('/a', 'before')
  await live.stopHost('h2')
  for (const version of [1, 2, 3] as const) await live.publish(version)

  await live.startHost('h2')
  const versions = new Set<number>()
  let serial = 0
  for (let done = false; !done; ) {
    const row = (await live.rows()).find(({ nodeId }) => nodeId === 'p3')!
    versions.add(row.version)
    done = row.version === 3 && row.phase === 'current'
    // Each version writes, all of them read: the same pages, and the same comments where they have any.
    const text = `text ${++serial}`
    await [v0, v1, v2, v3][serial % 4]!.put('/a', text)
    for (const pages of [v0, v1, v2, v3]) t.is(await pages!.get('/a'), text)
    const comment = `comment ${serial}`
    await [v1, v2, v3][serial % 3]!.comment!(`/${serial}`, comment)
    t.deepEqual(await v1!.comments!(`/${serial}`), [comment])
    for (const pages of [v2, v3]) t.deepEqual(await pages!.comments!(`/${serial}`), [{ text: comment, likes: 0 }] as never)
  }

  t.true(versions.has(0), 'it was seen at version 0')
  await live.untilAllAt(3)
  for (let n = 1; n <= serial; n++) t.deepEqual(await v1!.comments!(`/${n}`), [`comment ${n}`])
  t.deepEqual(live.deaths, [])
})
