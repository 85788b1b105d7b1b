/**
 * Classes from bundles: each is a file in a cache directory, imported once. Node.js can't unload a module, so each upgrade leaves its
 * bundle in memory, which is accepted.
 */
import { mkdir, readFile, realpath, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Fault, isFault, reasonOf } from '../../core/fault.js'
import { digestOf, isDigest } from '../../core/manifest.js'
import type { ClassRepository } from '../../core/ports/classRepository.js'
import { isUpgrade, type Upgrade } from '../../core/upgrade.js'
import { shareHostModules } from './hostModules.js'

/** Keeps `<digest>.mjs` files in `cacheDirectory`, which is made when it is missing. What is in it may be deleted at any time. */
export function bundleRepository(cacheDirectory: string): ClassRepository {
  const loaded = new Map<string, Promise<Upgrade>>()
  return {
    load(digest, bundle) {
      let upgrade = loaded.get(digest)
      if (upgrade === undefined) {
        upgrade = load(cacheDirectory, digest, bundle)
        loaded.set(digest, upgrade)
        // A full disk passes: the next attempt shall try again. A bundle that is wrong stays wrong, for Node.js keeps that too.
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
    module = await import(url)
  } catch (error) {
    throw new Fault('upgrade.invalid', isFault(error) ? error.message : reasonOf(error), { digest }, { cause: error })
  }
  if (isUpgrade(module.default)) return module.default
  throw new Fault('upgrade.invalid', 'the default export is no upgrade: write "export default defineUpgrade({ … })"', { digest })
}

let writes = 0

/** Returns the file's URL. Rejects with `upgrade.fetch` when it can't be written: that is this host's trouble, not the upgrade's. */
async function store(cacheDirectory: string, digest: string, bundle: Uint8Array): Promise<string> {
  try {
    await mkdir(cacheDirectory, { recursive: true })
    // Node.js names modules by their real paths, and the hook below knows bundles by their names.
    const directory = await realpath(cacheDirectory)
    shareHostModules(pathToFileURL(join(directory, '/')).href)
    const path = join(directory, `${digest}.mjs`)
    // Compared and not just found: a power cut can leave a file without its content.
    const kept = await readFile(path).catch(() => undefined)
    if (kept === undefined || !kept.equals(bundle)) {
      const temporary = `${path}.${process.pid}.${++writes}`
      await writeFile(temporary, bundle)
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
