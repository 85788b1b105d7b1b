/** Upgrades that an upgrade server installs, those that it is taught after a loss, and directives. */
import test from 'ava'
import { digestOf } from '../../core/base/digest.js'
import { decodeAuditEntry } from '../../core/control/audit.js'
import { wantedTable } from '../../core/model/reservedTables.js'
import { signed } from '../../core/trust/signed.js'
import { draftManifest } from '../../core/upgrade/draftManifest.js'
import { bundleChunkBytes, encodeManifest, type SignedManifest } from '../../core/upgrade/manifest.js'
import { alice, bob, mallory, manifestAfter, signedAfter, system } from '../support/signedManifests.js'
import { gate } from '../support/testSystem.js'
import { toV2 } from './notesClasses.js'
import { empty, type More, type Opened, started, stored } from './upgradeServerFixture.js'

// --- Installing

test('chunks are stored whole or by pieces, in order, and never longer than a chunk', async (t) => {
  const { ask, code, stored: database } = await started(t)
  const bytes = Uint8Array.from({ length: 9 }, (_, i) => i)
  const digest = digestOf(bytes)
  const put = (...args: readonly unknown[]) => code('install', 'putChunk', digest, 0, ...args)
  t.is(await put(bytes.slice(3), 3), 'protocol.bad-arguments', 'the piece before is missing')
  t.is(await put(bytes.slice(0, 3), 0), 'answered {"bytes":3}')
  t.is(await put(bytes.slice(3, 6), 3), 'answered {"bytes":6}')
  t.is(await put(bytes.slice(0, 3), 0), 'answered {"bytes":6}', 'it came again, late')
  t.is(await put(bytes.slice(6), 6), 'answered {"bytes":9}')
  t.deepEqual(await database.getChunk(digest, 0), bytes)
  t.is(await put(bytes), 'answered null')
  t.is(await code('install', 'putChunk', digest, 1, new Uint8Array(bundleChunkBytes)), 'answered null')
  t.is(
    await code('install', 'putChunk', digest, 1, new Uint8Array(1), bundleChunkBytes - 1),
    `answered {"bytes":${bundleChunkBytes}}`,
  )
  const long = await ask('install', 'putChunk', digest, 1, new Uint8Array(2).fill(1), bundleChunkBytes - 1)
  t.is(long.code, 'protocol.bad-arguments')
  for (const args of [
    ['abc', 0, bytes],
    [digest, -1, bytes],
    [digest, '0', bytes],
    [digest, 0, 'text'],
    [digest, 0, new Uint8Array(bundleChunkBytes + 1)],
    [digest, 0, bytes, -1],
    [digest, 0, bytes, '0'],
  ])
    t.is(await code('install', 'putChunk', ...args), 'protocol.bad-arguments', String(args))
})

test('a chunk of an installed bundle that is missing may be sent again', async (t) => {
  const opened = await started(t)
  const bundle = await stored(opened, 5)
  const manifest = signedAfter(undefined, alice, { bundle })
  let isMissing = false
  const again = await started(t, {
    database: (of) => ({ getChunk: async (...args) => (isMissing ? undefined : await of.getChunk(...args)) }),
  })
  await stored(again, 5)
  t.is(await again.install(manifest), 'answered {"version":1}')
  const chunk = new Uint8Array([9])
  t.is(await again.code('install', 'putChunk', bundle.digest, 0, chunk), 'answered null')
  t.is((await again.stored.getChunk(bundle.digest, 0))!.length, 5, 'nobody writes over it')
  const other = digestOf(chunk)
  for (const byte of [8, 9]) t.is(await again.code('install', 'putChunk', other, 0, new Uint8Array([byte])), 'answered null')
  t.deepEqual(await again.stored.getChunk(other, 0), chunk, 'of another bundle it is the newest that counts')
  isMissing = true
  t.is(await again.code('install', 'putChunk', bundle.digest, 0, chunk), 'answered null')
  t.deepEqual(await again.stored.getChunk(bundle.digest, 0), chunk)
})

test('a chunk that was on its way when its bundle was installed changes nothing there', async (t) => {
  const late = gate()
  const garbage = new Uint8Array([6, 6, 6])
  const opened = await started(t, {
    database: (of) => ({
      async putChunk(...args) {
        if (args[2].length === garbage.length) await late.pass()
        return await of.putChunk(...args)
      },
    }),
  })
  const bundle = await stored(opened, 5)
  const whole = await opened.stored.getChunk(bundle.digest, 0)
  const put = opened.tell('install', 'putChunk', [bundle.digest, 0, garbage], {}, opened.inbox)
  await opened.settle()
  t.is(late.waiting, 1, 'the server has looked: it is not installed')
  t.is(await opened.install(signedAfter(undefined, alice, { bundle })), 'answered {"version":1}')
  late.open()
  await opened.settle()
  t.deepEqual(opened.outcomeOf(put), { value: null }, 'it is here already')
  t.deepEqual(await opened.stored.getChunk(bundle.digest, 0), whole)
})

test('a bundle that others write while it is looked at is not installed as it was, nor for ever tried to be written', async (t) => {
  const garbage = new Uint8Array([6, 6, 6])
  let isBusy = true
  const opened = await started(t, {
    database: (of) => ({
      async install(...args) {
        if (isBusy) await of.putChunk(bundle.digest, 0, garbage)
        return await of.install(...args)
      },
      async putChunk(...args) {
        if (isBusy) await of.putChunk(bundle.digest, 1, garbage)
        return await of.putChunk(...args)
      },
    }),
  })
  const bundle = await stored(opened, 5)
  const whole = (await opened.stored.getChunk(bundle.digest, 0))!
  const manifest = signedAfter(undefined, alice, { bundle })
  t.is(await opened.install(manifest), 'unavailable.overloaded')
  t.deepEqual(await opened.stored.head(), { version: 0, digest: null })
  const put = () => opened.code('install', 'putChunk', bundle.digest, 0, whole)
  t.is(await put(), 'unavailable.overloaded')
  isBusy = false
  t.is(await opened.install(manifest), 'upgrade.digest')
  t.is(await put(), 'answered null')
  t.is(await opened.install(manifest), 'answered {"version":1}')
})

test('an upgrade is installed and announced once; the same one again is answered as done', async (t) => {
  const opened = await started(t)
  const { install, announced, stored: database } = opened
  const first = signedAfter(undefined, alice, { bundle: await stored(opened, 5), tables: { allowed: { n1: 'yes' } } })
  t.is(await install(first), 'answered {"version":1}')
  t.is(await install(first), 'answered {"version":1}')
  await opened.settle()
  t.deepEqual(announced, [[1, digestOf(first.bytes)]])
  t.deepEqual([...(await database.table('allowed'))], [['n1', 'yes']])
  const second = signedAfter(first, alice, { bundle: empty })
  await database.putChunk(empty.digest, 0, new Uint8Array(0))
  t.is(await install(second), 'answered {"version":2}')
  t.deepEqual(announced.at(-1), [2, digestOf(second.bytes)])
})

test('what does not fit the history, the system or the trust is not installed, and the reason is told', async (t) => {
  const opened = await started(t)
  const { install, ask, code, stored: database } = opened
  await database.putChunk(empty.digest, 0, new Uint8Array(0))
  const first = signedAfter(undefined, alice)
  t.is(await install(first), 'answered {"version":1}')
  const sign = (more: More, by = alice) => signedAfter(first, by, more)
  const other = signedAfter(undefined, alice, { title: 'Another one' })
  const refused: Record<string, readonly [SignedManifest, string]> = {
    'another first one': [other, 'upgrade.conflict'],
    'one after another history': [signedAfter(other, alice), 'upgrade.conflict'],
    'one too far ahead': [sign({ version: 3 }), 'upgrade.conflict'],
    'one of another system': [sign({ system: 'shoe' }), 'upgrade.invalid'],
    'one of somebody else': [sign({}, mallory), 'upgrade.signature'],
    'one that nobody signed': [{ ...sign({}), signature: null }, 'upgrade.signature'],
    'one whose bundle is not here': [sign({ bundle: { digest: digestOf(new Uint8Array(3)), bytes: 3 } }), 'upgrade.invalid'],
    'one that undoes what there is not': [sign({ undoes: 7 }), 'upgrade.invalid'],
  }
  for (const [what, [manifest, expected]] of Object.entries(refused)) t.is(await install(manifest), expected, what)
  t.is((await database.head()).version, 1)
  const { bytes, signature } = sign({ version: 3 })
  const conflict = await ask('install', 'install', bytes, signature)
  t.deepEqual(conflict.details, { newest: 1 })
  t.is(await code('install', 'install', 'text'), 'protocol.bad-arguments')
  t.is(await code('install', 'install', bytes, 'text'), 'upgrade.conflict')
})

test('an upgrade that does not fit the classes of the system is not installed', async (t) => {
  const { install, stored: database } = await started(t)
  const bundle = new Uint8Array([1, 2, 3])
  await database.putChunk(digestOf(bundle), 0, bundle)
  const draft = draftManifest(toV2(), bundle) as More
  const first = signedAfter(undefined, alice, draft)
  t.is(await install(first), 'answered {"version":1}')
  t.is(await install(signedAfter(first, alice, draft)), 'upgrade.invalid')
  t.is((await database.head()).version, 1)
})

test('a bundle is stored whole, with its digest, before its upgrade is installed', async (t) => {
  const opened = await started(t)
  const { install, stored: database } = opened
  const { digest } = await stored(opened, bundleChunkBytes + 5)
  const of = (bytes: number) => signedAfter(undefined, alice, { bundle: { digest, bytes } })
  const last = (await database.getChunk(digest, 1))!
  t.is(await install(of(bundleChunkBytes + 4)), 'upgrade.invalid', 'it is longer')
  t.is(await install(of(bundleChunkBytes + 6)), 'upgrade.digest', 'it is shorter')
  t.is(await install(of(2 * bundleChunkBytes + 5)), 'upgrade.invalid', 'a chunk is missing')
  await database.putChunk(
    digest,
    1,
    last.map((byte) => byte + 1),
  )
  t.is(await install(of(bundleChunkBytes + 5)), 'upgrade.digest', 'it is another one')
  await database.putChunk(digest, 1, last)
  t.is(await install(of(bundleChunkBytes + 5)), 'answered {"version":1}')
})

test('of two servers that install at once one is told which version is newest, and the same upgrade is done once', async (t) => {
  let meanwhile: SignedManifest | undefined
  const opened = await started(t, {
    database: (of) => ({
      async install(expected, ...more) {
        if (meanwhile !== undefined) await of.install(expected, digestOf(meanwhile.bytes), meanwhile)
        return await of.install(expected, ...more)
      },
    }),
  })
  const { install, ask, stored: database, announced } = opened
  await database.putChunk(empty.digest, 0, new Uint8Array(0))
  const first = signedAfter(undefined, alice)
  meanwhile = first
  t.is(await install(first), 'answered {"version":1}', 'another server has installed it')
  const second = signedAfter(first, alice)
  meanwhile = signedAfter(first, alice, { title: 'Another one' })
  const { code, details } = await ask('install', 'install', second.bytes, second.signature)
  t.is(code, 'upgrade.conflict')
  t.deepEqual(details, { newest: 2 })
  t.deepEqual(announced, [], 'the other server announces')
  meanwhile = undefined
  t.is(await install(signedAfter((await database.manifests(2, 2))[0], alice)), 'answered {"version":3}')
})

test('the history is verified once, and again when it is another one', async (t) => {
  let reads = 0
  const opened = await started(t, {
    database: (of) => ({
      manifests(from, to) {
        if (from === 1) reads++
        return of.manifests(from, to)
      },
    }),
  })
  const { install, stored: database } = opened
  await database.putChunk(empty.digest, 0, new Uint8Array(0))
  let last: SignedManifest | undefined
  for (let version = 1; version <= 3; version++) {
    last = signedAfter(last, alice)
    t.is(await install(last), `answered {"version":${version}}`)
  }
  t.is(reads, 1)
  // By another server.
  const fourth = signedAfter(last, alice)
  await database.install(await database.head(), digestOf(fourth.bytes), fourth)
  t.is(await install(signedAfter(fourth, alice)), 'answered {"version":5}')
  t.is(reads, 2)
})

test('nothing is installed after a history that can’t be verified', async (t) => {
  const unsigned = { bytes: encodeManifest(manifestAfter(undefined)), signature: null }
  const opened = await started(t, {
    before: (_, database) => database.install({ version: 0, digest: null }, digestOf(unsigned.bytes), unsigned),
  })
  const { bytes, signature } = signedAfter(unsigned, alice)
  const { code, message } = await opened.ask('install', 'install', bytes, signature)
  t.is(code, 'upgrade.signature')
  t.regex(String(message), /^nothing is installed after a history that can't be verified: /)
  const shorter = await started(t, { database: () => ({ head: async () => ({ version: 1, digest: digestOf(unsigned.bytes) }) }) })
  const next = signedAfter(unsigned, alice)
  const further = await shorter.ask('install', 'install', next.bytes, next.signature)
  t.is(further.code, 'upgrade.predecessor')
  t.regex(String(further.message), /^nothing is installed after .*: its head is not version 0, the last that is there/)
  const away = await started(t, { database: () => ({ manifests: () => Promise.reject(new Error('away')) }) })
  const first = signedAfter(undefined, alice)
  t.like(await away.ask('install', 'install', first.bytes, first.signature), { code: 'upgrade.fetch', message: 'away' })
})

test('what was undone is refused when it became final meanwhile', async (t) => {
  const opened = await started(t, {
    database: (of) => ({
      install: async (expected, digest, manifest, tables, undoes) => {
        if (typeof undoes === 'number') await of.finalize(undoes)
        return await of.install(expected, digest, manifest, tables, undoes)
      },
    }),
  })
  await opened.stored.putChunk(empty.digest, 0, new Uint8Array(0))
  const first = signedAfter(undefined, alice)
  t.is(await opened.install(first), 'answered {"version":1}')
  const { bytes, signature } = signedAfter(first, alice, { undoes: 1 })
  const { code, message } = await opened.ask('install', 'install', bytes, signature)
  t.is(code, 'upgrade.invalid')
  t.regex(String(message), /version 1 is final/)
})

// --- A lost history

test('what a server is taught is announced, casts doubt on the rows, and begins another log of directives', async (t) => {
  const { ask, code, announced, stored: database } = await started(t)
  const manifest = signedAfter(undefined, alice)
  const { value: before } = await ask('server', 'head')
  t.is(await code('teach', 'teach', 'text', null), 'protocol.bad-arguments')
  t.is(await code('teach', 'teach', manifest.bytes, 'text'), 'upgrade.signature')
  t.is(await code('teach', 'teach', manifest.bytes, manifest.signature), 'answered null')
  t.deepEqual(announced, [[1, digestOf(manifest.bytes)]])
  t.is((await database.standing())?.probation?.doubt, 'lost')
  const { value: after } = await ask('server', 'head')
  t.not((after as { log: string }).log, (before as { log: string }).log)
  t.is(await code('teach', 'teach', manifest.bytes, manifest.signature), 'answered null')
  t.is(announced.length, 1, 'it is here already')
  t.is(
    await code('install', 'install', signedAfter(manifest, alice).bytes, signedAfter(manifest, alice).signature),
    'upgrade.probation',
  )
})

test('the audit has what was installed and what was taught once, with whose key signed it and what came of it', async (t) => {
  const installing = await started(t)
  const manifest = signedAfter(undefined, alice, { bundle: await stored(installing, 0) })
  t.is(await installing.install(manifest), 'answered {"version":1}')
  t.is(await installing.install(manifest), 'answered {"version":1}')
  const entries = async ({ server, stored: database }: Opened) => {
    await server.stop()
    return (await database.audit(1, 100)).map(decodeAuditEntry)
  }
  const digest = digestOf(manifest.bytes)
  const [installed, ...others] = await entries(installing)
  t.deepEqual(
    [installed!.what, installed!.outcome, installed!.by],
    [{ act: 'install', version: 1, digest }, 'done', [alice.publicKey]],
  )
  t.deepEqual(others, [])
  const learning = await started(t)
  for (let i = 0; i < 2; i++) await learning.code('teach', 'teach', manifest.bytes, manifest.signature)
  const [taught, ...more] = await entries(learning)
  t.deepEqual([taught!.what, taught!.outcome, taught!.by], [{ act: 'teach', version: 1, digest }, 'done', [alice.publicKey]])
  t.deepEqual(more, [])
})

test('a log of directives that has been lost is noticed with the next question, and the audit says so', async (t) => {
  const opened = await started(t)
  t.is(await opened.install(signedAfter(undefined, alice, { bundle: await stored(opened, 5) })), 'answered {"version":1}')
  await opened.ask('server', 'head')
  await opened.stored.directiveLog('lost')
  await opened.ask('server', 'head')
  await opened.server.stop()
  const acts = (await opened.stored.audit(1, 100)).map((bytes) => decodeAuditEntry(bytes).what.act)
  t.deepEqual(acts, ['install', 'lost'])
})

test('a wanted bundle is taught by pieces too', async (t) => {
  const { code, stored: database } = await started(t)
  const bytes = Uint8Array.from({ length: 9 }, (_, i) => i)
  const digest = digestOf(bytes)
  await database.setInTable(wantedTable, digest, '9')
  t.is(await code('teach', 'teachChunk', digest, 0, bytes.slice(0, 4), 0), 'answered {"bytes":4}')
  t.is(await code('teach', 'teachChunk', digest, 0, bytes.slice(4), 4), 'answered {"bytes":9}')
  t.deepEqual(await database.getChunk(digest, 0), bytes)
  t.deepEqual(await database.tables(), [])
})

// --- Directives

test('a directive of another system, or of one who is not trusted, is refused; one that is lost is no number', async (t) => {
  const { ask, code } = await started(t)
  const { value } = await ask('server', 'head')
  const directive = {
    ...{ format: 2, system, number: 1, createdAt: '2026-01-01T00:00:00.000Z', upgrader: alice.publicKey, head: null },
    ...{ log: (value as { log: string }).log, what: { order: 'setInTable', table: 'allowed', key: 'n1', value: 'yes' } },
  }
  const direct = (change: object = {}, by = alice) => {
    const { bytes, signature } = signed('directive', new TextEncoder().encode(JSON.stringify({ ...directive, ...change })), by)
    return ask('install', 'direct', bytes, signature)
  }
  t.is((await direct({ system: 'shoe' })).code, 'config.invalid')
  t.is((await direct({ upgrader: bob.publicKey }, bob)).code, 'upgrade.signature')
  t.is(await code('install', 'direct', 'text', null), 'protocol.bad-arguments')
  const far = await direct({ number: 3 })
  t.is(far.code, 'upgrade.conflict')
  t.deepEqual(far.details, { next: 1 })
  t.regex(String(far.message), /directive 3 is not carried out: it is not the next one: that is 1/)
  t.deepEqual((await direct()).value, { result: true })
  t.deepEqual((await direct()).details, { next: 2, earlier: { result: true } }, 'its answer was lost')
  t.regex(String((await direct({ number: 2, head: digestOf(new Uint8Array(1)) })).message), /another history/)
  t.regex(String((await direct({ number: 2, log: 'another' })).message), /another log/)
})

test('a directive of release 0.1.0 that may be older than a loss is refused, and says what to do', async (t) => {
  const { ask, settle } = await started(t)
  const manifest = signedAfter(undefined, alice)
  t.deepEqual((await ask('teach', 'teach', manifest.bytes, manifest.signature)).value, null)
  await settle(1_000)
  const what = { order: 'setInTable', table: 'allowed', key: 'n1', value: 'yes' }
  const directive = { format: 1, system, number: 1, createdAt: '1960-01-01T00:00:00.000Z', upgrader: alice.publicKey, what }
  const { bytes, signature } = signed('directive', new TextEncoder().encode(JSON.stringify(directive)), alice)
  const { code, message } = await ask('install', 'direct', bytes, signature)
  t.is(code, 'upgrade.conflict')
  t.regex(String(message), /directive 1 is not carried out: it may be older than the last loss of the upgrade database/)
})
