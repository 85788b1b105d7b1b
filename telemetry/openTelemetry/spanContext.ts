/**
 * Span contexts as they travel in an envelope: W3C traceparent and tracestate. The process's own
 * propagator is not asked. Without a registered one it writes nothing, and B3's writes fields that no
 * envelope has.
 */
import { createTraceState, INVALID_TRACEID, isSpanContextValid, type SpanContext, TraceFlags } from '@opentelemetry/api'
import { tracestateLengthMax } from '../../core/wire/envelope.js'
import { traceContext, traceparentIn, tracestateIn } from '../../core/wire/traceContext.js'

/** Null for a context that names no span: nobody records it. */
export function traceOf(context: SpanContext): string | null {
  if (!isSpanContextValid(context)) return null
  const flags = (context.traceFlags & 0xff).toString(16).padStart(2, '0')
  const state = context.traceState?.serialize() ?? ''
  return traceContext(`00-${context.traceId}-${context.spanId}-${flags}`, state.length > tracestateLengthMax ? null : state)
}

const pattern = /^(?!ff)([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(-.*)?$/

/** Reads version 00, and of a later one as much as is the same. Any other text names no parent. */
export function spanContextOf(trace: string | null): SpanContext | undefined {
  const found = trace === null ? null : pattern.exec(traceparentIn(trace))
  if (found === null) return undefined
  const [, version, traceId = INVALID_TRACEID, spanId = '', flags = '00', more] = found
  if (version === '00' && more !== undefined) return undefined
  const context = { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & TraceFlags.SAMPLED, isRemote: true }
  if (!isSpanContextValid(context)) return undefined
  const state = tracestateIn(trace!)
  return state === null ? context : { ...context, traceState: createTraceState(state) }
}
