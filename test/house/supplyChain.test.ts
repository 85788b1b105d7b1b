/**
 * SECURITY.md: what is installed is what the lock file names, on every platform, and what reaches users is in
 * the bill of materials.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'

const root = resolve(fileURLToPath(new URL('../../..', import.meta.url)))
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

interface Entry {
  readonly name?: string
  readonly version: string
  readonly integrity?: string
  readonly dev?: true
  readonly link?: true
  readonly devOptional?: true
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}
interface Lock {
  readonly packages: Readonly<Record<string, Entry>>
}
interface Sbom {
  readonly metadata: unknown
  readonly components: readonly {
    readonly 'bom-ref': string
    readonly purl: string
    readonly hashes: readonly { readonly content: string }[]
    readonly licenses: readonly unknown[]
  }[]
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[]
}

/** This package links itself under the name that it had until 0.1.0 (docs/releasing.md). */
const formerName = 'theseus'

const lock = JSON.parse(read('package-lock.json')) as Lock
const { sbomOf, sbomText, foundAt } = (await import(new URL('../../../scripts/sbom.mjs', import.meta.url).href)) as {
  readonly sbomOf: (lock: Lock) => Sbom
  readonly sbomText: () => string
  readonly foundAt: (lock: Lock, path: string, name: string) => string | undefined
}

test('the lock file has every package that any package asks for, on every platform, each with its digest', (t) => {
  for (const [path, entry] of Object.entries(lock.packages)) {
    const asked = { ...entry.dependencies, ...entry.optionalDependencies, ...entry.devDependencies }
    for (const name of Object.keys(asked)) t.truthy(foundAt(lock, path, name), `${path || 'the project'} asks for ${name}`)
    if (path === `node_modules/${formerName}`) t.true(entry.link)
    else if (path !== '') t.regex(entry.integrity ?? '', /^sha512-/, path)
  }
})

test('direct dependencies have exact versions, and set-up installs what is locked', (t) => {
  const { dependencies, devDependencies, optionalDependencies, allowScripts } = JSON.parse(read('package.json'))
  for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies }))
    t.regex(version as string, name === formerName ? /^file:\.$/ : /^\d+\.\d+\.\d+$/, name)
  for (const name of Object.keys(allowScripts))
    t.true(
      Object.keys(lock.packages).some((path) => path.endsWith(`node_modules/${name}`)),
      name,
    )
  t.notRegex(read('.npmrc'), /audit\s*=\s*false/)
  const installs = readdirSync(join(root, 'scripts')).filter((file) => /\bnpm\b.*\binstall\b/.test(read(`scripts/${file}`)))
  t.deepEqual(installs, [])
  t.regex(read('scripts/lib.mjs'), /run\('npm', \['ci',/)
})

test('the bill of materials has what reaches users, with digests and licences, and nothing that is for development alone', (t) => {
  const { components, dependencies } = sbomOf(lock)
  const refs = new Set(components.map((component) => component['bom-ref']))
  t.is(refs.size, components.length)
  const { dependencies: direct, optionalDependencies } = JSON.parse(read('package.json'))
  for (const [name, version] of Object.entries({ ...direct, ...optionalDependencies }))
    t.true(refs.has(`${name}@${version}`), name)
  for (const { devDependencies } of [lock.packages['']!])
    for (const name of Object.keys(devDependencies!))
      t.false(
        [...refs].some((ref) => ref.startsWith(`${name}@`)),
        name,
      )
  for (const { purl, hashes, licenses } of components) {
    t.regex(purl, /^pkg:npm\/(%40[\w.-]+\/)?[\w.-]+@\d/)
    t.regex(hashes[0]?.content ?? '', /^[0-9a-f]{128}$/, purl)
    t.is(licenses.length, 1, purl)
  }
  // Each package is asked for by something that is there.
  const asked = new Set(dependencies.flatMap(({ dependsOn }) => dependsOn))
  for (const ref of refs) t.true(asked.has(ref), ref)
  for (const ref of asked) t.true(refs.has(ref), ref)
  t.is(sbomText(), sbomText())
})

test('SECURITY.md names files that are there', (t) => {
  for (const [, path] of read('SECURITY.md').matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)) t.notThrows(() => read(path!), path)
  t.true(JSON.parse(read('package.json')).files.includes('SECURITY.md'))
})
