/** Runs of fields that come again are decoded once, and never taken for one another. */
import test from 'ava'
import { DecodedRuns } from '../../core/wire/decodedRuns.js'

interface Reading {
  readonly bytes: Uint8Array
  at: number
}

/** A run is a short text: a header with its length, and its letters. */
function open() {
  let decoded = 0
  const runs = new DecodedRuns<{ readonly text: string }, Reading>((reader) => {
    decoded++
    const length = reader.bytes[reader.at]! - 0xa0
    if (length < 0 || reader.at + 1 + length > reader.bytes.length) throw new Error('no run')
    const text = Buffer.from(reader.bytes.subarray(reader.at + 1, reader.at + 1 + length)).toString()
    reader.at += 1 + length
    return { text }
  })
  const read = (bytes: Uint8Array, at = 0) => {
    const reader = { bytes, at }
    const { text } = runs.read(reader)
    return [text, reader.at] as const
  }
  return { runs, read, decoded: () => decoded }
}

const run = (text: string) => Buffer.from([0xa0 + text.length, ...Buffer.from(text)])

test('a run that comes again is the same value, wherever it stands, and is not decoded again', (t) => {
  const { runs, read, decoded } = open()
  const first = runs.read({ bytes: run('pages'), at: 0 })
  const message = Buffer.concat([Buffer.from([1, 2, 3]), run('pages'), run('other')])
  const reader = { bytes: message, at: 3 }
  t.is(runs.read(reader), first)
  t.is(reader.at, 9)
  t.is(decoded(), 1)
  t.deepEqual(read(message, 9), ['other', 15])
})

test('runs of all lengths, beginnings and ends are told apart, also when they meet in one place of the table', (t) => {
  const { read } = open()
  const letters = 'abcdefghijklmnopqrstuvwxyz0123456789'
  const texts = [...letters].flatMap((a) => [...letters].flatMap((b) => [`${a}${b}`, `x${a}y${b}z`, `${a}-${a}-${b}`]))
  for (let round = 0; round < 2; round++) for (const text of texts) t.is(read(run(text))[0], text)
  t.is(read(run(''))[0], '')
})

test('names that differ in their ends alone are both remembered', (t) => {
  const { read, decoded } = open()
  const names = Array.from({ length: 40 }, (_, i) => `node-${i}`)
  for (const name of names) read(run(name))
  const once = decoded()
  for (const name of names) read(run(name))
  // Some meet in one place and take turns there: most do not.
  t.true(decoded() - once < names.length / 4, `${decoded() - once} of ${names.length} were decoded again`)
})

test('a run of which a message has only the beginning is not taken for it', (t) => {
  const { read } = open()
  read(run('pages'))
  t.throws(() => read(run('pages').subarray(0, 4)), { message: 'no run' })
})

test('what is remembered is a copy: later bytes in the same buffer change nothing', (t) => {
  const { read } = open()
  const buffer = Buffer.from(run('aaaaa'))
  read(buffer)
  buffer.write('abbba', 1)
  t.is(read(buffer)[0], 'abbba')
  t.is(read(run('aaaaa'))[0], 'aaaaa')
})

test('a run that is refused is not remembered, and a long one is not kept', (t) => {
  let decoded = 0
  const runs = new DecodedRuns<number, Reading>((reader) => {
    decoded++
    if (reader.bytes[reader.at] === 0xc1) throw new Error('no run')
    const from = reader.at
    reader.at = reader.bytes.length
    return reader.at - from
  })
  const read = (bytes: Uint8Array) => runs.read({ bytes, at: 0 })
  for (let i = 0; i < 2; i++) t.throws(() => read(Buffer.from([0xc1])))
  t.is(decoded, 2)
  for (const [size, times] of [
    [256, 1],
    [257, 2],
  ] as const) {
    decoded = 0
    for (let i = 0; i < 2; i++) t.is(read(Buffer.alloc(size, size)), size)
    t.is(decoded, times, `${size} bytes`)
  }
})

test('a run that begins as another, but for its header, is not taken for that one', (t) => {
  const { read } = open()
  const letters = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i))
  const taken: string[] = []
  for (const a of letters)
    for (const b of letters) {
      read(run(a))
      if (read(run(a + b))[0] !== a + b) taken.push(a + b)
    }
  t.deepEqual(taken, [])
})

test('of any number of runs 1,024 at most are kept', (t) => {
  const { read, decoded } = open()
  const letters = 'abcdefghijklmnopqrstuvwxyz0123456789'
  const texts = [...letters].flatMap((a) => [...letters].flatMap((b) => [...letters].map((c) => `${a}${c}-${b}`)))
  for (const text of texts) read(run(text))
  t.is(decoded(), texts.length)
  // The last run of each place is still there: backwards it is met first.
  for (const text of texts.toReversed()) read(run(text))
  const kept = 2 * texts.length - decoded()
  t.true(kept > 512 && kept <= 1_024, `${kept} were kept`)
})
