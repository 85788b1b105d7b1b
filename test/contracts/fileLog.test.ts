/** A log in files: F1 to F5, and which losses are seen when it is opened again. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { isFault } from '../../core/base/fault.js'
import type { Log, Position } from '../../core/ports/log.js'
import { type FileLogOptions, fileLogLimits, openFileLog } from '../../transports/log/fileLog.js'
import { type Files, systemFiles } from '../../transports/log/files.js'
import { nameOfSegment, segmentsIn } from '../../transports/log/logFiles.js'
import { decodeHeader, encodeHeader, type FileDurability } from '../../transports/log/segment.js'
import { refusalOf } from '../support/rejections.js'
import { type LogUnderTest, logContract } from './logContract.js'

function newDirectory(t: ExecutionContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'theseus-log-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

const small = { entryBytesMax: 4000, segmentBytes: 10_000, growBytes: 1000 }

/** As the store behind the log uses it: what it has given up, that store holds. */
function underTest(t: ExecutionContext, options: Pick<FileLogOptions, 'durability' | 'limits'>): LogUnderTest {
  const directory = newDirectory(t)
  let held = 0
  let isBegun = false
  return {
    async open() {
      const log = await openFileLog(directory, { ...options, held, isBegun })
      isBegun = true
      const { trim } = log
      log.trim = async (upTo) => {
        held = Math.max(held, Math.min(upTo, (await log.ends()).last))
        await trim.call(log, upTo)
      }
      return log
    },
  }
}

for (const durability of ['process', 'disk'] as const) {
  logContract(`file, ${durability}`, (t) => underTest(t, { durability }), { writers: 'one' })
  logContract(`file in small segments, ${durability}`, (t) => underTest(t, { durability, limits: small }), { writers: 'one' })
}

const entry = (i: number): Uint8Array => new Uint8Array(10 + (i % 7)).fill(i)

/** The first byte of each entry. */
async function read(log: Log, after: Position = 0): Promise<number[]> {
  const found: number[] = []
  for await (const { bytes } of log.read(after)) found.push(bytes[0]!)
  return found
}

const upTo = (n: number, from = 1): number[] => Array.from({ length: n + 1 - from }, (_, i) => from + i)

/** A directory with entries 1 to `count`, one frame each. */
async function filled(
  t: ExecutionContext,
  durability: FileDurability,
  count: number,
  limits = { ...fileLogLimits, growBytes: 64 },
) {
  const directory = newDirectory(t)
  const log = await openFileLog(directory, { durability, held: 0, isBegun: false, limits })
  for (let i = 1; i <= count; i++) t.is((await log.append(entry(i), i - 1)).kind, 'appended')
  await log.close()
  return directory
}

/** Opens a copy: the entries found, or the code of the fault. One more is appended, and found again. */
async function reopened(
  t: ExecutionContext,
  directory: string,
  durability: FileDurability,
  options: Partial<FileLogOptions> = {},
): Promise<number[] | string> {
  const copy = newDirectory(t)
  cpSync(directory, copy, { recursive: true })
  const given = { durability, held: 0, isBegun: true, ...options }
  try {
    const log = await openFileLog(copy, given)
    const found = await read(log, given.held)
    const { last } = await log.ends()
    t.is((await log.append(new Uint8Array([99]), last)).kind, 'appended')
    await log.close()
    const again = await openFileLog(copy, given)
    t.deepEqual(await read(again, given.held), [...found, 99])
    await again.close()
    return found
  } catch (error) {
    if (isFault(error)) return error.code
    throw error
  } finally {
    rmSync(copy, { recursive: true })
  }
}

/** As if the machine had been started again since. */
function restartMachine(directory: string): void {
  for (const { path } of segmentsIn(directory)) {
    const file = readFileSync(path)
    const header = decodeHeader(file)
    if (header === undefined) continue
    encodeHeader({ ...header, boot: 'an earlier start' }).copy(file)
    writeFileSync(path, file)
  }
}

for (const durability of ['process', 'disk'] as const) {
  test(`F3: ${durability}: a log that was cut off anywhere has the entries before the cut`, async (t) => {
    const directory = await filled(t, durability, 6)
    const { path } = segmentsIn(directory)[0]!
    const whole = readFileSync(path)
    let most = 0
    for (let size = whole.length; size >= 64; size--) {
      truncateSync(path, size)
      const found = await reopened(t, directory, durability)
      t.deepEqual(found, upTo(found.length), String(size))
      if (size === whole.length) most = found.length
    }
    t.is(most, 6)
    truncateSync(path, 63)
    t.is(await reopened(t, directory, durability), 'config.log-lost')
  })

  test(`F1, F2: ${durability}: a bit that was flipped anywhere is found, but in the last frame`, async (t) => {
    const directory = await filled(t, durability, 5)
    const { path } = segmentsIn(directory)[0]!
    const whole = readFileSync(path)
    const outcomes = new Map<string, number>()
    for (let at = 0; at < whole.length; at++) {
      const flipped = Buffer.from(whole)
      flipped[at] = flipped[at]! ^ (1 << (at % 8))
      writeFileSync(path, flipped)
      const found = String(await reopened(t, directory, durability))
      outcomes.set(found, (outcomes.get(found) ?? 0) + 1)
    }
    const expected = ['1,2,3,4', 'config.log-lost']
    // Behind the last entry a file that has grown is zeros, which are no part of any.
    if (durability === 'disk') expected.push('1,2,3,4,5')
    t.deepEqual([...outcomes.keys()].sort(), expected.sort())
  })
}

test('F3: after a power cut a hole is one that durability process allows: the log ends before it', async (t) => {
  for (const [durability, expected] of [
    ['process', [1, 2]],
    ['disk', 'config.log-lost'],
  ] as const) {
    const directory = await filled(t, durability, 5)
    const { path } = segmentsIn(directory)[0]!
    const file = readFileSync(path)
    const at = file.indexOf(Buffer.from(entry(3)))
    file.fill(0, at - 20, at + 10)
    writeFileSync(path, file)
    t.is(await reopened(t, directory, durability), 'config.log-lost', 'the machine has not been restarted')
    restartMachine(directory)
    t.deepEqual(await reopened(t, directory, durability), expected as never, durability)
    t.deepEqual(await reopened(t, directory, durability, { lostLog: 'accept' }), [1, 2])
    // The store behind the log has what the hole has lost.
    t.deepEqual(await reopened(t, directory, durability, { held: 3 }), [4, 5])
    t.deepEqual(await reopened(t, directory, durability, { held: 5 }), [])
  }
})

test('F3: a log that ends before the store behind it has lost entries; after a power cut durability process allows that', async (t) => {
  for (const [durability, expected] of [
    ['process', []],
    ['disk', 'config.log-lost'],
  ] as const) {
    const directory = await filled(t, durability, 5)
    t.is(await reopened(t, directory, durability, { held: 6 }), 'config.log-lost')
    restartMachine(directory)
    t.deepEqual(await reopened(t, directory, durability, { held: 6 }), expected as never)
    t.deepEqual(await reopened(t, directory, durability, { held: 6, lostLog: 'accept' }), [])
  }
})

test('F3: files that are missing were lost, unless the store behind the log has all that they held', async (t) => {
  const limits = { entryBytesMax: 100, segmentBytes: 200, growBytes: 64 }
  for (const durability of ['process', 'disk'] as const) {
    const directory = await filled(t, durability, 12, limits)
    const files = segmentsIn(directory)
    t.true(files.length >= 4, String(files.length))
    const [, second, third] = files
    t.deepEqual(await reopened(t, directory, durability), upTo(12))
    rmSync(second!.path)
    t.is(await reopened(t, directory, durability), 'config.log-lost')
    t.deepEqual(await reopened(t, directory, durability, { lostLog: 'accept' }), upTo(second!.first - 1))
    t.deepEqual(await reopened(t, directory, durability, { held: third!.first - 1 }), upTo(12, third!.first))
    rmSync(files[0]!.path)
    t.is(await reopened(t, directory, durability), 'config.log-lost')
    for (const { path } of segmentsIn(directory)) rmSync(path)
    t.is(await reopened(t, directory, durability), 'config.log-lost')
    t.deepEqual(await reopened(t, directory, durability, { isBegun: false }), [])
  }
})

test('a log that lost its end is told of with what to do', async (t) => {
  const directory = await filled(t, 'disk', 3)
  const fault = await refusalOf(t, openFileLog(directory, { durability: 'disk', held: 9, isBegun: true }))
  t.regex(
    fault.message,
    /they end with 3, and the store behind them holds 9\. To go on: restore the files; or .*lostLog: "accept"/,
  )
})

interface Disk extends Files {
  syncs: number
  writes: number
  failWrite: ((bytes: Uint8Array) => number) | undefined
  failSync: boolean
}

/** The file system, with a disk that fills up and fails. */
function disk(): Disk {
  const made: Disk = {
    ...systemFiles,
    syncs: 0,
    writes: 0,
    failWrite: undefined,
    failSync: false,
    write(file, bytes, at) {
      made.writes++
      const most = made.failWrite?.(bytes) ?? bytes.length
      systemFiles.write(file, bytes.subarray(0, most), at)
      if (most < bytes.length) throw new Error('ENOSPC: no space left on device')
    },
    async sync(file) {
      made.syncs++
      if (made.failSync) throw new Error('EIO: i/o error')
      await systemFiles.sync(file)
    },
  }
  return made
}

for (const durability of ['process', 'disk'] as const)
  test(`F5: ${durability}: what the disk has no room for is refused and leaves nothing, and the log goes on when there is room`, async (t) => {
    const directory = newDirectory(t)
    const files = disk()
    const log = await openFileLog(directory, { durability, held: 0, isBegun: false, files })
    t.is((await log.append(entry(1), 0)).kind, 'appended')
    for (const most of [0, 5, 30]) {
      files.failWrite = () => most
      const { size } = statSync(segmentsIn(directory)[0]!.path)
      const ended = await log.append(entry(2), 1)
      t.is(ended.kind, 'refused')
      t.true(statSync(segmentsIn(directory)[0]!.path).size <= size)
      t.regex(ended.kind === 'refused' ? ended.fault.message : '', /ENOSPC/)
    }
    files.failWrite = undefined
    t.is((await log.append(entry(3), 1)).kind, 'appended')
    t.deepEqual(await read(log), [1, 3])
    await log.close()
    t.deepEqual(await reopened(t, directory, durability), [1, 3])
  })

test('F5: a log whose sync has failed takes nothing more, and syncs nothing again', async (t) => {
  const directory = newDirectory(t)
  const files = disk()
  const log = await openFileLog(directory, { durability: 'disk', held: 0, isBegun: false, files })
  t.is((await log.append(entry(1), 0)).kind, 'appended')
  files.failSync = true
  const before = files.syncs
  const ended = await Promise.all([log.append(entry(2), 1), log.append(entry(3), 2)])
  t.deepEqual(
    ended.map(({ kind }) => kind),
    ['refused', 'refused'],
  )
  files.failSync = false
  const later = await log.append(entry(4), 1)
  t.regex(later.kind === 'refused' ? later.fault.message : '', /has failed, and takes nothing more: EIO.*restart the host/)
  t.is(files.syncs, before + 1)
  await log.close()
  t.deepEqual(await reopened(t, directory, 'disk'), [1])
})

test('F4: appends of one turn, and those that arrive during a sync, share a frame and a sync', async (t) => {
  const files = disk()
  const log = await openFileLog(newDirectory(t), { durability: 'disk', held: 0, isBegun: false, files })
  t.teardown(() => log.close())
  const [syncs, writes] = [files.syncs, files.writes]
  const ended = await Promise.all(upTo(50).map((i) => log.append(entry(i), i - 1)))
  t.true(ended.every(({ kind }) => kind === 'appended'))
  t.is(files.syncs, syncs + 1)
  // The frame, and the file's growth.
  t.is(files.writes, writes + 2)
  t.deepEqual(await read(log), upTo(50))
})

test('F4: with durability process an append is written when it is made, and nothing is synced', async (t) => {
  const files = disk()
  const log = await openFileLog(newDirectory(t), { durability: 'process', held: 0, isBegun: false, files })
  t.teardown(() => log.close())
  const { syncs, writes } = files
  const append = log.append(entry(1), 0)
  t.deepEqual([files.syncs, files.writes], [syncs, writes + 1])
  t.is((await append).kind, 'appended')
})

test('F1: a file that is used again shows nothing of its life before', async (t) => {
  const directory = newDirectory(t)
  const limits = { entryBytesMax: 200, segmentBytes: 400, growBytes: 64 }
  let log = await openFileLog(directory, { durability: 'disk', held: 0, isBegun: false, limits })
  let held = 0
  for (let i = 1; i <= 300; i++) {
    t.is((await log.append(entry(i % 90), i - 1)).kind, 'appended')
    if (i % 20 === 0) {
      held = i - 5
      await log.trim(held)
      t.true(readdirSync(directory).length <= 6, readdirSync(directory).join())
    }
    if (i % 37 === 0) {
      await log.close()
      log = await openFileLog(directory, { durability: 'disk', held, isBegun: true, limits })
      t.deepEqual(
        await read(log, held),
        upTo(i, held + 1).map((each) => each % 90),
      )
    }
  }
  await log.close()
})

test('F1: a file of another life counts for nothing, whatever positions it has', async (t) => {
  const before = await filled(t, 'disk', 5)
  const directory = newDirectory(t)
  cpSync(segmentsIn(before)[0]!.path, join(directory, 'log-next'))
  const log = await openFileLog(directory, { durability: 'disk', held: 0, isBegun: false })
  await log.append(entry(1), 0)
  await log.close()
  t.deepEqual(await reopened(t, directory, 'disk'), [1])
})

test('what is left of a segment that was being made does not matter', async (t) => {
  const directory = await filled(t, 'disk', 3)
  writeFileSync(join(directory, 'log-next'), 'half a header')
  writeFileSync(join(directory, 'log-now'), '')
  t.deepEqual(await reopened(t, directory, 'disk'), [1, 2, 3])
  t.is(nameOfSegment(7), 'log-0000000000000007')
})
