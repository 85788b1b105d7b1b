/** The line of those who ask an upgrade server for chunks: A1–A4 of actors/base/chunkQueue.ts. */
import test from 'ava'
import { ChunkQueue, type Question } from '../../actors/base/chunkQueue.js'
import { type CallEnvelope, kinds } from '../../core/wire/envelope.js'
import { ManualClock } from '../support/manualClock.js'

function line(atOnce: number, waitingMax: number) {
  const clock = new ManualClock(0)
  const answered: string[] = []
  const refused: string[] = []
  const flushes: (() => void)[] = []
  const own = new ChunkQueue({
    atOnce,
    waitingMax,
    clock,
    answer: async ({ replyTo }) => void answered.push(replyTo),
    refuse: ({ replyTo }, { code }) => void refused.push(`${replyTo}: ${code}`),
    flush: () => new Promise((resolve) => flushes.push(resolve)),
  })
  /** The answers that have reached the other side. */
  const flushed = async (count = 1) => {
    await clock.runUntil(clock.now())
    for (const flush of flushes.splice(0, count)) flush()
    await clock.runUntil(clock.now())
  }
  return { clock, line: own, answered, refused, flushed }
}

function question(replyTo: string, { seq = 1, deadlineMs = 1_000 } = {}): Question {
  const call: CallEnvelope = {
    kind: kinds.call,
    label: 0,
    seq,
    method: 'chunk',
    args: [],
    deadlineMs,
    caller: replyTo.split('/')[0]!,
    incarnation: 1,
    callerClass: 'Host',
    callerVersion: 0,
    expects: null,
    path: null,
    trace: null,
    together: false,
  }
  return { call, replyTo }
}

test('as many as may be are answered at once, and each of the others when one before it has reached the other side (A1)', async (t) => {
  const { line: own, answered, flushed } = line(2, 10)
  for (const name of ['a', 'b', 'c', 'd']) own.enter(question(name))
  await flushed(0)
  t.deepEqual(answered, ['a', 'b'])
  await flushed()
  t.deepEqual(answered, ['a', 'b', 'c'])
  await flushed(2)
  t.deepEqual(answered, ['a', 'b', 'c', 'd'])
})

test('who comes when the queue is full is refused at once, as overloaded (A2)', async (t) => {
  const { line: own, answered, refused, flushed } = line(1, 2)
  for (const name of ['a', 'b', 'c', 'd']) own.enter(question(name))
  t.deepEqual(refused, ['d: unavailable.overloaded'])
  await flushed()
  own.enter(question('d', { seq: 2 }))
  for (let i = 0; i < 3; i++) await flushed()
  t.deepEqual(answered, ['a', 'b', 'c', 'd'])
})

test('a question that is asked again keeps its place and is answered once, where its newest copy says (A3)', async (t) => {
  const { line: own, answered, refused, flushed } = line(1, 2)
  for (const name of ['a', 'b', 'c', 'b/again', 'a/again']) own.enter(question(name))
  for (let i = 0; i < 4; i++) await flushed()
  t.deepEqual(answered, ['a', 'b/again', 'c'])
  t.deepEqual(refused, [])
})

test('two questions of one asker are two (A3)', async (t) => {
  const { line: own, answered, flushed } = line(1, 5)
  for (const seq of [1, 2, 3]) own.enter(question('a', { seq }))
  for (let i = 0; i < 4; i++) await flushed()
  t.deepEqual(answered, ['a', 'a', 'a'])
})

test('a question whose deadline comes while it waits is not answered; asked again, it has a new one (A4)', async (t) => {
  const { clock, line: own, answered, flushed } = line(1, 5)
  for (const name of ['a', 'b', 'c', 'd']) own.enter(question(name))
  await clock.runUntil(600)
  own.enter(question('c'))
  await clock.runUntil(1_000)
  for (let i = 0; i < 4; i++) await flushed()
  t.deepEqual(answered, ['a', 'c'])
})

test('a line that is closed refuses who waits and who comes: another server may answer them', async (t) => {
  const { line: own, answered, refused, flushed } = line(1, 5)
  for (const name of ['a', 'b']) own.enter(question(name))
  own.close()
  own.enter(question('c'))
  await flushed()
  t.deepEqual(answered, ['a'])
  t.deepEqual(refused, ['b: unavailable.stopped', 'c: unavailable.stopped'])
})

test('who waits keeps no texts that an answer does not need (A5)', async (t) => {
  const clock = new ManualClock(0)
  const answered: CallEnvelope[] = []
  const own = new ChunkQueue({
    atOnce: 1,
    waitingMax: 10,
    clock,
    answer: async ({ call }) => void answered.push(call),
    refuse: () => {},
    flush: async () => {},
  })
  const { call, replyTo } = question('a')
  const long = 'x'.repeat(1_000_000)
  for (const seq of [1, 2]) own.enter({ call: { ...call, seq, expects: long, path: [long], trace: long, args: [seq] }, replyTo })
  await clock.runUntil(clock.now())
  t.deepEqual(
    answered,
    [1, 2].map((seq) => ({ ...call, seq, args: [seq] })),
  )
})

test('questions that are known by more than their call wait beside each other (A3)', async (t) => {
  const clock = new ManualClock(0)
  const answered: string[] = []
  const own = new ChunkQueue({
    atOnce: 10,
    waitingMax: 10,
    clock,
    idOf: ({ replyTo }) => replyTo,
    answer: async ({ replyTo }) => void answered.push(replyTo),
    refuse: () => {},
    flush: () => new Promise(() => {}),
  })
  const { call } = question('a')
  for (const replyTo of ['one', 'two', 'one']) own.enter({ call, replyTo })
  await clock.runUntil(clock.now())
  t.deepEqual(answered, ['one', 'two'])
})
