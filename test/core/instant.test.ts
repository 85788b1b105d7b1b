/** Instants as people write them in documents. */
import test from 'ava'
import { instantMs, rfc3339 } from '../../core/base/instant.js'

test('an instant in RFC 3339 is read, with a fraction and a zone, and as it is written', (t) => {
  t.is(instantMs('1970-01-01T00:00:01Z'), 1000)
  t.is(instantMs('1970-01-01T00:00:01.5Z'), 1500)
  t.is(instantMs('1970-01-01T01:00:01+01:00'), 1000)
  t.is(instantMs('1969-12-31T23:00:01-01:00'), 1000)
  t.is(instantMs(rfc3339(1_780_000_000_123)), 1_780_000_000_123)
})

test('anything else is no instant', (t) => {
  const texts = [
    '',
    'now',
    '1970-01-01',
    '1970-01-01T00:00:01',
    '1970-01-01 00:00:01Z',
    '1970-13-01T00:00:00Z',
    ' 1970-01-01T00:00:01Z',
  ]
  for (const other of [...texts, '1970-01-01T00:00:01Z\n', 1000, null, undefined, ['1970-01-01T00:00:01Z'], {}])
    t.is(instantMs(other), undefined, String(other))
})
