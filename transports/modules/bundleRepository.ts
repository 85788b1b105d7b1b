/**
 * Classes from bundles, imported once. Node.js can't unload a module, so each upgrade leaves its bundle in
 * memory, which is accepted.
 *
 * B1. The bytes that were verified are those that run. Each bundle has a file in a cache directory, whose
 *     name stack traces and debuggers show; but the loader is given the bytes from memory (hostModules.ts),
 *     so it does not matter who else can write that file, or when.
 */
import { lstat, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { digestOf, isDigest } from '../../core/base/digest.js'
import { Fault, isFault, reasonOf } from '../../core/base/fault.js'
import type { ClassRepository } from '../../core/upgrade/classRepository.js'
import { isUpgrade, type Upgrade } from '../../core/upgrade/upgrade.js'
import { checkOwnDirectory, isOwnFile, ownDirectory, ownFileMode } from '../ownDirectory.js'
import { importGiven, shareHostModules } from './hostModules.js'

/**
 * Keeps `<digest>.mjs` files in `cacheDirectory`, which is made when it is missing. Its files
 * may be deleted at any time.
 *
 * @param warn told at once of a directory that can't be used: one of another user's. Its bundles are refused
 *   with `upgrade.fetch`
 */
export function bundleRepository(cacheDirectory: string, warn: (fault: Fault) => void = () => {}): ClassRepository {
  try {
    checkOwnDirectory(cacheDirectory)
  } catch (error) {
    if (isFault(error)) warn(error)
  }
  const loaded = new Map<string, Promise<Upgrade>>()
  return {
    load(digest, bundle) {
      let upgrade = loaded.get(digest)
      if (upgrade === undefined) {
        upgrade = load(cacheDirectory, digest, bundle)
        loaded.set(digest, upgrade)
        // A full disk passes: the next attempt shall try again. A bundle that is wrong stays wrong, for
        // Node.js keeps that too.
        upgrade.catch(() => loaded.delete(digest))
      }
      return upgrade
    },
  }
}

async function load(cacheDirectory: string, digest: string, bundle: Uint8Array): Promise<Upgrade> {
  // The digest becomes a file's name, and a promise that the classes are the same ones tomorrow.
  if (!isDigest(digest) || digestOf(bundle) !== digest)
    throw new Fault('upgrade.digest', 'the bundle does not have the digest it was asked for by')
  const url = await store(cacheDirectory, digest, bundle)
  let module: { readonly default?: unknown }
  try {
    module = await importGiven(url, bundle)
  } catch (error) {
    throw new Fault('upgrade.invalid', isFault(error) ? error.message : reasonOf(error), { digest }, { cause: error })
  }
  if (isUpgrade(module.default)) return module.default
  throw new Fault('upgrade.invalid', 'the default export is no upgrade: write "export default defineUpgrade({ … })"', { digest })
}

let writes = 0
const cacheFiles = /^[0-9a-f]{64}\.mjs/

/**
 * Returns the file's URL. Rejects with `upgrade.fetch` when it can't be written: that is this
 * host's trouble, not the upgrade's.
 */
async function store(cacheDirectory: string, digest: string, bundle: Uint8Array): Promise<string> {
  try {
    // Node.js names modules by their real paths, and the hooks know bundles by their names.
    const directory = ownDirectory(cacheDirectory, cacheFiles)
    shareHostModules(pathToFileURL(join(directory, '/')).href)
    const path = join(directory, `${digest}.mjs`)
    if (!(await isKept(path, bundle))) {
      const temporary = `${path}.${process.pid}.${++writes}`
      // Of a process that had this number and died.
      await rm(temporary, { force: true })
      await writeFile(temporary, bundle, { mode: ownFileMode, flag: 'wx' })
      await rename(temporary, path)
    }
    return pathToFileURL(path).href
  } catch (error) {
    throw new Fault(
      'upgrade.fetch',
      `the bundle can't be kept in ${cacheDirectory}: ${reasonOf(error)}`,
      { digest },
      { cause: error },
    )
  }
}

/**
 * Compared and not just found: a power cut can leave a file without its content. Only an ordinary file is
 * read: another kind could hold us up.
 */
async function isKept(path: string, bundle: Uint8Array): Promise<boolean> {
  const stats = await lstat(path).catch(() => undefined)
  if (stats === undefined || !isOwnFile(stats) || stats.size !== bundle.length) return false
  return readFile(path).then(
    (kept) => kept.equals(bundle),
    () => false,
  )
}
