/** The port `Log` in memory, with the faults that it can be asked for. */
import test from 'ava'
import type { Appended, Log } from '../../core/ports/log.js'
import { type MemoryLog, memoryLog } from '../../transports/memory/memoryLog.js'
import { type AppendFate, fatesBy } from '../../transports/memory/memoryLogFaults.js'
import { memoryShardLogs } from '../../transports/memory/memoryShardLogs.js'
import { MemorySnapshots } from '../../transports/memory/memorySnapshots.js'
import { seededRandom } from '../../transports/seededRandom.js'
import { ManualClock } from '../support/manualClock.js'
import { refusalOf } from '../support/rejections.js'
import { logContract } from './logContract.js'
import { snapshotsContract } from './snapshotsContract.js'

const wrap = (log: MemoryLog) => ({ open: () => Promise.resolve<Log>(log.open()) })

logContract('memory', () => wrap(memoryLog()), { writers: 'many' })
logContract(
  'memory shard',
  () => {
    const servers = memoryShardLogs()
    let hosts = 0
    return { open: () => servers.client(`host ${++hosts}`).open('notes', 3) }
  },
  { writers: 'many' },
)
snapshotsContract('memory', () => new MemorySnapshots({ turn: setImmediate }))
snapshotsContract('memory shard', async () => (await memoryShardLogs().client('host').open('notes', 3)).snapshots)

test('the shards of a service are those whose logs were made, in order', async (t) => {
  const logs = memoryShardLogs().client('host')
  t.deepEqual(await logs.shardsOf('notes'), [])
  for (const [service, shard] of [
    ['notes', 10],
    ['notes', 2],
    ['notes2', 1],
  ] as const)
    await logs.open(service, shard)
  t.deepEqual(await logs.shardsOf('notes'), [2, 10])
})

const one = new Uint8Array([1])
const two = new Uint8Array([2])

function faulty(fate: AppendFate | undefined) {
  const clock = new ManualClock()
  const log = memoryLog({ clock })
  const writer = log.open('w')
  log.fate = () => fate ?? 'deliver'
  const append = (bytes: Uint8Array, after: number) => {
    const seen: { kind?: Appended['kind'] } = {}
    void writer.append(bytes, after).then(({ kind }) => {
      seen.kind = kind
    })
    return seen
  }
  const step = async (ms = 0) => {
    clock.endTurn()
    if (ms > 0) clock.advance(ms)
    await new Promise(setImmediate)
  }
  return { clock, log, writer, append, step }
}

for (const [fate, told, appended] of [
  ['deliver', 'appended', 1],
  ['lose-answer', 'unknown', 1],
  ['lose', 'unknown', 0],
  ['never-answer', undefined, 1],
  ['in-flight', 'unknown', 0],
  ['full', 'refused', 0],
] as const) {
  test(`a writer whose append meets "${fate}" is told ${told ?? 'nothing'}, and the log has ${appended} of it`, async (t) => {
    const { log, append, step, writer } = faulty(fate)
    const seen = append(one, 0)
    await step()
    t.is(seen.kind, told)
    t.is(log.last, appended)
    const closed = writer.close()
    await step()
    await closed
    t.is(seen.kind, told ?? 'unknown')
  })
}

test('an answer that is late comes late, and the entry is there before it', async (t) => {
  const { log, append, step } = faulty({ answerAfterMs: 50 })
  const seen = append(one, 0)
  await step()
  t.deepEqual([log.last, seen.kind], [1, undefined])
  await step(50)
  t.is(seen.kind, 'appended')
})

test('an append that arrives after its writer was told unknown counts then, if the log still ends there', async (t) => {
  for (const rival of [false, true]) {
    const { log, append, step, writer } = faulty({ arrivesAfterMs: 50 })
    const bytes = new Uint8Array([1])
    const seen = append(bytes, 0)
    await step()
    t.deepEqual([log.last, seen.kind], [0, 'unknown'])
    bytes.fill(9)
    log.fate = undefined
    if (rival) {
      const second = append(two, 0)
      await step()
      t.is(second.kind, 'appended')
    }
    await step(50)
    t.deepEqual(
      log.entries.map((entry) => entry.bytes[0]),
      [rival ? 2 : 1],
    )
    t.is(writer.durability, 'none')
  }
})

test('a server with a fault accepts both contenders, one behind the other', async (t) => {
  const { log, append, step } = faulty('accept-anyway')
  const seen = [append(one, 0), append(two, 0)]
  await step()
  t.deepEqual(
    seen.map(({ kind }) => kind),
    ['appended', 'appended'],
  )
  t.deepEqual(
    log.entries.map(({ position, bytes }) => [position, bytes[0]]),
    [
      [1, 1],
      [2, 2],
    ],
  )
})

async function read(log: Log, after = 0): Promise<number[]> {
  const found: number[] = []
  for await (const { bytes } of log.read(after)) found.push(bytes[0]!)
  return found
}

test('a stale reader sees an older end, and one that nobody answers is told so', async (t) => {
  const log = memoryLog()
  const [writer, reader] = [log.open('w'), log.open('r')]
  await writer.append(one, 0)
  await writer.append(two, 1)
  log.view = (name) => (name === 'r' ? { staleBy: 1 } : 'all')
  t.deepEqual(await read(reader), [1])
  t.deepEqual(await reader.ends(), { first: 1, last: 1 })
  t.deepEqual(await read(writer), [1, 2])
  log.view = () => ({ staleBy: 9 })
  t.deepEqual(await reader.ends(), { first: 1, last: 0 })
  log.view = () => 'nothing'
  t.is((await refusalOf(t, () => read(reader))).code, 'unavailable.storage')
  t.is((await refusalOf(t, () => reader.ends())).code, 'unavailable.storage')
})

test('a log that has lost its suffix ends earlier, and goes on there', async (t) => {
  const log = memoryLog()
  const writer = log.open()
  for (let i = 0; i < 4; i++) await writer.append(one, i)
  log.loseAfter(2)
  t.deepEqual(await writer.ends(), { first: 1, last: 2 })
  t.is((await writer.append(two, 4)).kind, 'conflict')
  t.is((await writer.append(two, 2)).kind, 'appended')
  t.deepEqual(await read(writer), [1, 1, 2])
})

test('a log with a bound refuses more, and takes it when it was trimmed', async (t) => {
  const writer = memoryLog({ entriesMax: 2 }).open()
  await writer.append(one, 0)
  await writer.append(one, 1)
  t.like(await writer.append(one, 2), { kind: 'refused', fault: { message: 'the log is full' } })
  await writer.trim(1)
  t.is((await writer.append(one, 2)).kind, 'appended')
})

test('a writer that was killed hears of nothing, and what it had sent arrives', async (t) => {
  const { log, append, step, writer } = faulty(undefined)
  const seen = append(one, 0)
  writer.abandon()
  await step()
  t.deepEqual([log.last, seen.kind], [1, undefined])
})

test('the same seed gives the same fates, and each that has a chance occurs', (t) => {
  const chances = { loseAnswer: 0.1, lose: 0.1, neverAnswer: 0.1, inFlight: 0.1, full: 0.1, acceptAnyway: 0.1 }
  const fates = (seed: number) => {
    const fate = fatesBy(seededRandom(seed), { ...chances, answerLate: 0.1, arriveLate: 0.1, lateMsMax: 9 })
    return Array.from({ length: 300 }, () => fate({ writer: 'w', bytes: one, after: 0 }))
  }
  t.deepEqual(fates(1), fates(1))
  t.notDeepEqual(fates(1), fates(2))
  const kinds = new Set(fates(1).map((fate) => (typeof fate === 'string' ? fate : Object.keys(fate)[0])))
  t.is(kinds.size, 9)
  const none = fatesBy(seededRandom(1), {})
  t.is(none({ writer: 'w', bytes: one, after: 0 }), 'deliver')
})

test('hosts are clients of the same shards, and one that was killed leaves its logs', async (t) => {
  const servers = memoryShardLogs({ sliceBytesMax: 10 })
  const [a, b] = [servers.client('a'), servers.client('b')]
  const [first, second] = [await a.open('notes', 1), await b.open('notes', 1)]
  await first.append(one, 0)
  t.deepEqual(await read(second), [1])
  t.is(second.snapshots.sliceBytesMax, 10)
  t.is(servers.shard('notes', 2).log.last, 0)
  servers.shard('notes', 1).snapshots.failAfterSlices = 1
  t.is((await refusalOf(t, () => first.snapshots.write('s', [one, two]))).code, 'unavailable.storage')
  t.deepEqual(await second.snapshots.names(), [])
  a.abandon()
  t.is((await first.append(two, 1)).kind, 'refused')
  await b.close()
  t.is((await second.append(two, 1)).kind, 'refused')
})
