/** C9, without a system: what is signed, who is trusted when, and that nothing else is accepted. */
import test from 'ava'
import fc from 'fast-check'
import { createAccount } from 'nkeys.js'
import { isFault } from '../../core/base/fault.js'
import { VerifiedHistory } from '../../core/control/verifiedHistory.js'
import { signed, signedBytes } from '../../core/trust/signed.js'
import {
  changesTrust,
  checkTrust,
  hasEnded,
  identityAt,
  isUpgraderList,
  looksLikeUpgraderKey,
  needed,
  trustedAt,
  upgradersMax,
} from '../../core/trust/trust.js'
import { encodeManifest, type Manifest, type SignedManifest } from '../../core/upgrade/manifest.js'
import { newKey, signer } from '../../transports/nkeys/index.js'
import { nkeySignatures } from '../../transports/nkeys/nkeys.js'
import { alice, bob, forged, forgeries, mallory, manifestAfter, signedAfter, system } from '../support/signedManifests.js'

const first = signedAfter(undefined, alice, { title: 'One' })
const second = signedAfter(first, alice, { title: 'Two', reason: 'because' })
const third = signedAfter(second, bob, { title: 'Three' })

/** The code of the first manifest's fault that is not accepted; undefined when all are. */
function refusal(manifests: readonly SignedManifest[], trust: readonly string[] | undefined = [alice.publicKey, bob.publicKey]) {
  const history = new VerifiedHistory(system, trust, nkeySignatures)
  try {
    for (const manifest of manifests) history.append(history.check(manifest))
    return undefined
  } catch (error) {
    if (!isFault(error)) throw error
    return `${history.head.version + 1} ${error.code}`
  }
}

test('a history whose manifests follow each other, each signed by one who is trusted, is accepted', (t) => {
  t.is(refusal([first, second, third]), undefined)
})

for (const field of Object.keys(forgeries) as (keyof Manifest)[]) {
  test(`a manifest whose ${field} was changed after it was signed is refused`, (t) => {
    const code = refusal([first, forged(second, field)])
    const notEvenAManifest = ['format', 'classUpgrades', 'rewinds', 'aborts'].includes(field) ? ['2 upgrade.invalid'] : []
    const doesNotFollow = ['system', 'version', 'previous'].includes(field) ? ['2 upgrade.predecessor'] : []
    t.true(['2 upgrade.signature', ...notEvenAManifest, ...doesNotFollow].includes(code!), code)
  })
}

test('a signed manifest is refused whichever of its bytes is changed', (t) => {
  const anywhere = fc.record({ at: fc.nat(second.bytes.length - 1), bits: fc.integer({ min: 1, max: 255 }) })
  fc.assert(
    fc.property(anywhere, ({ at, bits }) => {
      const bytes = second.bytes.slice()
      bytes[at]! ^= bits
      const code = refusal([first, { ...second, bytes }])
      return code?.startsWith('2 upgrade.') === true
    }),
    { numRuns: 400 },
  )
  // Each byte once at least, and not only those that chance has chosen.
  for (let at = 0; at < second.bytes.length; at++) {
    const bytes = second.bytes.slice()
    bytes[at]! ^= 1
    t.regex(refusal([first, { ...second, bytes }]) ?? '', /^2 upgrade\./, `byte ${at}`)
  }
})

test('a signature is refused whichever of its bits is changed, and at any other length', (t) => {
  const signature = second.signature!
  for (let at = 0; at < signature.length; at++) {
    const changed = signature.slice()
    changed[at]! ^= 1 << (at % 8)
    t.is(refusal([first, { ...second, signature: changed }]), '2 upgrade.signature', `byte ${at}`)
  }
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 130 }),
      (any) => refusal([first, { ...second, signature: any }]) === '2 upgrade.signature',
    ),
    { numRuns: 60 },
  )
  for (const length of [0, 1, 32, 63]) {
    t.is(refusal([first, { ...second, signature: signature.slice(0, length) }]), '2 upgrade.signature')
  }
  t.is(refusal([first, { ...second, signature: new Uint8Array([...signature, 0]) }]), '2 upgrade.signature')
})

test('signatures are those of nkeys.js, and both accept the same', (t) => {
  for (let i = 0; i < 5; i++) {
    const pair = createAccount()
    const [publicKey, seed] = [pair.getPublicKey(), new TextDecoder().decode(pair.getSeed())]
    const bytes = new Uint8Array(i * 50).map((_, at) => at)
    const signature = signer(seed).sign(bytes)
    t.deepEqual(signature, new Uint8Array(pair.sign(bytes)))
    t.true(nkeySignatures.verify(publicKey, bytes, signature))
    const others = [[...bytes, 0], [...bytes].reverse()].filter((other) => !Buffer.from(other).equals(bytes))
    for (const other of others) t.false(nkeySignatures.verify(publicKey, Uint8Array.from(other), signature))
    t.false(nkeySignatures.verify(alice.publicKey, bytes, signature), 'by another key')
  }
  t.false(nkeySignatures.verify('no key', new Uint8Array(), new Uint8Array(64)))
})

test('a signature that was made into another valid one without the seed is refused', (t) => {
  const order = 0x1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3edn
  const numberOf = (bytes: Uint8Array) => BigInt(`0x${Buffer.from(bytes.toReversed()).toString('hex')}`)
  const scalar = numberOf(second.signature!.slice(32)) + order
  const high = Uint8Array.from(Buffer.from(scalar.toString(16).padStart(64, '0'), 'hex')).reverse()
  const signature = new Uint8Array([...second.signature!.slice(0, 32), ...high])
  t.is(refusal([first, { ...second, signature }]), '2 upgrade.signature')
})

test('a manifest cut off at any byte is refused', (t) => {
  for (let length = 0; length < second.bytes.length; length++)
    t.is(refusal([first, { ...second, bytes: second.bytes.slice(0, length) }]), '2 upgrade.invalid', `${length} bytes`)
})

test('an older manifest again, manifests in another order, a missing one, and one of another system are refused', (t) => {
  t.is(refusal([first, first]), '2 upgrade.predecessor')
  t.is(refusal([first, second, second]), '3 upgrade.predecessor')
  t.is(refusal([second, first]), '1 upgrade.predecessor')
  t.is(refusal([first, third]), '2 upgrade.predecessor')
  const ofAnother = signedAfter(first, alice, { system: 'shop-test' })
  t.is(refusal([first, ofAnother]), '2 upgrade.predecessor')
})

test('another manifest in the place of an older one cuts off all that come after it', (t) => {
  const another = signedAfter(undefined, alice, { title: 'Another one' })
  t.is(refusal([another, second, third]), '2 upgrade.predecessor')
})

test('a signature by a key that is not trusted, under the name of one that is, or with none, is refused', (t) => {
  t.is(refusal([signedAfter(undefined, mallory)]), '1 upgrade.signature')
  const inHerName = encodeManifest(manifestAfter(undefined, { upgrader: alice.publicKey }))
  t.is(refusal([signed('manifest', inHerName, mallory)]), '1 upgrade.signature')
  t.is(refusal([{ bytes: inHerName, signature: null }]), '1 upgrade.signature')
  const byNobody = encodeManifest(manifestAfter(undefined))
  t.is(refusal([{ bytes: byNobody, signature: null }]), '1 upgrade.signature')
  t.is(refusal([signed('manifest', byNobody, alice)]), '1 upgrade.signature')
})

test('a signature for another purpose, or over the bare bytes, is none for a manifest', (t) => {
  const bytes = encodeManifest(manifestAfter(undefined, { upgrader: alice.publicKey }))
  t.is(refusal([{ bytes, signature: alice.sign(bytes) }]), '1 upgrade.signature')
  const elsewhere = alice.sign(new TextEncoder().encode(`theseus.pause.1\n${new TextDecoder().decode(bytes)}`))
  t.is(refusal([{ bytes, signature: elsewhere }]), '1 upgrade.signature')
  t.is(refusal([{ bytes, signature: alice.sign(signedBytes('manifest', bytes)) }]), undefined)
})

test('without a list nobody has to sign, but a key that is named has signed', (t) => {
  const unsigned = { bytes: encodeManifest(manifestAfter(undefined)), signature: null }
  const named = { bytes: encodeManifest(manifestAfter(undefined, { upgrader: alice.publicKey })), signature: null }
  const history = () => new VerifiedHistory(system, undefined, nkeySignatures)
  t.notThrows(() => history().check(unsigned))
  t.notThrows(() => history().check(signedAfter(undefined, mallory)))
  t.throws(() => history().check(named), { code: 'upgrade.signature' })
})

const [a, b, c] = [alice.publicKey, bob.publicKey, mallory.publicKey] as const

test('who is trusted is said by the manifests before, the newest that says anything', (t) => {
  const keysAt = (...given: Parameters<typeof trustedAt>) => trustedAt(...given)?.keys.map(({ key }) => key)
  t.is(keysAt(undefined, []), undefined)
  t.deepEqual(keysAt([a], []), [a])
  t.deepEqual(keysAt([a], [{ upgraders: null }]), [a])
  t.deepEqual(keysAt([a], [{ upgraders: [a, b] }, { upgraders: null }]), [a, b])
  t.deepEqual(keysAt([a], [{ upgraders: [a, b] }, { upgraders: [b] }]), [b])
  t.deepEqual(keysAt(undefined, [{ upgraders: [b] }]), [b])
})

test('keys are exchanged by a signed upgrade: the new one counts from the next version on, the old one no longer', (t) => {
  const exchange = signedAfter(undefined, alice, { upgraders: [b] })
  t.is(refusal([exchange, signedAfter(exchange, bob)], [a]), undefined)
  t.is(refusal([exchange, signedAfter(exchange, alice)], [a]), '2 upgrade.signature')
  // Not in its own manifest, and not by whom it names.
  t.is(refusal([signedAfter(undefined, bob, { upgraders: [b] })], [a]), '1 upgrade.signature')
  const back = signedAfter(exchange, bob, { upgraders: [a, b] })
  t.is(refusal([exchange, back, signedAfter(back, alice)], [a]), undefined)
})

test('an upgrade that is undone by another one does not bring a removed key back', (t) => {
  const removal = signedAfter(undefined, alice, { upgraders: [b] })
  const undo = signedAfter(removal, bob, { title: 'Undo of version 1' })
  t.is(refusal([removal, undo, signedAfter(undo, alice)], [a]), '3 upgrade.signature')
})

test('no upgrade leaves nobody who could sign the next one, or names what is no key', (t) => {
  const withList = (upgraders: unknown) => refusal([signedAfter(undefined, alice, { upgraders: upgraders as string[] })], [a])
  t.is(withList([]), '1 upgrade.invalid')
  t.is(withList([b, b]), '1 upgrade.invalid')
  t.is(withList(['nobody']), '1 upgrade.invalid')
  t.is(withList([b.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A'))]), '1 upgrade.invalid')
  t.is(withList([newKey().seed]), '1 upgrade.invalid')
  t.is(withList([b, c]), undefined)
})

test('an empty list of upgraders is a wrong setting, and so is what is no public key; a seed is not repeated', (t) => {
  const message = (trust: readonly string[]) =>
    t.throws(() => checkTrust(nkeySignatures, trust), { code: 'config.invalid' })!.message
  t.regex(message([]), /empty/)
  t.regex(message([a, a]), /once/)
  const { seed } = newKey()
  t.false(message([seed]).includes(seed))
  t.is(
    message([a, seed]),
    'trust: entry 2 is not the public key of an upgrader: "natsctl key show --key FILE" prints it, it begins with A',
  )
  // The form of a key, and its checksum.
  for (const wrong of [a.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A')), `U${a.slice(1)}`, 7 as never])
    t.regex(message([wrong]), /^trust: entry 1 is not the public key/)
  t.is(
    message('A' as never),
    'trust: give a list of public keys, as "natsctl key new" prints them, a trust root, or \'nobody\' where upgrades need no signature',
  )
  t.is(message(null as never), message('A' as never))
  t.is(checkTrust(nkeySignatures, 'nobody'), undefined)
  t.is(checkTrust(nkeySignatures, undefined), undefined)
  t.deepEqual(checkTrust(nkeySignatures, [a, b]), [a, b])
})

test('a signer shows its public key, and its seed nowhere', (t) => {
  const { seed, publicKey } = newKey()
  const made = signer(`\n${seed} \n`)
  t.is(made.publicKey, publicKey)
  t.false(JSON.stringify(made).includes(seed))
  t.deepEqual(Object.keys(made).sort(), ['publicKey', 'sign'])
})

test('what is no seed of an upgrader is refused, without being repeated', (t) => {
  const { seed, publicKey } = newKey()
  const login = `SU${seed.slice(2)}`
  const slip = `${seed.slice(0, 20)}${seed[20] === 'A' ? 'B' : 'A'}${seed.slice(21)}`
  for (const wrong of [publicKey, login, slip, seed.slice(0, -1), '', `${seed}\n${seed}`]) {
    const fault = t.throws(() => signer(wrong), { code: 'config.invalid' })!
    t.false(`${fault.message} ${fault.stack} ${String(fault.cause)}`.includes(wrong.slice(2, 40) || 'x y'), fault.message)
  }
})

test('what looks like the key of an upgrader is a text of its letters and length', (t) => {
  const key = `A${'B'.repeat(55)}`
  t.true(looksLikeUpgraderKey(key))
  for (const wrong of [key.slice(1), `${key}B`, `U${key.slice(1)}`, key.toLowerCase(), `${key.slice(0, -1)}1`, [key], 7, null])
    t.false(looksLikeUpgraderKey(wrong), String(wrong))
})

test('a list of upgraders has from one to so many keys, each once, and nothing else', (t) => {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'
  const keys = Array.from(
    { length: upgradersMax + 1 },
    (_, i) => `A${letters[i % 26]}${letters[Math.floor(i / 26)]}${'B'.repeat(53)}`,
  )
  t.true(isUpgraderList(keys.slice(0, 1)) && isUpgraderList(keys.slice(0, upgradersMax)))
  for (const wrong of [keys, [], [keys[0], 'nobody'], ['nobody', keys[0]], [keys[0], keys[0]], keys[0], { length: 1 }, null, 7])
    t.false(isUpgraderList(wrong))
  // Where each is a key, the list itself is looked at.
  t.throws(() => checkTrust({ ...nkeySignatures, isUpgraderKey: () => true }, keys), {
    code: 'config.invalid',
    message: `trust: give each key once, and at most ${upgradersMax}`,
  })
})

test('a key ends after the last moment that it names, by what is signed and by the clock of who asks', (t) => {
  const until = '2026-05-01T00:00:00.000Z'
  const ended = (createdAt: string, nowMs?: number) => hasEnded({ key: a, until }, { createdAt, nowMs })
  const endMs = Date.parse(until)
  t.false(hasEnded({ key: a }, { createdAt: 'whenever', nowMs: endMs * 2 }))
  t.false(ended(until))
  t.false(ended(until, endMs))
  t.true(ended('2026-05-01T00:00:00.001Z'))
  t.true(ended(until, endMs + 1))
  t.true(ended('2026-04-30T00:00:00Z', endMs + 1))
  t.true(ended('whenever'))
  t.true(hasEnded({ key: a, until: 'whenever' }, { createdAt: until }))
})

test('keys have the ends that the newest list gives them, and no others', (t) => {
  const until = { [b]: '2026-05-01T00:00:00Z' }
  t.deepEqual(trustedAt([a], [{ upgraders: [a, b], until }])?.keys, [{ key: a }, { key: b, until: until[b]! }])
  t.deepEqual(trustedAt([a], [{ upgraders: [a, b], until }, { upgraders: [b] }])?.keys, [{ key: b }])
})

test('how many have to sign is said by the newest manifest that says so, and holds where there is an identity', (t) => {
  const identity = 'production-0123456789abcdef'
  const root = { format: 1 as const, system, identity, keys: [{ key: a }, { key: b }], need: { undo: 2 } }
  const needAt = (...given: Parameters<typeof trustedAt>) => trustedAt(...given)?.need
  t.deepEqual(needAt(root, []), { undo: 2 })
  t.deepEqual(needAt(root, [{ upgraders: null, need: null }, { upgraders: null }]), { undo: 2 })
  t.deepEqual(
    needAt(root, [
      { upgraders: null, need: { order: 2 } },
      { upgraders: null, need: null },
    ]),
    { order: 2 },
  )
  t.deepEqual(needAt(root, [{ upgraders: null, need: { order: 2 } }, { upgraders: null }]), { order: 2 })
  t.deepEqual(needAt([a], [{ upgraders: [a, b], need: { order: 2 } }]), {})
  t.like(trustedAt(undefined, [{ upgraders: null }, { upgraders: [a], identity }, { upgraders: [b] }]), { identity })
  t.deepEqual(trustedAt(undefined, [{ upgraders: [a], identity }]), { identity, keys: [{ key: a }], need: {} })
  t.deepEqual(trustedAt(undefined, [{ upgraders: [a] }]), { identity: null, keys: [{ key: a }], need: {} })
  t.like(trustedAt([a], [{ upgraders: [b], identity }]), { identity: null })
  t.deepEqual(
    [needed({ identity, keys: [], need: { undo: 2 } }, ['order', 'undo']), needed({ identity, keys: [], need: {} }, [])],
    [2, 1],
  )
  t.deepEqual(
    [{ upgraders: null }, { upgraders: null, need: null }, { upgraders: [a] }, { upgraders: null, need: { undo: 1 } }].map(
      changesTrust,
    ),
    [false, false, true, true],
  )
})

test('the identity is named from the version on from which the root says so, and never by a list', (t) => {
  const identity = 'production-0123456789abcdef'
  const root = { format: 1 as const, system, identity, keys: [{ key: a }] }
  t.deepEqual(
    [0, 1, 2].map((version) => identityAt(root, version)),
    [null, identity, identity],
  )
  t.deepEqual(
    [1, 2, 3].map((version) => identityAt({ ...root, since: 2 }, version)),
    [null, identity, identity],
  )
  t.is(identityAt([a], 1), null)
  t.is(identityAt(undefined, 1), null)
})
