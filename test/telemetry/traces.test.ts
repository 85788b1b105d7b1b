/**
 * One trace over two processes: who calls whom, at which versions, through how many simulation objects, and
 * how an upgrade went.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import test, { type ExecutionContext } from 'ava'
import { command, createHost, NodeObject, type RunningHost, startUpgradeServer } from 'theseus-actors'
import { buildUpgrade } from 'theseus-actors/build'
import { memoryStore } from 'theseus-actors/memory'
import { nats } from 'theseus-actors/nats'
import { redis } from 'theseus-actors/redis'
import { openTelemetry } from 'theseus-actors/telemetry'
import { PagesV1 } from '../../samples/02-pages-comments/pages.v1.js'
import { PagesV2 } from '../../samples/02-pages-comments/pages.v2.js'
import { until } from '../support/eventually.js'
import { startNatsServer, startRedisServer } from '../support/servers.js'
import { recordSpans, type SeenSpan, seenSpans } from './spans.js'

recordSpans()

/** On a busy machine no query is asked twice: calls are counted here. */
const settings = { queryResendMs: 60_000, callDeadlineMs: 30_000 }

const waitsForHold = 'waits for the end of its hold: to be watched'

/** Its method calls the other process, before and after a pause. */
class Front extends NodeObject<{ shown: number }> {
  static override readonly className = 'Front.v1'
  static override readonly calls = [PagesV1]
  static override initial() {
    return { shown: 0 }
  }
  @command async show(url: string): Promise<string | null> {
    const pages = this.ref(PagesV1, 'p1')
    await pages.put(url, '<p>')
    this.state.shown++
    return await pages.get(url)
  }
}

interface World {
  readonly host: RunningHost
  /** The spans of both processes. */
  spans(): Promise<readonly SeenSpan[]>
}

async function open(t: ExecutionContext): Promise<World> {
  const [natsServer, redisServer] = await Promise.all([startNatsServer(), startRedisServer()])
  const directory = await mkdtemp(join(tmpdir(), 'theseus-traces-'))
  const system = `traces-${process.pid}`
  const ways = { system, transport: nats(natsServer.url), udb: redis(redisServer.url) }
  const server = await startUpgradeServer(ways)
  const bundles = join(directory, 'near')
  const host = await createHost({ ...ways, hostId: 'near', state: memoryStore(), bundles, settings, telemetry: openTelemetry() })
  const order = { system, natsUrl: natsServer.url, redisUrl: redisServer.url, directory: join(directory, 'far') }
  const far = fork(fileURLToPath(new URL('tracedHost.js', import.meta.url)), {
    env: { ...process.env, HOST_ORDER: JSON.stringify(order) },
  })
  t.teardown(async () => {
    far.disconnect()
    await once(far, 'exit')
    await host.stop()
    await server.stop()
    await Promise.all([natsServer.stop(), redisServer.stop()])
    await rm(directory, { recursive: true, force: true })
  })
  await once(far, 'message')
  return { host, spans: async () => [...seenSpans(), ...(await farSpans(far))] }
}

async function farSpans(far: ChildProcess): Promise<readonly SeenSpan[]> {
  const answer = once(far, 'message')
  far.send('spans')
  return ((await answer) as [SeenSpan[]])[0]
}

test('a trace follows a call through two processes, an SO hop and the upgrade of the node', async (t) => {
  const { host, spans } = await open(t)
  const find = async (name: string, kind: SpanKind, of: (span: SeenSpan) => boolean = () => true): Promise<SeenSpan> => {
    const found = await until(
      async () => (await spans()).find((span) => span.name === name && span.kind === kind && of(span)),
      `there is a span ${name} of kind ${kind}`,
    )
    return found!
  }
  await host.node(Front, 'f1')

  // Nested calls.
  const page = await trace.getTracer('test').startActiveSpan('the browser', async (span) => {
    const shown = await host.ref(Front, 'f1').show('/a')
    span.end()
    return shown
  })
  t.is(page, '<p>')
  const browser = await find('the browser', SpanKind.INTERNAL)
  const inTrace = (span: SeenSpan) => span.traceId === browser.traceId
  const clientShow = await find('front/show', SpanKind.CLIENT, inTrace)
  const serverShow = await find('front/show', SpanKind.SERVER, inTrace)
  t.is(clientShow.parentId, browser.spanId)
  t.is(serverShow.parentId, clientShow.spanId)
  for (const method of ['put', 'get']) {
    const client = await find(`pages/${method}`, SpanKind.CLIENT, inTrace)
    const server = await find(`pages/${method}`, SpanKind.SERVER, inTrace)
    t.is(client.parentId, serverShow.spanId, `${method} is called by the method of the node`)
    t.is(server.parentId, client.spanId)
    t.like(client.attributes, {
      'rpc.system': 'theseus',
      'rpc.service': 'pages',
      'rpc.method': method,
      'theseus.service': 'pages',
      'theseus.label': 0,
      'theseus.caller.version': 0,
      'theseus.caller.node': 'f1',
      'theseus.caller.class': 'Front.v1',
      'theseus.callee.version': 0,
      'theseus.callee.node': 'p1',
      'theseus.hops': 0,
    })
    t.like(server.attributes, {
      'rpc.service': 'pages',
      'theseus.node': 'p1',
      'theseus.service': 'pages',
      'theseus.class': 'Pages.v1',
      'theseus.role': 'object',
      'theseus.caller.version': 0,
      'theseus.callee.version': 0,
      'theseus.hops': 0,
    })
    t.is(typeof server.attributes['theseus.mailbox.waited_ms'], 'number')
  }

  // A caller of the next version, while the node is still at the one before.
  await host.operator.hold('p1', 'to be watched')
  const source = new URL('../../samples/02-pages-comments/upgrades/1-comments.js', import.meta.url)
  t.is(await host.publish(await buildUpgrade(source)), 1)
  t.is(await host.ref(PagesV2, 'p1', { version: 1, deadline: '20s' }).comment('/a', 'nice'), 1)
  const ahead = await find('pages/comment', SpanKind.CLIENT)
  const behind = await find('pages/comment', SpanKind.SERVER)
  const hop = await find('futureSO Pages.v2/comment', SpanKind.INTERNAL)
  t.like(ahead.attributes, { 'theseus.caller.version': 1, 'theseus.callee.version': 0, 'theseus.label': 1, 'theseus.hops': 1 })
  t.like(behind.attributes, {
    'theseus.caller.version': 1,
    'theseus.callee.version': 0,
    'theseus.role': 'futureSO',
    'theseus.hops': 1,
  })
  t.is(behind.parentId, ahead.spanId)
  t.is(hop.parentId, behind.spanId)
  t.is(hop.traceId, ahead.traceId)

  // The upgrade, and what held it.
  const isHeld = async () => (await host.operator.database.nodes('pages'))[0]?.reason === waitsForHold
  await until(isHeld, 'the node waits for the end of its hold')
  await host.operator.release('p1')
  const upgrade = await find('upgrade pages to version 1', SpanKind.INTERNAL)
  t.is(upgrade.parentId, undefined)
  t.is(upgrade.status.code, SpanStatusCode.OK)
  t.like(upgrade.attributes, {
    'theseus.node': 'p1',
    'theseus.service': 'pages',
    'theseus.class': 'Pages.v1',
    'theseus.version': 0,
    'theseus.upgrade': 1,
    'theseus.outcome': 'current',
  })
  t.deepEqual(upgrade.events, ['flipped'])
  const phases = (await spans()).filter(({ parentId }) => parentId === upgrade.spanId)
  t.deepEqual(
    phases.map(({ name }) => name),
    ['fetching', 'verifying', 'scheduled', 'draining', 'transforming', 'checking', 'flipping', 'recovering'].map(
      (phase) => `upgrade ${phase}`,
    ),
  )
  t.true(phases.find(({ name }) => name === 'upgrade scheduled')!.events.includes(waitsForHold))
})
