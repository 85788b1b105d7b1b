/**
 * The package is `theseus-actors`; it was `theseus`. Bundles keep that name: each release loads
 * those of others.
 */
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { digestOf } from '../../core/base/digest.js'
import { NodeObject } from '../../core/model/nodeObject.js'
import { isUpgrade } from '../../core/upgrade/upgrade.js'
import { buildUpgrade } from '../../natsctl/build/upgradeBuild.js'
import { bundleRepository } from '../../transports/modules/bundleRepository.js'
import { bundleSpecifier, hostSpecifier, nameInBundles } from '../../transports/modules/runtimeNames.js'
import { bundlesOf, entryOf, fixtureReleases } from '../support/releaseFixture.js'
import { newDirectory, root } from './natsctlProcess.js'

const textOf = (bundle: Uint8Array) => new TextDecoder().decode(bundle)

for (const release of fixtureReleases())
  test(`the bundles that release ${release} built load, and their classes are of this runtime`, async (t) => {
    const bundles = [...bundlesOf(release)]
    t.true(bundles.length > 0)
    const repository = bundleRepository(newDirectory(t))
    for (const [digest, bundle] of bundles) {
      t.regex(textOf(bundle), /from "theseus"/)
      const upgrade = await repository.load(digest, bundle)
      t.true(isUpgrade(upgrade))
      for (const { newClass } of upgrade.classUpgrades) t.true(newClass.prototype instanceof NodeObject)
    }
  })

for (const release of fixtureReleases())
  test(`a bundle may import each name that ${release} had, and each that the main entry has`, async (t) => {
    const bundles = Object.keys(await import('../../bundleInterface.js'))
    const names = entryOf(release)
    t.true(names.length > 40)
    for (const name of [...names, ...Object.keys(await import('theseus-actors'))]) t.true(bundles.includes(name), name)
    const bundle = Buffer.from(
      `import { ${names.join(', ')} } from '${nameInBundles}'\nexport default defineUpgrade({ title: 'all', classUpgrades: [] })`,
    )
    t.is((await bundleRepository(newDirectory(t)).load(digestOf(bundle), bundle)).title, 'all')
  })

/** The fixtures of upgrades in a project that has the package under this name, and imports it by it. */
function projectWith(directory: string, name: string): string {
  mkdirSync(join(directory, 'node_modules'))
  mkdirSync(join(directory, 'upgrades'))
  symlinkSync(root, join(directory, 'node_modules', name), 'dir')
  const fixtures = join(root, 'test/fixtures/upgrades')
  for (const file of readdirSync(fixtures)) {
    const source = readFileSync(join(fixtures, file), 'utf8').replaceAll("'theseus-actors'", `'${name}'`)
    writeFileSync(join(directory, 'upgrades', file), source)
  }
  const compilerOptions = { target: 'es2024', module: 'nodenext', strict: true, skipLibCheck: true, types: [] }
  writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify({ compilerOptions }))
  return join(directory, 'upgrades/1-comments.ts')
}

test('an upgrade has the same bundle where its project knows the package by its former name: both name the runtime "theseus"', async (t) => {
  const now = await buildUpgrade(projectWith(newDirectory(t), 'theseus-actors'))
  const before = await buildUpgrade(projectWith(newDirectory(t), 'theseus'))
  t.regex(textOf(now.bundle), /from "theseus"/)
  t.notRegex(textOf(now.bundle), /theseus-actors/)
  t.is(before.manifest.bundle.digest, now.manifest.bundle.digest)
})

test('a bundle that was written by hand may call the runtime by either name', async (t) => {
  const repository = bundleRepository(newDirectory(t))
  for (const name of ['theseus', 'theseus-actors']) {
    const bundle = Buffer.from(
      `import { defineUpgrade } from '${name}'\nimport { nats } from '${name}/nats'\n` +
        'export default defineUpgrade({ title: nats.name, classUpgrades: [] })',
    )
    const upgrade = await repository.load(digestOf(bundle), bundle)
    t.is(upgrade.title, 'nats')
  }
})

test('a source and a bundle name a module of the package, or another one that hosts share, or a module of their own', (t) => {
  const url = new URL('../../bundleInterface.js', import.meta.url).href
  t.is(bundleSpecifier('theseus-actors'), 'theseus')
  t.is(hostSpecifier('theseus'), url)
  t.is(hostSpecifier('theseus-actors'), url)
  for (const [inSource, inBundle] of [
    ['theseus-actors/nats', 'theseus/nats'],
    ['tsyringe', 'tsyringe'],
    ['reflect-metadata', 'reflect-metadata'],
  ] as const) {
    t.is(bundleSpecifier(inSource), inBundle)
    t.is(hostSpecifier(inBundle), inSource)
    t.is(hostSpecifier(inSource), inSource)
  }
  for (const other of ['theseus-actor', 'theseus-actors-more', 'theseusactors', './theseus', 'tsyringe/more', 'nats'])
    t.is(hostSpecifier(other), undefined, other)
})
