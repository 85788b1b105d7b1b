/**
 * Where a call belongs in a trace: W3C traceparent and tracestate, in one text with a line break between them, so that what only passes it on
 * has one thing to pass on. In an envelope they are two fields (docs/protocol.md, "Trace").
 */
import { traceLengthMax, tracestateLengthMax } from './envelope.js'

const between = '\n'

/** A list of `key=value` as a header has it; each member is for those to check who know it. */
const stateForm = /^[ -~\t]*=[ -~\t]*$/

export function isTracestate(value: unknown): value is string {
  return typeof value === 'string' && value.length <= tracestateLengthMax && stateForm.test(value)
}

/** Of one line, or it would be taken for two things. */
export function isTraceparent(text: string): boolean {
  return text.length <= traceLengthMax && !text.includes(between)
}

/** Without a traceparent a tracestate says nothing. */
export function traceContext(traceparent: string | null, state: string | null): string | null {
  return traceparent === null || state === null || state === '' ? traceparent : traceparent + between + state
}

export function traceparentIn(trace: string): string {
  const end = trace.indexOf(between)
  return end < 0 ? trace : trace.slice(0, end)
}

/** Null where there is none. */
export function tracestateIn(trace: string): string | null {
  const end = trace.indexOf(between)
  return end < 0 ? null : trace.slice(end + 1)
}
