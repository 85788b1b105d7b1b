/**
 * Packages that bundles leave outside come from the running host: an upgrade's classes must be of the host's
 * own `NodeObject`, and ask the host's own container. A host as npm installs it resolves these names to its
 * own files. Of a host that is bundled there are no such files, or they are another copy, so its bundles are
 * given modules that are made of what runs. The bundles' own sources come from memory (B1).
 */
// Not by name: an older Node.js could not link this, and say nothing of its version.
import * as nodeModule from 'node:module'
import { hostSpecifier, nameInBundles, packageName } from './runtimeNames.js'

/** Each by the name that bundles have for it, with its exports, as the main entry tells them. */
const running = new Map<string, object>()

/** To be called by the main entry for what it has of these modules. */
export function shareWithBundles(specifier: string, exports: object): void {
  running.set(specifier, exports)
}

/**
 * The made modules' exports, by URL: that is how their source finds them. One process may have
 * several copies of this file.
 */
const made: unique symbol = Symbol.for('theseus.hostModules') as never
const madeModules = ((globalThis as { [made]?: Map<string, object> })[made] ??= new Map())

const cacheUrls = new Set<string>()

/** The bundles that are being imported, by URL. */
const given = new Map<string, Uint8Array>()

/** Imports a module of this name with these bytes, whatever a file of that name has. */
export async function importGiven(url: string, source: Uint8Array): Promise<{ readonly default?: unknown }> {
  given.set(url, source)
  try {
    return await import(url)
  } finally {
    given.delete(url)
  }
}

/** From now on the bundles in this directory share the host's modules. */
export function shareHostModules(cacheUrl: string): void {
  if (cacheUrls.size === 0) nodeModule.registerHooks(isInstalled() ? installed : fromRunning(`theseus-host-${madeModules.size}:`))
  cacheUrls.add(cacheUrl)
}

/** Whether the package's name, from here, leads to the package that this file is of. */
function isInstalled(): boolean {
  try {
    return import.meta.resolve(packageName) === new URL('../../index.js', import.meta.url).href
  } catch {
    return false
  }
}

const installed: nodeModule.RegisterHooksOptions = {
  load: (url, context, nextLoad) => loadGiven(url) ?? nextLoad(url, context),
  resolve(specifier, context, nextResolve) {
    const own = isFromBundle(context) ? hostSpecifier(specifier) : undefined
    // From here, the package's name leads to this very package, wherever it is installed.
    return own === undefined ? nextResolve(specifier, context) : nextResolve(own, { ...context, parentURL: import.meta.url })
  },
}

function fromRunning(scheme: string): nodeModule.RegisterHooksOptions {
  return {
    resolve(specifier, context, nextResolve) {
      const exports = isFromBundle(context) ? running.get(specifier === packageName ? nameInBundles : specifier) : undefined
      if (exports === undefined) return nextResolve(specifier, context)
      const url = scheme + specifier
      madeModules.set(url, exports)
      return { url, format: 'module', shortCircuit: true }
    },
    load(url, context, nextLoad) {
      if (!url.startsWith(scheme)) return loadGiven(url) ?? nextLoad(url, context)
      return { format: 'module', source: sourceOf(url), shortCircuit: true }
    },
  }
}

function loadGiven(url: string): nodeModule.LoadFnOutput | undefined {
  const source = given.get(url)
  return source === undefined ? undefined : { format: 'module', source, shortCircuit: true }
}

function sourceOf(url: string): string {
  const names = Object.keys(madeModules.get(url)!).filter((name) => name !== 'default')
  return `const exports = globalThis[Symbol.for('theseus.hostModules')].get(${JSON.stringify(url)})
export default exports.default
export const { ${names.join(', ')} } = exports
`
}

function isFromBundle({ parentURL }: { readonly parentURL: string | undefined }): boolean {
  if (parentURL === undefined) return false
  for (const cacheUrl of cacheUrls) if (parentURL.startsWith(cacheUrl)) return true
  return false
}
