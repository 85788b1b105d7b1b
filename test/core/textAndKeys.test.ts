/** Short text is read from bytes as the runtime reads it, and keys are ordered as stores order them. */
import test from 'ava'
import fc from 'fast-check'
import { shortText, shortTextBytesMax } from '../../core/base/shortText.js'
import { compareKeys, storeKeyBytesMax } from '../../core/ports/stateStore.js'

const alphabet = 'abcdefghijklmnopqrstuvwxyz'
const bytes = new TextEncoder().encode(alphabet)

test('text of up to twelve bytes is read from where it begins', (t) => {
  t.is(shortTextBytesMax, 12)
  for (let size = 0; size <= 12; size++)
    for (const at of [0, 5]) t.is(shortText(bytes, at, size), alphabet.slice(at, at + size), `${size} bytes at ${at}`)
  t.is(shortText(bytes, 0, 13), undefined)
})

test('text that is not all ASCII is left to the runtime, wherever the other character is', (t) => {
  for (let size = 1; size <= 12; size++) {
    for (let odd = 0; odd < size; odd++) {
      const mixed = Uint8Array.from(bytes)
      mixed[5 + odd] = 0x80
      t.is(shortText(mixed, 5, size), undefined, `byte ${odd} of ${size}`)
    }
  }
})

test('a byte beside short text that is not ASCII does not matter', (t) => {
  const text = new Uint8Array(30).fill(0x80)
  text.set(bytes.subarray(0, 4), 5)
  t.is(shortText(text, 5, 4), 'abcd')
  t.is(shortText(new Uint8Array([0x7f, ...new Uint8Array(12)]), 0, 1), '\x7f')
})

test('keys are in the order of their UTF-8 bytes', (t) => {
  const unit = fc.constantFrom(
    '',
    '\0',
    'a',
    'b',
    'é',
    '\ud7ff',
    '\ue000',
    '\uffff',
    '\u{10000}',
    '\u{1f600}',
    '\u{103ff}',
    '\u{10ffff}',
  )
  const key = fc.array(unit, { maxLength: 4 }).map((units) => units.join(''))
  fc.assert(
    fc.property(key, key, (a, b) => {
      t.is(Math.sign(compareKeys(a, b)), Buffer.compare(Buffer.from(a), Buffer.from(b)), JSON.stringify([a, b]))
    }),
    { numRuns: 2_000 },
  )
})

test('a key beyond the basic plane comes after every key of it', (t) => {
  for (const high of ['\u{10000}', '\u{10ffff}', '\u{103ff}'])
    for (const low of ['a', '\ud7ff', '\ue000', '\uffff']) {
      t.true(compareKeys(high, low) > 0)
      t.true(compareKeys(low, high) < 0)
    }
  // The same first half, and the last of the second halves.
  t.true(compareKeys('\u{103ff}', '\u{103fe}') > 0)
  t.true(compareKeys('\udfff', '\ue000') > 0)
  t.true(compareKeys('\ue000', '\udfff') < 0)
})

test('a key that begins another one comes before it, and a key is equal to itself', (t) => {
  t.true(compareKeys('a', 'ab') < 0)
  t.true(compareKeys('ab', 'a') > 0)
  t.is(compareKeys('ab', 'ab'), 0)
})

test('a key has at most 1,900 bytes', (t) => {
  t.is(storeKeyBytesMax, 1900)
})
