/** The scene of `npm run demo -- --servers` in which a host is killed for good. */
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { createHost, startUpgradeServer } from 'theseus-actors'
import { buildUpgrade } from 'theseus-actors/build'
import { memoryStore } from 'theseus-actors/memory'
import { nats } from 'theseus-actors/nats'
import { redis } from 'theseus-actors/redis'
import type { View } from '../../natsctl/demo/screen.js'
import { lostHostScene, sceneLine } from '../../samples/demo/lostHost.js'
import { startNatsCluster } from '../support/natsCluster.js'
import { startRedisServer } from '../support/servers.js'

test('a host of the demo is killed for good in the middle of an upgrade: its carts answer elsewhere, and nothing fails, is lost or wrong', async (t) => {
  t.timeout(120_000)
  const cluster = await startNatsCluster({ size: 1 })
  t.teardown(() => cluster.stop())
  const udb = await startRedisServer()
  t.teardown(() => udb.stop())
  const directory = await mkdtemp(join(tmpdir(), 'theseus-scene-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const [natsUrl] = cluster.urls as [string]
  const ways = { system: 'scene', transport: nats(natsUrl), udb: redis(udb.url) }
  const server = await startUpgradeServer(ways)
  t.teardown(() => server.stop())
  const desk = await createHost({ ...ways, state: memoryStore(), bundles: join(directory, 'desk') })
  t.teardown(() => desk.stop())
  const closing: (() => unknown)[] = []
  t.teardown(async () => {
    for (const close of closing) await close()
  })
  const said: string[] = []
  const titles: string[] = []

  const end = await lostHostScene(
    {
      ...{ desk, directory, addresses: { THESEUS_SYSTEM: 'scene', NATS_URL: natsUrl, THESEUS_REDIS: udb.url } },
      screen: {
        say: (text) => void said.push(text),
        show: ({ title }: View) => void (titles.at(-1) === title || titles.push(title)),
      },
      publish: async () => desk.publish(await buildUpgrade(new URL('../../samples/demo/carts/3-last.js', import.meta.url))),
    },
    closing,
  )

  t.deepEqual(end.lost, [])
  const { calls, failed, wrong } = end.tally
  t.deepEqual({ failed, wrong, failures: [...end.tally.failures] }, { failed: 0, wrong: 0, failures: [] })
  t.true(calls > 100, `${calls} calls`)
  t.true(end.upgraded > 0 && end.upgraded < 12, `${end.upgraded} were upgraded`)
  t.true(end.moved.size > 0)
  t.false([...end.moved.values()].includes(end.lostId))
  t.false(existsSync(join(directory, end.lostId)))
  t.regex(said.at(-1)!, new RegExp(`^\\$ kill -9 \\d+; rm -r ${end.lostId}$`))
  t.regex(titles[0]!, /on one nats-server: durable, not replicated\.$/)
  t.regex(sceneLine(end), /^host s\d was killed for good when \d+ of 12 carts had upgraded: its \d+ carts answer on s\d/)
})
