/**
 * A watch that is no screen: `rollout watch` away from a terminal, and `rollout status --watch`, with
 * `--for`, `--wait` and `--timeout`.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import anyTest, { type ExecutionContext, type TestFn } from 'ava'
import type { RunningHost } from 'theseus-actors'
import { PagesV1 } from '../../../samples/02-pages-comments/pages.v1.js'
import { PagesV2 } from '../../../samples/02-pages-comments/pages.v2.js'
import { until } from '../../support/eventually.js'
import { NatsctlProcess, natsctl, root } from '../natsctlProcess.js'
import { type SystemOfTest, startPages, systemsOf } from '../natsctlSystem.js'

const test = anyTest as TestFn<SystemOfTest>
const main = join(root, 'dist/natsctl/main.js')
const nextSystem = systemsOf('l')
let directory: string
let built: string

test.before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'watch-'))
  built = join(directory, '1.upgrade')
  const upgrade = join(root, 'samples/02-pages-comments/upgrades/1-comments.ts')
  execFileSync(process.execPath, [main, 'upgrade', 'build', upgrade, '-O', built])
})

test.after.always(() => rmSync(directory, { recursive: true, force: true }))

test.beforeEach((t) => {
  t.context = nextSystem()
})

/** A system whose upgrade is published and waits for the end of its pause. */
async function startHeld(t: ExecutionContext<SystemOfTest>, nodes: readonly string[]): Promise<RunningHost> {
  const { env } = t.context
  const { host } = await startPages(t, t.context, nodes)
  for (const nodeId of nodes) await host.operator.hold(nodeId, 'not yet')
  t.is((await natsctl(t, ['upgrade', 'publish', built], { env })).code, 0)
  const areScheduled = async () => (await host.operator.database.nodes('pages')).every(({ phase }) => phase === 'scheduled')
  await until(areScheduled, 'all are scheduled')
  return host
}

test('figures come with the changes: calls at both versions, those through simulation objects apart', async (t) => {
  const { env } = t.context
  const host = await startHeld(t, ['p1', 'p2'])
  const watched = new NatsctlProcess(t, ['rollout', 'watch', '-o', 'json'], { env })
  await watched.document(({ type }) => type === 'progress', 'the first look')
  const [v0, v1] = [host.ref(PagesV1, 'p1', { version: 0 }), host.ref(PagesV2, 'p2', { version: 1 })]
  let isOver = false
  const calls = (async () => {
    while (!isOver) await Promise.all([v0.put('/a', 'a'), v0.get('/a'), v1.comment('/a', 'so true')])
  })()
  t.teardown(() => {
    isOver = true
  })
  const figures = (of: number) => watched.documents.findLast(({ type, version }) => type === 'figures' && version === of)
  await until(() => figures(0)?.callsPerSecond > 1 && figures(1)?.callsPerSecond > 1, 'figures of both versions')
  isOver = true
  await calls
  t.deepEqual(Object.keys(figures(0)), [
    ...['type', 'service', 'version', 'nodes', 'callsPerSecond', 'simulatedPerSecond'],
    ...['refusedPerSecond', 'errorsPerSecond', 'p99Ms'],
  ])
  t.like(figures(0), { service: 'pages', nodes: 2, simulatedPerSecond: 0, refusedPerSecond: 0, errorsPerSecond: 0 })
  t.like(figures(1), { service: 'pages', nodes: 0, refusedPerSecond: 0, errorsPerSecond: 0 })
  t.is(figures(1).simulatedPerSecond, figures(1).callsPerSecond)
})

test('status --watch tells the same, until every node is there if it waits', async (t) => {
  const { env } = t.context
  const host = await startHeld(t, ['p1', 'p2'])
  const json = new NatsctlProcess(t, ['rollout', 'status', '-o', 'json', '--watch', '--wait'], { env })
  const text = new NatsctlProcess(t, ['rollout', 'status', '--watch', '--timeout', '30s'], { env })
  const first = await json.document(({ type }) => type === 'progress', 'the first look')
  t.deepEqual(first, { type: 'progress', version: 1, state: 'moving', nodes: 2, there: 0 })
  await until(() => text.stdout.includes('0 of 2 nodes there'), 'the text too')
  for (const nodeId of ['p1', 'p2']) await host.operator.release(nodeId)
  const [jsonEnded, textEnded] = await Promise.all([json.ended, text.ended])
  t.deepEqual([jsonEnded.code, textEnded.code], [0, 0])
  t.like(
    json.documents.findLast(({ type }) => type === 'progress'),
    { version: 1, state: 'done', nodes: 2, there: 2 },
  )
  t.like(
    json.documents.find(({ type, phase }) => type === 'node' && phase === 'scheduled'),
    { service: 'pages', target: 1 },
  )
  t.regex(text.stdout, /^p1 pages Pages\.v1 version 0 scheduled \(to 1\): waits for the end of its hold|^p1 .* scheduled/m)
  t.regex(text.stdout, /^version 1: 2 of 2 nodes there, done$/m)
  t.notRegex(text.stdout, new RegExp(String.fromCharCode(27)))
})

test('status --watch without --wait goes on until Ctrl-C; with a time, no longer than that', async (t) => {
  const { env } = t.context
  await startHeld(t, ['p1'])
  const late = await natsctl(t, ['rollout', 'status', '--watch', '--timeout', '300ms'], { env })
  t.is(late.code, 5)
  const other = new NatsctlProcess(t, ['rollout', 'status', '--watch', '--for', '0', '-o', 'json'], { env })
  t.like(await other.document(({ type }) => type === 'progress', 'the first look'), { version: 0, state: 'done', there: 1 })
  other.child.kill('SIGINT')
  t.is((await other.ended).code, 0)
})

test('status --for blocks until every node is at that version, or the time is up', async (t) => {
  const { env } = t.context
  const host = await startHeld(t, ['p1', 'p2'])
  const late = await natsctl(t, ['rollout', 'status', '--for', '1', '--timeout', '300ms', '-o', 'json'], { env })
  t.is(late.code, 5)
  t.like(JSON.parse(late.stdout), { goal: 1, state: 'moving', there: 0 })
  t.is((await natsctl(t, ['rollout', 'status', '--for', '0', '--timeout', '300ms'], { env })).code, 0)
  const blocked = new NatsctlProcess(t, ['rollout', 'status', '--for', '1', '--timeout', '60s', '-o', 'json'], { env })
  let hasEnded = false
  void blocked.ended.then(() => {
    hasEnded = true
  })
  // It looks every 250 ms: another one that does so twice is done later.
  await natsctl(t, ['rollout', 'status', '--for', '1', '--timeout', '600ms'], { env })
  t.false(hasEnded)
  for (const nodeId of ['p1', 'p2']) await host.operator.release(nodeId)
  const ended = await blocked.ended
  t.is(ended.code, 0)
  t.like(JSON.parse(ended.stdout), { goal: 1, state: 'done', there: 2 })
})
