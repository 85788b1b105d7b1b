/** A process in which nobody has registered a tracer provider: nothing is recorded, and what arrives is passed on. */
import 'reflect-metadata'
import { trace } from '@opentelemetry/api'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import test from 'ava'
import type { CallMade } from '../../core/inspection/telemetry.js'
import { kinds } from '../../core/wire/envelope.js'
import { openTelemetry } from '../../telemetry/openTelemetry/index.js'
import { spanContextOf, traceparentOf } from '../../telemetry/openTelemetry/traceparent.js'

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
  t.is(traceparentOf(spanContextOf(parent)!), parent)
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
  ]
  for (const text of wrong) t.is(spanContextOf(text), undefined, String(text))
})
