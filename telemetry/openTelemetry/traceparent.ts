/**
 * W3C traceparent, as it travels in an envelope (docs/protocol.md, field 13), and the span
 * context that it names.
 */
import { INVALID_TRACEID, isSpanContextValid, type SpanContext, TraceFlags } from '@opentelemetry/api'

/** Null for a context that names no span: nobody records. */
export function traceparentOf(context: SpanContext): string | null {
  if (!isSpanContextValid(context)) return null
  const flags = (context.traceFlags & 0xff).toString(16).padStart(2, '0')
  return `00-${context.traceId}-${context.spanId}-${flags}`
}

/** Version 00, and as much of a later one as is the same. Any other text names no parent. */
const pattern = /^(?!ff)[\da-f]{2}-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(-.*)?$/

export function spanContextOf(traceparent: string | null): SpanContext | undefined {
  const found = traceparent === null ? null : pattern.exec(traceparent)
  if (found === null) return undefined
  const [, traceId = INVALID_TRACEID, spanId = '', flags = '00'] = found
  const context = { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & TraceFlags.SAMPLED, isRemote: true }
  return isSpanContextValid(context) ? context : undefined
}
