/** Upgraders' keys at the command line: where a seed is, and that it is nowhere else. */
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { defineUpgrade, draftManifest } from 'theseus-actors'
import { newKey, signer } from 'theseus-actors/nkeys'
import { encodeUpgradeFile } from '../../natsctl/build/upgradeFile.js'
import { natsctl, newDirectory, type ProcessResult } from './natsctlProcess.js'

const publicKeyForm = /^A[A-Z2-7]{55}$/

/** Neither stream has it, with or without what debugging adds. */
function hides(t: ExecutionContext, seed: string, { stdout, stderr }: ProcessResult): void {
  t.false(stdout.includes(seed), stdout)
  t.false(stderr.includes(seed), stderr)
}

test('a new key’s seed is in a file that its owner alone can read, and its public key is printed', async (t) => {
  const cwd = newDirectory(t)
  const ended = await natsctl(t, ['key', 'new', '--out', 'alice.nk'], { cwd })
  t.is(ended.code, 0, ended.stderr)
  const file = join(cwd, 'alice.nk')
  t.is(statSync(file).mode & 0o777, 0o600)
  const seed = readFileSync(file, 'utf8').trim()
  t.is(ended.stdout, `${signer(seed).publicKey}\n`)
  t.regex(ended.stdout.trim(), publicKeyForm)
  hides(t, seed, ended)
  const shown = await natsctl(t, ['key', 'show', '--key', 'alice.nk', '-o', 'json'], { cwd })
  t.deepEqual(JSON.parse(shown.stdout), { publicKey: ended.stdout.trim() })
  t.is(shown.stderr, '')
  hides(t, seed, shown)
})

test('a seed is never overwritten', async (t) => {
  const cwd = newDirectory(t)
  await natsctl(t, ['key', 'new'], { cwd })
  const before = readFileSync(join(cwd, 'upgrader.nk'), 'utf8')
  const ended = await natsctl(t, ['key', 'new'], { cwd })
  t.is(ended.code, 1)
  t.is(ended.stdout, '')
  t.regex(ended.stderr, /upgrader\.nk is there already/)
  t.is(readFileSync(join(cwd, 'upgrader.nk'), 'utf8'), before)
})

test('a seed is printed only when it is asked for, and then it is in no file', async (t) => {
  const cwd = newDirectory(t)
  const { publicKey, seed } = JSON.parse((await natsctl(t, ['key', 'new', '--print-seed', '-o', 'json'], { cwd })).stdout)
  t.is(signer(seed).publicKey, publicKey)
  const both = await natsctl(t, ['key', 'new', '--print-seed', '--out', 'x'], { cwd })
  t.is(both.code, 2)
  t.throws(() => statSync(join(cwd, 'x')))
})

test('the seed comes from a flag’s file, a file that the environment names, or the environment, in this order', async (t) => {
  const cwd = newDirectory(t)
  const keys = [newKey(), newKey(), newKey()] as const
  keys.forEach(({ seed }, i) => {
    writeFileSync(join(cwd, `${i}.nk`), `${seed}\n`, { mode: 0o600 })
  })
  const env = { THESEUS_UPGRADER_SEED_FILE: '1.nk', THESEUS_UPGRADER_SEED: keys[2].seed }
  const shown = async (args: readonly string[], given: Record<string, string>) =>
    (await natsctl(t, ['key', 'show', ...args], { cwd, env: given })).stdout.trim()
  t.is(await shown(['--key', '0.nk'], env), keys[0].publicKey)
  t.is(await shown([], env), keys[1].publicKey)
  t.is(await shown([], { THESEUS_UPGRADER_SEED: keys[2].seed }), keys[2].publicKey)
  const none = await natsctl(t, ['key', 'show'], { cwd })
  t.is(none.code, 2)
  t.regex(none.stderr, /THESEUS_UPGRADER_SEED_FILE/)
})

test('a seed’s file that others can read is used, with a warning', async (t) => {
  const cwd = newDirectory(t)
  const { seed, publicKey } = newKey()
  writeFileSync(join(cwd, 'open.nk'), seed, { mode: 0o644 })
  const ended = await natsctl(t, ['key', 'show', '--key', 'open.nk'], { cwd })
  t.is(ended.stdout.trim(), publicKey)
  t.regex(ended.stderr, /chmod 600 open\.nk/)
  hides(t, seed, ended)
})

test('a seed in any wrong place is neither used nor repeated, not even for debugging', async (t) => {
  const cwd = newDirectory(t)
  const { seed } = newKey()
  const slip = `${seed.slice(0, 20)}${seed[20] === 'A' ? 'B' : 'A'}${seed.slice(21)}`
  writeFileSync(join(cwd, 'slip.nk'), slip, { mode: 0o600 })
  const bundle = new TextEncoder().encode('none')
  const manifest = draftManifest(defineUpgrade({ title: 'none', classUpgrades: [] }), bundle)
  writeFileSync(join(cwd, 'none.upgrade'), encodeUpgradeFile({ manifest, bundle }))
  const wrong: readonly (readonly [readonly string[], Record<string, string>, string])[] = [
    [['key', 'show', '--key', seed], {}, seed],
    [['key', 'show', seed], {}, seed],
    [['key', seed], {}, seed],
    [['key', 'show', `--seed=${seed}`], {}, seed],
    [['key', 'show'], { THESEUS_UPGRADER_SEED_FILE: seed }, seed],
    [['key', 'show', '--key', 'slip.nk'], {}, slip],
    [['key', 'show'], { THESEUS_UPGRADER_SEED: slip }, slip],
    [['upgrader', 'set', seed, '--system', 's'], {}, seed],
    [['history', '--verify', '--trust', seed, '--system', 's'], {}, seed],
    [['upgrade', 'publish', 'none.upgrade', '--system', 's', '--key', seed], {}, seed],
    // With a seed that is right, and nobody to publish to.
    [
      ['upgrade', 'publish', 'none.upgrade', '--system', 's', '--nats', 'nats://127.0.0.1:1'],
      { THESEUS_UPGRADER_SEED: seed },
      seed,
    ],
  ]
  for (const [args, env, secret] of wrong) {
    const ended = await natsctl(t, args, { cwd, env: { ...env, THESEUS_DEBUG: '1' } })
    t.not(ended.code, 0, args.join(' '))
    t.not(ended.stderr, '', args.join(' '))
    hides(t, secret, ended)
  }
})

test('an upgrade file is verified offline: its form, its bundle, and the digest that was expected', async (t) => {
  const cwd = newDirectory(t)
  const bundle = new TextEncoder().encode('export default 1')
  const manifest = draftManifest(defineUpgrade({ title: 'Nothing changes', classUpgrades: [] }), bundle)
  const whole = encodeUpgradeFile({ manifest, bundle })
  writeFileSync(join(cwd, 'whole.upgrade'), whole)
  const verified = await natsctl(t, ['upgrade', 'verify', 'whole.upgrade', '--digest', manifest.bundle.digest, '-o', 'json'], {
    cwd,
  })
  t.is(verified.code, 0, verified.stderr)
  t.like(JSON.parse(verified.stdout), { title: 'Nothing changes', digest: manifest.bundle.digest, bytes: bundle.length })
  const other = await natsctl(t, ['upgrade', 'verify', 'whole.upgrade', '--digest', '0'.repeat(64)], { cwd })
  t.is(other.code, 1)
  t.regex(other.stderr, /^upgrade\.digest: /)
  const changed = whole.slice()
  changed[changed.length - 1]! ^= 1
  writeFileSync(join(cwd, 'changed.upgrade'), changed)
  const refused = await natsctl(t, ['upgrade', 'verify', 'changed.upgrade'], { cwd })
  t.is(refused.code, 1)
  t.is(refused.stdout, '')
  t.regex(refused.stderr, /^upgrade\.invalid: changed\.upgrade: .*its bundle is not the one/)
})
