/** State directories are copied while another process writes to them, and made of copies. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import type { Write } from '../../core/ports/stateStore.js'
import { copyOfDirectory, lmdb, makeDirectory } from '../../transports/lmdb/index.js'
import { refusalOf } from '../support/rejections.js'
import { bytes, text } from './storeContract.js'

const end = '\u{10ffff}'
const program = fileURLToPath(new URL('./storeProcess.js', import.meta.url))

function newParent(t: ExecutionContext): string {
  const parent = mkdtempSync(join(tmpdir(), 'theseus-copy-'))
  t.teardown(() => rmSync(parent, { recursive: true, force: true }))
  return parent
}

/** A host's process that commits without end. */
async function writing(t: ExecutionContext, directory: string, durability: string, kept: string) {
  const child = spawn(process.execPath, [program, 'pace', directory, durability, kept], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  t.teardown(() => child.kill('SIGKILL'))
  let acknowledged = -1
  let waiting: { readonly number: number; readonly resolve: () => void } | undefined
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (!line.startsWith('opened')) acknowledged = Number(line)
    if (waiting !== undefined && acknowledged >= waiting.number) waiting.resolve()
  })
  return {
    acknowledged: () => acknowledged,
    until: (number: number) => new Promise<void>((resolve) => (waiting = { number, resolve })),
    kill: async () => {
      child.kill('SIGKILL')
      await exited
    },
  }
}

async function copied(directory: string): Promise<{ readonly directoryId: string; readonly writes: readonly Write[] }> {
  const copy = await copyOfDirectory(directory)
  const writes: Write[] = []
  for await (const some of copy.writes) {
    writes.push(...some)
    // The host commits meanwhile.
    await new Promise(setImmediate)
  }
  await copy.close()
  return { directoryId: copy.directoryId, writes }
}

const stateOf = (writes: readonly Write[]) => {
  const state = new Map<string, string>()
  for (const [key, value] of writes) {
    if (value === null) state.delete(key)
    else state.set(key, String(text(value)))
  }
  return state
}

/** All commits up to one, and nothing of the next. */
function checkOfOneMoment(t: ExecutionContext, state: ReadonlyMap<string, string>): number {
  const newest = Number(state.get('newest'))
  t.is(state.size, 2 * (newest + 1) + 1)
  for (let n = 0; n <= newest; n++)
    if (state.get(`a${n}`) !== String(n) || state.get(`b${n}`) !== String(n)) t.fail(`${n} is missing`)
  return newest
}

async function* each(writes: readonly Write[]): AsyncGenerator<readonly Write[]> {
  for (let i = 0; i < writes.length; i += 100) yield writes.slice(i, i + 100)
}

for (const [durability, kept] of [
  ['process', 'no log'],
  ['process', 'log'],
  ['disk', 'log'],
  ['none', 'no log'],
] as const) {
  test.serial(
    `a copy of a directory that is written to (${durability}, ${kept}) is of one moment, and has what was acknowledged before`,
    async (t) => {
      const parent = newParent(t)
      const directory = join(parent, 'state')
      const host = await writing(t, directory, durability, kept)
      await host.until(20)
      for (let round = 0; round < 5; round++) {
        const before = host.acknowledged()
        const { writes, directoryId } = await copied(directory)
        const state = stateOf(writes)
        t.true(checkOfOneMoment(t, state) >= before)
        const made = join(parent, `made-${round}`)
        await makeDirectory(made, directoryId, each(writes))
        const store = await lmdb(made).open()
        t.is(store.directoryId, directoryId)
        t.true([...store.range('', end)].every(([key, value]) => state.get(key) === text(value)))
        t.is([...store.range('', end)].length, state.size)
        await store.close()
        await host.until(before + 100)
      }
      await host.kill()
      const last = host.acknowledged()
      const { writes } = await copied(directory)
      t.true(checkOfOneMoment(t, stateOf(writes)) >= last, 'the log of a killed host is in the copy')
    },
  )
}

async function filled(directory: string, ...writes: readonly Write[]): Promise<string> {
  const store = await lmdb(directory).open()
  await store.commit(writes)
  await store.close()
  return store.directoryId
}

test('copies of shards are left out: their logs have them', async (t) => {
  const directory = join(newParent(t), 'state')
  await filled(directory, ['n/p1', bytes('1')], ['shard/pages/0/v/n/p2', bytes('2')])
  t.deepEqual([...stateOf((await copied(directory)).writes).keys()], ['n/p1'])
})

test('a directory is made where there is none, or an empty one, and whole or not at all', async (t) => {
  const parent = newParent(t)
  const made = join(parent, 'made')
  async function* broken(): AsyncGenerator<readonly Write[]> {
    yield [['n/p1', bytes('1')]]
    throw new Error('the file is damaged')
  }
  await t.throwsAsync(makeDirectory(made, 'd1', broken()), { message: 'the file is damaged' })
  t.deepEqual(readdirSync(parent), [])
  mkdirSync(made)
  await makeDirectory(made, 'd1', each([['n/p1', bytes('1')]]))
  t.deepEqual(readdirSync(parent), ['made'])
  const refused = await refusalOf(t, () => makeDirectory(made, 'd2', each([])))
  t.is(refused.code, 'config.invalid')
  t.regex(refused.message, /there is something in .*made already/)
})

test('what can’t be read is refused: no directory, one without state, and one whose host is another machine’s', async (t) => {
  const parent = newParent(t)
  for (const name of ['missing', 'empty']) {
    if (name === 'empty') mkdirSync(join(parent, name))
    t.is((await refusalOf(t, () => copyOfDirectory(join(parent, name)))).code, 'config.invalid')
    t.is(existsSync(join(parent, name)), name === 'empty', 'nothing is made')
  }
  const directory = join(parent, 'state')
  await filled(directory, ['n/p1', bytes('1')])
  writeFileSync(
    join(directory, 'host.lock'),
    JSON.stringify({ id: 'x', pid: 7, started: null, boot: null, hostname: `not-${hostname()}` }),
  )
  const refused = await refusalOf(t, () => copyOfDirectory(directory))
  t.is(refused.code, 'config.directory-held')
  t.regex(refused.message, /copy it there/)
})

test('a log that lacks entries before others is refused, and one that is cut short at its end is not', async (t) => {
  const directory = join(newParent(t), 'state')
  const host = await writing(t, directory, 'process', 'log')
  await host.until(50)
  await host.kill()
  const log = join(directory, readdirSync(directory).find((name) => /^log-\d+$/.test(name))!)
  const file = readFileSync(log)
  const used = file.length - [...file].reverse().findIndex((byte) => byte !== 0)
  writeFileSync(log, file.subarray(0, used - 3))
  t.true(checkOfOneMoment(t, stateOf((await copied(directory)).writes)) >= 10)
  const holed = Buffer.from(file)
  holed.fill(0, used - 400, used - 300)
  writeFileSync(log, holed)
  t.is((await refusalOf(t, () => copied(directory))).code, 'config.log-lost')
})
