/** Every command that only reads, in every form, against a real system. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { createHost, startUpgradeServer } from 'theseus-actors'
import { buildUpgrade } from 'theseus-actors/build'
import { memoryStore } from 'theseus-actors/memory'
import { nats } from 'theseus-actors/nats'
import { redis } from 'theseus-actors/redis'
import { parse } from 'yaml'
import { PagesV1 } from '../../samples/02-pages-comments/pages.v1.js'
import { until } from '../support/eventually.js'
import { startNatsServer, startRedisServer } from '../support/servers.js'
import { natsctl, root } from './natsctlProcess.js'

let env: Readonly<Record<string, string>>
const ends: (() => unknown)[] = []

test.before(async () => {
  const [natsServer, redisServer] = await Promise.all([startNatsServer(), startRedisServer()])
  ends.unshift(
    () => natsServer.stop(),
    () => redisServer.stop(),
  )
  env = { NATS_URL: natsServer.url, THESEUS_REDIS: redisServer.url, THESEUS_SYSTEM: 'reads' }
  const ways = { system: 'reads', transport: nats(natsServer.url), udb: redis(redisServer.url) }
  // Nothing dies meanwhile: each form is asked for by itself.
  const server = await startUpgradeServer({ ...ways, deathRound: '1h' })
  ends.unshift(() => server.stop())
  const bundles = mkdtempSync(join(tmpdir(), 'natsctl-'))
  const host = await createHost({ ...ways, hostId: 'h1', state: memoryStore(), bundles })
  ends.unshift(
    () => host.stop(),
    () => rmSync(bundles, { recursive: true }),
  )
  for (const nodeId of ['p1', 'p2']) await host.node(PagesV1, nodeId)
  await host.publish(await buildUpgrade(join(root, 'samples/02-pages-comments/upgrades/1-comments.ts'), { typeCheck: false }))
  await host.operator.setInTable('authorized', 'p1', 'yes')
  const isThere = async (): Promise<boolean> =>
    (await host.operator.database.nodes()).every(({ version, phase }) => version === 1 && phase === 'current')
  await until(isThere, 'every node at version 1')
})

test.after.always(async () => {
  for (const end of ends) await end()
})

const reads: readonly (readonly [command: string, names: readonly string[], wideColumn: string])[] = [
  ['node ls', ['node/p1', 'node/p2'], 'DIRECTORY'],
  ['node describe p1', ['node/p1'], 'Pages.v2 at version 1'],
  ['version ls', ['version/0', 'version/1'], 'DEAD SINCE'],
  ['upgrade ls', ['version/1'], 'BYTES'],
  ['history', ['version/1'], 'PREVIOUS'],
  ['table ls', ['table/authorized'], 'KEYS'],
  ['table get authorized', ['table/authorized'], 'BYTES'],
  ['rollout status', ['service/pages'], 'SERVICE'],
  ['explain', [], 'version 1 of system reads'],
  ['explain p1', ['node/p1'], 'p1 of pages'],
  ['upgrader ls', [], ''],
]

for (const [command, names, wide] of reads) {
  test(`"${command}" is read in every form`, async (t) => {
    const printed = async (form: string): Promise<string> => {
      const { code, stdout, stderr } = await natsctl(t, [...command.split(' '), '-o', form], { env })
      t.is(code, 0, stderr)
      return stdout
    }
    t.deepEqual((await printed('name')).split('\n').slice(0, -1), [...names])
    t.deepEqual(parse(await printed('yaml')), JSON.parse(await printed('json')))
    t.true((await printed('wide')).includes(wide))
  })
}
