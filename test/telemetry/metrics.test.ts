/** The pages of a host: what is counted, under which names, and when it is ready. */
import 'reflect-metadata'
import { spawnSync } from 'node:child_process'
import { request } from 'node:http'
import test, { type ExecutionContext } from 'ava'
import { Registry } from 'prom-client'
import type { HostStatus } from '../../core/inspection/hostStatus.js'
import {
  createHost,
  draftManifest,
  eagerly,
  type HostOptions,
  isFault,
  NodeObject,
  type RunningHost,
  reasonsNotReady,
  schedule,
  startUpgradeServer,
  type Upgrade,
} from '../../index.js'
import { prometheus } from '../../telemetry/prometheus/index.js'
import { MemoryBroker, memoryDatabase, memoryRepository, memoryStore, memoryTransport } from '../../transports/memory/index.js'
import type { MemoryTransport } from '../../transports/memory/memoryTransport.js'
import { systemClock } from '../../transports/systemClock.js'
import { systemRandom } from '../../transports/systemRandom.js'
import { NotesV1, NotesV2, toV2 } from '../actors/notesClasses.js'
import { until } from '../support/eventually.js'
import { codeOf, gate } from '../support/testSystem.js'
import { readExposition } from './exposition.js'

/** On a busy machine no query is asked twice: calls are counted here. */
const settings = { queryResendMs: 60_000, callDeadlineMs: 30_000 }

let systems = 0

async function open(t: ExecutionContext, options: Partial<HostOptions> = {}) {
  const id = ++systems
  const bundles = memoryRepository()
  const host = await createHost({
    system: `metrics-${process.pid}-${id}`,
    hostId: 'h1',
    state: memoryStore(),
    bundles,
    metrics: prometheus({ port: 0 }),
    settings,
    ...options,
  })
  t.teardown(() => host.stop())
  const publish = (upgrade: Upgrade) => {
    const bundle = new TextEncoder().encode(`${id} ${upgrade.title}`)
    const manifest = draftManifest(upgrade, bundle)
    bundles.add(manifest.bundle.digest, upgrade)
    return host.publish({ manifest, bundle })
  }
  return { host, publish }
}

async function page(host: RunningHost, path: string): Promise<{ readonly code: number; readonly text: string }> {
  const response = await fetch(`${host.metricsUrl}${path}`)
  return { code: response.status, text: await response.text() }
}

/** The value of one series, whose labels are at least these; undefined if there is none. */
async function metricOf(host: RunningHost, name: string, labels: Record<string, string> = {}): Promise<number | undefined> {
  const families = readExposition((await page(host, '/metrics')).text)
  const found = families
    .flatMap(({ samples }) => samples)
    .filter((sample) => sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value))
  return found.length === 0 ? undefined : found.reduce((sum, { value }) => sum + value, 0)
}

test('calls are counted by service, class, version and outcome, those through SOs and those refused too', async (t) => {
  const { host, publish } = await open(t)
  await host.node(NotesV1, 'n1')
  const v0 = host.ref(NotesV1, 'n1', { version: 0 })
  await v0.add('a')
  await v0.all()
  // Nothing signals: the node serves version 1 by its future-SO.
  await publish(toV2({ schedule: schedule('never', (view) => view.sleep(3_600_000)) }))
  const v1 = host.ref(NotesV2, 'n1', { version: 1 })
  await v1.star(0)
  await v1.all()
  t.is(await codeOf(host.operator.call({ node: 'n1' }, 'sing', [], { version: 0 })), 'protocol.no-such-method')
  const of = (version: string, className: string) => ({ service: 'notes', class: className, version })
  t.is(await metricOf(host, 'theseus_calls_received_total', { ...of('0', 'Notes.v1'), outcome: 'answered' }), 2)
  t.is(await metricOf(host, 'theseus_calls_received_total', { ...of('1', 'Notes.v2'), outcome: 'answered' }), 2)
  t.is(await metricOf(host, 'theseus_calls_received_total', { ...of('', ''), outcome: 'protocol' }), 1)
  t.is(await metricOf(host, 'theseus_call_duration_seconds_count', of('0', 'Notes.v1')), 2)
  t.is(await metricOf(host, 'theseus_call_wait_seconds_count', of('1', 'Notes.v2')), 2)
  t.is(await metricOf(host, 'theseus_simulated_calls_total', of('1', 'Notes.v2')), 2)
  t.is(await metricOf(host, 'theseus_simulated_calls_total', of('0', 'Notes.v1')), 0)
  t.is(await metricOf(host, 'theseus_calls_made_total', { service: 'notes', outcome: 'answered' }), 4)
  t.is(await metricOf(host, 'theseus_open_calls'), 0)
})

test('an upgrade is counted, with the duration of each of its phases, and nodes by version and phase', async (t) => {
  const { host, publish } = await open(t)
  let fails = true
  const beforeTransform = () => {
    if (fails) throw new Error('no room')
  }
  const node = await host.node(NotesV1, 'n1')
  await host.node(NotesV1, 'n2')
  t.is(await metricOf(host, 'theseus_nodes', { service: 'notes', class: 'Notes.v1', version: '0', phase: 'current' }), 2)
  await publish(toV2({ beforeTransform, schedule: eagerly() }))
  await until(() => host.status().nodes.every(({ phase }) => phase === 'stalled'), 'both are stalled')
  t.is(await metricOf(host, 'theseus_upgrades_total', { service: 'notes', outcome: 'stalled' }), 2)
  t.is(await metricOf(host, 'theseus_nodes', { phase: 'stalled' }), 2)
  t.is(await metricOf(host, 'theseus_host_ready'), 1, 'stalled nodes serve')
  fails = false
  node.retry()
  await until(() => node.version === 1 && node.phase === 'current', 'n1 is upgraded')
  t.is(await metricOf(host, 'theseus_upgrades_total', { service: 'notes', outcome: 'completed' }), 1)
  t.is(await metricOf(host, 'theseus_nodes', { class: 'Notes.v2', version: '1', phase: 'current' }), 1)
  for (const phase of ['fetching', 'verifying', 'scheduled', 'draining', 'transforming', 'checking', 'flipping', 'recovering']) {
    t.true((await metricOf(host, 'theseus_upgrade_phase_duration_seconds_count', { service: 'notes', phase }))! >= 1, phase)
  }
  t.is(await metricOf(host, 'theseus_transform_duration_seconds_count', { service: 'notes' }), 3)
  t.is(await metricOf(host, 'theseus_newest_version'), 1)
})

test('waiting and held calls, commits and requests to the database are counted', async (t) => {
  const { host } = await open(t)
  const held = gate()
  t.teardown(() => held.open())
  class Slow extends NotesV1 {
    static override readonly className = 'SlowNotes.v1'
    override async addSlowly(text: string): Promise<number> {
      await held.pass()
      return this.state.notes.push(text)
    }
  }
  await host.node(Slow, 's1')
  const ref = host.ref(Slow, 's1', { version: 0 })
  const calls = [ref.addSlowly('a'), ref.add('b'), ref.add('c')]
  await until(async () => (await metricOf(host, 'theseus_mailbox_calls', { service: 'slownotes' })) === 2, 'two calls wait')
  t.is(await metricOf(host, 'theseus_mailbox_calls_max', { service: 'slownotes' }), 2)
  t.is(await metricOf(host, 'theseus_held_calls', { service: 'slownotes' }), 0)
  t.is(await metricOf(host, 'theseus_open_calls'), 3)
  held.open()
  await Promise.all(calls)
  t.true((await metricOf(host, 'theseus_commits_total', { outcome: 'succeeded' }))! >= 1)
  t.true((await metricOf(host, 'theseus_commit_writes_total'))! >= 1)
  t.true((await metricOf(host, 'theseus_database_requests_total', { outcome: 'succeeded' }))! >= 1)
  t.is(await metricOf(host, 'theseus_database_up'), 1)
  t.is(await metricOf(host, 'theseus_transport_connected'), 1)
})

test('no label tells a node, and the page keeps to the exposition format', async (t) => {
  const { host, publish } = await open(t)
  await host.node(NotesV1, 'peter-17')
  await host.ref(NotesV1, 'peter-17').add('a')
  await publish(toV2({ schedule: eagerly() }))
  await until(() => host.status().nodes.every(({ version }) => version === 1), 'it is upgraded')
  const { text } = await page(host, '/metrics')
  t.false(text.includes('peter-17'))
  const families = readExposition(text)
  t.true(families.length > 30)
  // The judge of record, where there is one; the reader above holds everywhere.
  const promtool = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' })
  if (promtool.error === undefined) t.deepEqual([promtool.status, promtool.stdout, promtool.stderr], [0, '', ''])
  else t.is((promtool.error as NodeJS.ErrnoException).code, 'ENOENT')
})

test('a reader that finds nothing wrong with anything would be of no use', (t) => {
  const counter = '# HELP a_total A.\n# TYPE a_total counter\n'
  t.is(readExposition(`${counter}a_total{x="1"} 2\n`)[0]!.samples[0]!.value, 2)
  const wrong = [
    `${counter}a_total 1`,
    `${counter}b_total 1\n`,
    `${counter}a_total 1\na_total 1\n`,
    `${counter}a_total -1\n`,
    `${counter}a_total one\n`,
    `${counter}a_total{x=1} 1\n`,
    `${counter}a_total{x="1",x="2"} 1\n`,
    '# TYPE a_total counter\na_total 1\n',
    '# HELP a A.\n# TYPE a counter\na 1\n',
    '# HELP a_ms A.\n# TYPE a_ms gauge\na_ms 1\n',
    '# HELP h H.\n# TYPE h histogram\nh_bucket{le="1"} 2\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n',
    '# HELP h H.\n# TYPE h histogram\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 2\n',
  ]
  for (const text of wrong) t.throws(() => readExposition(text), undefined, text)
})

test('/healthz says that the process lives, /readyz that its nodes serve, and both stop with the host', async (t) => {
  const { host } = await open(t)
  await host.node(NotesV1, 'n1')
  const health = await page(host, '/healthz')
  t.is(health.code, 200)
  t.deepEqual(JSON.parse(health.text), { status: 'ok', system: host.system, host: 'h1' })
  const ready = await page(host, '/readyz')
  t.is(ready.code, 200)
  t.like(JSON.parse(ready.text), {
    status: 'ready',
    reasons: [],
    transport: 'connected',
    nodes: [{ id: 'n1', isServing: true }],
  })
  t.is((await page(host, '/nowhere')).code, 404)
  t.is((await fetch(`${host.metricsUrl}/metrics`, { method: 'POST' })).status, 405)
  t.true(host.metricsUrl!.startsWith('http://127.0.0.1:'))
  await host.stop()
  await t.throwsAsync(fetch(`${host.metricsUrl}/healthz`))
})

test('/readyz says no, and why, while a node starts and while the connection is away', async (t) => {
  const starting = gate()
  class Late extends NodeObject<object> {
    static override readonly className = 'Late.v1'
    static override initial() {
      return {}
    }
    override start(): Promise<void> {
      return starting.pass()
    }
  }
  const broker = new MemoryBroker({ clock: systemClock, random: systemRandom })
  let transport!: MemoryTransport
  const system = `ready-${process.pid}`
  const udb = memoryDatabase()
  const server = await startUpgradeServer({ system, transport: { connect: async () => memoryTransport(broker) }, udb })
  t.teardown(() => server.stop())
  const { host } = await open(t, {
    system,
    transport: { connect: async (options) => (transport = memoryTransport(broker, options)) },
    udb,
  })
  const node = host.node(Late, 'l1')
  const reasons = async () => {
    const { code, text } = await page(host, '/readyz')
    t.is(code, JSON.parse(text).reasons.length === 0 ? 200 : 503)
    return JSON.parse(text).reasons
  }
  t.deepEqual(await reasons(), ['node l1 is starting'])
  starting.open()
  await node
  t.deepEqual(await reasons(), [])
  transport.disconnect()
  t.deepEqual(await reasons(), ['the transport is disconnected'])
  t.is(await metricOf(host, 'theseus_transport_connected'), 0)
  t.is(await metricOf(host, 'theseus_transport_disconnects_total'), 1)
  t.is((await page(host, '/healthz')).code, 200, 'the process lives')
  transport.reconnect()
  t.deepEqual(await reasons(), [])
})

test('calls of a version that a node does not know yet are held calls too', async (t) => {
  const broker = new MemoryBroker({ clock: systemClock, random: systemRandom })
  const reach = {
    system: `fetching-${process.pid}`,
    transport: { connect: async () => memoryTransport(broker) },
    udb: memoryDatabase(),
  }
  // The clock's timers keep no process alive.
  const alive = setInterval(() => {}, 1_000)
  t.teardown(() => clearInterval(alive))
  const server = await startUpgradeServer(reach)
  // The refusal has a quarter of the deadline to arrive in.
  const { host } = await open(t, { ...reach, settings: { ...settings, heldAnswerMs: 1_000 } })
  await host.node(NotesV1, 'n1')
  // Nobody can tell the node what version 1 is.
  await server.stop()
  const call = host.ref(NotesV2, 'n1', { version: 1, deadline: '4s' }).add('a')
  const failed = codeOf(call)
  await until(async () => (await metricOf(host, 'theseus_held_calls', { service: 'notes' })) === 1, 'the call is held')
  t.is(await metricOf(host, 'theseus_mailbox_calls', { service: 'notes' }), 0)
  t.is(await failed, 'unavailable.fetching')
  t.is(await metricOf(host, 'theseus_held_calls', { service: 'notes' }), 0)
})

test('a host is ready while its nodes upgrade by plan or are stalled, and not with one that has failed or does not serve', (t) => {
  const node = {
    id: 'n1',
    service: 's',
    className: 'S.v1',
    version: 0,
    target: 1,
    reason: null,
    waiting: 0,
    fetching: 0,
    answered: 0,
    failed: 0,
    expired: 0,
    records: null,
  }
  const status = (phase: HostStatus['nodes'][number]['phase'], isServing: boolean): HostStatus => ({
    hostId: 'h',
    system: 's',
    isStopped: false,
    transport: 'connected',
    refused: [],
    newestVersion: 1,
    openCalls: 0,
    starting: [],
    nodes: [{ ...node, phase, isServing }],
  })
  t.deepEqual(reasonsNotReady(status('current', true)), [])
  t.deepEqual(reasonsNotReady(status('stalled', true)), [])
  for (const phase of ['draining', 'transforming', 'checking', 'flipping', 'recovering'] as const)
    t.deepEqual(reasonsNotReady(status(phase, false)), [])
  t.deepEqual(reasonsNotReady(status('current', false)), ['node n1 does not serve'])
  t.is(reasonsNotReady(status('failed', false)).length, 1)
})

test('a scrape looks at the nodes once, however many metrics are about them', async (t) => {
  let asked = 0
  const metrics = prometheus({ port: 0 }).open({ system: 's', hostId: 'h' })
  const status: HostStatus = {
    ...{ hostId: 'h', system: 's', isStopped: false, transport: 'connected', refused: [], newestVersion: 0, openCalls: 0 },
    ...{ starting: [], nodes: [] },
  }
  const server = await metrics.serve(() => {
    asked++
    return status
  })
  t.teardown(() => server.close())
  for (const scrapes of [1, 2]) {
    readExposition(await (await fetch(`${server.url}/metrics`)).text())
    t.is(asked, scrapes)
  }
})

test('a page under a name of its own, or of another site, is answered by none of the pages; names that are said are', async (t) => {
  const { host } = await open(t, { metrics: prometheus({ port: 0, hosts: ['metrics.example.com'] }) })
  const { port } = new URL(host.metricsUrl!)
  const status = (path: string, headers: Record<string, string>) =>
    new Promise<number | undefined>((resolve, reject) => {
      request({ port, host: '127.0.0.1', path, headers }, (response) => {
        response.resume()
        resolve(response.statusCode)
      })
        .on('error', reject)
        .end()
    })
  for (const path of ['/metrics', '/healthz', '/readyz', '/']) {
    t.is(await status(path, { host: 'attacker.example' }), 421, path)
    t.is(await status(path, { host: `127.0.0.1:${port}`, origin: 'http://attacker.example' }), 403, path)
  }
  t.is(await status('/healthz', { host: 'metrics.example.com:9464' }), 200)
  t.is(await status('/healthz', { host: 'localhost' }), 200)
})

test('a port that is taken is one fault that names it, and the host is not started', async (t) => {
  const { host } = await open(t)
  const { port } = new URL(host.metricsUrl!)
  const error = await t.throwsAsync(open(t, { metrics: prometheus({ port: Number(port) }) }))
  t.true(isFault(error) && error.code === 'config.invalid' && error.message.includes(`127.0.0.1:${port}`))
})

test('the metrics can be kept with a user’s own', async (t) => {
  const registry = new Registry()
  const { host } = await open(t, { metrics: prometheus({ port: 0, registry }) })
  t.true((await registry.metrics()).includes('theseus_host_info{host="h1"} 1'))
  t.false((await page(host, '/metrics')).text.includes('process_cpu'), 'the process is the user’s affair')
})
