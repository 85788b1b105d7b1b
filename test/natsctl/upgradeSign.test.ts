/**
 * Signing is a step of its own: what builds an upgrade has no seed, what signs it runs nothing
 * and needs no system.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { type BuiltUpgrade, defineUpgrade, draftManifest } from 'theseus-actors'
import { newKey, signer } from 'theseus-actors/nkeys'
import { VerifiedHistory } from '../../core/control/verifiedHistory.js'
import { readSignatures, signaturesIn, signedManifestOf, signFor, withSignature } from '../../natsctl/build/signedUpgrade.js'
import { decodeUpgradeFile, encodeUpgradeFile } from '../../natsctl/build/upgradeFile.js'
import { nkeySignatures } from '../../transports/nkeys/nkeys.js'
import { alice, bob, mallory } from '../support/signedManifests.js'
import { natsctl, newDirectory } from './natsctlProcess.js'
import { startServer, systemWithServers } from './natsctlSystem.js'

const nowhere = { NATS_URL: 'nats://127.0.0.1:1', THESEUS_REDIS: 'redis://127.0.0.1:1' }
const place = { system: 'shop', version: 1, previous: null } as const
const about = { reason: 'they asked for it', createdAt: '2026-01-01T00:00:00.000Z' } as const

function built(title: string): BuiltUpgrade {
  const bundle = new TextEncoder().encode(`// ${title}`)
  return { manifest: draftManifest(defineUpgrade({ title, classUpgrades: [] }), bundle), bundle }
}

test('an upgrade is signed offline, by two after each other, and installed as it was signed', async (t) => {
  const at = await systemWithServers(t, 'shop')
  const keys = [newKey(), newKey()] as const
  await startServer(t, at, { trust: [keys[0].publicKey] })
  const cwd = newDirectory(t)
  for (const [i, { seed }] of keys.entries()) writeFileSync(join(cwd, `${i}.nk`), seed, { mode: 0o600 })
  for (const title of ['One', 'Two']) writeFileSync(join(cwd, `${title}.upgrade`), encodeUpgradeFile(built(title)))
  const offline = (...args: readonly string[]) => natsctl(t, args, { cwd, env: nowhere })
  const online = (...args: readonly string[]) => natsctl(t, args, { cwd, env: { ...at.env, THESEUS_TRUST: keys[0].publicKey } })

  const first = await offline(
    'upgrade',
    'sign',
    'One.upgrade',
    '--key',
    '0.nk',
    '--system',
    'shop',
    '--for',
    '1',
    '--after',
    'none',
    '--reason',
    'why',
  )
  t.is(first.code, 0, first.stderr)
  t.is(first.stdout, `One.upgrade: One\nsigned for version 1 of system shop, after nothing: why\n  by ${keys[0].publicKey}\n`)
  const second = await offline('upgrade', 'sign', 'One.upgrade', '--key', '1.nk', '-o', 'json')
  t.like(JSON.parse(second.stdout).signed, {
    system: 'shop',
    version: 1,
    previous: null,
    by: keys.map(({ publicKey }) => publicKey),
  })
  const verified = await offline('upgrade', 'verify', 'One.upgrade')
  t.regex(verified.stdout, /signed for version 1 of system shop, after nothing: why\n {2}by A\w+\n {2}by A\w+\n/)
  const other = await offline(
    'upgrade',
    'sign',
    'One.upgrade',
    '--key',
    '1.nk',
    '--system',
    'shop',
    '--for',
    '1',
    '--after',
    'none',
    '--reason',
    'another',
  )
  t.is(other.code, 2)
  t.regex(other.stderr, /signed already, for version 1 of system shop: .*--anew/)
  const again = await online('upgrade', 'publish', 'One.upgrade', '--key', '0.nk')
  t.deepEqual([again.code, again.stdout], [2, ''])

  t.is((await online('upgrade', 'publish', 'One.upgrade')).code, 0)
  const [one] = JSON.parse((await online('history', '-o', 'json')).stdout)
  t.like(one, { version: 1, title: 'One', reason: 'why', upgrader: keys[0].publicKey, verified: true })

  // After an exported history, and too late for it.
  await online('history', 'export', 'history.bin')
  const trust = ['--trust', keys[0].publicKey]
  const after = await offline(
    'upgrade',
    'sign',
    'Two.upgrade',
    '--key',
    '0.nk',
    '--history',
    'history.bin',
    ...trust,
    '-o',
    'json',
  )
  t.like(JSON.parse(after.stdout).signed, { version: 2, previous: one.digest })
  t.is((await online('upgrader', 'set', keys[0].publicKey, '--key', '0.nk')).code, 0)
  const late = await online('upgrade', 'publish', 'Two.upgrade')
  t.is(late.code, 1)
  t.regex(late.stderr, /^upgrade\.conflict: Two\.upgrade is signed for version 2, .*natsctl upgrade sign Two\.upgrade --anew/)
  t.is((await online('upgrade', 'publish', 'Two.upgrade', '--dry-run')).code, 1)
  // Asked of the system.
  const anew = await online('upgrade', 'sign', 'Two.upgrade', '--key', '0.nk', '--anew')
  t.regex(anew.stdout, /signed for version 3 of system shop/)
  t.is((await online('upgrade', 'publish', 'Two.upgrade')).code, 0)
})

test('a process that runs an upgrade’s code has no seed, and is not told where one is', async (t) => {
  const cwd = newDirectory(t)
  writeFileSync(join(cwd, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(cwd, 'upgrade.js'), `import { writeFileSync } from 'node:fs'\nwriteFileSync('ran', '')\n`)
  writeFileSync(join(cwd, 'x.upgrade'), encodeUpgradeFile(built('X')))
  writeFileSync(join(cwd, 'theseus.json'), JSON.stringify({ system: 'shop', hosts: {} }))
  const { seed } = newKey()
  writeFileSync(join(cwd, 'key.nk'), seed, { mode: 0o600 })
  for (const args of [
    ['upgrade', 'build', 'upgrade.js'],
    ['upgrade', 'plan', 'upgrade.js'],
    ['upgrade', 'diff', 'x.upgrade'],
    ['up'],
  ])
    for (const [name, value] of [
      ['THESEUS_UPGRADER_SEED', seed],
      ['THESEUS_UPGRADER_SEED_FILE', 'key.nk'],
    ] as const) {
      const ended = await natsctl(t, args, { cwd, env: { [name]: value } })
      t.is(ended.code, 2, `${args.join(' ')}: ${ended.stderr}`)
      t.regex(
        ended.stderr,
        /^error: .* could read the seed that THESEUS_UPGRADER_SEED\w* gives: unset it, .*natsctl upgrade sign.*\n$/,
      )
      t.false(existsSync(join(cwd, 'ran')))
    }
})

test('what was signed is installed by the upgrader whom it names, and holds in a history', (t) => {
  const { manifest, bundle } = built('One')
  const signed = withSignature(withSignature(signFor(manifest, place, about, alice), bob), bob)
  t.deepEqual([...signed.signatures.keys()], [alice.publicKey, bob.publicKey])
  const read = decodeUpgradeFile(encodeUpgradeFile({ manifest, bundle }, signed))
  t.deepEqual(read.signed, signed)
  t.deepEqual(read.manifest, manifest)
  const history = new VerifiedHistory('shop', [alice.publicKey], nkeySignatures)
  t.is(history.check(signedManifestOf(read.signed!)).manifest.reason, about.reason)
  t.throws(() => new VerifiedHistory('shop', [bob.publicKey], nkeySignatures).check(signedManifestOf(signed)))
  // Without signatures the file is what it was.
  t.is(decodeUpgradeFile(encodeUpgradeFile({ manifest, bundle })).signed, null)
})

test('signatures of anything but this upgrade, by anybody but these keys, are refused', (t) => {
  const { manifest } = built('One')
  const signed = withSignature(signFor(manifest, place, about, alice), bob)
  const [bytes, pairs] = signaturesIn(signed)
  const refused = (value: unknown, code: RegExp, draft = manifest) => {
    const fault = t.throws(() => readSignatures(value, draft)) as Error & { code: string }
    t.regex(fault.code, code)
  }
  const flipped = (of: Uint8Array, at: number) => of.map((byte, i) => (i === at ? byte ^ 1 : byte))
  for (let at = 0; at < 64; at += 9)
    refused([bytes, [pairs[0], [bob.publicKey, flipped(pairs[1]![1], at)]]], /^upgrade\.signature$/)
  for (let at = 0; at < bytes.length; at += 41) refused([flipped(bytes, at), pairs], /^upgrade\.(signature|invalid)$/)
  refused([bytes, [pairs[0], [mallory.publicKey, pairs[1]![1]]]], /signature/)
  refused([bytes, [pairs[1]]], /signature/)
  refused([bytes, [pairs[0], pairs[0]]], /invalid/)
  refused([bytes, pairs], /invalid/, built('Two').manifest)
  for (const nothing of [null, [], [bytes], [bytes, []], [bytes, [null]], [bytes, [['x', new Uint8Array(64)]]], [null, pairs]])
    refused(nothing, /^upgrade\.(signature|invalid)$/)
  refused([bytes, Array.from({ length: 65 }, () => pairs[0])], /invalid/)
  const many = Array.from({ length: 63 }, () => signer(newKey().seed)).reduce(
    withSignature,
    signFor(manifest, place, about, alice),
  )
  t.throws(() => withSignature(many, bob), { message: /64 signatures already/ })
  t.notThrows(() => withSignature(many, alice))
})

test('an upgrade is signed for one place, that is named whole', async (t) => {
  const cwd = newDirectory(t)
  writeFileSync(join(cwd, 'x.upgrade'), encodeUpgradeFile(built('X')))
  writeFileSync(join(cwd, 'key.nk'), newKey().seed, { mode: 0o600 })
  const before = readFileSync(join(cwd, 'x.upgrade'))
  const digest = 'ab'.repeat(32)
  for (const args of [
    ['--for', '2'],
    ['--after', digest],
    ['--for', '1', '--after', digest],
    ['--for', '2', '--after', 'none'],
    ['--for', '0', '--after', 'none'],
    ['--for', '2', '--after', 'abc'],
    ['--for', '2', '--after', digest, '--history', 'x'],
  ]) {
    const ended = await natsctl(t, ['upgrade', 'sign', 'x.upgrade', '--key', 'key.nk', '--system', 's', ...args], {
      cwd,
      env: nowhere,
    })
    t.is(ended.code, 2, args.join(' '))
  }
  t.deepEqual(readFileSync(join(cwd, 'x.upgrade')), before)
})
