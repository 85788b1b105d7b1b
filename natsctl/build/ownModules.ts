/**
 * A user's module, loaded as it is used: with the classes of this very Theseus, or its classes would extend
 * another `NodeObject` than the one that runs them. TypeScript is bundled first, since Node.js strips types
 * but has no decorators; nobody checks its types here.
 */
import { rename, writeFile } from 'node:fs/promises'
import { registerHooks } from 'node:module'
import { extname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { hostSpecifier, ownDirectory, ownFileMode } from 'theseus-actors/operator'

/** From here on, for every module that this process loads. */
export function shareOwnModules(): void {
  registerHooks({
    resolve(specifier, context, nextResolve) {
      const own = hostSpecifier(specifier)
      return own === undefined ? nextResolve(specifier, context) : nextResolve(own, { ...context, parentURL: import.meta.url })
    },
  })
}

export function isTypeScript(path: string): boolean {
  return /^\.[cm]?tsx?$/.test(extname(path))
}

/** @param directory where the bundle of a TypeScript module is written */
export async function importModule(path: string, directory: string): Promise<Record<string, unknown>> {
  if (!isTypeScript(path)) return import(pathToFileURL(path).href)
  const [{ bundle }, { withBuildSettings }] = await Promise.all([import('./bundle.js'), import('./buildSettings.js')])
  const bytes = await withBuildSettings(path, (tsconfig) => bundle(path, tsconfig))
  const compiled = join(ownDirectory(directory), 'module.mjs')
  const temporary = `${compiled}.${process.pid}`
  await writeFile(temporary, bytes, { mode: ownFileMode })
  await rename(temporary, compiled)
  return import(pathToFileURL(compiled).href)
}
