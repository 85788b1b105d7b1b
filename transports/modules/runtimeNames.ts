/**
 * The names under which code asks for the runtime. The package is `theseus-actors`. It was `theseus` until
 * release 0.1.0, and bundles keep that name: hosts of 0.1.0 load the bundles that are built now, and hosts of
 * now load those of 0.1.0.
 */
export const packageName = 'theseus-actors'
export const nameInBundles = 'theseus'

/** The modules that code shares with its host, by either name of the package, with or without a subpath. */
const shared = /^(?:theseus(?:-actors)?(?<subpath>\/.*)?|tsyringe|reflect-metadata)$/

/** The same module as the package's own files ask for it. Undefined for one that a host does not share. */
export function hostSpecifier(specifier: string): string | undefined {
  const match = shared.exec(specifier)
  if (match === null) return undefined
  if (!specifier.startsWith(nameInBundles)) return specifier
  const { subpath } = match.groups!
  // The runtime's name alone means this file in a bundle.
  return subpath === undefined ? new URL('../../bundleInterface.js', import.meta.url).href : packageName + subpath
}

/** The same module as bundles ask for it. */
export function bundleSpecifier(specifier: string): string {
  return specifier.startsWith(packageName) ? nameInBundles + specifier.slice(packageName.length) : specifier
}
