/** H10: a state directory with a log before LMDB. D4: its layout, and the way there and back. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { open as openLmdb } from 'lmdb'
import type { StateStore } from '../../core/ports/stateStore.js'
import { lmdb } from '../../transports/lmdb/index.js'
import type { LmdbOptions } from '../../transports/lmdb/localStore.js'
import type { StateFactory } from '../../transports/stateFactory.js'
import { refusalOf } from '../support/rejections.js'
import { bytes, storeContract, text } from './storeContract.js'

const onUnix = process.platform === 'win32' ? () => {} : test
const end = '\u{10ffff}\u{10ffff}'

function newDirectory(t: ExecutionContext): string {
  const parent = mkdtempSync(join(tmpdir(), 'theseus-local-'))
  t.teardown(() => rmSync(parent, { recursive: true, force: true }))
  return join(parent, 'state')
}

/** As a host does whose system's level allows a log. */
function withLog(directory: string, options: LmdbOptions = {}): StateFactory {
  return {
    async open() {
      const store = await lmdb(directory, options).open()
      await store.keepLog!()
      return store
    },
  }
}

storeContract('lmdb with a log', (t) => withLog(newDirectory(t)))
storeContract('lmdb with a log, disk', (t) => withLog(newDirectory(t), { durability: 'disk' }))

const all = (store: StateStore) => [...store.range('', end)].map(([key, value]) => [key, text(value)])
const logsIn = (directory: string) => readdirSync(directory).filter((name) => /^log-\d+$/.test(name))

/** Written by the directory's own LMDB, without the log. */
async function layoutOf(directory: string): Promise<string | undefined> {
  const root = openLmdb({ path: directory, noSubdir: false })
  const layout = root.openDB<string, string>({ name: 'about', encoding: 'string' }).get('layout')
  await root.close()
  return layout
}

test('D4: a directory has layout 1 until it may keep a log, and 2 from then on', async (t) => {
  const directory = newDirectory(t)
  const before = await lmdb(directory).open()
  await before.commit([['a', bytes('1')]])
  await before.close()
  t.is(await layoutOf(directory), '1')
  t.deepEqual(logsIn(directory), [])
  const store = await withLog(directory).open()
  await store.commit([['b', bytes('2')]])
  await store.keepLog!()
  t.is(logsIn(directory).length, 1)
  await store.close()
  t.is(await layoutOf(directory), '2')
  // It goes on with its log, whatever it is told.
  const again = await lmdb(directory).open()
  await again.commit([['c', bytes('3')]])
  t.deepEqual(all(again), [
    ['a', '1'],
    ['b', '2'],
    ['c', '3'],
  ])
  t.is(logsIn(directory).length, 2)
  await again.close()
  t.is(await layoutOf(directory), '2')
})

test('D4: commits that are made while the log is begun are in their order', async (t) => {
  const directory = newDirectory(t)
  const store = await lmdb(directory).open()
  const ended: number[] = []
  const commit = (i: number) => store.commit([['newest', bytes(String(i))]]).then(() => ended.push(i))
  const early = [0, 1, 2].map(commit)
  const kept = store.keepLog!()
  const late = [3, 4, 5].map(commit)
  await Promise.all([...early, kept, ...late])
  t.deepEqual(ended, [0, 1, 2, 3, 4, 5])
  t.is(text(store.get('newest')), '5')
  await store.close()
  const again = await lmdb(directory).open()
  t.is(text(again.get('newest')), '5')
  await again.close()
})

test('D4: durability none empties the log into LMDB, and the directory is one of layout 1 again', async (t) => {
  const directory = newDirectory(t)
  const store = await withLog(directory).open()
  for (let i = 0; i < 20; i++) await store.commit([[`k${i}`, bytes('1')]])
  await store.close()
  const none = await lmdb(directory, { durability: 'none' }).open()
  await none.keepLog!()
  await none.commit([['more', bytes('2')]])
  t.is(all(none).length, 21)
  await none.close()
  t.deepEqual(logsIn(directory), [])
  t.is(await layoutOf(directory), '1')
  const back = await withLog(directory, { durability: 'disk' }).open()
  await back.commit([['again', bytes('3')]])
  t.is(all(back).length, 22)
  await back.close()
})

test('a directory whose log is gone is refused with what to do, and goes on when the operator says so', async (t) => {
  const directory = newDirectory(t)
  const store = await withLog(directory).open()
  await store.commit([['a', bytes('1')]])
  await store.close()
  for (const name of logsIn(directory)) rmSync(join(directory, name))
  const fault = await refusalOf(t, () => lmdb(directory).open())
  t.is(fault.code, 'config.log-lost')
  t.regex(fault.message, /log files in .* lack entries .*: there are none\..*lostLog: "accept"/)
  const accepted = await lmdb(directory, { lostLog: 'accept' }).open()
  await accepted.commit([['b', bytes('2')]])
  await accepted.close()
  const again = await lmdb(directory).open()
  t.deepEqual(all(again), [
    ['a', '1'],
    ['b', '2'],
  ])
  await again.close()
})

test('a log file of another directory is refused', async (t) => {
  const [one, two] = [newDirectory(t), newDirectory(t)]
  for (const [directory, value] of [
    [one, '1'],
    [two, '2'],
  ] as const) {
    const store = await withLog(directory).open()
    await store.commit([['a', bytes(value)]])
    await store.commit([['b', bytes(value)]])
    await store.close()
  }
  cpSync(join(two, logsIn(two)[0]!), join(one, logsIn(one)[0]!))
  t.is((await refusalOf(t, () => lmdb(one).open())).code, 'config.log-lost')
})

const program = fileURLToPath(new URL('./storeProcess.js', import.meta.url))

for (const durability of ['process', 'disk'] as const)
  test(`H10: ${durability}: a process that is killed in the middle of its commits loses none that was acknowledged, again and again`, async (t) => {
    const directory = newDirectory(t)
    let newest = -1
    for (let round = 0; round < 6; round++) {
      const child = spawn(process.execPath, [program, 'write', directory, durability, 'log'], {
        stdio: ['pipe', 'pipe', 'ignore'],
      })
      t.teardown(() => child.kill('SIGKILL'))
      let told = -1
      const lines = createInterface({ input: child.stdout! })
      const reached = new Promise<void>((resolve) => {
        lines.on('line', (line) => {
          if (line.startsWith('opened')) return
          told = Number(line)
          if (told >= newest + 200 + round * 37) resolve()
        })
      })
      await reached
      child.kill('SIGKILL')
      await once(child, 'close')
      const store = await lmdb(directory, { durability }).open()
      newest = Number(text(store.get('newest')))
      // One more may have been committed that nobody was told of.
      t.true(newest >= told, `round ${round}: told ${told}, found ${newest}`)
      for (let n = 0; n <= newest; n++) t.deepEqual([text(store.get(`a${n}`)), text(store.get(`b${n}`))], [String(n), String(n)])
      t.is(store.get(`a${newest + 1}`), undefined)
      await store.close()
    }
  })

onUnix(
  'H10: a commit that the disk has no room for rejects and leaves nothing; smaller ones go on, and the store closes',
  async (t) => {
    const directory = newDirectory(t)
    const command = 'ulimit -f 600; exec "$0" "$@"'
    const child = spawn('sh', ['-c', command, process.execPath, program, 'overfill', directory, 'process', 'log'], {
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    t.teardown(() => child.kill('SIGKILL'))
    const lines: string[] = []
    for await (const line of createInterface({ input: child.stdout! })) lines.push(line)
    t.deepEqual(lines, ['unavailable.storage unavailable.storage done unavailable.storage', 'early late', 'closed'])
    const store = await lmdb(directory).open()
    t.deepEqual(
      all(store).map(([key]) => key),
      ['early', 'late'],
    )
    await store.close()
  },
)

test('a damaged log file is refused, where what it lacks was acknowledged', async (t) => {
  const directory = newDirectory(t)
  const store = await withLog(directory).open()
  for (const key of ['a', 'b', 'c']) await store.commit([[key, bytes(key.repeat(50))]])
  const path = join(directory, logsIn(directory)[0]!)
  const copy = `${directory}-copy`
  cpSync(directory, copy, { recursive: true, filter: (name) => !name.endsWith('host.lock') })
  await store.close()
  const file = readFileSync(path)
  const damaged = Buffer.from(file)
  damaged[damaged.indexOf('b'.repeat(50))] = 0
  writeFileSync(join(copy, logsIn(directory)[0]!), damaged)
  t.is((await refusalOf(t, () => lmdb(copy).open())).code, 'config.log-lost')
  writeFileSync(join(copy, logsIn(directory)[0]!), file)
  const whole = await lmdb(copy).open()
  t.is(all(whole).length, 3)
  await whole.close()
})
