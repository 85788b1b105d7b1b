/** H1: entries of logs as bytes, and the chain that they make. */
import { Readable } from 'node:stream'
import test from 'ava'
import fc from 'fast-check'
import { Chain, type ChainEnd, commitEntries, emptyChain, isSameEnd, nextEntry } from '../../core/model/logChain.js'
import {
  type ChainedEntry,
  decodeEntry,
  digestBytes,
  type EntryContent,
  encodeEntry,
  entryDigest,
  entryOverheadBytes,
  isSameDigest,
  packWrites,
  unpackWrites,
} from '../../core/model/logEntry.js'
import type { Write } from '../../core/ports/stateStore.js'
import { slicesOf, writesIn } from '../../core/store/snapshotSlices.js'
import { anyText } from '../support/anyText.js'
import { codeOf } from '../support/rejections.js'

const plainBytes = (max: number) => fc.uint8Array({ maxLength: max }).map((bytes) => new Uint8Array(bytes))
const wellFormed = anyText(40).filter((text) => text.isWellFormed())
const writes: fc.Arbitrary<Write[]> = fc.array(
  fc.tuple(wellFormed, fc.oneof({ weight: 3, arbitrary: plainBytes(300) }, { weight: 1, arbitrary: fc.constant(null) })),
  { maxLength: 20 },
)
const number = fc.oneof(fc.nat(300), fc.maxSafeNat())
const content: fc.Arbitrary<EntryContent> = fc.oneof(
  fc.record({ kind: fc.constant('claim' as const), owner: wellFormed, leaseMs: number }),
  fc.record({ kind: fc.constant('writes' as const), writes }),
  fc.record({ kind: fc.constant('part' as const), index: number, isLast: fc.boolean(), bytes: plainBytes(300) }),
  fc.record({ kind: fc.constant('beat' as const) }),
  fc.record({ kind: fc.constant('snapshot' as const), name: wellFormed, from: number, owner: wellFormed, leaseMs: number }),
  fc.record({ kind: fc.constant('restored' as const), name: wellFormed, from: number, owner: wellFormed, leaseMs: number }),
  fc.record({
    kind: fc.constant('release' as const),
    to: fc.option(wellFormed),
    needs: fc.record({ version: fc.nat(), reminder: fc.option(fc.nat()) }).map((needs) => ({ ...needs })),
  }),
)
const entries: fc.Arbitrary<ChainedEntry> = fc.record({
  term: number,
  number,
  before: fc.uint8Array({ minLength: digestBytes, maxLength: digestBytes }).map((bytes) => new Uint8Array(bytes)),
  content,
})

test('an entry comes back from its bytes as it was', (t) => {
  fc.assert(fc.property(entries, (entry) => void t.deepEqual(decodeEntry(encodeEntry(entry)), entry)))
  t.deepEqual(
    [...encodeEntry({ term: 2, number: 3, before: new Uint8Array(16), content: { kind: 'beat' } })].slice(0, 4),
    [0x96, 1, 2, 3],
  )
})

test('bytes that are no entry are one fault, whatever they are', (t) => {
  const fault = { code: 'config.log-lost', message: /^\d+ bytes in a log are no entry: / }
  fc.assert(
    fc.property(entries, fc.nat(), fc.nat(255), (entry, at, byte) => {
      const bytes = encodeEntry(entry)
      t.throws(() => decodeEntry(bytes.subarray(0, at % bytes.length)), fault)
      t.throws(() => decodeEntry(Buffer.concat([bytes, new Uint8Array([byte])])), fault)
      const changed = new Uint8Array(bytes)
      changed[at % bytes.length] = byte
      try {
        decodeEntry(changed)
      } catch (error) {
        t.true(['config.log-lost', 'config.release'].includes((error as { code: string }).code), String(error))
      }
    }),
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      try {
        decodeEntry(bytes)
      } catch (error) {
        t.true(['config.log-lost', 'config.release'].includes((error as { code: string }).code), String(error))
      }
    }),
  )
})

test('an entry of a later format asks for a newer release', (t) => {
  const bytes = encodeEntry({ term: 0, number: 1, before: new Uint8Array(16), content: { kind: 'beat' } })
  bytes[1] = 9
  t.throws(() => decodeEntry(bytes), { code: 'config.release', message: /has format 9: this Theseus reads 1/ })
})

test('an entry larger than the writer keeps leaves no trace in the next one', (t) => {
  const large: Write = ['large', new Uint8Array(3_000_000).fill(1)]
  t.deepEqual(unpackWrites(packWrites([large])), [large])
  t.deepEqual(unpackWrites(packWrites([['small', null]])), [['small', null]])
})

test('a digest tells one byte’s difference', (t) => {
  const digest = entryDigest(new Uint8Array([1, 2]))
  t.is(digest.length, digestBytes)
  t.true(isSameDigest(digest, entryDigest(new Uint8Array([1, 2]))))
  t.false(isSameDigest(digest, entryDigest(new Uint8Array([1, 3]))))
  for (let i = 0; i < digestBytes; i++) t.false(isSameDigest(digest, digest.with(i, digest[i]! ^ 1)), String(i))
  t.false(isSameDigest(digest, digest.subarray(0, 15)))
})

test('a reader accepts the entry that continues the chain, and no other', (t) => {
  const chain = new Chain()
  const claim = nextEntry(chain.end, { kind: 'claim', owner: 'one', leaseMs: 10_000 })
  t.deepEqual([claim.end.term, claim.end.number], [1, 1])
  const accepts = ({ bytes }: { bytes: Uint8Array }) => chain.accept(decodeEntry(bytes), bytes)
  t.true(accepts(claim))
  t.true(isSameEnd(chain.end, claim.end))
  const mine = nextEntry(claim.end, { kind: 'writes', writes: [['a', new Uint8Array([1])]] })
  const rival = nextEntry(claim.end, { kind: 'claim', owner: 'two', leaseMs: 10_000 })
  t.true(accepts(rival))
  t.false(accepts(mine), 'the rival was first')
  t.false(accepts(rival), 'a second time')
  t.true(isSameEnd(chain.end, rival.end))
  for (const wrong of [
    nextEntry({ ...rival.end, number: 3 }, { kind: 'beat' }),
    nextEntry({ ...rival.end, term: 1 }, { kind: 'beat' }),
    nextEntry({ ...rival.end, term: 3 }, { kind: 'beat' }),
    nextEntry({ ...rival.end, digest: claim.end.digest }, { kind: 'beat' }),
    nextEntry({ ...rival.end, term: 1 }, { kind: 'claim', owner: 'one', leaseMs: 10_000 }),
  ])
    t.false(accepts(wrong))
  t.true(accepts(nextEntry(rival.end, { kind: 'beat' })))
})

/** All writes that count, read back from the entries. */
function replayed(begin: ChainEnd, ready: readonly { readonly bytes: Uint8Array }[]): readonly Write[] | undefined {
  const chain = new Chain(begin)
  const found: Write[] = []
  for (const { bytes } of ready) {
    const entry = decodeEntry(bytes)
    if (!chain.accept(entry, bytes)) return undefined
    found.push(...chain.writesOf(entry))
  }
  return chain.isInParts ? undefined : found
}

test('a commit is read back as it was, in parts where it is larger than an entry may be', (t) => {
  fc.assert(
    fc.property(writes, fc.integer({ min: entryOverheadBytes + 1, max: 2000 }), (commit, most) => {
      const ready = commitEntries(emptyChain, commit, most)
      t.true(ready.every(({ bytes }) => bytes.length <= most))
      t.deepEqual(replayed(emptyChain, ready), commit)
      if (ready.length > 1) t.is(replayed(emptyChain, ready.slice(0, -1)), undefined)
    }),
  )
})

test('of a commit whose owner lost the log before its last part nothing counts', (t) => {
  const parts = commitEntries(emptyChain, [['a', new Uint8Array(1000)]], 300)
  const claim = nextEntry(parts[1]!.end, { kind: 'claim', owner: 'two', leaseMs: 10_000 })
  const after = commitEntries(claim.end, [['b', new Uint8Array(1000)]], 300)
  t.deepEqual(replayed(emptyChain, [parts[0]!, parts[1]!, claim, ...after]), [['b', new Uint8Array(1000)]])
  const beat = nextEntry(parts[0]!.end, { kind: 'beat' })
  t.is(replayed(emptyChain, [parts[0]!, beat, parts[1]!]), undefined)
})

test('a commit in parts begins anew behind one that has failed behind some of its parts', (t) => {
  const failed = commitEntries(emptyChain, [['a', new Uint8Array(1000)]], 300).slice(0, 2)
  const whole = commitEntries(failed[1]!.end, [['b', new Uint8Array(1000)]], 300)
  t.deepEqual(replayed(emptyChain, [...failed, ...whole]), [['b', new Uint8Array(1000)]])
  const third = nextEntry(failed[1]!.end, { kind: 'part', index: 3, isLast: false, bytes: new Uint8Array(1) })
  t.throws(() => replayed(emptyChain, [...failed, third]), { code: 'config.log-lost' })
})

const sliced = async (given: readonly Write[], bytesMax: number) => {
  const slices: Uint8Array[] = []
  for await (const slice of slicesOf(given, bytesMax)) slices.push(slice)
  return slices
}
const unsliced = async (slices: readonly Uint8Array[]) => {
  const found: Write[] = []
  for await (const part of writesIn(Readable.from(slices))) found.push(...part)
  return found
}

test('slices of a snapshot are read back as they were, and none is larger than it may be', async (t) => {
  const property = fc.asyncProperty(writes, fc.integer({ min: 2, max: 400 }), async (given, bytesMax) => {
    const slices = await sliced(given, bytesMax)
    t.true(slices.every(({ length }) => length <= bytesMax))
    t.deepEqual(await unsliced(slices), given)
  })
  await fc.assert(property, { numRuns: 200 })
})

test('slices that are lost, doubled or in another order are one fault', async (t) => {
  const [first, ...others] = await sliced([['k', new Uint8Array(500)]], 200)
  t.is(others.length, 2)
  const wrong = [[first!], others, [first!, first!, ...others, others.at(-1)!], [new Uint8Array([9, 1])], [new Uint8Array()]]
  for (const slices of wrong) t.is(await codeOf(unsliced(slices)), 'config.log-lost')
})
