/**
 * The trust root: which system a document is for, how many have to sign it, when keys end, and
 * how they are taken away.
 */
import { readFile } from 'node:fs/promises'
import test from 'ava'
import { instantMs } from '../../core/base/instant.js'
import type { NewDirective } from '../../core/control/directive.js'
import { decodeDirective, directiveOf, encodeDirective } from '../../core/control/directive.js'
import { createdApartMsMax, VerifiedHistory } from '../../core/control/verifiedHistory.js'
import type { Signer } from '../../core/ports/signatures.js'
import { decodeSignatures, encodeSignatures } from '../../core/trust/signatureSet.js'
import { signed } from '../../core/trust/signed.js'
import { checkTrust, identityAt, type Trust } from '../../core/trust/trust.js'
import { checkTrustRoot, type Decision, decisions, mostNeeded, type TrustRoot, upgradersMax } from '../../core/trust/trustRoot.js'
import {
  decodeManifest,
  encodeManifest,
  type IdentifiedManifest,
  manifestOf,
  type SignedManifest,
} from '../../core/upgrade/manifest.js'
import { newKey, signer } from '../../transports/nkeys/index.js'
import { nkeySignatures } from '../../transports/nkeys/nkeys.js'
import { alice, bob, mallory, manifestAfter, signedAfter, system } from '../support/signedManifests.js'
import { identifiedAfter, production, rootOf, staging } from '../support/trustRoots.js'

const [a, b, m] = [alice, bob, mallory].map(({ publicKey }) => publicKey) as [string, string, string]
const carol = signer(newKey().seed)
const c = carol.publicKey
const three = { keys: [a, b, c].map((key) => ({ key })) }

/** The history that holds, under what somebody is told to trust. */
function historyOf(trust: Trust | undefined, ...manifests: readonly SignedManifest[]): VerifiedHistory {
  const history = new VerifiedHistory(system, checkTrust(nkeySignatures, trust, system), nkeySignatures)
  for (const manifest of manifests) history.append(history.check(manifest))
  return history
}

test('a trust root has one clear error for each wrong field', (t) => {
  const wrong = (change: object, message: string | RegExp) =>
    t.throws(() => checkTrust(nkeySignatures, { ...rootOf(), ...change } as TrustRoot, system), {
      code: 'config.invalid',
      message,
    })
  t.deepEqual(checkTrust(nkeySignatures, rootOf(), system), rootOf())
  wrong({ format: 2 }, 'trust: format is not 1, which this Theseus reads')
  wrong({ format: undefined }, 'trust: format is not 1, which this Theseus reads')
  wrong({ system: 'a b' }, 'trust: system is not the name of a system')
  wrong({ system: 'mall' }, 'trust: the trust root is of system mall, this is shop')
  t.notThrows(() => checkTrust(nkeySignatures, rootOf({ identity: 'bm90IHJhbmRvbSBhdCBhbA==' })))
  for (const identity of [['x'.repeat(16)], undefined, '', 'short', 'x'.repeat(65), 'with spaces in between', 7])
    wrong({ identity }, /^trust: identity is not a random text of 16 to 64 letters/)
  for (const since of [0, -1, 1.5, '1', null]) wrong({ since }, 'trust: since is not a version from 1 on')
  const many = Array.from({ length: upgradersMax + 1 }, () => ({ key: a }))
  for (const keys of [undefined, [], a, {}, many]) wrong({ keys }, /^trust: keys is not a list of 1 to 64 keys/)
  for (const entry of [a, null, [a], { key: a, til: '2027-01-01T00:00:00Z' }])
    wrong({ keys: [{ key: b }, entry] }, /^trust: keys\[1\] is not \{ "key": "A…" \}/)
  for (const key of [undefined, 7, a.slice(1), a.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A'))])
    wrong({ keys: [{ key }] }, /^trust: keys\[0\]\.key is not the public key of an upgrader/)
  // Not before a key has the form of one is the port asked.
  const all = { ...nkeySignatures, isUpgraderKey: () => true }
  t.throws(() => checkTrust(all, rootOf({ keys: [{ key: 'nobody' }] }), system), { message: /^trust: keys\[0\]\.key is not/ })
  for (const until of ['2027-01-31', 'soon', '2027-13-01T00:00:00Z', 7, null])
    wrong({ keys: [{ key: a, until }] }, 'trust: keys[0].until is not a time such as 2027-01-31T00:00:00Z')
  wrong({ keys: [{ key: a }, { key: a }] }, 'trust: keys has a key twice')
  for (const need of [
    null,
    2,
    [],
    { upgrade: 0 },
    { upgrade: 1.5 },
    { upgrade: '2' },
    { install: 1 },
    { undo: upgradersMax + 1 },
    { undo: 1, upgrade: 0 },
  ])
    wrong({ need }, /^trust: need is not how many have to sign/)
  wrong({ need: { final: 3 } }, 'trust: need asks for 3 signatures, and there are 2 keys')
  wrong({ until: 'x' }, 'trust: there is no field "until" in a trust root; there are format, system, identity, since, keys, need')
  wrong({ [`u${'x'.repeat(100)}`]: 1, v: 2 }, new RegExp(`there is no field "u${'x'.repeat(63)}" in a trust root`))
  for (const root of [null, 7, undefined])
    t.throws(() => checkTrustRoot(nkeySignatures, root), { code: 'config.invalid', message: /^trust: this is no trust root/ })
  // The most that there may be, and the first version that names it.
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
  const most = Array.from({ length: upgradersMax }, (_, i) => ({ key: `A${letters[i % 32]}${letters[i >> 5]}${'B'.repeat(53)}` }))
  const anyKey = { ...nkeySignatures, isUpgraderKey: () => true }
  t.notThrows(() => checkTrust(anyKey, rootOf({ since: 1, keys: most, need: { undo: upgradersMax } }), system))
  t.is(mostNeeded({}), 1)
  // Somebody may have taken the seed for the key.
  const { seed } = newKey()
  const fault = t.throws(() => checkTrust(nkeySignatures, rootOf({ keys: [{ key: seed }] })))
  t.false(fault.message.includes(seed))
})

test('a manifest that names another identity, or none, is refused; so is one that names any where nobody was told of one', (t) => {
  const own = identifiedAfter(undefined, [alice])
  const refused = (trust: Trust, manifest: SignedManifest, message: string) =>
    t.throws(() => historyOf(trust).check(manifest), {
      code: 'upgrade.signature',
      message: `the manifest of version 1 ${message}`,
    })
  t.notThrows(() => historyOf(rootOf()).check(own))
  refused(
    rootOf(),
    identifiedAfter(undefined, [alice], { identity: staging }),
    `is signed for another system with the same name: it names the identity ${staging}, and this one is ${production}`,
  )
  refused(
    rootOf(),
    signedAfter(undefined, alice),
    'names no identity, and system shop has one: sign it anew, with the trust root of the system',
  )
  refused(
    [a, b],
    own,
    `names the identity ${production}, and system shop has none here: give its trust root in place of a list of keys`,
  )
})

test('a system that had no identity at first has one from a version on, and none of its documents are without it then', (t) => {
  const first = signedAfter(undefined, alice)
  const root = rootOf({ since: 2, need: { upgrade: 2 } })
  const second = identifiedAfter(first, [alice, bob])
  t.notThrows(() => historyOf(root, first, second))
  t.throws(() => historyOf(root, identifiedAfter(undefined, [alice, bob])), { message: /^the manifest of version 1 names the/ })
  t.throws(() => historyOf(root, first, signedAfter(first, alice)), { message: /^the manifest of version 2 names no identity/ })
  // Before it one signature does, as it did.
  t.throws(() => historyOf(root, first, identifiedAfter(first, [alice])), { message: /is signed by 1 of those/ })
  t.deepEqual(
    [1, 2, 3].map((version) => identityAt(root, version)),
    [null, production, production],
  )
  t.is(identityAt([a], 1), null)
  t.is(identityAt(undefined, 1), null)
})

test('where nobody is trusted at first, the manifest that names the first keys says of which identity the system is', (t) => {
  const first = identifiedAfter(undefined, [alice], { upgraders: [a] })
  const history = historyOf(undefined, first)
  t.notThrows(() => history.check(identifiedAfter(first, [alice])))
  t.throws(() => history.check(identifiedAfter(first, [alice], { identity: staging })), {
    message: /another system with the same/,
  })
})

/** An order of each kind, in the newest format. */
function directiveBy(by: readonly Signer[], more: object = {}) {
  const order = { system, number: 1, createdAt: '2026-01-01T00:00:00.000Z', upgrader: by[0]!.publicKey }
  const what = { order: 'setInTable', table: 't', key: 'k', value: 'v' } as const
  const directive = { ...directiveOf({ ...order, what }, null, 'log', production), ...more }
  const { bytes, signature } = signed('directive', encodeDirective(directive as NewDirective), ...by)
  return [decodeDirective(bytes), { bytes, signature }, 0] as const
}

test('a directive that names another identity, or none, is refused', (t) => {
  const history = historyOf(rootOf())
  t.notThrows(() => history.checkDirective(...directiveBy([alice])))
  t.throws(() => history.checkDirective(...directiveBy([alice], { identity: staging })), {
    code: 'upgrade.signature',
    message: `directive 1 is signed for another system with the same name: it names the identity ${staging}, and this one is ${production}`,
  })
  for (const format of [1, 2])
    t.throws(() => history.checkDirective(...directiveBy([alice], { format })), { message: /^directive 1 names no identity/ })
  t.throws(() => historyOf([a]).checkDirective(...directiveBy([alice])), { message: /^directive 1 names the identity/ })
  // Signed over the identity: nobody exchanges it.
  const [, { bytes, signature }] = directiveBy([alice], { identity: staging })
  const exchanged = new TextEncoder().encode(new TextDecoder().decode(bytes).replace(staging, production))
  t.throws(() => history.checkDirective(decodeDirective(exchanged), { bytes: exchanged, signature }, 0), {
    message: /was not signed like this/,
  })
})

const finalize = { what: { order: 'finalize', version: 1 } }

test('as many as a trust root asks for have to sign what it asks for, and two signatures by one key count once', (t) => {
  const undone = identifiedAfter(undefined, [alice, bob, carol])
  const undo = (by: readonly Signer[]) => () => historyOf(root, undone).check(identifiedAfter(undone, by, { undoes: 1 }))
  const upgrade = (by: readonly Signer[]) => () => historyOf(root).check(identifiedAfter(undefined, by))
  const order = (by: readonly Signer[]) => () => historyOf(root).checkDirective(...directiveBy(by))
  const final = (by: readonly Signer[]) => () => historyOf(root).checkDirective(...directiveBy(by, finalize))
  let root = rootOf({ ...three, need: { upgrade: 3 } })
  const acts: Readonly<Record<Decision, (by: readonly Signer[]) => () => unknown>> = { upgrade, undo, final, order }
  for (const [decision, act] of Object.entries(acts)) {
    root = rootOf({ ...three, need: { [decision]: 2 } })
    t.notThrows(act([alice, bob]), decision)
    t.notThrows(act([carol, bob, alice]), decision)
    const message = new RegExp(`is signed by 1 of those who are trusted, ${a}, and 2 have to sign$`)
    // By one, by one twice, and by another one who is not trusted.
    for (const by of [[alice], [alice, alice], [alice, mallory]])
      t.throws(act(by), { code: 'upgrade.signature', message }, decision)
    // The others need one.
    for (const [other, free] of Object.entries(acts)) if (other !== decision) t.notThrows(free([alice]), `${decision} ${other}`)
  }
})

test('a signature counts for the key that made it: one that is given twice, or under another name, is none', (t) => {
  const root = rootOf({ need: { upgrade: 2 } })
  const { bytes, signature } = identifiedAfter(undefined, [alice])
  const check = (...entries: readonly (readonly [string, Uint8Array])[]) => {
    const whole = entries.map(([key, each]) => [...Buffer.from(key), ...each])
    return () => historyOf(root).check({ bytes, signature: Uint8Array.from([1, ...whole.flat()]) })
  }
  const own = signature!
  const bobs = decodeSignatures(signed('manifest', bytes, alice, bob).signature!, a).get(b)!
  t.notThrows(check([a, own], [b, bobs]))
  t.notThrows(check([b, bobs], [a, own], [m, own]))
  t.throws(check([a, own], [a, own]), { message: /is signed by 1 of those/ })
  t.throws(check([a, own], [b, own]), { message: new RegExp(`was not signed like this by ${b}$`) })
  t.throws(check([b, bobs]), { message: /who has not signed it$/ })
  t.throws(check([a, bobs], [b, bobs]), { message: new RegExp(`was not signed like this by ${a}$`) })
})

test('a verified manifest tells whose signatures counted', (t) => {
  const by = (trust: Trust | undefined, manifest: SignedManifest) => historyOf(trust).check(manifest).by
  t.deepEqual(by(rootOf(), identifiedAfter(undefined, [bob, mallory, alice])), [b, a])
  t.deepEqual(by([a], signedAfter(undefined, alice)), [a])
  t.deepEqual(by(undefined, { bytes: encodeManifest(manifestAfter(undefined)), signature: null }), [])
})

test('the undo of an undo brings code, and needs as many as an upgrade', (t) => {
  const root = rootOf({ need: { upgrade: 2 } })
  const upgrade = identifiedAfter(undefined, [alice, bob])
  const undo = identifiedAfter(upgrade, [alice], { undoes: 1 })
  t.throws(() => historyOf(root, upgrade, undo, identifiedAfter(undo, [alice], { undoes: 2 })), {
    message: /^the manifest of version 3/,
  })
  t.notThrows(() => historyOf(root, upgrade, undo, identifiedAfter(undo, [alice, bob], { undoes: 2 })))
})

test('who takes a key away, or says how many have to sign, needs as many as anything does', (t) => {
  const root = rootOf({ ...three, need: { final: 2 } })
  for (const change of [{ upgraders: [a] }, { need: { final: 1 } }, { undoes: 1, upgraders: [a, b] }]) {
    const first = identifiedAfter(undefined, [alice])
    const changed = (...by: readonly Signer[]) =>
      historyOf(root, first, identifiedAfter(first, by, { ...change, need: { final: 1 } }))
    t.throws(() => changed(alice), { message: /and 2 have to sign$/ })
    t.deepEqual(changed(alice, bob).trust?.need, { final: 1 })
  }
})

test('a key that was taken away counts no more, and none is taken away that is needed to go on', (t) => {
  const root = rootOf({ ...three, need: { upgrade: 2 } })
  const revocation = identifiedAfter(undefined, [alice, bob], { upgraders: [a, b] })
  const after =
    (...by: readonly Signer[]) =>
    () =>
      historyOf(root, revocation, identifiedAfter(revocation, by))
  t.notThrows(after(alice, bob))
  t.throws(after(alice, carol), { message: /is signed by 1 of those/ })
  t.throws(after(carol, alice), { message: /who is not a trusted upgrader there$/ })
  const leaving = (more: Partial<IdentifiedManifest>) => () => historyOf(root, identifiedAfter(undefined, [alice, bob], more))
  const message = 'the manifest of version 1 leaves 1 of the keys that sign, and 2 have to: nobody could go on'
  t.throws(leaving({ upgraders: [a] }), { code: 'upgrade.invalid', message })
  // One whose key has ended by then signs nothing.
  t.throws(leaving({ upgraders: [a, b], until: { [b]: '2025-12-31T00:00:00Z' } }), { code: 'upgrade.invalid', message })
  t.throws(leaving({ need: { upgrade: 4 } }), { message: /leaves 3 of the keys that sign, and 4 have to/ })
  t.notThrows(leaving({ upgraders: [a], need: { upgrade: 1 } }))
})

const day = (number: number) => `2026-01-0${number}T00:00:00.000Z`

test('a key with an end signs what was created until then, and nothing later', (t) => {
  const root = rootOf({ keys: [{ key: a }, { key: b, until: day(2) }], need: { final: 2 } })
  const by = (who: Signer, createdAt: string) => () => historyOf(root).check(identifiedAfter(undefined, [who], { createdAt }))
  t.notThrows(by(bob, day(2)))
  t.throws(by(bob, day(3)), {
    code: 'upgrade.signature',
    message: `the manifest of version 1 is by ${b}, whose key ended at ${day(2)}`,
  })
  t.notThrows(by(alice, day(3)))
  // As a second signature it counts no more.
  const order = (createdAt: string) => () =>
    historyOf(root).checkDirective(...directiveBy([alice, bob], { ...finalize, createdAt }))
  t.notThrows(order(day(2)))
  t.throws(order(day(3)), { message: /is signed by 1 of those/ })
  // By the clock of who installs it and carries it out, whatever it says itself.
  const [laterMs, endMs] = [instantMs(day(2))! + 1, instantMs(day(2))!]
  const manifest = identifiedAfter(undefined, [bob], { createdAt: day(1) })
  t.notThrows(() => historyOf(root).check(manifest, endMs))
  t.throws(() => historyOf(root).check(manifest, laterMs), { message: /whose key ended/ })
  const [directive, document] = directiveBy([bob], { createdAt: day(1) })
  t.notThrows(() => historyOf(root).checkDirective(directive, document, endMs))
  t.throws(() => historyOf(root).checkDirective(directive, document, laterMs), { message: /whose key ended/ })
})

test('a signed upgrade gives keys their ends, and takes them away again', (t) => {
  const ended = identifiedAfter(undefined, [alice], { createdAt: day(1), upgraders: [a, b], until: { [b]: day(2) } })
  const next = (more: Partial<IdentifiedManifest>) => () => historyOf(rootOf(), ended, identifiedAfter(ended, [bob], more))
  t.notThrows(next({ createdAt: day(2) }))
  t.throws(next({ createdAt: day(3) }), { message: /whose key ended/ })
  const renewed = identifiedAfter(ended, [alice], { createdAt: day(2), upgraders: [a, b] })
  t.notThrows(() => historyOf(rootOf(), ended, renewed, identifiedAfter(renewed, [bob], { createdAt: day(3) })))
})

test('no manifest is dated back before the one that it follows, but for what clocks are apart, nor after now', (t) => {
  const root = rootOf({ keys: [{ key: a }, { key: b, until: day(2) }] })
  const later = identifiedAfter(undefined, [alice], { createdAt: day(3) })
  const iso = (ms: number) => new Date(ms).toISOString()
  // The thief of a key that has ended.
  const back = identifiedAfter(later, [bob], { createdAt: day(2) })
  t.throws(() => historyOf(root, later, back), {
    code: 'upgrade.invalid',
    message: `the manifest of version 2 was created at ${day(2)}, before the one that it follows, of ${day(3)}: sign it anew, on a machine whose clock is right`,
  })
  const earliest = instantMs(day(3))! - createdApartMsMax
  const next = (ms: number) => () => historyOf(root, later, identifiedAfter(later, [alice], { createdAt: iso(ms) }))
  t.notThrows(next(earliest))
  t.throws(next(earliest - 1), { code: 'upgrade.invalid' })
  t.notThrows(() => historyOf(root).check(later, earliest))
  t.throws(() => historyOf(root).check(later, earliest - 1), {
    code: 'upgrade.invalid',
    message: /and it is 2026-01-02T23:54:59.999Z here/,
  })
})

test('a rival of a manifest counts for as much as that one had to have, by keys that are trusted now', (t) => {
  const root = rootOf({ ...three, need: { upgrade: 2 } })
  const first = identifiedAfter(undefined, [alice, bob])
  const rival = (by: readonly Signer[], more: Partial<IdentifiedManifest> = {}) =>
    identifiedAfter(undefined, by, { title: 'Another', ...more })
  t.notThrows(() => historyOf(root, first).checkRival(rival([alice, carol])))
  t.throws(() => historyOf(root, first).checkRival(rival([alice])), { message: /is signed by 1 of those/ })
  t.throws(() => historyOf(root, first).checkRival(rival([alice, bob], { identity: staging })), {
    message: /another system with/,
  })
  const revocation = identifiedAfter(first, [alice, bob], { upgraders: [a, b] })
  t.throws(() => historyOf(root, first, revocation).checkRival(rival([alice, carol])), { message: /is signed by 1 of those/ })
  t.throws(() => historyOf(root, first, revocation).checkRival(rival([carol, alice])), { message: /who is not trusted now$/ })
  // One that had no end then has one now, by what is signed and by the clock of who asks.
  const withEnd = identifiedAfter(first, [alice, bob, carol], { upgraders: [a, b, c], until: { [a]: day(2) } })
  const byAlice = (createdAt: string) => rival([alice, carol], { createdAt })
  const now = historyOf(root, first, withEnd)
  t.notThrows(() => now.checkRival(byAlice(day(1)), instantMs(day(2))))
  t.throws(() => now.checkRival(byAlice(day(1)), instantMs(day(3))), { message: /who is not trusted now$/ })
  t.throws(() => now.checkRival(byAlice(day(3))), { message: /who is not trusted now$/ })
  const endedRoot = rootOf({ keys: [{ key: a }, { key: b }, { key: c, until: day(2) }], need: { upgrade: 2 } })
  const ended = historyOf(endedRoot, first)
  t.notThrows(() => ended.checkRival(rival([alice, carol]), instantMs(day(2))))
  t.throws(() => ended.checkRival(rival([alice, carol]), instantMs(day(3))), { message: /is signed by 1 of those/ })
})

test('signatures arrive as they were made: one alone as its 64 bytes, several as a set', (t) => {
  const bytes = new TextEncoder().encode('text')
  const alone = signed('manifest', bytes, alice).signature!
  t.is(alone.length, 64)
  t.deepEqual([...decodeSignatures(alone, a)], [[a, alone]])
  const both = signed('manifest', bytes, alice, bob).signature!
  t.is(both.length, 1 + 2 * 120)
  const set = decodeSignatures(both, a)
  t.deepEqual([...set.keys()], [a, b])
  t.deepEqual(encodeSignatures(set, a), both)
  // One by another key than the document names is a set of one.
  t.deepEqual([...decodeSignatures(encodeSignatures(new Map([[b, alone]]), a), a)], [[b, alone]])
  t.deepEqual(signed('manifest', bytes, undefined), { bytes, signature: null })
  // A signer with a long key or signature writes neither over its neighbour nor past the end.
  const long = new Uint8Array(200).fill(7)
  const cut = encodeSignatures(
    new Map([
      [`${a}${'B'.repeat(100)}`, long],
      [`${b}${'B'.repeat(100)}`, long],
    ]),
    a,
  )
  t.deepEqual(
    [...decodeSignatures(cut, a)],
    [a, b].map((key) => [key, long.slice(0, 64)]),
  )
  // A key's first signature counts, and there may be so many.
  const entry = (key: string, by: number) => [...new TextEncoder().encode(key), ...new Uint8Array(64).fill(by)]
  const twice = decodeSignatures(Uint8Array.from([1, ...entry(a, 1), ...entry(b, 2), ...entry(a, 3)]), a)
  t.deepEqual(
    [...twice].map(([key, signature]) => [key, signature[0]]),
    [
      [a, 1],
      [b, 2],
    ],
  )
  const most = Array.from({ length: upgradersMax }, (_, i) => entry(`A${'B'.repeat(52)}${String(i).padStart(3, '0')}`, i))
  t.is(decodeSignatures(Uint8Array.from([1, ...most.flat()]), a).size, upgradersMax)
  // Bytes that are no set are looked at as one signature, and are none.
  for (const wrong of [
    both.slice(0, -1),
    Uint8Array.from([2, ...both.slice(1)]),
    new Uint8Array(1),
    new Uint8Array([1]),
    new Uint8Array(1 + 120 * (upgradersMax + 1)).fill(1),
  ])
    t.deepEqual([...decodeSignatures(wrong, a)], [[a, wrong]])
})

test('a manifest is of the first format where no newer one is needed, and one that says more needs an identity', (t) => {
  const { system: of, version, previous, reason, undoes, createdAt, upgraders, ...draft } = manifestAfter(undefined)
  const about = { system: of, version, previous, reason, undoes, createdAt, upgraders: [b], upgrader: a }
  t.deepEqual(decodeManifest(encodeManifest(manifestOf(draft, { ...about, identity: null }))), {
    ...manifestAfter(undefined),
    upgrader: a,
    upgraders: [b],
  })
  const more = { until: { [b]: day(2) }, need: { undo: 1 } }
  const whole = manifestOf(draft, { ...about, identity: production, ...more })
  t.deepEqual(decodeManifest(encodeManifest(whole)), { ...whole, format: 2, identity: production, ...more } as never)
  for (const said of [{ until: { [b]: day(2) } }, { need: {} }])
    t.throws(() => manifestOf(draft, { ...about, identity: null, ...said }), { code: 'config.invalid' })
})

test('a manifest with an identity is read whole or not at all', (t) => {
  const [good] = [identifiedAfter(undefined, [alice], { upgraders: [b] })]
  const whole = JSON.parse(new TextDecoder().decode(good.bytes)) as object
  const decode = (change: object) => () => decodeManifest(new TextEncoder().encode(JSON.stringify({ ...whole, ...change })))
  t.notThrows(decode({}))
  const wrong: Readonly<Record<string, readonly unknown[]>> = {
    identity: [undefined, null, 'short', 7],
    upgrader: [null],
    createdAt: ['now', '2026-01-01'],
    need: [undefined, 2, { upgrade: 0 }, { install: 1 }],
    until: [undefined, null, 'x', { [a]: day(2) }, { [b]: 'soon' }],
  }
  for (const [field, values] of Object.entries(wrong))
    for (const value of values)
      t.throws(decode({ [field]: value }), { code: 'upgrade.invalid', message: `manifest: ${field} is missing or wrong` })
  t.throws(decode({ upgraders: null, until: { [b]: day(2) } }), { message: 'manifest: until is missing or wrong' })
})

test('a directive with an identity is read whole or not at all', (t) => {
  const [directive] = directiveBy([alice])
  t.like(directive, { format: 3, identity: production, log: 'log', head: null })
  for (const identity of [undefined, 'short', 7])
    t.throws(() => directiveBy([alice], { identity }), {
      code: 'config.invalid',
      message: 'directive: identity is missing or wrong',
    })
  t.throws(() => directiveBy([alice], { log: undefined }), { message: 'directive: log is missing or wrong' })
})

test('the page of the protocol gives the fields of a trust root, and the bounds, as they are', async (t) => {
  const page = await readFile(new URL('../../../docs/protocol.md', import.meta.url), 'utf8')
  const text = page.split('## Trust roots\n')[1]!.split('\n## ')[0]!
  const named = new Set([...text.matchAll(/`([a-z]+)`/gi)].map(([, name]) => name!))
  for (const name of ['system', 'identity', 'keys', 'since', 'need', 'until', ...decisions]) t.true(named.has(name), name)
  t.regex(text.replaceAll(/\s+/g, ' '), /at most five minutes before that of the manifest before/)
  t.is(createdApartMsMax, 5 * 60_000)
})
