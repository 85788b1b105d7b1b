/** `natsctl inspect` as a process, on a running system over real servers. */
import { existsSync, readFileSync } from 'node:fs'
import { get } from 'node:http'
import { join } from 'node:path'
import { createWebSocketReceiver, type StatelyInspectionEvent } from '@statelyai/inspect'
import anyTest, { type ExecutionContext, type TestFn } from 'ava'
import type { Browser } from 'playwright-core'
import type { RunningHost } from 'theseus-actors'
import { nats } from 'theseus-actors/nats'
import { WebSocket } from 'ws'
import type { RecordingEntry } from '../../natsctl/inspect/recordingEntry.js'
import { PagesV1 } from '../../samples/02-pages-comments/pages.v1.js'
import { openPage, startBrowser } from '../support/browser.js'
import { until } from '../support/eventually.js'
import { startNatsServer } from '../support/servers.js'
import { NatsctlProcess, natsctl, newDirectory, type ProcessResult, root } from './natsctlProcess.js'
import { type SystemOfTest, startPages, systemsOf } from './natsctlSystem.js'

const test = anyTest as TestFn<SystemOfTest>
const upgrade = join(root, 'samples/02-pages-comments/upgrades/1-comments.ts')
const nextSystem = systemsOf('i')
let browser: Browser

test.before(async () => {
  browser = await startBrowser()
})

test.after.always(async () => {
  await browser?.close()
})

test.beforeEach((t) => {
  t.context = nextSystem()
})

async function startSystem(t: ExecutionContext<SystemOfTest>, nodes: readonly string[]): Promise<RunningHost> {
  return (await startPages(t, t.context, nodes)).host
}

async function publish(t: ExecutionContext<SystemOfTest>): Promise<void> {
  const file = join(newDirectory(t), '1.upgrade')
  const run = (...args: readonly string[]): Promise<ProcessResult> => natsctl(t, args, { env: t.context.env })
  t.is((await run('upgrade', 'build', upgrade, '-O', file)).code, 0)
  t.is((await run('upgrade', 'publish', file)).code, 0)
  t.is((await run('rollout', 'status', '--timeout', '30s')).code, 0)
}

async function inspect(t: ExecutionContext<SystemOfTest>, ...args: readonly string[]) {
  const process = new NatsctlProcess(t, ['inspect', '-o', 'json', ...args], { env: t.context.env })
  const { url, stately } = await process.document(({ type }) => type === 'inspect', 'the page is served')
  return { process, url: url as string, stately: stately as string | null }
}

/** Each once, though a node that waits says more than once why. */
function phasesOf(seen: readonly RecordingEntry[], nodeId: string): readonly string[] {
  const all = seen.flatMap((entry) => (entry.type === 'phase' && entry.nodeId === nodeId ? [entry.phase] : []))
  return all.filter((phase, i) => phase !== all[i - 1])
}

/** Everything that a path streams, as it comes. */
function streamed(t: ExecutionContext, url: string): RecordingEntry[] {
  const entries: RecordingEntry[] = []
  let text = ''
  const request = get(url, (response) => {
    response.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
      const whole = text.lastIndexOf('\n\n')
      if (whole < 0) return
      for (const event of text.slice(0, whole).split('\n\n')) {
        if (event.startsWith('event: entries')) entries.push(...JSON.parse(event.slice(event.indexOf('data: ') + 6)))
      }
      text = text.slice(whole + 2)
    })
  })
  request.on('error', () => {})
  t.teardown(() => request.destroy())
  return entries
}

test('a rollout is seen as it happens, recorded, and opened again from the file', async (t) => {
  const host = await startSystem(t, ['p1', 'p2', 'p3'])
  const file = join(newDirectory(t), 'rollout.ndjson')
  const { process, url } = await inspect(t, '--record', file)
  t.regex(url, /^http:\/\/127\.0\.0\.1:\d+\/[\w-]{22}\/$/)
  const seen = streamed(t, `${url}rollout`)
  const statechart = streamed(t, `${url}statechart?node=p2`)
  await until(() => seen.filter(({ type }) => type === 'node').length === 3, 'the nodes are seen')
  await host.ref(PagesV1, 'p2').put('/home', 'hello')
  await publish(t)
  await until(() => seen.some((entry) => entry.type === 'node' && entry.nodeId === 'p2' && entry.version === 1), 'p2 is there')
  await until(() => seen.some(({ type }) => type === 'version'), 'the upgrade is named')
  const last = (entry: RecordingEntry) =>
    entry.type === 'statechart' &&
    entry.event.type === '@xstate.snapshot' &&
    'context' in entry.event.snapshot &&
    entry.event.snapshot.status === 'done'
  await until(() => statechart.some(last), 'its statechart ends')
  t.true(statechart.every((entry) => entry.type === 'statechart' && entry.nodeId === 'p2'))
  t.deepEqual(phasesOf(seen, 'p2'), [
    'current',
    'fetching',
    'verifying',
    'scheduled',
    'draining',
    'transforming',
    'checking',
    'flipping',
    'recovering',
    'current',
  ])
  const chain = seen.findLast((entry) => entry.type === 'node' && entry.nodeId === 'p2')
  t.deepEqual(chain?.type === 'node' && chain.chain.map(({ version, role }) => [version, role]), [
    [0, 'alias'],
    [1, 'object'],
  ])
  t.deepEqual(chain?.type === 'node' && chain.calls, [[0, 1]])

  await until(() => ['p1', 'p2', 'p3'].every((nodeId) => phasesOf(seen, nodeId).length === 10), 'all phases are seen')
  process.child.kill('SIGINT')
  const { code, stderr } = await process.ended
  t.is(code, 0, stderr)
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
  t.like(JSON.parse(lines[0]!), { format: 'theseus-inspection/1', system: t.context.system })
  t.true(lines.length > 200)

  const again = await inspect(t, '--open', file)
  const replayed = streamed(t, `${again.url}rollout`)
  const count = (entries: readonly RecordingEntry[]) => entries.filter(({ type }) => type === 'phase').length
  await until(() => count(replayed) === count(seen), 'the phases are there again')
  const { page, problems } = await openPage(browser, `${again.url}#node=p2`)
  await page.waitForSelector('.chart [data-state="upgrade.current"].active')
  t.is(await page.locator('#state').textContent(), 'version 1: 3 of 3 nodes there')
  t.is(await page.locator('#connection').textContent(), 'recording')
  await page.locator('.event').nth(20).waitFor()
  t.deepEqual(problems, [])
  await page.context().close()
})

test('whoever comes afterwards finds the phases of the rollout', async (t) => {
  await startSystem(t, ['p1', 'p2'])
  await publish(t)
  const { url } = await inspect(t)
  const seen = streamed(t, `${url}rollout`)
  await until(() => seen.filter((entry) => entry.type === 'phase' && entry.target === 1).length >= 16, 'the phases are seen')
  const { page, problems } = await openPage(browser, url)
  await page.getByText('version 1: 2 of 2 nodes there').first().waitFor()
  await page.getByText('Nobody looked while it upgraded').waitFor()
  t.deepEqual(problems, [])
  await page.context().close()
})

test('a node that waits says why', async (t) => {
  await startSystem(t, ['p1'])
  const { env } = t.context
  t.is((await natsctl(t, ['node', 'hold', 'p1', '--reason', 'lunch'], { env })).code, 0)
  const { url } = await inspect(t)
  const file = join(newDirectory(t), '1.upgrade')
  t.is((await natsctl(t, ['upgrade', 'build', upgrade, '-O', file], { env })).code, 0)
  t.is((await natsctl(t, ['upgrade', 'publish', file], { env })).code, 0)
  const { page } = await openPage(browser, url)
  await page.getByText('scheduled on its way to version 1: waits for the end of its hold: lunch').waitFor()
  t.truthy(await page.waitForSelector('.chart [data-state="upgrade.scheduled.claiming"].active'))
  await page.context().close()
})

test('Stately’s own client hears the upgrade managers, in its own protocol', async (t) => {
  await startSystem(t, ['p1'])
  const { url, stately } = await inspect(t, '--stately')
  t.is(stately, `${url.replace('http', 'ws')}stately`)
  const seen = streamed(t, `${url}rollout`)
  await until(() => seen.some(({ type }) => type === 'node'), 'the node is seen')
  const events: StatelyInspectionEvent[] = []
  const { subscribe } = createWebSocketReceiver({ server: stately! })
  const subscription = subscribe((event) => void events.push(event))
  t.teardown(() => subscription.unsubscribe())
  await publish(t)
  const ended = (event: StatelyInspectionEvent) => event.type === '@xstate.snapshot' && event.snapshot.status === 'done'
  const root = await until(
    () => events.find((event) => event.type === '@xstate.actor' && event.parentId === undefined),
    'an actor',
  )
  await until(() => events.some((event) => ended(event) && event.sessionId === root!.sessionId), 'its end')
  t.like(root, { name: 'p1 to version 1', _version: '0.7.2', rootId: root!.sessionId })
  const definition = JSON.parse((root as { definition: string }).definition)
  t.is(definition.initial, 'boot')
  t.deepEqual(Object.keys(definition.states.scheduled.states), ['deciding', 'claiming', 'pausing'])
  t.is(definition.states.draining.on['xstate.done.actor.0.upgrade.draining'][0].target, '#upgrade.transforming')
  const child = events.find((event) => event.type === '@xstate.actor' && event.parentId === root!.sessionId)
  t.truthy(child)
  const values = events.flatMap((event) =>
    event.type === '@xstate.snapshot' && event.sessionId === root!.sessionId
      ? [(event.snapshot as { value?: unknown }).value]
      : [],
  )
  t.deepEqual(values.slice(-4), ['checking', 'flipping', { recovering: 'starting' }, 'current'])
  t.true(events.every(({ createdAt }) => Number(createdAt) > 0))
})

test('a later client of Stately’s is told what has been', async (t) => {
  await startSystem(t, ['p1'])
  const { url, stately } = await inspect(t, '--stately')
  const statechart = streamed(t, `${url}statechart?node=p1`)
  const seen = streamed(t, `${url}rollout`)
  await until(() => seen.some(({ type }) => type === 'node'), 'the node is seen')
  await publish(t)
  await until(() => statechart.length > 60, 'the statechart is seen')
  const events: StatelyInspectionEvent[] = []
  const { subscribe } = createWebSocketReceiver({ server: stately! })
  subscribe((event) => void events.push(event))
  await until(() => events.length > 30, 'it is told')
  t.is(events[0]!.type, '@xstate.actor')
})

test('nobody gets in without the token, and nothing but the page is served', async (t) => {
  await startSystem(t, [])
  const { url, stately } = await inspect(t, '--stately')
  const { origin } = new URL(url)
  for (const path of ['/', '/header', `/${'x'.repeat(22)}/`, `/${'x'.repeat(22)}/header`])
    t.is((await fetch(origin + path)).status, 404, path)
  for (const path of ['pageServer.js', '../pageServer.js', '..%2fpageServer.js', 'main.js.map', 'main.ts', 'index.html', 'x'])
    t.is((await fetch(url + path)).status, 404, path)
  t.is((await fetch(url, { method: 'POST' })).status, 405)
  const page = await fetch(url)
  t.is(page.status, 200)
  const policy = page.headers.get('content-security-policy')!
  t.true(policy.startsWith("default-src 'none'; script-src 'self'"))
  t.false(policy.includes('unsafe'))
  t.is(page.headers.get('referrer-policy'), 'no-referrer')
  const statelyPage = await fetch(`${url}stately.html`)
  t.true(statelyPage.headers.get('content-security-policy')!.includes('frame-src https://stately.ai;'))
  const refused = new WebSocket(stately!.replace(/\/[\w-]{22}\//, `/${'x'.repeat(22)}/`))
  const error = await new Promise<Error>((resolve) => refused.once('error', resolve))
  t.regex(error.message, /404/)
})

test('NATS goes away and comes back, and so does what is seen', async (t) => {
  const own = await startNatsServer()
  t.teardown(() => own.stop())
  const ways = { ...t.context.ways, transport: nats(own.url) }
  Object.assign(t.context, { ways, env: { ...t.context.env, NATS_URL: own.url } })
  await startSystem(t, ['p1'])
  const { url } = await inspect(t)
  const seen = streamed(t, `${url}rollout`)
  await until(() => seen.some(({ type }) => type === 'node'), 'the node is seen')
  await own.restart()
  await publish(t)
  const isThere = (entry: RecordingEntry) => entry.type === 'node' && entry.version === 1
  await until(() => seen.some(isThere), 'the rollout is seen')
  const phases = () => seen.flatMap((entry) => (entry.type === 'phase' ? [entry.phase] : []))
  await until(() => phases().at(-1) === 'current' && phases().length >= 10, 'its phases are seen')
  t.is(new Set(seen.flatMap((entry) => (entry.type === 'phase' ? [entry.n] : []))).size, phases().length)
})

test('what can’t be is one line, with the exit code of the table', async (t) => {
  const { env } = t.context
  const file = join(newDirectory(t), 'missing')
  const run = (...args: readonly string[]) => natsctl(t, ['inspect', ...args], { env })
  const missing = await run('--open', file)
  t.deepEqual([missing.code, missing.stderr], [1, `error: can't read ${file}: there is no such file\n`])
  t.false(existsSync(file))
  const wrongPort = await run('--port', '70000')
  t.is(wrongPort.code, 2)
  const both = await run('--open', file, '--record', file)
  t.is(both.code, 2)
  const taken = new URL((await inspect(t)).url).port
  const second = await run('--port', taken)
  t.deepEqual([second.code, second.stderr], [1, `error: can't listen: port ${taken} is taken: choose another with --port\n`])
})
