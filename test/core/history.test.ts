/**
 * The answers of a verified history about its versions, and why it refuses the manifest that would come next.
 */
import test from 'ava'
import { digestOf } from '../../core/base/digest.js'
import { createdApartMsMax, VerifiedHistory } from '../../core/control/verifiedHistory.js'
import type { Signatures, Signer } from '../../core/ports/signatures.js'
import { checkSigned, signed, signedBytes } from '../../core/trust/signed.js'
import { encodeManifest } from '../../core/upgrade/manifest.js'
import { nkeySignatures } from '../../transports/nkeys/nkeys.js'
import { alice, bob, mallory, manifestAfter, signedAfter, system } from '../support/signedManifests.js'
import { identifiedAfter, rootOf } from '../support/trustRoots.js'

/** Signs by the name of the key. */
const stamp = (publicKey: string): Signer => ({ publicKey, sign: (bytes) => Buffer.from(`${publicKey} ${digestOf(bytes)}`) })
const keys = [alice, bob].map(({ publicKey }) => publicKey)
const [ann, ben] = keys.map(stamp) as [Signer, Signer]
const stamps: Signatures = {
  isUpgraderKey: (text) => keys.includes(text),
  verify: (publicKey, bytes, signature) => Buffer.compare(stamp(publicKey).sign(bytes), signature) === 0,
}

const first = signedAfter(undefined, ann, { title: 'One' })
const second = signedAfter(first, ben, { title: 'Two', upgraders: [ann.publicKey] })
const historyOf = (...manifests: readonly (typeof first)[]) => {
  const history = new VerifiedHistory(system, keys, stamps)
  for (const manifest of manifests) history.append(history.check(manifest))
  return history
}

test('a history has its manifests in order, each with its digest, from version 1 on', (t) => {
  const history = historyOf(first, second)
  t.deepEqual(
    history.manifests.map(({ title }) => title),
    ['One', 'Two'],
  )
  t.is(history.at(0), undefined)
  t.like(history.at(1), { manifest: { title: 'One' }, digest: digestOf(first.bytes), signed: first })
  t.like(history.at(2), { manifest: { title: 'Two' }, digest: digestOf(second.bytes), signed: second })
  t.is(history.at(3), undefined)
})

test('the head of a history is its newest version, or nothing', (t) => {
  t.deepEqual(historyOf().head, { version: 0, digest: null })
  t.deepEqual(historyOf(first).head, { version: 1, digest: digestOf(first.bytes) })
  t.deepEqual(historyOf(first, second).head, { version: 2, digest: digestOf(second.bytes) })
})

test('a manifest that is checked is not added', (t) => {
  const history = historyOf(first)
  history.check(second)
  t.is(history.head.version, 1)
})

test('those are trusted who were at first, until an upgrade says who is', (t) => {
  t.deepEqual(historyOf(first).trusted, keys)
  t.deepEqual(historyOf(first, second).trusted, [ann.publicKey])
  t.is(new VerifiedHistory(system, undefined, stamps).trusted, undefined)
})

test('a manifest that does not follow is refused with the reason', (t) => {
  const refused = (message: string, more: object) =>
    t.throws(() => historyOf(first).check(signedAfter(first, ann, more)), { code: 'upgrade.predecessor', message })
  const [next, after] = ['the manifest of version 2', 'does not follow version 1 of shop']
  refused(`${next} ${after}: it is for system mall`, { system: 'mall' })
  refused(`the manifest of version 3 ${after}: version 2 comes next`, { version: 3 })
  refused(`the manifest of version 1 ${after}: version 2 comes next`, { version: 1 })
  for (const previous of [null, 'a0'.repeat(32)])
    refused(`${next} ${after}: it follows another manifest than the one that is here`, { previous })
})

test('an upgrade names no upgrader whose key has a slip of the pen', (t) => {
  const [wrong, right] = [
    [ann.publicKey, mallory.publicKey],
    [ben.publicKey, ann.publicKey],
  ]
  t.notThrows(() => historyOf(first).check(signedAfter(first, ann, { upgraders: right })))
  t.throws(() => historyOf(first).check(signedAfter(first, ann, { upgraders: wrong })), {
    code: 'upgrade.invalid',
    message: 'the manifest of version 2: upgraders has an entry that is not the public key of an upgrader',
  })
})

test('a document is signed together with its purpose', (t) => {
  t.is(new TextDecoder().decode(signedBytes('directive', Buffer.from('text'))), 'theseus.directive.1\ntext')
  const bytes = encodeManifest(manifestAfter(undefined))
  t.deepEqual(signed('manifest', bytes, undefined), { bytes, signature: null })
  t.deepEqual(signed('manifest', bytes, ann), { bytes, signature: ann.sign(signedBytes('manifest', bytes)) })
})

test('a document is accepted from one who is trusted and signed it, and else refused with the reason', (t) => {
  const bytes = Buffer.from('text')
  const check = (by: string | null, signer: Signer | undefined, trusted: readonly string[] | undefined) => () =>
    checkSigned(
      stamps,
      {
        ...{ purpose: 'directive', signed: signed('directive', bytes, signer), what: 'the directive', system, identity: null },
        ...{ by, when: { createdAt: 'now' }, decides: ['order'] },
      },
      trusted && { identity: null, keys: trusted.map((key) => ({ key })), need: {} },
    )
  const [a, b] = [ann.publicKey, ben.publicKey]
  for (const trusted of [undefined, [a], [b, a]]) t.notThrows(check(a, ann, trusted))
  t.notThrows(check(null, undefined, undefined))
  const refused = (act: () => void, why: string, details: object) => {
    const fault = t.throws(act, { code: 'upgrade.signature', message: `the directive ${why}` })
    t.deepEqual((fault as Error & { details: unknown }).details, details)
  }
  for (const trusted of [undefined, [a]]) refused(check(null, ann, trusted), 'is signed, and does not say by whom', {})
  refused(check(null, undefined, [a]), 'is not signed, and only trusted upgraders may install', {})
  refused(check(a, ann, [b]), `is by ${a}, who is not a trusted upgrader there`, { upgrader: a })
  for (const trusted of [undefined, [a]]) {
    refused(check(a, undefined, trusted), `names ${a} as its upgrader, and is not signed`, { upgrader: a })
    refused(check(a, ben, trusted), `was not signed like this by ${a}`, { upgrader: a })
  }
})

test('a manifest in the place of another is a rival only if it follows what that one follows', (t) => {
  const history = historyOf(first, second)
  const rival = (before: typeof first | undefined, more: object = {}) =>
    history.checkRival(signedAfter(before, ann, { title: 'Other', ...more }))
  t.notThrows(() => rival(undefined))
  t.notThrows(() => rival(first))
  const refused = (act: () => void, version: number) =>
    t.throws(act, {
      code: 'upgrade.predecessor',
      message: `the other manifest of version ${version} does not follow what is here`,
    })
  refused(() => rival(second), 3)
  refused(() => rival(first, { system: 'mall' }), 2)
  refused(() => rival(undefined, { system: 'mall' }), 1)
  refused(() => rival(first, { previous: null }), 2)
  refused(() => rival(undefined, { previous: digestOf(first.bytes) }), 1)
  refused(() => rival(first, { previous: digestOf(second.bytes) }), 2)
})

test('a rival is by one who was trusted there and still is, and has signed it', (t) => {
  // Version 2 leaves ann alone; version 1 leaves both.
  const history = historyOf(first, second)
  const refused = (manifest: typeof first, message: string | RegExp, nowMs?: number) =>
    t.throws(() => history.checkRival(manifest, nowMs), { code: 'upgrade.signature', message })
  const what = 'the other manifest of version 2'
  refused(signedAfter(first, ben), `${what} is by ${ben.publicKey}, who is not trusted now`)
  refused(signed('manifest', encodeManifest(manifestAfter(first)), undefined), `${what} is by nobody, who is not trusted now`)
  const inHerName = encodeManifest(manifestAfter(first, { upgrader: ann.publicKey }))
  refused(signed('manifest', inHerName, ben), /^the other manifest of version 2 was not signed like this by/)
  // One who has become trusted by the manifest that it would replace.
  const alone = new VerifiedHistory(system, [ann.publicKey], stamps)
  const both = signedAfter(undefined, ann, { upgraders: keys })
  alone.append(alone.check(both))
  t.throws(() => alone.checkRival(signedAfter(undefined, ben, { title: 'Mine' })), {
    code: 'upgrade.signature',
    message: /who is not a trusted upgrader there$/,
  })
  // Where nobody has to sign, nobody has to sign a rival.
  const open = new VerifiedHistory(system, undefined, stamps)
  const unsigned = (title: string) => signed('manifest', encodeManifest(manifestAfter(undefined, { title })), undefined)
  open.append(open.check(unsigned('One')))
  t.notThrows(() => open.checkRival(unsigned('Other')))
})

test('where nobody has to sign an upgrade may still say how many have to, and no version before the first is looked for', (t) => {
  const open = new VerifiedHistory(system, undefined, stamps)
  t.notThrows(() => open.check(identifiedAfter(undefined, [ann], { need: { undo: 2 } })))
  t.notThrows(() => historyOf().check(signedAfter(undefined, ann, { undoes: 0 })))
})

test('where nobody has to sign several may, and signers that are not there are left out', (t) => {
  const bytes = encodeManifest(manifestAfter(undefined, { upgrader: alice.publicKey }))
  const both = signed('manifest', bytes, undefined, alice, undefined, bob)
  t.deepEqual(both, signed('manifest', bytes, alice, bob))
  const open = new VerifiedHistory(system, undefined, nkeySignatures)
  t.deepEqual(open.check(both).by, [alice.publicKey])
})

test('a history with one more manifest is another history, and takes none that was not checked', (t) => {
  const history = historyOf(first)
  const checked = history.check(second)
  const longer = history.with(checked)
  t.deepEqual([history.head.version, longer.head.version], [1, 2])
  t.is(longer.at(1), history.at(1))
  t.is(longer.at(2), checked)
  t.deepEqual(
    longer.manifests.map(({ title }) => title),
    ['One', 'Two'],
  )
  t.deepEqual([history.trusted, longer.trusted], [keys, [ann.publicKey]])
  const third = signedAfter(second, ann, { title: 'Three' })
  t.is(longer.with(longer.check(third)).head.version, 3)
  const elsewhere = historyOf(first).check(second)
  t.throws(() => history.with(elsewhere), { message: /C9: the manifest of version 2 was not checked by this history/ })
  t.throws(() => longer.append(checked), { message: /C9: the manifest of version 2 does not follow version 2 any more/ })
})

test('what is taught is dated no further ahead than clocks are apart, and after what it follows', (t) => {
  const at = (ms: number) => new Date(ms).toISOString()
  const nowMs = Date.parse('2026-06-01T00:00:00.000Z')
  const root = () => new VerifiedHistory(system, rootOf(), stamps)
  const dated = (ms: number) => identifiedAfter(undefined, [ann], { createdAt: at(ms) })
  const taught = (ms: number) => () => {
    const history = root()
    history.checkTaught(history.check(dated(ms)), nowMs)
  }
  t.notThrows(taught(nowMs + createdApartMsMax))
  t.notThrows(taught(0))
  t.throws(taught(nowMs + createdApartMsMax + 1), { code: 'upgrade.invalid', message: /and it is 2026-06-01T00:00:00.000Z here/ })
  const history = root()
  history.append(history.check(dated(nowMs)))
  const before = (ms: number) => identifiedAfter(dated(nowMs), [ann], { version: 2, createdAt: at(ms) })
  t.notThrows(() => history.check(before(nowMs - createdApartMsMax)))
  t.throws(() => history.check(before(nowMs - createdApartMsMax - 1)), { code: 'upgrade.invalid', message: /before the one/ })
  // It is the newest before it that counts, not the first.
  const hourMs = 3_600_000
  const later = before(nowMs + hourMs)
  history.append(history.check(later))
  const third = (ms: number) => identifiedAfter(later, [ann], { version: 3, createdAt: at(ms) })
  t.notThrows(() => history.check(third(nowMs + hourMs)))
  t.throws(() => history.check(third(nowMs)), { code: 'upgrade.invalid', message: /before the one/ })
  // The first format has no time that is looked at.
  t.notThrows(() => historyOf(first).check(signedAfter(first, ann, { createdAt: '2020-01-01T00:00:00Z' }), nowMs))
})
