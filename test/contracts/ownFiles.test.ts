/**
 * The files of a host are for its user alone (O1), and the code that it runs is what was verified (B1),
 * whoever writes there meanwhile.
 */
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { registerHooks } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { digestOf } from '../../core/base/digest.js'
import { createHost, type HostEvent } from '../../index.js'
import { lmdb } from '../../transports/lmdb/index.js'
import { memoryStore } from '../../transports/memory/index.js'
import { bundleRepository } from '../../transports/modules/bundleRepository.js'
import { ownDirectory } from '../../transports/ownDirectory.js'
import { NotesV1 } from '../actors/notesClasses.js'

function directory(t: ExecutionContext): string {
  const path = realpathSync(mkdtempSync(join(tmpdir(), 'own-')))
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
  return path
}

const mode = (path: string) => (statSync(path).mode & 0o777).toString(8)

/** The modes of all that is there. */
function modes(path: string): { readonly directories: ReadonlySet<string>; readonly files: ReadonlySet<string> } {
  const entries = readdirSync(path, { recursive: true, withFileTypes: true })
  const of = (isDirectory: boolean) =>
    new Set(
      entries.filter((entry) => entry.isDirectory() === isDirectory).map((entry) => mode(join(entry.parentPath, entry.name))),
    )
  return { directories: of(true), files: of(false) }
}

/** Somebody else's: root gives it away, others pretend to be another. */
function notOurs(t: ExecutionContext, path: string): void {
  const { geteuid } = process
  if (geteuid!() === 0) chownSync(path, 65_534, 65_534)
  else {
    process.geteuid = () => 65_534
    t.teardown(() => {
      process.geteuid = geteuid
    })
  }
}

let bundles = 0

/** A bundle of its own for each test: Node.js keeps modules by their names. */
function bundle(more = '') {
  const text = `import { defineUpgrade } from 'theseus-actors'\n${more}\nexport default defineUpgrade({ title: 'Own ${++bundles}', classUpgrades: [] })\n`
  const bytes = new TextEncoder().encode(text)
  return { bytes, digest: digestOf(bytes), title: `Own ${bundles}` }
}

const loot = 'theseus.test.loot'
const evil = `globalThis[Symbol.for('${loot}')] = true\nexport default {}\n`
const hasRun = () => (globalThis as Record<symbol, unknown>)[Symbol.for(loot)] === true

test.serial('the verified bytes are imported, though the file is exchanged before it is loaded', async (t) => {
  const cache = directory(t)
  const { bytes, digest, title } = bundle()
  const path = join(cache, `${digest}.mjs`)
  let exchanged = 0
  const hooks = registerHooks({
    resolve(specifier, context, nextResolve) {
      if (specifier.endsWith(`${digest}.mjs`)) {
        exchanged++
        writeFileSync(path, evil)
      }
      return nextResolve(specifier, context)
    },
  })
  t.teardown(() => hooks.deregister())
  t.is((await bundleRepository(cache).load(digest, bytes)).title, title)
  t.true(exchanged > 0)
  t.is(readFileSync(path, 'utf8'), evil)
  t.false(hasRun())
})

test('what is no ordinary file of ours is put aside: a pipe, a link, a file that others may write', async (t) => {
  const cache = directory(t)
  const own = join(directory(t), 'evil.mjs')
  writeFileSync(own, evil)
  const kinds: readonly ((path: string, bytes: Uint8Array) => unknown)[] = [
    (path) => execFileSync('mkfifo', [path]),
    (path) => symlinkSync(own, path),
    (path, bytes) => {
      writeFileSync(path, bytes)
      chmodSync(path, 0o666)
    },
    (path, bytes) => writeFileSync(path, bytes.slice(1)),
  ]
  for (const make of kinds) {
    const { bytes, digest, title } = bundle()
    const path = join(cache, `${digest}.mjs`)
    make(path, bytes)
    t.is((await bundleRepository(cache).load(digest, bytes)).title, title)
    t.deepEqual(new Uint8Array(readFileSync(path)), bytes)
    t.is(mode(path), '600')
  }
  t.is(readFileSync(own, 'utf8'), evil)
  t.false(hasRun())
})

test('a stack trace names the bundle’s file, its line and its column', async (t) => {
  const cache = directory(t)
  const { bytes, digest } = bundle('const fails = () => { throw new Error("here") }\nfails()')
  const error = await t.throwsAsync(bundleRepository(cache).load(digest, bytes))
  t.regex((error!.cause as Error).stack!, new RegExp(`${digest}\\.mjs:2:\\d+\\)?\\n.*${digest}\\.mjs:3:\\d+`))
})

test.serial('state and bundles are their user’s alone, whatever the umask', async (t) => {
  const umask = process.umask(0)
  t.teardown(() => process.umask(umask))
  const path = join(directory(t), 'deep', 'down')
  const host = await createHost({ system: 'own', directory: path })
  t.teardown(() => host.stop())
  await host.node(NotesV1, 'n1')
  const { bytes, digest } = bundle()
  await bundleRepository(join(path, 'bundles')).load(digest, bytes)
  const found = modes(join(path, '../..'))
  t.deepEqual([...found.directories], ['700'])
  t.deepEqual([...found.files], ['600'])
  t.true(readdirSync(join(path, 'state')).includes('data.mdb'))
})

test('directories of release 0.1.0, that everybody can read, become their user’s alone and go on working', async (t) => {
  const parent = directory(t)
  const [state, cache, other] = ['state', 'bundles', 'other'].map((name) => join(parent, name)) as [string, string, string]
  const before = await lmdb(state).open()
  const { directoryId } = before
  await before.close()
  const { bytes, digest } = bundle()
  for (const made of [cache, other]) mkdirSync(made)
  writeFileSync(join(cache, `${digest}.mjs`), bytes)
  writeFileSync(join(other, 'notes.txt'), 'somebody’s')
  for (const [path, bits] of [
    [state, 0o755],
    [join(state, 'data.mdb'), 0o644],
    [join(state, 'lock.mdb'), 0o664],
    [cache, 0o775],
    [other, 0o755],
  ] as const)
    chmodSync(path, bits)
  const store = await lmdb(state).open()
  t.is(store.directoryId, directoryId)
  await store.close()
  t.deepEqual([mode(state), mode(join(state, 'data.mdb')), mode(join(state, 'lock.mdb'))], ['700', '600', '600'])
  await bundleRepository(cache).load(digest, bytes)
  t.is(mode(cache), '700')
  // One that has more in it than ours is left as it is.
  const more = bundle()
  await bundleRepository(other).load(more.digest, more.bytes)
  t.is(mode(other), '755')
})

test.serial(
  'a directory of another user, or one that everybody may write to, is refused with a line that says what to do',
  async (t) => {
    const foreign = directory(t)
    const open = directory(t)
    chmodSync(open, 0o1777)
    const { bytes, digest } = bundle()
    const refuses = async (path: string, message: RegExp) => {
      t.throws(() => ownDirectory(path, /./), { message })
      const state = await t.throwsAsync(lmdb(path).open(), { message })
      t.is((state as Error & { code?: string }).code, 'config.invalid')
      await t.throwsAsync(bundleRepository(path).load(digest, bytes), { message })
      t.deepEqual(readdirSync(path), [])
    }
    await refuses(open, /^.*directory .* can be written to by everybody: choose one of its own/)
    t.is(mode(open), '777')
    notOurs(t, foreign)
    await refuses(foreign, /directory .* belongs to user \d+, and this process runs as user \d+: give it to that user \(chown\)/)
    const told: HostEvent[] = []
    const host = await createHost({ system: 'own', state: memoryStore(), bundles: foreign, observe: (event) => told.push(event) })
    t.teardown(() => host.stop())
    t.true(told.some((event) => event.type === 'warning' && /belongs to user/.test((event.error as Error).message)))
  },
)
