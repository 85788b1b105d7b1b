/** Bytes become code in few places, each of which says whose they are. Another one needs a reason here. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../../..')
const rooms = ['core', 'actors', 'transports', 'telemetry', 'natsctl', 'rehearsal']

/** Files, and what they run. */
const places: Readonly<Record<string, string>> = {
  'transports/modules/bundleRepository.ts': 'bundles with the digest that was asked for: hosts ask with verified manifests',
  'transports/modules/hostModules.ts': 'the same bytes, from memory (B1)',
  'natsctl/build/runnableBundle.ts': 'bundles that are verified, or that the operator named (H1)',
  'natsctl/build/upgradeBuild.ts': 'the module that the operator named, to describe it',
  'natsctl/build/ownModules.ts': 'the module that the config of `up` names',
}

/** An import of what is not written there, other ways to run text, and the class repository itself. */
const loads =
  /\bimport\((?!\s*'[^']*'\s*\))|\bbundleRepository\(|\bnew Function\b|(?<![.\w])eval\(|\bvm\.|'node:vm'|'data:text\/javascript/

test('code is loaded only in the places that say whose it is', (t) => {
  const found = rooms
    .flatMap((room) => readdirSync(join(root, room), { withFileTypes: true, recursive: true }))
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) =>
      readFileSync(path, 'utf8')
        .split('\n')
        .some((line) => !/^\s*(\*|\/\/|\/\*)/.test(line) && loads.test(line)),
    )
    .map((path) => relative(root, path))
  t.deepEqual(found.sort(), Object.keys(places).sort())
})
