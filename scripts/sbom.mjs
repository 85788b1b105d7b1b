// The bill of materials of the package, out of package-lock.json: CycloneDX 1.5. The same lock file gives the
// same bytes, so that two people can compare theirs.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './lib.mjs'

/**
 * Those that reach users: neither packages for development alone nor this one under its former name is among
 * them.
 */
export function sbomOf(lock) {
  const own = lock.packages['']
  const shipped = Object.entries(lock.packages).filter(([path, { dev, link }]) => path !== '' && !dev && !link)
  const byRef = new Map()
  for (const [path, entry] of shipped) if (!byRef.has(refOf(path, entry))) byRef.set(refOf(path, entry), componentOf(path, entry))
  const dependencies = new Map([[`${own.name}@${own.version}`, dependsOn(lock, '', own)]])
  for (const [path, entry] of shipped) {
    const ref = refOf(path, entry)
    dependencies.set(ref, [...(dependencies.get(ref) ?? []), ...dependsOn(lock, path, entry)])
  }
  const sorted = (texts) => [...new Set(texts)].sort()
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.5.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    version: 1,
    metadata: {
      component: {
        ...{ 'bom-ref': `${own.name}@${own.version}`, type: 'library', name: own.name, version: own.version },
        ...{ purl: purlOf(own.name, own.version), licenses: licensesOf(own) },
      },
    },
    components: sorted(byRef.keys()).map((ref) => byRef.get(ref)),
    dependencies: sorted(dependencies.keys()).map((ref) => ({ ref, dependsOn: sorted(dependencies.get(ref)) })),
  }
}

export function sbomText() {
  return `${JSON.stringify(sbomOf(JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))), undefined, 2)}\n`
}

/** Where Node.js finds what the package at this path asks for: in its own folder, or in one above. */
export function foundAt(lock, path, name) {
  for (let at = path; ; at = folderOf(at)) {
    const candidate = `${at === '' ? '' : `${at}/`}node_modules/${name}`
    if (lock.packages[candidate] !== undefined) return candidate
    if (at === '') return undefined
  }
}

/** The package in whose node_modules this one is; the root is the empty path. */
function folderOf(path) {
  const at = path.lastIndexOf('/node_modules/')
  return at < 0 ? '' : path.slice(0, at)
}

function dependsOn(lock, path, { dependencies = {}, optionalDependencies = {} }) {
  return Object.keys({ ...dependencies, ...optionalDependencies })
    .map((name) => foundAt(lock, path, name))
    .filter((found) => found !== undefined)
    .map((found) => refOf(found, lock.packages[found]))
}

function componentOf(path, entry) {
  const name = nameOf(path, entry)
  return {
    'bom-ref': refOf(path, entry),
    type: 'library',
    name,
    version: entry.version,
    scope: entry.optional ? 'optional' : 'required',
    purl: purlOf(name, entry.version),
    hashes: hashesOf(entry),
    licenses: licensesOf(entry),
  }
}

function hashesOf({ integrity = '' }) {
  return integrity
    .split(' ')
    .filter((each) => each.startsWith('sha512-'))
    .map((each) => ({ alg: 'SHA-512', content: Buffer.from(each.slice('sha512-'.length), 'base64').toString('hex') }))
}

function licensesOf({ license }) {
  return license === undefined ? [] : [/ (OR|AND) /.test(license) ? { expression: license } : { license: { id: license } }]
}

function nameOf(path, { name }) {
  return name ?? path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
}

function refOf(path, entry) {
  return `${nameOf(path, entry)}@${entry.version}`
}

function purlOf(name, version) {
  return `pkg:npm/${name.replace('@', '%40')}@${version}`
}
