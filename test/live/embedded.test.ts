/** An embedded system, one process and one directory, goes on where it was, however the process ended. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { createHost } from 'theseus-actors'
import { buildUpgrade } from 'theseus-actors/build'
import { lmdb } from 'theseus-actors/lmdb'
import { PagesV1 } from '../../samples/02-pages-comments/pages.v1.js'
import { until } from '../support/eventually.js'
import { refusalOf } from '../support/rejections.js'
import { CartsV1 } from './carts/carts.v1.js'
import type { EmbeddedOrder, EmbeddedReport } from './embeddedProcess.js'
import type { KillPoint } from './hostProcess.js'

const entry = fileURLToPath(new URL('./embeddedProcess.js', import.meta.url))
const upgradeAt = (name: string) => new URL(`../../samples/02-pages-comments/upgrades/${name}.js`, import.meta.url).href

async function directoryOf(t: ExecutionContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'theseus-embedded-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  return directory
}

/** Its report, or the signal that ended it before. */
async function run(order: EmbeddedOrder): Promise<EmbeddedReport | string> {
  const child = fork(entry, {
    env: { ...process.env, EMBEDDED_ORDER: JSON.stringify(order) },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  let report: EmbeddedReport | undefined
  child.on('message', (message) => {
    report = message as EmbeddedReport
  })
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null]
  return signal ?? (code === 0 ? report! : `exit code ${code}`)
}

const points: readonly KillPoint['at'][] = ['scheduled', 'transforming', 'flipped']

for (const at of points)
  test(`an embedded process that is killed while a node is ${at} goes on with the upgrade when it is started again`, async (t) => {
    const directory = await directoryOf(t)
    const publish = upgradeAt('1-comments')
    t.is(await run({ directory, write: ['/a', 'kept'], publish, kill: { at, version: 1 } }), 'SIGKILL')
    const after = (await run({ directory })) as EmbeddedReport
    t.deepEqual(after, { versions: [1, 1], published: 1, titles: after.titles, read: 'kept', doubt: null })
    t.is(after.titles.length, 1)
    const next = (await run({ directory, publish: upgradeAt('2-likes') })) as EmbeddedReport
    t.like(next, { versions: [2, 2], published: 2, read: 'kept' })
  })

test('an embedded system has its history, its orders and its audit again, and a paused version stays paused', async (t) => {
  const directory = await directoryOf(t)
  const options = { system: 'restarted', state: lmdb(join(directory, 'state')), bundles: join(directory, 'bundles') }
  const first = await createHost(options)
  await first.node(PagesV1, 'p1')
  await first.operator.pause(1, 'wait for the night')
  await first.operator.setInTable('authorized', 'p1', 'yes')
  await first.publish(await buildUpgrade(new URL(upgradeAt('1-comments'))))
  const entries = (await first.operator.database.auditHead()).number
  const log = await first.operator.database.directiveLog()
  await first.stop()

  const again = await createHost(options)
  t.teardown(() => again.stop())
  const { operator } = again
  t.is((await operator.database.auditHead()).number, entries)
  t.deepEqual(await operator.database.directiveLog(), log)
  t.deepEqual([...(await operator.database.table('authorized'))], [['p1', 'yes']])
  const node = await again.node(PagesV1, 'p1')
  await until(async () => (await operator.database.nodes())[0]?.phase === 'scheduled', 'the node knows the version')
  t.is(node.version, 0)
  t.true(await operator.resume(1))
  await until(() => node.version === 1, 'the node to upgrade')
})

test('a sharded service of an embedded system has its nodes again when the process is started again', async (t) => {
  const directory = await directoryOf(t)
  const first = await createHost({ system: 'sharded', directory })
  await first.offer(CartsV1)
  await Promise.all(['a', 'b', 'c'].map((cart) => first.ref(CartsV1, cart, { deadline: '20s' }).add(`of ${cart}`)))
  await first.stop()
  const again = await createHost({ system: 'sharded', directory })
  t.teardown(() => again.stop())
  await again.offer(CartsV1)
  const found = await Promise.all(['a', 'b', 'c'].map((cart) => again.ref(CartsV1, cart, { deadline: '20s' }).items()))
  t.deepEqual(found, [['of a'], ['of b'], ['of c']])
})

test('another process is refused a directory that an embedded system has', async (t) => {
  const directory = await directoryOf(t)
  const host = await createHost({ system: 'held', directory })
  t.teardown(() => host.stop())
  const other = await refusalOf(t, createHost({ system: 'other', directory }))
  t.is(other.code, 'config.directory-held')
})
