/** T2 and T3 of core/base/level.ts: the level in the signed history. */
import test from 'ava'
import { formats, release } from '../../core/base/formats.js'
import { firstLevel, isLevelRecord, isSoftware, type Level, newestLevel, raised, unreadOf } from '../../core/base/level.js'
import { askedFor, checkNeeds, levelAfter } from '../../core/control/neededLevel.js'
import { isReadByAll, leftBehind, readersOf, readersText } from '../../core/control/readers.js'
import { VerifiedHistory } from '../../core/control/verifiedHistory.js'
import { signed } from '../../core/trust/signed.js'
import {
  decodeManifest,
  encodeManifest,
  levelIn,
  type Manifest,
  manifestOf,
  type SignedManifest,
} from '../../core/upgrade/manifest.js'
import { nkeySignatures } from '../../transports/nkeys/nkeys.js'
import { alice, manifestAfter, system } from '../support/signedManifests.js'

const trust = [alice.publicKey]

function levelAfterManifest(before: SignedManifest | undefined, more: object = {}): SignedManifest {
  const base = manifestAfter(before, { upgrader: alice.publicKey })
  const whole = { ...base, format: 3, identity: null, until: {}, need: null, release, level: newestLevel, ...more }
  return signed('manifest', encodeManifest(whole as unknown as Manifest), alice)
}

function plainAfter(before: SignedManifest | undefined, more: object = {}): SignedManifest {
  return signed(
    'manifest',
    encodeManifest({ ...manifestAfter(before, { upgrader: alice.publicKey }), ...more } as Manifest),
    alice,
  )
}

function grow(history: VerifiedHistory, ...manifests: readonly SignedManifest[]): VerifiedHistory {
  for (const each of manifests) history.append(history.check(each))
  return history
}

const begin = (begins?: Level) => new VerifiedHistory(system, trust, nkeySignatures, begins)

test('the level is what release 0.1.0 reads until a signed version raises it, and stays', (t) => {
  const history = begin()
  t.deepEqual(history.level, firstLevel)
  t.false(history.isLevelRaised)
  const first = plainAfter(undefined)
  const second = levelAfterManifest(first)
  grow(history, first, second)
  t.deepEqual(history.level, newestLevel)
  t.true(history.isLevelRaised)
  t.is(history.levelRelease, release)
  const longer = history.with(history.check(plainAfter(second)))
  t.deepEqual(longer.level, newestLevel)
  t.deepEqual(levelAfter(longer.manifests, firstLevel), newestLevel)
  t.deepEqual(begin(newestLevel).level, newestLevel)
})

test('a level is never lowered, nor undone', (t) => {
  const first = levelAfterManifest(undefined)
  const history = grow(begin(), first)
  const lower = levelAfterManifest(first, { level: { ...newestLevel, envelope: 0 } })
  t.throws(() => history.check(lower), { code: 'upgrade.invalid', message: /lowers the level of envelope/ })
  t.throws(() => history.check(plainAfter(first, { undoes: 1 })), { code: 'upgrade.invalid', message: /never lowered/ })
  t.notThrows(() => history.check(levelAfterManifest(first)))
})

test('a level that this release does not read is refused, and the release that does is named', (t) => {
  const history = begin()
  const newer = { ...newestLevel, envelope: formats.envelope.newest + 1 }
  t.throws(() => history.check(levelAfterManifest(undefined, { level: newer, release: '9.1.0' })), {
    code: 'upgrade.release',
    message: /envelope \d+, which this release does not read: run release 9\.1\.0 or newer/,
  })
  t.throws(() => history.check(levelAfterManifest(undefined, { level: { ...newestLevel, shard: 1 }, release: '9.1.0' })), {
    code: 'upgrade.release',
    message: /shard 1/,
  })
})

test('a manifest of a newer format is not wrong: the release that reads it is named, where it says so', (t) => {
  const format = formats.manifest.newest + 1
  const bytes = (more: object) => new TextEncoder().encode(JSON.stringify({ format, version: 7, ...more }))
  t.throws(() => decodeManifest(bytes({ release: '9.1.0' })), {
    code: 'upgrade.release',
    message: `the manifest of version 7 has format ${format}, and this release reads 1 to ${formats.manifest.newest}: run release 9.1.0 or newer`,
  })
  for (const named of [undefined, 7, 'a b', 'x'.repeat(65)])
    t.throws(() => decodeManifest(bytes({ release: named })), { code: 'upgrade.release', message: /: run release a newer one$/ })
  t.throws(() => decodeManifest(bytes({ version: 'x' })), { code: 'upgrade.release', message: /^the manifest has format/ })
  t.throws(() => decodeManifest(bytes({ format: 1.5 })), { code: 'upgrade.invalid' })
})

test('a manifest with a level changes no class, and each of its fields is checked', (t) => {
  const whole = JSON.parse(new TextDecoder().decode(levelAfterManifest(undefined).bytes)) as Record<string, unknown>
  const bytes = (more: object) => new TextEncoder().encode(JSON.stringify({ ...whole, ...more }))
  t.deepEqual(levelIn(decodeManifest(bytes({}))), newestLevel)
  t.is(levelIn(decodeManifest(bytes({ level: null }))), null)
  t.is(levelIn(decodeManifest(plainAfter(undefined).bytes)), null)
  const entry = { service: 'x', oldClass: 'X.v1', newClass: 'X.v2', pastSO: 'none', futureSO: 'none', only: null, schedule: 's' }
  for (const [field, values] of Object.entries({
    release: [undefined, 7, '', 'a b'],
    level: [
      undefined,
      7,
      [],
      { Envelope: 1 },
      { envelope: -1 },
      { envelope: 1.5 },
      { envelope: '1' },
      { constructor: 9 },
      { valueOf: 1 },
    ],
    classUpgrades: [[{ ...entry, oldMethods: {}, newMethods: {}, oldUses: [], newUses: [], inverse: true }], 'none'],
    identity: [undefined, 'short', 7],
    need: ['x', { upgrade: 2 }],
    until: [undefined, { [alice.publicKey]: '2027-01-01T00:00:00Z' }],
  }))
    for (const value of values)
      t.throws(() => decodeManifest(bytes({ [field]: value })), { code: 'upgrade.invalid' }, `${field} ${JSON.stringify(value)}`)
  t.throws(() => decodeManifest(bytes({ undoes: 0 })), { code: 'upgrade.invalid' })
})

test('an upgrade that needs a number above the level is refused, and the order that raises it is named', (t) => {
  const of = (more: object) => ({ version: 3, runtime: 1, format: 1, ...more }) as never
  t.notThrows(() => checkNeeds(of({}), firstLevel))
  t.throws(() => checkNeeds(of({ runtime: 2 }), firstLevel), {
    code: 'upgrade.level',
    message: /version 3 needs runtime interface 2, and the system's level is 1: raise it with "natsctl system level --raise"/,
  })
  t.notThrows(() => checkNeeds(of({ runtime: 2 }), newestLevel))
  t.throws(() => checkNeeds(of({ format: 5 }), newestLevel), { code: 'upgrade.level', message: /manifest format 5/ })
})

test('an undo of any version has format 3, which needs the level; that of the version before is never held', (t) => {
  const draft = { format: 1, runtime: 1, title: 'x', bundle: { digest: 'a0'.repeat(32), bytes: 0 } } as const
  const made = (undoes: number | null, identity: string | null = null) => {
    const about = { system: 'shop', version: 7, previous: 'a0'.repeat(32), reason: null, createdAt: '2026-01-01T00:00:00.000Z' }
    const by = { upgrader: alice.publicKey, upgraders: null, identity, release: '0.2.0' }
    return manifestOf({ ...draft, classUpgrades: [], tables: {}, gate: null }, { ...about, ...by, undoes })
  }
  t.is(made(null).format, 1)
  t.is(made(6).format, 1)
  t.is(made(6, 'b'.repeat(52)).format, 2)
  t.like(made(5), { format: 3, level: null, identity: null, release: '0.2.0', undoes: 5 })
  const read = (manifest: object) => decodeManifest(new TextEncoder().encode(JSON.stringify(manifest)))
  for (const undoes of [1, 5, 6]) t.is(read({ ...made(5), undoes }).undoes, undoes)
  for (const undoes of [0, 7, 8, 1.5, '5'])
    t.throws(() => read({ ...made(5), undoes }), { code: 'upgrade.invalid', message: /undoes is missing or wrong/ })
  t.throws(() => read({ ...made(6), undoes: 5 }), { code: 'upgrade.invalid', message: /undoes is missing or wrong/ })
  t.throws(() => askedFor(made(5), firstLevel), { code: 'upgrade.level', message: /version 7 needs manifest format 3/ })
  t.is(askedFor({ ...made(5), runtime: 9 } as Manifest, newestLevel), null)
  t.is(askedFor(made(6), firstLevel), null)
})

test('everybody is asked about a level that is set, and about the format that a trust root asks for', (t) => {
  const plain = manifestAfter(undefined)
  t.is(askedFor(plain, firstLevel), null)
  const identified = { ...plain, format: 2 } as Manifest
  t.deepEqual(askedFor(identified, firstLevel), { reads: { manifest: 2 }, level: null, isTaught: false })
  t.is(askedFor(identified, newestLevel), null)
  // An undo is never held.
  t.is(askedFor({ ...identified, runtime: 2, undoes: 1, version: 2 }, firstLevel), null)
  t.throws(() => askedFor({ ...identified, runtime: 2 }, firstLevel), { code: 'upgrade.level' })
  const setting = decodeManifest(levelAfterManifest(undefined).bytes)
  t.deepEqual(askedFor(setting, firstLevel), {
    reads: newestLevel,
    level: { release, numbers: newestLevel },
    isTaught: false,
  })
})

test('those who are left behind are named by process, with their releases', (t) => {
  const software = { release: '0.2.0', reads: newestLevel, since: 5 }
  const row = (nodeId: string, hostId: string, of?: typeof software) => ({ nodeId, hostId, ...(of && { software: of }) })
  const rows = [
    row('a', 'h1', software),
    row('b', 'h2'),
    row('c', 'h2'),
    row('d', 'h1', { ...software, since: 6 }),
    row('e', 'h1'),
  ]
  const servers = [
    { id: 's1', software },
    { id: 's2', software: { ...software, release: '0.1.9', reads: firstLevel } },
  ]
  t.deepEqual(
    readersOf(rows, servers).map(({ role, id, release: of, nodes }) => [role, id, of, nodes]),
    [
      ['host', 'h1', '0.2.0', ['a', 'd']],
      ['host', 'h2', '0.1.0', ['b', 'c']],
      ['host', 'h1', '0.1.0', ['e']],
      ['server', 's1', '0.2.0', []],
      ['server', 's2', '0.1.9', []],
    ],
  )
  t.is(
    readersText(leftBehind(newestLevel, rows, servers)),
    'host h2 of release 0.1.0 (b, c), host h1 of release 0.1.0 (e), upgrade server s2 of release 0.1.9',
  )
  t.false(isReadByAll(newestLevel, rows, []))
  t.true(isReadByAll(firstLevel, rows, servers))
  const many = Array.from({ length: 7 }, (_, i) => row(`n${i}`, 'h'))
  t.is(readersText(readersOf(many, [])), 'host h of release 0.1.0 (n0, n1, n2, n3, n4, …)')
  const hosts = Array.from({ length: 7 }, (_, i) => row(`n${i}`, `h${i}`))
  t.regex(readersText(readersOf(hosts, [])), /, and 2 more$/)
})

test('numbers of formats that others send are bounded', (t) => {
  t.true(isLevelRecord(newestLevel))
  t.true(isLevelRecord({}))
  t.true(isLevelRecord(Object.fromEntries(Array.from({ length: 32 }, (_, i) => [`f${'a'.repeat(i % 31)}`, 1]))))
  for (const wrong of [null, [], 7, { 'a-b': 1 }, { a: 1e6 }, { A: 1 }, { [`a${'b'.repeat(32)}`]: 1 }])
    t.false(isLevelRecord(wrong))
  const names = Array.from(
    { length: 33 },
    (_, i) => `f${String.fromCharCode(97 + (i % 26))}${'x'.repeat(i % 3)}${i > 25 ? 'y' : ''}`,
  )
  t.false(isLevelRecord(Object.fromEntries(names.map((name) => [name, 1]))))
  const software = { release: '0.2.0', reads: {}, since: 0 }
  t.true(isSoftware(software))
  for (const wrong of [
    { ...software, since: 8.64e15 + 1 },
    { ...software, since: -1e300 },
    { ...software, since: Number.NaN },
    null,
    {},
    { ...software, release: 7 },
    { ...software, release: 'x'.repeat(65) },
    { ...software, reads: [] },
    { ...software, since: '0' },
  ])
    t.false(isSoftware(wrong))
  t.deepEqual(raised(firstLevel, { envelope: 9, shard: 1 }), { ...firstLevel, envelope: 9, shard: 1 })
  t.deepEqual(unreadOf({ ...firstLevel, envelope: 9 } as Level, firstLevel), ['envelope 9'])
})
