/**
 * The upgrade infrastructure itself, on real NATS and Redis: several upgrade servers, bundles of many chunks,
 * hosts without either.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import anyTest, { type ExecutionContext, type TestFn } from 'ava'
import { connectOperator, createHost, defineUpgrade, draftManifest, type RunningHost, startUpgradeServer } from 'theseus-actors'
import { buildUpgrade } from 'theseus-actors/build'
import { bundleRepository } from 'theseus-actors/bundles'
import { lmdb } from 'theseus-actors/lmdb'
import { memoryStore } from 'theseus-actors/memory'
import { nats } from 'theseus-actors/nats'
import { redis } from 'theseus-actors/redis'
import { digestOf } from '../../core/base/digest.js'
import { PagesV1 } from '../../samples/02-pages-comments/pages.v1.js'
import { PagesV2 } from '../../samples/02-pages-comments/pages.v2.js'
import { until } from '../support/eventually.js'
import { startNatsServer, startRedisServer, type TestServer } from '../support/servers.js'

const test = anyTest.serial as TestFn<{ nats: TestServer; redis: TestServer }>
const comments = new URL('../../samples/02-pages-comments/upgrades/1-comments.js', import.meta.url)

test.before(async (t) => {
  t.context.nats = await startNatsServer()
  t.context.redis = await startRedisServer({ appendonly: true })
})

test.after.always(async (t) => {
  await t.context.nats?.stop()
  await t.context.redis?.stop()
})

function waysOf(t: ExecutionContext<{ nats: TestServer; redis: TestServer }>, system: string) {
  return { system, transport: nats(t.context.nats.url), udb: redis(t.context.redis.url) }
}

async function directoryOf(t: ExecutionContext<unknown>): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'theseus-infra-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  return directory
}

test('three upgrade servers install twelve upgrades published at once as twelve versions, each following the one before', async (t) => {
  const ways = waysOf(t, 'many-servers')
  for (let i = 0; i < 3; i++) {
    const server = await startUpgradeServer(ways)
    t.teardown(() => server.stop())
  }
  const operator = await connectOperator(ways)
  t.teardown(() => operator.close())
  const drafts = Array.from({ length: 12 }, (_, i) => {
    const bundle = new TextEncoder().encode(`// bundle ${i}`)
    return { manifest: { ...draftManifest(defineUpgrade({ title: `upgrade ${i}`, classUpgrades: [] }), bundle) }, bundle }
  })

  const versions: number[] = []
  const left = [...drafts]
  // A publisher gives up after five lost races; here everybody races, so those that lost publish again.
  while (left.length > 0) {
    const round = left.splice(0)
    const outcomes = await Promise.allSettled(round.map((draft) => operator.publish(draft)))
    outcomes.forEach((outcome, i) => {
      if (outcome.status === 'fulfilled') versions.push(outcome.value)
      else if (outcome.reason.code === 'upgrade.conflict') left.push(round[i]!)
      else throw outcome.reason
    })
  }

  t.deepEqual(
    versions.toSorted((a, b) => a - b),
    Array.from({ length: 12 }, (_, i) => i + 1),
  )
  const history = await operator.history()
  t.is(new Set(history.map(({ title }) => title)).size, 12)
  t.is(history[0]!.previous, null)
  t.is(new Set(history.map(({ previous }) => previous)).size, 12)
})

test('a bundle of several chunks reaches the nodes whole', async (t) => {
  const directory = await directoryOf(t)
  const ways = waysOf(t, 'big-bundle')
  const server = await startUpgradeServer(ways)
  t.teardown(() => server.stop())
  const host = await createHost({ ...ways, state: memoryStore(), bundles: join(directory, 'bundles') })
  t.teardown(() => host.stop())
  const node = await host.node(PagesV1, 'p1')
  const built = await buildUpgrade(comments)
  const bundle = Buffer.concat([built.bundle, Buffer.from(`\n//${'x'.repeat(700 * 1024)}\n`)])
  const upgrade = await bundleRepository(join(directory, 'built')).load(digestOf(bundle), bundle)

  await host.publish({ manifest: draftManifest(upgrade, bundle), bundle })

  await until(() => node.version === 1, 'the node to upgrade')
  t.is(node.className, 'Pages.v2')
})

test('a host without upgrade server and database comes back with its state, its version and its class, and joins in when they return', async (t) => {
  const directory = await directoryOf(t)
  const ways = waysOf(t, 'alone')
  const options = { ...ways, hostId: 'h', state: lmdb(join(directory, 'state')), bundles: join(directory, 'bundles') }
  const server = await startUpgradeServer(ways)
  let host: RunningHost = await createHost(options)
  t.teardown(() => host.stop())
  const before = await host.node(PagesV1, 'p1')
  await host.publish(await buildUpgrade(comments))
  await until(() => before.version === 1, 'the node to upgrade')
  await host.ref(PagesV2, 'p1', { version: 1 }).comment('/a', 'kept')

  await server.stop()
  await host.stop()
  const client = await createHost({ ...ways, state: memoryStore(), bundles: join(directory, 'client') })
  t.teardown(() => client.stop())
  t.context.redis.kill()
  host = await createHost(options)
  // Neither the bundle nor the manifest can be fetched now: both are kept with the state.
  const after = await host.node(PagesV1, 'p1')
  t.is(after.version, 1)
  t.is(after.className, 'Pages.v2')
  t.deepEqual(await client.ref(PagesV2, 'p1', { version: 1 }).comments('/a'), ['kept'])
  t.is(await client.ref(PagesV1, 'p1', { version: 0 }).get('/a'), null)

  await t.context.redis.restart()
  const again = await startUpgradeServer(ways)
  t.teardown(() => again.stop())
  await until(
    async () =>
      (await host.operator.database.nodes('pages').catch(() => [])).some(
        ({ nodeId, alive, version }) => nodeId === 'p1' && alive && version === 1,
      ),
    'the node to be alive in the database again',
  )
})
