/**
 * The contract of every adapter of the port `StateStore`. Registers its tests with ava under
 * the adapter's name.
 */
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { compareKeys, type StateStore, storeKeyBytesMax } from '../../core/ports/stateStore.js'
import type { StateFactory } from '../../transports/stateFactory.js'
import { anyText } from '../support/anyText.js'
import { refusalOf } from '../support/rejections.js'

/** Above every key. */
const end = '\u{10ffff}\u{10ffff}'

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
export const text = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : new TextDecoder().decode(value)
const keysOf = (store: StateStore, from = '', to = end, limit?: number): string[] =>
  [...store.range(from, to, limit)].map(([key]) => key)

/**
 * Keys on which encodings and orders fall out with each other. The first are in the wrong order in UTF-16.
 */
const oddKeys = [
  '\u{1f600}',
  '\uffff',
  '\ue000',
  '\ud7ff',
  '\u{10ffff}',
  '\u0000',
  '\u0001',
  '\u0004',
  '\u0005',
  '\u001b',
  '\u001c',
  'a\u0000',
  'a\u0001b',
  'a\u0001',
  'a',
  'a/',
  'a0',
  'á',
  `${'x'.repeat(62)}\u0001`,
  `${'x'.repeat(63)}\u0001`,
  `${'x'.repeat(64)}\u0001`,
  'x'.repeat(63),
  'x'.repeat(64),
  'x'.repeat(65),
  `${'x'.repeat(63)}á`,
  `${'x'.repeat(64)}\u{1f600}`,
  'k'.repeat(storeKeyBytesMax),
  `${'k'.repeat(storeKeyBytesMax - 1)}l`,
  '\u{1f600}'.repeat(storeKeyBytesMax / 4),
]

/** `fresh` makes a factory over a directory of its own that nobody has used before. */
export function storeContract(name: string, fresh: (t: ExecutionContext) => StateFactory): void {
  const opened = async (t: ExecutionContext): Promise<StateStore> => {
    const store = await fresh(t).open()
    t.teardown(() => store.close())
    return store
  }

  test(`${name}: what was committed is read back, and what was deleted is gone`, async (t) => {
    const store = await opened(t)
    await store.commit([
      ['a', bytes('1')],
      ['b', bytes('2')],
    ])
    t.is(text(store.get('a')), '1')
    await store.commit([
      ['a', null],
      ['c', null],
    ])
    t.is(store.get('a'), undefined)
    t.deepEqual(keysOf(store), ['b'])
  })

  test(`${name}: a commit is not seen before it has taken place`, async (t) => {
    const store = await opened(t)
    const committed = store.commit([['a', bytes('1')]])
    t.is(store.get('a'), undefined)
    t.deepEqual(keysOf(store), [])
    await committed
    t.is(text(store.get('a')), '1')
  })

  test(`${name}: the writes of a commit take place in order`, async (t) => {
    const store = await opened(t)
    await store.commit([
      ['a', bytes('1')],
      ['a', null],
      ['b', null],
      ['b', bytes('1')],
      ['b', bytes('2')],
      ['c', bytes('1')],
      ['c', null],
    ])
    t.deepEqual(keysOf(store), ['b'])
    t.is(text(store.get('b')), '2')
  })

  test(`${name}: commits take place in the order in which they were made`, async (t) => {
    const store = await opened(t)
    const ended: number[] = []
    const commits = Array.from({ length: 50 }, (_, i) => store.commit([['a', bytes(String(i))]]).then(() => ended.push(i)))
    await commits[0]
    await Promise.all(commits)
    t.is(text(store.get('a')), '49')
    t.deepEqual(
      ended,
      Array.from({ length: 50 }, (_, i) => i),
    )
  })

  test(`${name}: a commit of thousands of writes is seen whole`, async (t) => {
    const store = await opened(t)
    const keys = Array.from({ length: 5000 }, (_, i) => `k${String(i).padStart(5, '0')}`)
    await store.commit(keys.map((key) => [key, bytes(key)]))
    t.deepEqual(keysOf(store), keys)
    t.true([...store.range('', end)].every(([key, value]) => text(value) === key))
    await store.commit(keys.filter((_, i) => i % 2 === 0).map((key) => [key, null]))
    t.is(keysOf(store).length, 2500)
  })

  test(`${name}: an empty commit changes nothing`, async (t) => {
    const store = await opened(t)
    await store.commit([])
    t.deepEqual(keysOf(store), [])
  })

  test(`${name}: keys come back as they were and in the order of their UTF-8 bytes`, async (t) => {
    const store = await opened(t)
    await store.commit(oddKeys.map((key) => [key, bytes(key)]))
    const inOrder = [...oddKeys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    t.deepEqual([...oddKeys].sort(compareKeys), inOrder)
    t.deepEqual(keysOf(store), inOrder)
    for (const key of oddKeys) t.is(text(store.get(key)), key)
  })

  test(`${name}: a range holds the keys from its first bound up to its second, whatever the keys are`, async (t) => {
    const store = await opened(t)
    const keyText = fc.oneof(
      anyText(70),
      fc.string({ unit: fc.constantFrom('a', '\u0000', '\u0001', '\uffff', '\u{1f600}'), maxLength: 4 }),
      fc.constantFrom(...oddKeys),
    )
    const keys = fc.uniqueArray(
      keyText.filter((key) => key.length > 0),
      { maxLength: 20 },
    )
    await fc.assert(
      fc.asyncProperty(keys, keyText, keyText, fc.nat(25), async (some, from, to, limit) => {
        const before = keysOf(store)
        await store.commit([...before.map((key) => [key, null] as const), ...some.map((key) => [key, bytes('')] as const)])
        const expected = some.filter((key) => compareKeys(key, from) >= 0 && compareKeys(key, to) < 0).sort(compareKeys)
        t.deepEqual(keysOf(store, from, to), expected)
        t.deepEqual(keysOf(store, from, to, limit), expected.slice(0, limit))
      }),
      { numRuns: 150 },
    )
  })

  test(`${name}: a bound may be empty, and longer than any key`, async (t) => {
    const store = await opened(t)
    const longest = 'k'.repeat(storeKeyBytesMax)
    await store.commit([
      ['a', bytes('')],
      [longest, bytes('')],
      ['l', bytes('')],
    ])
    t.deepEqual(keysOf(store, '', `${longest}k`), ['a', longest])
    t.deepEqual(keysOf(store, `${longest}${'k'.repeat(5000)}`), ['l'])
    t.deepEqual(keysOf(store, `${longest}\u0000`), ['l'])
    t.deepEqual(keysOf(store, `${longest.slice(0, -1)}\u{1f600}`), ['l'])
    t.deepEqual(keysOf(store, '', ''), [])
    t.deepEqual(keysOf(store, 'l', 'a'), [])
    t.deepEqual(keysOf(store, 'a', 'a'), [])
    t.deepEqual(keysOf(store, 'a', end, 0), [])
  })

  test(`${name}: a bound that is no text is refused`, async (t) => {
    const store = await opened(t)
    t.is((await refusalOf(t, () => store.range('\udc00', end))).code, 'protocol.bad-arguments')
    t.is((await refusalOf(t, () => store.range('a', 'a\ud800'))).code, 'protocol.bad-arguments')
  })

  test(`${name}: an iteration that does not wait sees one state, and one that waits goes on from its last key`, async (t) => {
    const store = await opened(t)
    const keys = Array.from({ length: 1000 }, (_, i) => `k${String(i).padStart(5, '0')}`)
    await store.commit(keys.map((key) => [key, bytes('old')]))
    const iteration = store.range('k', 'l')[Symbol.iterator]()
    iteration.next()
    const committed = store.commit(keys.map((key) => [key, bytes('new')]))
    for (let i = 1; i < 500; i++) t.is(text(iteration.next().value[1]), 'old')
    await committed
    const rest: string[] = []
    for (let at = iteration.next(); !at.done; at = iteration.next()) rest.push(at.value[0])
    t.deepEqual(rest, keys.slice(500))
    t.is(text(store.get('k00999')), 'new')
  })

  test(`${name}: an iteration left open does not keep the store from closing, and ends with a fault`, async (t) => {
    const store = await opened(t)
    await store.commit(Array.from({ length: 1000 }, (_, i) => [`k${i}`, bytes('')]))
    const iteration = store.range('k', 'l')[Symbol.iterator]()
    iteration.next()
    await store.close()
    const fault = await refusalOf(t, () => {
      while (!iteration.next().done);
    })
    t.is(fault.code, 'unavailable.storage')
  })

  test(`${name}: values of no bytes and of millions come back as they were`, async (t) => {
    const store = await opened(t)
    const sizes = [0, 1, 1000, 4096, 32_767, 32_768, 32_769, 100_000, 3_000_000]
    // `Uint8Array.from` would look up millions of elements of an object that has none.
    const filled = (size: number) => new Uint8Array(size).map((_, i) => (i * 31 + size) % 251)
    await store.commit(sizes.map((size) => [`k${size}`, filled(size)]))
    for (const size of sizes) t.is(Buffer.compare(store.get(`k${size}`)!, filled(size)), 0, `get of ${size}`)
    const read = new Map(store.range('', end))
    for (const size of sizes) t.is(Buffer.compare(read.get(`k${size}`)!, filled(size)), 0, `range with ${size}`)
  })

  test(`${name}: a view into a larger buffer is stored without its surroundings`, async (t) => {
    const store = await opened(t)
    await store.commit([['a', bytes('before, value, after').subarray(8, 13)]])
    t.is(text(store.get('a')), 'value')
  })

  test(`${name}: bytes that were read, or written before, are the caller's own`, async (t) => {
    const store = await opened(t)
    const written = bytes('value')
    await store.commit([['a', written]])
    written.fill(0)
    store.get('a')!.fill(0)
    for (const [, value] of store.range('', end)) value.fill(0)
    t.is(text(store.get('a')), 'value')
  })

  for (const [what, key] of [
    ['a key that is too long', 'k'.repeat(storeKeyBytesMax + 1)],
    ['a key that is too long in UTF-8 only', 'á'.repeat(storeKeyBytesMax / 2 + 1)],
    ['a key of 5,000 bytes', 'k'.repeat(5000)],
    ['an empty key', ''],
    ['a key with half a character', 'a\ud800'],
  ] as const) {
    test(`${name}: ${what} is refused before anything is written`, async (t) => {
      const store = await opened(t)
      const fault = await refusalOf(t, () =>
        store.commit([
          ['a', bytes('1')],
          [key, bytes('2')],
        ]),
      )
      t.is(fault.code, 'protocol.bad-arguments')
      t.is((await refusalOf(t, () => store.commit([[key, null]]))).code, 'protocol.bad-arguments')
      t.is(store.get(key), undefined)
      await store.commit([['b', bytes('3')]])
      t.deepEqual(keysOf(store), ['b'])
      await store.close()
    })
  }

  test(`${name}: a value that is not bytes is refused before anything is written`, async (t) => {
    const store = await opened(t)
    const fault = await refusalOf(t, () =>
      store.commit([
        ['a', bytes('1')],
        ['b', 'text' as never],
      ]),
    )
    t.is(fault.code, 'protocol.bad-arguments')
    await store.commit([['c', bytes('3')]])
    t.deepEqual(keysOf(store), ['c'])
  })

  test(`${name}: a store that is opened again has the same data and the same identity`, async (t) => {
    const factory = fresh(t)
    const first = await factory.open()
    await first.commit([
      ['a', bytes('1')],
      ['b', bytes('2')],
    ])
    await first.close()
    const second = await factory.open()
    t.teardown(() => second.close())
    t.is(second.directoryId, first.directoryId)
    t.deepEqual(
      [...second.range('', end)].map(([key, value]) => [key, text(value)]),
      [
        ['a', '1'],
        ['b', '2'],
      ],
    )
  })

  test(`${name}: two stores have two identities`, async (t) => {
    t.not((await opened(t)).directoryId, (await opened(t)).directoryId)
  })

  test(`${name}: no key and no range reaches what the store keeps for itself`, async (t) => {
    const store = await opened(t)
    t.deepEqual(keysOf(store), [])
    for (const key of ['host', 'directoryId', 'layout', 'about', 'entries']) {
      t.is(store.get(key), undefined)
      await store.commit([[key, bytes('mine')]])
    }
    const { directoryId } = store
    await store.commit(keysOf(store).map((key) => [key, null]))
    t.truthy(directoryId)
  })

  test(`${name}: a store that is open is not opened again, and is after it was closed`, async (t) => {
    const factory = fresh(t)
    const first = await factory.open()
    const fault = await refusalOf(t, () => factory.open())
    t.is(fault.code, 'config.directory-held')
    await first.commit([['a', bytes('1')]])
    await first.close()
    const second = await factory.open()
    t.is(text(second.get('a')), '1')
    await second.close()
  })

  test(`${name}: close waits for the commits that are running`, async (t) => {
    const factory = fresh(t)
    const store = await factory.open()
    const ended: string[] = []
    const commits = ['a', 'b', 'c'].map((key) => store.commit([[key, bytes(key)]]).then(() => ended.push(key)))
    await store.close().then(() => ended.push('closed'))
    await Promise.all(commits)
    t.deepEqual(ended, ['a', 'b', 'c', 'closed'])
    const again = await factory.open()
    t.deepEqual(keysOf(again), ['a', 'b', 'c'])
    await again.close()
  })

  test(`${name}: a closed store takes and gives nothing, and may be closed again`, async (t) => {
    const store = await fresh(t).open()
    await store.close()
    t.is((await refusalOf(t, () => store.commit([['a', bytes('1')]]))).code, 'unavailable.storage')
    t.is((await refusalOf(t, () => store.get('a'))).code, 'unavailable.storage')
    t.is((await refusalOf(t, () => [...store.range('', end)])).code, 'unavailable.storage')
    await store.close()
  })
}
