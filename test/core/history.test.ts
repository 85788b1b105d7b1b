/** What a verified history answers about its versions, and why it refuses the manifest that would come next. */
import test from 'ava'
import { digestOf, encodeManifest } from '../../core/manifest.js'
import type { Signatures, Signer } from '../../core/ports/signatures.js'
import { checkSigned, signed, signedBytes } from '../../core/signed.js'
import { VerifiedHistory } from '../../core/verifiedHistory.js'
import { alice, bob, mallory, manifestAfter, signedAfter, system } from '../support/signedManifests.js'

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
