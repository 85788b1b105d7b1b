/** A host that esbuild made one file of, with this package in it (docs/guide.md, "A host as one file"). */
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'
import { build } from 'esbuild'
import { buildUpgrade } from '../../natsctl/build/upgradeBuild.js'

const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/bundled/${name}`, import.meta.url))

/** For packages that are not ES modules. */
const banner = { js: "import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);" }

for (const [what, minify, hasPackage] of [
  ['with nothing of the package beside it', false, false],
  ['minified', true, false],
  ['with the package, as another copy, beside it', false, true],
] as const)
  test(`a bundled host ${what} runs its classes and upgrades; what an upgrade shares with it is its own`, async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'theseus-bundled-'))
    t.teardown(() => rmSync(directory, { recursive: true, force: true }))
    mkdirSync(join(directory, 'node_modules'))
    symlinkSync(dirname(fileURLToPath(import.meta.resolve('lmdb'))), join(directory, 'node_modules/lmdb'), 'dir')
    if (hasPackage)
      symlinkSync(fileURLToPath(new URL('../../..', import.meta.url)), join(directory, 'node_modules/theseus-actors'), 'dir')
    const outfile = join(directory, 'main.mjs')
    await build({
      entryPoints: [fixture('main.js')],
      bundle: true,
      platform: 'node',
      format: 'esm',
      external: ['lmdb'],
      banner,
      minify,
      outfile,
      logLevel: 'silent',
    })
    const { manifest, bundle } = await buildUpgrade(fixture('upgrade.js'))
    const file = join(directory, 'upgrade.json')
    writeFileSync(file, JSON.stringify({ manifest, bundle: Buffer.from(bundle).toString('base64') }))
    const run = promisify(execFile)(process.execPath, [outfile, join(directory, 'state'), file], { cwd: directory })
    t.deepEqual(await run.then(({ stdout }) => stdout.trim().split('\n')), ['1', 'Counter.v2 11'])
  })
