/** The orders to try again that a node remembers. */
import test from 'ava'
import { hasHeeded, heededRetriesMax, heededTokenLengthMax, withHeeded } from '../../core/model/heededRetries.js'
import type { NodeRecord } from '../../core/model/nodeRecord.js'

const of = (...tokens: readonly string[]) => tokens.reduce(withHeeded, { nodeId: 'n1' } as NodeRecord)

test('every order that was heeded is remembered, the newest apart from those before it', (t) => {
  t.false(hasHeeded(of(), 'one'))
  t.deepEqual(of('one') as object, { nodeId: 'n1', heededRetry: 'one' })
  const record = of('one', 'two', 'three')
  t.deepEqual(record as object, { nodeId: 'n1', heededRetry: 'three', heededBefore: ['two', 'one'] })
  for (const token of ['one', 'two', 'three']) t.true(hasHeeded(record, token), token)
  t.false(hasHeeded(record, 'four'))
})

test('an order that was heeded before changes nothing when it comes back', (t) => {
  const record = of('one', 'two')
  for (const token of ['one', 'two']) t.is(withHeeded(record, token), record)
})

test('so many orders are remembered, and no more; of those with long tokens the newest alone', (t) => {
  const tokens = Array.from({ length: heededRetriesMax + 1 }, (_, i) => `token ${i}`)
  const record = of(...tokens)
  t.false(hasHeeded(record, 'token 0'))
  t.true(tokens.slice(1).every((token) => hasHeeded(record, token)))
  t.is(record.heededBefore?.length, heededRetriesMax - 1)
  const [longest, tooLong] = ['x'.repeat(heededTokenLengthMax), 'x'.repeat(heededTokenLengthMax + 1)]
  t.true(hasHeeded(of('one', longest, tooLong), longest))
  t.true(hasHeeded(of('one', tooLong), tooLong))
  t.deepEqual(of('one', tooLong, 'two').heededBefore, ['one'])
})
