/** A manifest is whole or it is refused, with the field that is wrong. */
import test from 'ava'
import { isDigest } from '../../core/base/digest.js'
import {
  bundleBytesMax,
  bundleChunkBytes,
  chunkCount,
  decodeManifest,
  encodeManifest,
  type Manifest,
  manifestBytesMax,
  trustChangeIn,
  usesMax,
} from '../../core/upgrade/manifest.js'
import { alice, bob, manifestAfter } from '../support/signedManifests.js'

const entry = {
  ...{ service: 'pages', oldClass: 'Pages.v1', newClass: 'Pages.v2', pastSO: 'so', futureSO: 'none', only: null },
  ...{ schedule: 'eagerly()', oldMethods: { get: 'query' }, newMethods: { get: 'query', put: 'command' }, oldUses: [] },
  ...{ newUses: ['Index.v1', 'page-changed/1'], inverse: true },
}
const digest = 'a0'.repeat(32)
const gate = { moreFailuresMax: 0.05, slowerMax: 2, callsMin: 200 }
const whole = {
  ...manifestAfter(undefined),
  ...{
    version: 7,
    previous: digest,
    reason: 'because',
    undoes: 6,
    upgrader: alice.publicKey,
    upgraders: [alice.publicKey, bob.publicKey],
  },
  ...{ classUpgrades: [entry], tables: { authorized: { n1: 'yes' } }, gate },
}

const bytesOf = (value: unknown) => new TextEncoder().encode(JSON.stringify(value))
const wrongIn = (field: string) => ({ code: 'upgrade.invalid', message: `manifest: ${field} is missing or wrong` })

test('a manifest is read as it was written', (t) => {
  t.deepEqual(decodeManifest(encodeManifest(whole as unknown as Manifest)), whole as never)
  const none = {
    ...whole,
    previous: null,
    reason: null,
    undoes: null,
    upgrader: null,
    upgraders: null,
    gate: null,
    classUpgrades: [],
  }
  t.deepEqual(decodeManifest(bytesOf(none)), none as never)
})

test('a manifest with a field that is missing or wrong is refused, and the field is named', (t) => {
  const wrong: Readonly<Record<string, readonly unknown[]>> = {
    format: [0, 1.5, '1'],
    runtime: [1.5, '1', null],
    system: ['', 'a b', 7, null],
    version: [0, -1, 1.5, 2 ** 32, '7'],
    previous: ['', 'a0', digest.toUpperCase(), `${digest}0`, 7],
    title: [7, null],
    reason: [7],
    undoes: [7, 5, 5.5, '6'],
    createdAt: [7, null],
    upgrader: ['me', 7],
    upgraders: [[], ['me'], [alice.publicKey, alice.publicKey], 'me'],
    bundle: [null, {}, ...[-1, 0.5, '1', bundleBytesMax + 1].map((bytes) => ({ digest, bytes })), { digest: 'x', bytes: 1 }],
    tables: [null, [], 'text', 7, { 'a b': {} }, { t: { '': 'x' } }, { t: { k: 7 } }],
    gate: [7, 'text', {}, { ...gate, slowerMax: '2' }, { moreFailuresMax: 1 }],
    classUpgrades: [null, {}, 'none'],
  }
  for (const [field, values] of Object.entries(wrong)) {
    t.throws(() => decodeManifest(bytesOf({ ...whole, [field]: undefined })), wrongIn(field), `without ${field}`)
    for (const value of values)
      t.throws(() => decodeManifest(bytesOf({ ...whole, [field]: value })), wrongIn(field), `${field} ${JSON.stringify(value)}`)
  }
})

test('a manifest before format 3 undoes the version before it and no other, were that no version at all', (t) => {
  t.throws(() => decodeManifest(bytesOf({ ...whole, version: 0, undoes: -1 })), wrongIn('version'))
  t.notThrows(() => decodeManifest(bytesOf({ ...whole, version: 1, undoes: 0 })))
})

test('a bundle is as large as the limit, and not larger', (t) => {
  t.is(bundleBytesMax, 16_777_216)
  t.notThrows(() => decodeManifest(bytesOf({ ...whole, bundle: { digest, bytes: bundleBytesMax } })))
  t.notThrows(() => decodeManifest(bytesOf({ ...whole, bundle: { digest, bytes: 0 } })))
})

test('an upgrade of a class that is not whole is refused, and its place is named', (t) => {
  const wrong: Readonly<Record<string, readonly unknown[]>> = {
    service: ['', 7],
    oldClass: ['', 'a b', 7],
    newClass: ['', 'a b', 7],
    pastSO: ['maybe', null],
    futureSO: ['maybe', null],
    only: [7, [], 'n1', { nodes: 'n1' }, { moon: 1 }],
    schedule: [7, null],
    oldMethods: [null, 'text', { get: 'query', put: 'both' }],
    newMethods: [null, 'text', { get: 7 }],
    oldUses: [null, {}, ['a', 7], Array(usesMax + 1).fill('a')],
    newUses: [null, 'text', [null], Array(usesMax + 1).fill('a')],
    inverse: ['yes', null],
  }
  const refused = (value: unknown, about: string) =>
    t.throws(() => decodeManifest(bytesOf({ ...whole, classUpgrades: [entry, value] })), wrongIn('classUpgrades[1]'), about)
  for (const value of [null, 'text', 7, []]) refused(value, JSON.stringify(value))
  for (const [field, values] of Object.entries(wrong)) {
    refused({ ...entry, [field]: undefined }, `without ${field}`)
    for (const value of values) refused({ ...entry, [field]: value }, `${field} ${JSON.stringify(value)}`)
  }
})

test('an upgrade of a class may be for some nodes only', (t) => {
  t.notThrows(() => decodeManifest(bytesOf({ ...whole, classUpgrades: [{ ...entry, only: { nodes: ['eu-*'] } }] })))
})

test('a class may use 256 classes and events', (t) => {
  t.is(usesMax, 256)
  t.notThrows(() => decodeManifest(bytesOf({ ...whole, classUpgrades: [{ ...entry, oldUses: Array(256).fill('a') }] })))
})

test('something that is no record is no manifest', (t) => {
  for (const value of [null, 7, 'text', true, []]) t.throws(() => decodeManifest(bytesOf(value)), wrongIn('the whole'))
})

test('bytes that are no JSON in UTF-8 are refused, with the cause', (t) => {
  const notJson = { code: 'upgrade.invalid', message: 'the manifest is not JSON' }
  t.throws(() => decodeManifest(new TextEncoder().encode('{')), notJson)
  const text = JSON.stringify({ ...whole, title: '#' })
  const bytes = new TextEncoder().encode(text)
  bytes[text.indexOf('#')] = 0xff
  const fault = t.throws(() => decodeManifest(bytes), notJson)
  t.true(fault?.cause instanceof TypeError)
})

test('a manifest is as large as the limit, and not larger', (t) => {
  const size = bytesOf({ ...whole, title: '' }).length
  const titled = (bytes: number) => bytesOf({ ...whole, title: 'a'.repeat(bytes - size) })
  t.notThrows(() => decodeManifest(titled(manifestBytesMax)))
  t.throws(() => decodeManifest(titled(manifestBytesMax + 1)), {
    code: 'upgrade.invalid',
    message: `manifest of ${manifestBytesMax + 1} bytes; at most ${manifestBytesMax} are accepted`,
  })
})

test('a digest is 64 hexadecimal digits as text', (t) => {
  t.true(isDigest(digest))
  for (const value of [digest.slice(1), `${digest}\n`, digest.replace('a', 'g'), [digest], 7, null]) t.false(isDigest(value))
})

test('a bundle travels in one chunk at least, the last one shorter', (t) => {
  t.deepEqual([0, 1, bundleChunkBytes, bundleChunkBytes + 1, 3 * bundleChunkBytes - 1].map(chunkCount), [1, 1, 1, 2, 3])
})

test('the changes to the trust are those of a manifest with an identity; of the first format only its list counts', (t) => {
  const upgraders = [alice.publicKey]
  const more = {
    identity: 'production-0123456789abcdef',
    until: { [alice.publicKey]: '2026-05-01T00:00:00Z' },
    need: { undo: 2 },
  }
  const of = (format: number) => trustChangeIn({ ...whole, upgraders, ...more, format } as unknown as Manifest)
  t.deepEqual(of(1), { upgraders })
  t.like(of(2), { upgraders, ...more })
})
