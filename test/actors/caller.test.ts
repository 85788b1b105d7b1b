/** The caller, as envelopes and faults tell it. */
import test from 'ava'
import { type Caller, CallingNode, callerFields, FrequentCaller, faultFor } from '../../actors/calls/caller.js'
import { Fault } from '../../core/base/fault.js'

const caller: Caller = { nodeId: 'n1', incarnation: 7, className: 'Notes.v1', version: 2 }

test('a caller is the same one as long as its node, its start, its class and its version are', (t) => {
  const frequent = new FrequentCaller(caller)
  t.true(frequent.is({ ...caller }))
  for (const change of [{ nodeId: 'n2' }, { incarnation: 8 }, { className: 'Notes.v2' }, { version: 3 }])
    t.false(frequent.is({ ...caller, ...change }), JSON.stringify(change))
})

test('one that calls often says the same of itself as any other, whichever class it expects', (t) => {
  const frequent = new FrequentCaller(caller)
  for (const expects of [null, 'A.v1', 'A.v1', 'B.v1', null, null])
    t.deepEqual(Buffer.from(callerFields(frequent, expects)), Buffer.from(callerFields({ ...caller }, expects)), String(expects))
  // Packed once for the calls of a class in a row.
  t.is(callerFields(frequent, 'A.v1'), callerFields(frequent, 'A.v1'))
})

test('a fault names the node whose code it reaches, and keeps all else', (t) => {
  const fault = new Fault('unavailable.overloaded', 'too many', { n: 1 }, { cause: 'why' })
  t.is(faultFor({ ...caller }, fault), fault)
  t.is(faultFor(new FrequentCaller(caller), fault), fault, 'code outside any object')
  t.is(faultFor({ ...caller, isNode: true } as Caller, fault), fault)
  const named = faultFor(new CallingNode(caller, { hear() {} }, { isSilent: false }), fault)
  t.is(named.message, 'too many (called by node n1)')
  t.deepEqual([named.code, named.details, named.retryable, named.cause], [fault.code, fault.details, true, 'why'])
})
