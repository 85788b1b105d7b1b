/** Recorded operations and the differences of a replay, as they are kept and told (§8; W1, W4). */
import test from 'ava'
import { isSeen, readSeenBatch } from '../../core/inspection/inspection.js'
import {
  decodeDifference,
  decodeOperation,
  encodeDifference,
  encodeOperation,
  isReportedDifference,
  isSameTold,
  type RecordedOperation,
  type RewindDifference,
  toldOf,
} from '../../core/model/recordedOperation.js'
import { pack, unpack } from '../../core/wire/codec.js'
import { toJson } from '../../natsctl/output/output.js'

const caller = { name: 'web', node: 'till-1', className: 'Till.v1', version: 3, system: 'shop', host: 'h1' }

const operation: RecordedOperation = {
  ...{ label: 1, kind: 'call', method: 'sell', args: pack([10, 'ü'], 'args'), caller, atMs: 1_800_000_000_000 },
  ...{ told: toldOf(7), nows: [1.5, 2], randoms: [0.25], inside: ['other'], bytesBefore: 12 },
  calls: [
    { target: 'Ledger/l1', method: 'number', args: 'digest', isCommand: true, answer: { value: pack(4, 'answer') } },
    {
      target: 'Ledger/',
      method: 'ask',
      args: 'd',
      isCommand: false,
      answer: { code: 'application.error', message: 'no', details: pack({}) },
    },
    { target: 'event/sold', method: 'sold', args: 'd', isCommand: true, answer: null },
  ],
}

/** Bytes of either kind as text. */
const plain = (value: object): unknown => JSON.parse(toJson(value))

test('an operation comes back from disk as it was, with what it asked others and what they answered', (t) => {
  t.deepEqual(plain(decodeOperation(encodeOperation(operation))), plain(operation))
  const timer: RecordedOperation = { ...operation, kind: 'timer', caller: undefined, told: null, calls: [], inside: [] }
  t.deepEqual(plain(decodeOperation(encodeOperation(timer))), plain(timer))
  const [, ...fields] = unpack(encodeOperation(operation)) as unknown[]
  t.throws(() => decodeOperation(pack([99, ...fields])), {
    code: 'config.invalid',
    message: /format 99: this Theseus reads format 1$/,
  })
})

test('a long answer is kept as its digest, and compared by it', (t) => {
  const [long, other] = ['x'.repeat(300), 'y'.repeat(300)]
  t.is(typeof toldOf(long), 'string')
  t.true(isSameTold(toldOf(long), toldOf(long)))
  t.false(isSameTold(toldOf(long), toldOf(other)))
  t.false(isSameTold(toldOf(long), toldOf('x')))
  t.true(isSameTold(toldOf(undefined), toldOf(null)))
  t.false(isSameTold(null, toldOf(null)))
})

const difference: RewindDifference = {
  ...{ label: 1, kind: 'call', method: 'sell', args: operation.args, caller, atMs: 5, told: toldOf({ n: 1 }) },
  ...{ outcome: 'answer', now: toldOf('x'.repeat(300)), reason: null },
}

test('a difference is told as plain data, its long answers by their digests and its long arguments not at all', (t) => {
  const told = decodeDifference(encodeDifference(difference))!
  t.like(told, { at: 5, label: 1, kind: 'call', method: 'sell', args: [10, 'ü'], caller, outcome: 'answer', told: { n: 1 } })
  t.regex(String(told.now), /^sha256:[0-9a-f]{64}$/)
  const long = decodeDifference(encodeDifference({ ...difference, args: pack(['x'.repeat(5000)], 'args') }))!
  t.false('args' in long)
  t.true(isReportedDifference(long))
  const [, ...fields] = unpack(encodeDifference(difference)) as unknown[]
  t.is(decodeDifference(pack([99, ...fields])), undefined)
})

test('a reason of any length is cut, so that a report of many fits into a message', (t) => {
  const reason = `${'x'.repeat(1023)}\u{1f600}${'y'.repeat(100_000)}`
  const told = decodeDifference(encodeDifference({ ...difference, outcome: 'refused', now: null, reason }))!
  t.is(told.reason!.length, 1024)
  t.true(told.reason!.isWellFormed())
})

test('of what a host tells, nothing is believed that is no report', (t) => {
  const whole = decodeDifference(encodeDifference(difference))!
  const seen = {
    type: 'rewound',
    at: 1,
    nodeId: 'till',
    target: 1,
    replayed: 4,
    differing: 1,
    told: 1,
    from: 0,
    differences: [whole],
  }
  t.true(isSeen(seen))
  t.true(isSeen({ ...seen, differences: [{ ...whole, caller: null }] }))
  const wrong: object[] = [{ target: -1 }, { replayed: 0.5 }, { told: '1' }, { from: -1 }, { differences: {} }]
  for (const caller of [undefined, 'web', 7, {}, { ...whole.caller, node: 1 }, { ...whole.caller, version: 'x' }])
    wrong.push({ differences: [{ ...whole, caller }] })
  for (const other of [
    { outcome: 'fine' },
    { kind: 'x' },
    { args: 'x' },
    { method: 1 },
    { reason: 1 },
    { at: '1' },
    { label: null },
  ])
    wrong.push({ differences: [{ ...whole, ...other }] })
  wrong.push({ differences: Array.from({ length: 65 }, () => whole) })
  for (const change of wrong) t.false(isSeen({ ...seen, ...change }), JSON.stringify(change))
  const batch = readSeenBatch({ hostId: 'h', epoch: 1, number: 0, dropped: 0, seen: [seen, { ...seen, from: -1 }] })
  t.deepEqual(batch?.seen, [seen as never])
})
