/**
 * Telemetry on one embedded system: nested calls, links of sends and events, faults, stalled upgrades, and
 * trace context that is only passed on.
 */
import 'reflect-metadata'
import { type Context, createTraceState, SpanKind, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api'
import { BasicTracerProvider, SamplingDecision } from '@opentelemetry/sdk-trace-base'
import test, { type ExecutionContext } from 'ava'
import { type CallMade, type CallReceived, type Telemetry, upgradeServerName } from '../../core/inspection/telemetry.js'
import { traceLengthMax, tracestateLengthMax } from '../../core/wire/envelope.js'
import { traceContext } from '../../core/wire/traceContext.js'
import {
  command,
  createHost,
  draftManifest,
  event,
  type HostOptions,
  hears,
  NodeObject,
  query,
  type Upgrade,
} from '../../index.js'
import { openTelemetry } from '../../telemetry/openTelemetry/index.js'
import { memoryRepository, memoryStore } from '../../transports/memory/index.js'
import { NotesV1, toV2 } from '../actors/notesClasses.js'
import { until } from '../support/eventually.js'
import { codeOf } from '../support/testSystem.js'
import { recordSpans, type SeenSpan, seenSpans } from './spans.js'

// No context manager: the parent of a nested call is the running call, and nothing else.
recordSpans({ contexts: false })

const rang = event<[string]>('rang')

class Ear extends NodeObject<{ heard: string[] }> {
  static override readonly className: string = 'Ear.v1'
  static override initial() {
    return { heard: [] as string[] }
  }
  @command note(what: string): void {
    this.state.heard.push(what)
  }
  @hears(rang) ringing(where: string): void {
    this.state.heard.push(where)
  }
  @query async count(): Promise<number> {
    return this.state.heard.length
  }
}

class Bell extends NodeObject<{ rings: number }> {
  static override readonly className: string = 'Bell.v1'
  static override readonly publishes = [rang]
  static override readonly calls = [Ear]
  static override initial() {
    return { rings: 0 }
  }
  @command ring(where: string): number {
    this.publish(rang, where)
    return ++this.state.rings
  }
  @command wake(ear: string): void {
    this.sender(Ear, ear).note('woken')
  }
  @command async askTwice(ear: string): Promise<number> {
    const asked = this.ref(Ear, ear)
    return (await asked.count()) + (await asked.count())
  }
  @command ringLater(): void {
    this.after(1, 'ring', ['the tower'])
  }
  @query fail(): void {
    throw new Error('no clapper')
  }
}

/** On a busy machine no query is asked twice: calls are counted here. */
const settings = { queryResendMs: 60_000, callDeadlineMs: 30_000 }

let systems = 0

async function open(t: ExecutionContext, options: Partial<HostOptions> = { telemetry: openTelemetry() }) {
  const id = ++systems
  const bundles = memoryRepository()
  const host = await createHost({ system: `telemetry-${process.pid}-${id}`, state: memoryStore(), bundles, settings, ...options })
  t.teardown(() => host.stop())
  const [bell, ear] = [`bell${id}`, `ear${id}`]
  const publish = (upgrade: Upgrade) => {
    const bundle = new TextEncoder().encode(`${id} ${upgrade.title}`)
    const manifest = draftManifest(upgrade, bundle)
    bundles.add(manifest.bundle.digest, upgrade)
    return host.publish({ manifest, bundle })
  }
  const find = async (name: string, kind: SpanKind, node: string): Promise<SeenSpan> => {
    const isIt = (span: SeenSpan) =>
      span.name === name &&
      span.kind === kind &&
      (span.attributes['theseus.node'] ?? span.attributes['theseus.caller.node']) === node
    return (await until(() => seenSpans().find(isIt), `there is a span ${name} of kind ${kind} at ${node}`))!
  }
  return { host, bell, ear, publish, find }
}

test('the calls that a method makes are its children, after an await too, without a context manager', async (t) => {
  const { host, bell, ear, find } = await open(t)
  await host.node(Ear, ear)
  await host.node(Bell, bell)
  t.is(await host.ref(Bell, bell).askTwice(ear), 0)
  const server = await find('bell/askTwice', SpanKind.SERVER, bell)
  const nested = seenSpans().filter(({ name, parentId }) => name === 'ear/count' && parentId === server.spanId)
  t.is(nested.length, 2)
  for (const { traceId, kind } of nested) t.deepEqual([traceId, kind], [server.traceId, SpanKind.CLIENT])
})

test('a send is a PRODUCER span, and its receiver begins a trace that links to it', async (t) => {
  const { host, bell, ear, find } = await open(t)
  await host.node(Ear, ear)
  await host.node(Bell, bell)
  await host.ref(Bell, bell).wake(ear)
  const server = await find('bell/wake', SpanKind.SERVER, bell)
  const producer = await find('ear/note', SpanKind.PRODUCER, bell)
  const consumer = await find('ear/note', SpanKind.CONSUMER, ear)
  t.is(producer.parentId, server.spanId)
  t.deepEqual(consumer.links, [producer.spanId])
  t.is(consumer.parentId, undefined)
  t.not(consumer.traceId, producer.traceId)
})

test('an event is a PRODUCER span that every hearer links to', async (t) => {
  const { host, bell, ear, find } = await open(t)
  await host.node(Ear, ear)
  await host.node(Ear, `${ear}b`)
  await host.node(Bell, bell)
  await host.ref(Bell, bell).ring('the tower')
  const producer = await find('publish rang', SpanKind.PRODUCER, bell)
  for (const node of [ear, `${ear}b`]) {
    const consumer = await find('ear/rang', SpanKind.CONSUMER, node)
    t.deepEqual(consumer.links, [producer.spanId])
  }
  t.like(producer.attributes, { 'messaging.system': 'theseus', 'theseus.caller.version': 0 })
})

test("a timer's call is a span of the object's own", async (t) => {
  const { host, bell, find } = await open(t)
  await host.node(Bell, bell)
  await host.ref(Bell, bell).ringLater()
  const timed = await find('bell/ring', SpanKind.INTERNAL, bell)
  t.is(timed.parentId, undefined)
})

test('a fault ends both spans of its call with its code; a call that no method answers has a SERVER span too', async (t) => {
  const { host, bell, find } = await open(t)
  await host.node(Bell, bell)
  t.is(await codeOf(host.ref(Bell, bell).fail()), 'application.error')
  for (const kind of [SpanKind.CLIENT, SpanKind.SERVER]) {
    const node = kind === SpanKind.SERVER ? bell : host.id
    const span = await find('bell/fail', kind, node)
    t.deepEqual(span.status, { code: SpanStatusCode.ERROR, message: 'no clapper' })
    t.is(span.attributes['error.type'], 'application.error')
    t.is(span.attributes['theseus.callee.version'], 0)
  }
  await codeOf(host.operator.call({ node: bell }, 'peal', [], { version: 0 }))
  const refused = await find('bell/peal', SpanKind.SERVER, bell)
  t.is(refused.attributes['error.type'], 'protocol.no-such-method')
})

test('an upgrade that stalls ends its span and its phase badly, with the reason; the retry is a span of its own', async (t) => {
  const { host, publish, find } = await open(t)
  const id = `notes${systems}`
  const node = await host.node(NotesV1, id)
  let fails = true
  const beforeTransform = () => {
    if (fails) throw new Error('no room')
  }
  await publish(toV2({ beforeTransform }))
  await t.throwsAsync(node.reached(1))
  const stalled = await find('upgrade notes to version 1', SpanKind.INTERNAL, id)
  t.is(stalled.status.code, SpanStatusCode.ERROR)
  t.regex(stalled.status.message!, /stalled: .*no room/)
  t.is(stalled.attributes['theseus.outcome'], 'stalled')
  const phases = seenSpans().filter(({ parentId }) => parentId === stalled.spanId)
  t.deepEqual(
    phases.filter(({ status }) => status.code === SpanStatusCode.ERROR).map(({ name }) => name),
    ['upgrade transforming'],
  )
  fails = false
  node.retry()
  await until(() => node.version === 1 && node.phase === 'current', 'the node is upgraded')
  const outcomes = seenSpans().filter(
    ({ name, attributes }) =>
      name === stalled.name && attributes['theseus.node'] === id && attributes['theseus.outcome'] === 'current',
  )
  t.is(outcomes.length, 1)
})

test('a host without telemetry passes on the trace context that it was given', async (t) => {
  const { host, bell, ear } = await open(t, {})
  await host.node(Ear, ear)
  await host.node(Bell, bell)
  const traced = await createHost({ system: host.system, state: memoryStore(), settings, telemetry: openTelemetry() })
  t.teardown(() => traced.stop())
  // The ear lives where there is telemetry, the bell between them where there is none.
  await traced.node(Ear, `${ear}b`)
  await traced.ref(Bell, bell).askTwice(`${ear}b`)
  const spans = seenSpans()
  const client = spans.find((span) => span.name === 'bell/askTwice' && span.attributes['theseus.callee.node'] === bell)!
  const servers = spans.filter((span) => span.name === 'ear/count' && span.attributes['theseus.node'] === `${ear}b`)
  t.is(servers.length, 2)
  for (const server of servers) t.deepEqual([server.traceId, server.parentId], [client.traceId, client.spanId])
})

/** Its traces begin with this tracestate, as those of a sampler do that tells others what it has decided. */
function tracerOf(tracestate: string): Tracer {
  const sampler = {
    shouldSample: (context: Context) => ({
      decision: SamplingDecision.RECORD_AND_SAMPLED,
      traceState: trace.getSpanContext(context)?.traceState ?? createTraceState(tracestate),
    }),
  }
  return new BasicTracerProvider({ sampler }).getTracer('test')
}

for (const [what, telemetry] of [
  ['with telemetry', openTelemetry()],
  ['without', undefined],
] as const) {
  test(`a tracestate goes with its trace over two calls, also through a node ${what}`, async (t) => {
    const tracestate = 'rojo=00f067aa0ba902b7,congo=t61rcWkgMzE'
    const { host, bell, ear } = await open(t)
    await host.node(Ear, ear)
    const ways = { system: host.system, settings }
    const between = await createHost({ ...ways, state: memoryStore(), ...(telemetry === undefined ? {} : { telemetry }) })
    const near = await createHost({ ...ways, telemetry: openTelemetry({ tracer: tracerOf(tracestate) }) })
    t.teardown(() => Promise.all([between.stop(), near.stop()]))
    await between.node(Bell, bell)
    await near.ref(Bell, bell).askTwice(ear)
    const isCounted = (span: SeenSpan) => span.name === 'ear/count' && span.attributes['theseus.node'] === ear
    t.deepEqual(
      seenSpans()
        .filter(isCounted)
        .map((span) => span.tracestate),
      [tracestate, tracestate],
    )
  })
}

test('what is too long for a trace context is not passed on', async (t) => {
  const { host, bell, ear } = await open(t, {})
  await host.node(Bell, bell)
  const received: (string | null)[] = []
  const passing = (sent: string | null): Telemetry => ({
    made: () => ({ trace: sent, answered: () => {}, failed: () => {} }),
    received: ({ envelope }) => {
      received.push(envelope.trace)
      return undefined
    },
  })
  const [parent, state] = ['x'.repeat(traceLengthMax), `y=${'y'.repeat(tracestateLengthMax - 2)}`]
  const passed: readonly (readonly [sent: string | null, received: string | null])[] = [
    [parent, parent],
    [`${parent}x`, null],
    [traceContext(parent, state), traceContext(parent, state)],
    [traceContext(parent, `${state}y`), parent],
    [traceContext(`${parent}x`, state), null],
  ]
  for (const [i, [sent]] of passed.entries()) {
    const near = await createHost({ system: host.system, state: memoryStore(), settings, telemetry: passing(sent) })
    t.teardown(() => near.stop())
    await near.node(Ear, `${ear}-${i}`)
    await near.ref(Bell, bell).askTwice(`${ear}-${i}`)
  }
  t.deepEqual(
    received,
    passed.flatMap(([, whole]) => [whole, whole]),
  )
})

test('what telemetry throws reaches no call, and a method runs once whatever happens around it', async (t) => {
  let runs = 0
  const broken: Telemetry = {
    made: () => {
      throw new Error('made')
    },
    received: () => ({
      trace: null,
      run: (method) => {
        runs++
        method()
        throw new Error('after the method')
      },
      ended: () => {
        throw new Error('ended')
      },
    }),
    observe: () => {
      throw new Error('observe')
    },
  }
  const { host, bell } = await open(t, { telemetry: broken })
  await host.node(Bell, bell)
  t.is(await host.ref(Bell, bell).ring('the tower'), 1)
  t.is(await host.ref(Bell, bell).ring('the tower'), 2)
  t.is(await codeOf(host.ref(Bell, bell).fail()), 'application.error')
  t.is(runs, 3)
})

test('a call is told of once when it is made and once when it has ended, refused and expired ones too', async (t) => {
  const made: CallMade[] = []
  const ended: string[] = []
  const received: CallReceived[] = []
  const telemetry: Telemetry = {
    made: (call) => {
      made.push(call)
      return undefined
    },
    received: (call) => {
      received.push(call)
      return { trace: null, ended: (outcome, fault) => ended.push(`${call.envelope.method} ${fault?.code ?? outcome}`) }
    },
  }
  const { host, bell } = await open(t, { telemetry })
  await host.node(Bell, bell)
  await host.ref(Bell, bell).ring('the tower')
  await codeOf(host.ref(Bell, bell).fail())
  await codeOf(host.operator.call({ node: bell }, 'peal', [], { version: 0 }))
  t.deepEqual(ended, ['ring answered', 'fail application.error', 'peal protocol.no-such-method'])
  t.deepEqual(
    received.map(({ link }) => link?.className),
    ['Bell.v1', 'Bell.v1', undefined],
  )
  t.deepEqual(
    made.filter(({ service }) => service !== upgradeServerName).map(({ method, parent }) => [method, parent]),
    [
      ['ring', null],
      ['fail', null],
      ['peal', null],
    ],
  )
})

test('openTelemetry takes the tracer that it is given', async (t) => {
  const names: string[] = []
  const own = trace.getTracer('own')
  const tracer: Tracer = {
    startSpan: (name, ...rest) => {
      names.push(name)
      return own.startSpan(name, ...rest)
    },
    startActiveSpan: (() => t.fail('no span of ours is active by itself')) as never,
  }
  const { host, bell } = await open(t, { telemetry: openTelemetry({ tracer }) })
  await host.node(Bell, bell)
  await host.ref(Bell, bell).ring('the tower')
  t.true(names.includes('bell/ring'))
})
