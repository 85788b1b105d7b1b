/**
 * A process in which nobody has registered a tracer provider: nothing is recorded, and what
 * arrives is passed on.
 */
import 'reflect-metadata'
import { createTraceState, defaultTextMapGetter, defaultTextMapSetter, ROOT_CONTEXT, trace } from '@opentelemetry/api'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import test from 'ava'
import fc from 'fast-check'
import type { CallMade } from '../../core/inspection/telemetry.js'
import { kinds, tracestateLengthMax } from '../../core/wire/envelope.js'
import { traceContext, traceparentIn, tracestateIn } from '../../core/wire/traceContext.js'
import { openTelemetry } from '../../telemetry/openTelemetry/index.js'
import { spanContextOf, traceOf } from '../../telemetry/openTelemetry/spanContext.js'

const parent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
const call: CallMade = {
  kind: kinds.call,
  subject: 'theseus.s.node.n',
  service: 'notes',
  method: 'add',
  label: 0,
  caller: 'c',
  callerClass: 'Client',
  callerVersion: 0,
  parent,
}

test.serial('without a provider no call is watched; one that is registered later is found', (t) => {
  const telemetry = openTelemetry()
  t.is(telemetry.made!(call), undefined)
  t.is(telemetry.sent!(call), parent)
  const exporter = new InMemorySpanExporter()
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }))
  const watch = telemetry.made!(call)!
  watch.answered({ node: 'n', className: 'Notes.v1', version: 3 }, 2)
  const [span] = exporter.getFinishedSpans()
  t.is(span!.parentSpanContext?.spanId, '00f067aa0ba902b7')
  t.is(watch.trace, `00-4bf92f3577b34da6a3ce929d0e0e4736-${span!.spanContext().spanId}-01`)
  t.like(span!.attributes, { 'theseus.callee.version': 3, 'theseus.hops': 2 })
})

test('a traceparent is read and written as W3C has it, and what is none names no parent', (t) => {
  t.is(traceOf(spanContextOf(parent)!), parent)
  t.is(spanContextOf(`01${parent.slice(2)}-of-a-later-version`)?.spanId, '00f067aa0ba902b7')
  const wrong = [
    null,
    '',
    'x',
    `ff${parent.slice(2)}`,
    parent.toUpperCase(),
    `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`,
    `00-4bf92f3577b34da6a3ce929d0e0e4736-${'0'.repeat(16)}-01`,
    `${parent}x`,
    `${parent}-more`,
  ]
  for (const text of wrong) t.is(spanContextOf(text), undefined, String(text))
})

test('a tracestate is read and written with its traceparent; what is none of it, or more than travels, is left out', (t) => {
  const states = {
    'rojo=00f067aa0ba902b7,congo=t61rcWkgMzE': 'rojo=00f067aa0ba902b7,congo=t61rcWkgMzE',
    ' rojo=1 , ,congo=2': 'rojo=1,congo=2',
    'ROJO=1,congo=2,nothing': 'congo=2',
    nothing: null,
    '': null,
  }
  for (const [state, written] of Object.entries(states))
    t.is(traceOf(spanContextOf(traceContext(parent, state))!), traceContext(parent, written), state)
  t.is(traceContext(null, 'rojo=1'), null)
  const long = createTraceState().set('a', 'x'.repeat(tracestateLengthMax - 2))
  const context = spanContextOf(parent)!
  t.is(traceOf({ ...context, traceState: long })!.length, parent.length + 1 + tracestateLengthMax)
  t.is(traceOf({ ...context, traceState: long.set('b', '1') }), parent)
})

test('whatever comes as a trace context is taken for what the W3C propagator of OpenTelemetry takes it for', (t) => {
  const propagator = new W3CTraceContextPropagator()
  const hex = (digits: number) => fc.array(fc.constantFrom(...'0123456789abcdef'), { minLength: digits, maxLength: digits })
  const id = (digits: number) =>
    fc.oneof(
      hex(digits).map((all) => all.join('')),
      fc.constant('0'.repeat(digits)),
    )
  const version = fc.constantFrom('00', '01', 'cc', 'ff', '0')
  const more = fc.constantFrom('', '', '-', '-more', 'x')
  const member = fc.constantFrom('rojo=1', 'congo=t61', 'a@b=c', 'Bad=1', 'empty=', '=x', ' spaced = 1', '')
  const traceparents = fc
    .tuple(version, id(32), id(16), fc.constantFrom('00', '01', 'g0'), more)
    .map(([first, traceId, spanId, flags, last]) => `${first}-${traceId}-${spanId}-${flags}${last}`)
  const tracestates = fc.uniqueArray(member, { maxLength: 5 }).map((members) => members.join(','))
  fc.assert(
    fc.property(fc.oneof(traceparents, fc.string()), tracestates, (traceparent, tracestate) => {
      fc.pre(!/\s/.test(traceparent))
      const carrier = { traceparent, tracestate }
      const theirs = trace.getSpanContext(propagator.extract(ROOT_CONTEXT, carrier, defaultTextMapGetter))
      const ours = spanContextOf(traceContext(traceparent, tracestate))
      t.deepEqual([ours?.traceId, ours?.spanId, ours?.traceFlags], [theirs?.traceId, theirs?.spanId, theirs?.traceFlags])
      t.is(ours?.traceState?.serialize() ?? '', theirs?.traceState?.serialize() ?? '')
      if (ours === undefined) return
      const written: { traceparent?: string; tracestate?: string } = {}
      propagator.inject(trace.setSpanContext(ROOT_CONTEXT, ours), written, defaultTextMapSetter)
      const mine = traceOf(ours)!
      t.deepEqual([traceparentIn(mine), tracestateIn(mine) ?? ''], [written.traceparent, written.tracestate ?? ''])
    }),
    { numRuns: 1_000 },
  )
})
