/**
 * The trace context of a call: W3C traceparent and tracestate, in one text with a line break between them. So
 * a node that only passes it on has one thing to pass on. In an envelope they are two fields
 * (docs/protocol.md, "Trace").
 */
import { traceLengthMax, tracestateLengthMax } from './envelope.js'

const between = '\n'

/** A list of `key=value`, as a header has it. Only the owner of a key can check its member. */
const stateForm = /^[ -~\t]*=[ -~\t]*$/

export function isTracestate(value: unknown): value is string {
  return typeof value === 'string' && value.length <= tracestateLengthMax && stateForm.test(value)
}

/** Of one line: a line break would begin a tracestate. */
export function isTraceparent(text: string): boolean {
  return text.length <= traceLengthMax && !text.includes(between)
}

/** A tracestate without a traceparent is dropped, as W3C asks. */
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
