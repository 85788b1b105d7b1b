/**
 * The packages of package.json beside this file, which are not there for anybody but the bench. Nothing of
 * them is imported when this is compiled, so that the rest of the project builds without them; what is used
 * of a package is said in a few types beside its use.
 */
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

/** Compiled, this file is in dist/bench/peers. */
const require = createRequire(new URL('../../../bench/peers/package.json', import.meta.url))

export function isInstalled(name: string): boolean {
  try {
    require.resolve(name)
    return true
  } catch {
    return false
  }
}

export async function load<Package>(name: string): Promise<Package> {
  return (await import(pathToFileURL(require.resolve(name)).href)) as Package
}
