import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { Fault } from '../../core/base/fault.js'
import type { Write } from '../../core/ports/stateStore.js'
import { lmdb } from '../../transports/lmdb/index.js'
import { memoryStore } from '../../transports/memory/memoryStore.js'
import { until } from '../support/eventually.js'
import { refusalOf } from '../support/rejections.js'
import { bytes, storeContract, text } from './storeContract.js'

const onUnix = process.platform === 'win32' ? () => {} : test
/** Of processes that nobody has asked after: `/proc` tells. */
const onLinux = process.platform === 'linux' ? test : () => {}

storeContract('memory', () => memoryStore())
storeContract('lmdb', (t) => lmdb(newDirectory(t)))
storeContract('lmdb, disk', (t) => lmdb(newDirectory(t), { durability: 'disk' }))
storeContract('lmdb, none', (t) => lmdb(newDirectory(t), { durability: 'none' }))

function newDirectory(t: ExecutionContext, name = 'state'): string {
  const parent = mkdtempSync(join(tmpdir(), 'theseus-store-'))
  t.teardown(() => rmSync(parent, { recursive: true, force: true }))
  return join(parent, name)
}

// The memory adapter's faults.

test('memory: the commit that was asked to fail rejects and writes nothing, and the next one does not', async (t) => {
  const memory = memoryStore()
  const store = await memory.open()
  memory.failNextCommit(new Error('disk full'))
  const first = store.commit([['a', bytes('1')]])
  const second = store.commit([['b', bytes('2')]])
  const fault = await refusalOf(t, () => first)
  t.is(fault.code, 'unavailable.storage')
  t.is(fault.message, 'disk full')
  await second
  t.deepEqual(
    [...store.range('', 'z')].map(([key]) => key),
    ['b'],
  )
})

test('memory: a commit waits for the hook before it, in sight of its writes, and those behind it wait too', async (t) => {
  const memory = memoryStore()
  const store = await memory.open()
  const { promise: allowed, resolve: allow } = Promise.withResolvers<void>()
  const seen: (readonly Write[])[] = []
  memory.beforeCommit = (writes) => {
    seen.push(writes)
    return seen.length === 1 ? allowed : undefined
  }
  const first = store.commit([['a', bytes('1')]])
  const second = store.commit([['b', null]])
  await until(() => seen.length === 1, 'the hook runs')
  t.is(store.get('a'), undefined)
  allow()
  await Promise.all([first, second])
  t.deepEqual(
    seen.map((writes) => writes.map(([key, value]) => [key, value && text(value)])),
    [[['a', '1']], [['b', null]]],
  )
})

test('memory: a hook that throws fails its commit', async (t) => {
  const memory = memoryStore()
  const store = await memory.open()
  memory.beforeCommit = () => {
    throw new Fault('config.invalid', 'no')
  }
  t.is((await refusalOf(t, () => store.commit([['a', bytes('1')]]))).code, 'config.invalid')
  t.is(store.get('a'), undefined)
})

test('memory: a killed store keeps what was committed, loses what was not, and can be opened again', async (t) => {
  const memory = memoryStore()
  const killed = await memory.open()
  await killed.commit([['a', bytes('1')]])
  let ended = false
  killed.commit([['b', bytes('2')]]).finally(() => {
    ended = true
  })
  memory.kill()
  const store = await memory.open()
  t.is(store.directoryId, killed.directoryId)
  await store.commit([['c', bytes('3')]])
  t.deepEqual(
    [...store.range('', 'z')].map(([key]) => key),
    ['a', 'c'],
  )
  t.false(ended)
  t.is((await refusalOf(t, () => killed.get('a'))).code, 'unavailable.storage')
  await killed.close()
  t.is((await refusalOf(t, () => memory.open())).code, 'config.directory-held')
})

test('memory: commits take place in the turn of a given clock', async (t) => {
  const turns: (() => void)[] = []
  const store = await memoryStore({ turn: (action) => void turns.push(action), directoryId: 'dir-1' }).open()
  t.is(store.directoryId, 'dir-1')
  const commits = [store.commit([['a', bytes('1')]]), store.commit([['b', bytes('2')]])]
  t.is(store.get('a'), undefined)
  t.is(turns.length, 1)
  turns.shift()!()
  t.is(text(store.get('a')), '1')
  t.is(text(store.get('b')), '2')
  await Promise.all(commits)
})

// LMDB: processes that die.

const program = fileURLToPath(new URL('./storeProcess.js', import.meta.url))

interface Other {
  readonly process: ChildProcess
  readonly lines: string[]
  line(number: number): Promise<string>
}

function other(t: ExecutionContext, command: string, args: readonly string[]): Other {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'ignore'] })
  t.teardown(() => child.kill('SIGKILL'))
  const lines: string[] = []
  createInterface({ input: child.stdout! }).on('line', (line) => lines.push(line))
  const line = async (number: number): Promise<string> => {
    await until(() => lines.length > number, `line ${number} is there`)
    return lines[number]!
  }
  return { process: child, lines, line }
}

const start = (t: ExecutionContext, ...args: string[]) => other(t, process.execPath, [program, ...args])

for (const durability of ['process', 'disk', 'none'] as const) {
  test(`lmdb, ${durability}: acknowledged commits survive kill -9, whole, and the directory is taken over at once`, async (t) => {
    const directory = newDirectory(t)
    const host = start(t, 'write', directory, durability)
    await host.line(300)
    host.process.kill('SIGKILL')
    await once(host.process, 'close')

    const store = await lmdb(directory, { durability }).open()
    t.teardown(() => store.close())
    const acknowledged = Number(host.lines.at(-1))
    const newest = Number(text(store.get('newest')))
    t.true(newest >= acknowledged, `acknowledged ${acknowledged}, found ${newest}`)
    for (let n = 0; n <= newest; n++) {
      t.is(text(store.get(`a${n}`)), String(n))
      t.is(text(store.get(`b${n}`)), String(n))
    }
    t.is(store.get(`a${newest + 1}`), undefined)
    await store.commit([['after', bytes('1')]])
    t.is(text(store.get('after')), '1')
  })
}

test('lmdb: a directory that another process holds is refused, with its pid and what to do', async (t) => {
  const directory = newDirectory(t)
  const host = start(t, 'write', directory)
  const pid = (await host.line(0)).replace('opened ', '')
  const fault = await refusalOf(t, () => lmdb(directory).open())
  t.is(fault.code, 'config.directory-held')
  t.true(fault.message.includes(`held by process ${pid}: stop that host`), fault.message)
  await host.line(host.lines.length + 10)
})

onLinux('lmdb: a killed holder whose parent has not noticed yet holds nothing any more', async (t) => {
  const directory = newDirectory(t)
  // `sleep` takes the shell's place and never asks after the child that the shell had.
  const host = other(t, 'sh', ['-c', '"$0" "$@" & exec sleep 60', process.execPath, program, 'write', directory])
  const pid = Number((await host.line(0)).replace('opened ', ''))
  process.kill(pid, 'SIGKILL')
  await until(() => readFileSync(`/proc/${pid}/stat`, 'latin1').includes(') Z '), 'the holder is a zombie')
  const store = await lmdb(directory).open()
  t.true(readdirSync(directory).includes('host.lock'))
  await store.close()
})

/** As if it were on another host, without another file: the kernel's lock is on this one. */
function renameHost(directory: string, name: string): void {
  const path = join(directory, 'host.lock')
  writeFileSync(path, readFileSync(path, 'utf8').replace(hostname(), name), { flag: 'r+' })
}

test('lmdb: the lock of a killed process is taken over under another host name, and that of a living one is not', async (t) => {
  const directory = newDirectory(t)
  const host = start(t, 'write', directory)
  const pid = Number((await host.line(0)).replace('opened ', ''))
  // As long as the name was, so that the file stays whole.
  renameHost(directory, hostname().replace(/./g, 'x'))
  t.is((await refusalOf(t, () => lmdb(directory).open())).code, 'config.directory-held')
  process.kill(pid, 'SIGKILL')
  const store = await until(
    () =>
      lmdb(directory)
        .open()
        .catch(() => undefined),
    'the directory is free',
  )
  t.is((await refusalOf(t, () => lmdb(directory).open())).code, 'config.directory-held')
  await store!.close()
  t.deepEqual(readdirSync(directory).sort(), ['data.mdb', 'lock.mdb'])
})

test('lmdb: a copy has another place and the same identity; a directory that was written to and moved has its own', async (t) => {
  const directory = newDirectory(t)
  const store = await lmdb(directory).open()
  const { directoryId, place } = store
  await store.commit([['key', bytes('value')]])
  cpSync(directory, `${directory}-copy`, { recursive: true })
  await store.close()
  renameSync(directory, `${directory}-moved`)
  const [moved, copy] = await Promise.all([lmdb(`${directory}-moved`).open(), lmdb(`${directory}-copy`).open()])
  t.is(moved.place, place)
  t.is(copy.directoryId, directoryId)
  t.not(copy.place, place)
  await Promise.all([moved.close(), copy.close()])
})

const deadLock = (rest: object = {}) =>
  JSON.stringify({ id: `dead-${Math.random()}`, pid: 2 ** 22 + 1, started: null, boot: null, hostname: hostname(), ...rest })

function lockedDirectory(t: ExecutionContext, lock: string): string {
  const directory = newDirectory(t)
  mkdirSync(directory)
  writeFileSync(join(directory, 'host.lock'), lock)
  return directory
}

test('lmdb: of several processes that find a stale lock at once, one gets the directory', async (t) => {
  const contenders = Array.from({ length: 4 }, () => start(t, 'contend'))
  await Promise.all(contenders.map((contender) => contender.line(0)))
  for (let round = 1; round <= 50; round++) {
    const directory = lockedDirectory(t, deadLock())
    for (const contender of contenders) contender.process.stdin!.write(`${directory}\n`)
    const outcomes = await Promise.all(contenders.map((contender) => contender.line(round)))
    t.deepEqual(outcomes.sort(), ['config.directory-held', 'config.directory-held', 'config.directory-held', 'done'])
    t.deepEqual(readdirSync(directory), ['host.lock'])
  }
})

test('lmdb: the lock of a process whose number another one has now is taken over', async (t) => {
  const store = await lmdb(lockedDirectory(t, deadLock({ pid: process.pid, started: '1' }))).open()
  t.regex(store.directoryId, /./)
  await store.close()
})

test('lmdb: a lock from before the machine was started again is taken over', async (t) => {
  const store = await lmdb(lockedDirectory(t, deadLock({ pid: process.pid, boot: 'earlier' }))).open()
  t.regex(store.directoryId, /./)
  await store.close()
})

test('lmdb: a process that died while it took a lock over does not keep others from it', async (t) => {
  const directory = lockedDirectory(t, deadLock({ id: 'first' }))
  writeFileSync(join(directory, 'host.lock.first'), deadLock({ id: 'second' }))
  writeFileSync(join(directory, 'host.lock.first.second'), deadLock({ id: 'third' }))
  const store = await lmdb(directory).open()
  t.is((await refusalOf(t, () => lmdb(directory).open())).code, 'config.directory-held')
  await store.close()
})

test('lmdb: the lock of another machine is refused, dead or alive, with its name and the file to delete', async (t) => {
  const directory = lockedDirectory(t, deadLock({ hostname: 'elsewhere' }))
  const fault = await refusalOf(t, () => lmdb(directory).open())
  t.is(fault.code, 'config.directory-held')
  t.true(fault.message.includes('on elsewhere'), fault.message)
  t.true(fault.message.includes(`delete ${join(directory, 'host.lock')}`), fault.message)
})

test('lmdb: a lock that can’t be read is refused, with the file to delete', async (t) => {
  for (const lock of ['', 'nonsense', '{}', 'null']) {
    const fault = await refusalOf(t, () => lmdb(lockedDirectory(t, lock)).open())
    t.is(fault.code, 'config.directory-held')
    t.regex(fault.message, /delete that file/)
  }
})

test('lmdb: a closed store leaves no lock behind', async (t) => {
  const directory = newDirectory(t)
  const store = await lmdb(directory).open()
  t.true(readdirSync(directory).includes('host.lock'))
  await store.close()
  t.deepEqual(readdirSync(directory).sort(), ['data.mdb', 'lock.mdb'])
})

// LMDB: what else can go wrong.

onUnix(
  'lmdb: a commit that the disk has no room for rejects and writes nothing; smaller ones go on, and the store closes',
  async (t) => {
    const directory = newDirectory(t)
    // In blocks of 512 bytes or of 1024, as the shell has it: more than an empty store has, less than the
    // values that are too much.
    const host = other(t, 'sh', ['-c', 'ulimit -f 600; exec "$0" "$@"', process.execPath, program, 'overfill', directory])
    t.is(await host.line(0), 'unavailable.storage unavailable.storage done unavailable.storage')
    t.is(await host.line(1), 'early late')
    t.is(await host.line(2), 'closed')
    const store = await lmdb(directory).open()
    t.deepEqual(
      [...store.range('', 'z')].map(([key]) => key),
      ['early', 'late'],
    )
    return store.close()
  },
)

test('lmdb: a directory with a dot in its name is a directory, and is made with its parents', async (t) => {
  const directory = join(newDirectory(t), 'a', 'pages.v1')
  const store = await lmdb(directory).open()
  t.true(readdirSync(directory).includes('data.mdb'))
  await store.close()
})

test('lmdb: the map grows when it is full, with an iteration under way', async (t) => {
  const store = await lmdb(newDirectory(t), { mapSizeBytes: 65_536 }).open()
  t.teardown(() => store.close())
  const value = new Uint8Array(10_000).fill(7)
  const keys = Array.from({ length: 1000 }, (_, i) => `k${String(i).padStart(4, '0')}`)
  await store.commit(keys.slice(0, 500).map((key) => [key, value]))
  const iteration = store.range('k', 'l')[Symbol.iterator]()
  iteration.next()
  for (let i = 500; i < 1000; i += 50) await store.commit(keys.slice(i, i + 50).map((key) => [key, value]))
  let seen = 1
  for (let at = iteration.next(); !at.done; at = iteration.next()) seen += at.value[1].length === value.length ? 1 : 0
  t.is(seen, 1000)
})

test('lmdb: a file that is no store is refused, and the directory is given free', async (t) => {
  const directory = newDirectory(t)
  mkdirSync(directory)
  for (const content of ['x', 'This is not LMDB.'.repeat(1000), Buffer.alloc(8192)]) {
    writeFileSync(join(directory, 'data.mdb'), content)
    const fault = await refusalOf(t, () => lmdb(directory).open())
    t.is(fault.code, 'config.invalid')
    t.regex(fault.message, /is not an LMDB file/)
  }
  writeFileSync(join(directory, 'data.mdb'), '')
  const store = await lmdb(directory).open()
  await store.close()
})
