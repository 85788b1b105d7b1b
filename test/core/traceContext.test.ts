/** A traceparent and a tracestate are one text within a node, and are told apart again. */
import test from 'ava'
import { isTraceparent, isTracestate, traceContext, traceparentIn, tracestateIn } from '../../core/wire/traceContext.js'

test('both parts come back, whatever they are', (t) => {
  for (const traceparent of ['00-trace', 't', ''])
    for (const state of ['a=1', 'a=1,b=2', '=']) {
      const trace = traceContext(traceparent, state)!
      t.is(traceparentIn(trace), traceparent)
      t.is(tracestateIn(trace), state)
    }
})

test('a traceparent alone is the whole text, and has no tracestate', (t) => {
  for (const none of [null, '']) t.is(traceContext('00-trace', none), '00-trace')
  t.is(traceparentIn('00-trace'), '00-trace')
  t.is(tracestateIn('00-trace'), null)
})

test('a tracestate without a traceparent is dropped', (t) => {
  t.is(traceContext(null, 'a=1'), null)
  t.is(traceContext(null, null), null)
})

test('a traceparent is one line of at most 256 characters, a tracestate one with a key of at most 512', (t) => {
  t.true(isTraceparent('t'.repeat(256)))
  for (const wrong of ['t'.repeat(257), 'a\nb', '\n']) t.false(isTraceparent(wrong))
  for (const right of ['a=1', ' a=\t1 ', `a=${'s'.repeat(510)}`]) t.true(isTracestate(right))
  for (const wrong of ['', 'a', 'a=1\n', '\na=1', 'ä=1', `a=${'s'.repeat(511)}`, null, 7, ['a=1']]) t.false(isTracestate(wrong))
})
