/**
 * The contract of every adapter of the port `Log`. Registers its tests with ava under the adapter's name. It
 * waits for nothing but the log's own answers, so it runs on real servers too.
 */
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import type { Log, LogEntry, Position } from '../../core/ports/log.js'
import { refusalOf } from '../support/rejections.js'

/** A log that outlives those who open it. */
export interface LogUnderTest {
  open(): Promise<Log>
}

export interface LogContractOptions {
  /** `one` where a log is open once at a time: its directory is locked. */
  readonly writers: 'one' | 'many'
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (value: Uint8Array): string => new TextDecoder().decode(value)

async function entriesOf(log: Log, after: Position = 0): Promise<LogEntry[]> {
  const found: LogEntry[] = []
  for await (const entry of log.read(after)) found.push(entry)
  return found
}

async function shown(log: Log, after: Position = 0): Promise<(readonly [Position, string])[]> {
  return (await entriesOf(log, after)).map((entry) => [entry.position, text(entry.bytes)] as const)
}

/** Appends these one behind the other, without waiting in between. */
async function fill(t: ExecutionContext, log: Log, texts: readonly string[], after: Position = 0): Promise<void> {
  const ended = await Promise.all(texts.map((each, i) => log.append(bytes(each), after + i)))
  t.true(
    ended.every(({ kind }) => kind === 'appended'),
    JSON.stringify(ended.find(({ kind }) => kind !== 'appended')),
  )
}

/** `fresh` makes a log that nobody has used before. */
export function logContract(
  name: string,
  fresh: (t: ExecutionContext) => LogUnderTest | Promise<LogUnderTest>,
  { writers }: LogContractOptions,
): void {
  const opened = async (t: ExecutionContext): Promise<Log> => {
    const log = await (await fresh(t)).open()
    t.teardown(() => log.close())
    return log
  }
  const onlyIf = (holds: boolean) => (holds ? test : () => {})

  test(`${name}: a new log is empty`, async (t) => {
    const log = await opened(t)
    t.deepEqual(await log.ends(), { first: 1, last: 0 })
    t.deepEqual(await shown(log), [])
  })

  test(`${name}: entries have positions from 1 on and are read in their order`, async (t) => {
    const log = await opened(t)
    await fill(t, log, ['a', 'b', 'c'])
    t.deepEqual(await shown(log), [
      [1, 'a'],
      [2, 'b'],
      [3, 'c'],
    ])
    t.deepEqual(await shown(log, 2), [[3, 'c']])
    t.deepEqual(await shown(log, 3), [])
    t.deepEqual(await log.ends(), { first: 1, last: 3 })
  })

  test(`${name}: H1: an entry is appended behind the position that its writer names, or not at all`, async (t) => {
    const log = await opened(t)
    await fill(t, log, ['a', 'b'])
    for (const after of [0, 1, 3, 100]) t.is((await log.append(bytes('wrong'), after)).kind, 'conflict', String(after))
    await fill(t, log, ['c'], 2)
    t.deepEqual(await shown(log), [
      [1, 'a'],
      [2, 'b'],
      [3, 'c'],
    ])
  })

  test(`${name}: appends that conflict do not keep the right one out`, async (t) => {
    const log = await opened(t)
    await fill(t, log, ['a'])
    const ended = await Promise.all([log.append(bytes('x'), 0), log.append(bytes('y'), 2), log.append(bytes('b'), 1)])
    t.deepEqual(
      ended.map(({ kind }) => kind),
      ['conflict', 'conflict', 'appended'],
    )
    t.deepEqual(await shown(log, 1), [[2, 'b']])
  })

  onlyIf(writers === 'many')(`${name}: H1: of several writers that name one position one is appended`, async (t) => {
    const shared = await fresh(t)
    const logs = await Promise.all(Array.from({ length: 3 }, () => shared.open()))
    t.teardown(() => Promise.all(logs.map((log) => log.close())))
    for (let round = 0; round < 20; round++) {
      const ended = await Promise.all(logs.map((log, i) => log.append(bytes(`${round} ${i}`), round)))
      const winners = ended.flatMap(({ kind }, i) => (kind === 'appended' ? [i] : []))
      t.is(winners.length, 1, JSON.stringify(ended))
      t.is(ended.filter(({ kind }) => kind === 'conflict').length, 2, JSON.stringify(ended))
      for (const log of logs) t.deepEqual(await shown(log, round), [[round + 1, `${round} ${winners[0]}`]])
    }
  })

  onlyIf(writers === 'many')(
    `${name}: an entry that is appended again conflicts, and its copy is behind its predecessor`,
    async (t) => {
      const log = await opened(t)
      await fill(t, log, ['a', 'b'])
      t.is((await log.append(bytes('b'), 1)).kind, 'conflict')
      t.deepEqual(await shown(log, 1), [[2, 'b']])
    },
  )

  test(`${name}: entries come back as they were, whatever their bytes and their size`, async (t) => {
    const log = await opened(t)
    let at = 0
    const entry = fc.uint8Array({ minLength: 1, maxLength: 2000 })
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { minLength: 1, maxLength: 10 }), async (all) => {
        const after = at
        at += all.length
        const ended = await Promise.all(all.map((each, i) => log.append(each, after + i)))
        t.true(ended.every(({ kind }) => kind === 'appended'))
        const found = await entriesOf(log, after)
        t.deepEqual(
          found.map(({ position }) => position),
          all.map((_, i) => after + i + 1),
        )
        t.true(found.every((each, i) => Buffer.compare(each.bytes, all[i]!) === 0))
      }),
      { numRuns: 20 },
    )
  })

  test(`${name}: the largest entry is taken; a larger one is refused, and leaves no trace`, async (t) => {
    const log = await opened(t)
    const largest = new Uint8Array(log.entryBytesMax).map((_, i) => (i * 31) % 251)
    t.is((await log.append(new Uint8Array(log.entryBytesMax + 1), 0)).kind, 'refused')
    t.is((await log.append(largest, 0)).kind, 'appended')
    await fill(t, log, ['after'], 1)
    const found = await entriesOf(log)
    t.is(found.length, 2)
    t.is(Buffer.compare(found[0]!.bytes, largest), 0)
  })

  test(`${name}: thousands of entries are read from each place on`, async (t) => {
    const log = await opened(t)
    const all = Array.from({ length: 3000 }, (_, i) => `entry ${i + 1}`)
    for (let at = 0; at < all.length; at += 100) await fill(t, log, all.slice(at, at + 100), at)
    for (const after of [0, 1, 255, 1500, 2999, 3000])
      t.deepEqual(
        await shown(log, after),
        all.slice(after).map((each, i) => [after + i + 1, each] as const),
      )
  })

  test(`${name}: bytes that were appended, or read, are the caller’s own`, async (t) => {
    const log = await opened(t)
    const mine = bytes('mine')
    await log.append(mine, 0)
    mine.fill(0)
    for (const { bytes: read } of await entriesOf(log)) read.fill(0)
    t.deepEqual(await shown(log), [[1, 'mine']])
  })

  test(`${name}: trimmed entries are not read, and who asks for them is told; the last one stays`, async (t) => {
    const log = await opened(t)
    await log.trim(5)
    await fill(t, log, ['a', 'b', 'c', 'd'])
    await log.trim(2)
    const { first, last } = await log.ends()
    t.is(last, 4)
    // A log may keep more than it was told to.
    t.true(first <= 3, String(first))
    t.deepEqual(await shown(log, 2), [
      [3, 'c'],
      [4, 'd'],
    ])
    await log.trim(100)
    t.is((await log.ends()).last, 4)
    t.deepEqual(await shown(log, 3), [[4, 'd']])
    await fill(t, log, ['e'], 4)
    t.deepEqual(await shown(log, 4), [[5, 'e']])
    const begins = (await log.ends()).first
    if (begins > 1) t.is((await refusalOf(t, () => entriesOf(log, begins - 2))).code, 'config.log-lost')
  })

  test(`${name}: a log that is opened again goes on where it ended`, async (t) => {
    const shared = await fresh(t)
    const first = await shared.open()
    await fill(t, first, ['a', 'b', 'c'])
    await first.trim(2)
    await first.close()
    const second = await shared.open()
    t.teardown(() => second.close())
    t.is((await second.ends()).last, 3)
    t.is((await second.append(bytes('wrong'), 0)).kind, 'conflict')
    await fill(t, second, ['d'], 3)
    t.deepEqual(await shown(second, 2), [
      [3, 'c'],
      [4, 'd'],
    ])
  })

  test(`${name}: close waits for the appends that are running`, async (t) => {
    const shared = await fresh(t)
    const log = await shared.open()
    const ended: string[] = []
    const appends = ['a', 'b', 'c'].map((each, i) => log.append(bytes(each), i).then(({ kind }) => ended.push(kind)))
    await log.close().then(() => ended.push('closed'))
    await Promise.all(appends)
    t.deepEqual(ended, ['appended', 'appended', 'appended', 'closed'])
  })

  test(`${name}: a closed log takes and gives nothing, and may be closed again`, async (t) => {
    const log = await (await fresh(t)).open()
    await log.close()
    t.is((await log.append(bytes('a'), 0)).kind, 'refused')
    t.is((await refusalOf(t, () => entriesOf(log))).code, 'unavailable.storage')
    await log.close()
  })
}
