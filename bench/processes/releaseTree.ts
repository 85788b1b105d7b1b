/**
 * An earlier release at work in this bench: the bench's own compiled files, beside that release's package.
 * Both releases are measured in one run, by the same code.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { UsageError } from '../options.js'

const root = resolve(fileURLToPath(new URL('../../..', import.meta.url)))
const releases = join(root, 'test/fixtures/releases')
/** The package's name, and that of the releases that are kept. */
const nameNow = 'theseus-actors'
const nameThen = 'theseus'

/** The directory of the bench's compiled files for this release, made anew. */
export function releaseTree(release: string): URL {
  const packed = join(releases, release, `${nameThen}.tgz`)
  if (!existsSync(packed)) {
    const known = readdirSync(releases).filter((name) => existsSync(join(releases, name, `${nameThen}.tgz`)))
    throw new UsageError(`no release ${release} is kept here: there is ${known.join(', ')}`)
  }
  const directory = join(root, 'node_modules/.cache/bench', release)
  rmSync(directory, { recursive: true, force: true })
  const installed = join(directory, 'node_modules', nameThen)
  mkdirSync(installed, { recursive: true })
  execFileSync('tar', ['xzf', packed, '--strip-components=1', '-C', installed])
  const bench = join(directory, 'dist/bench')
  cpSync(join(root, 'dist/bench'), bench, { recursive: true })
  for (const name of readdirSync(bench, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.js')) continue
    const path = join(bench, name)
    writeFileSync(path, readFileSync(path, 'utf8').replaceAll(`'${nameNow}`, `'${nameThen}`))
  }
  return pathToFileURL(`${bench}/`)
}
