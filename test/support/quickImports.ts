/**
 * Loaded by each Node.js process of `npm test`. For each import Node.js looks at the disk several times:
 * where the file really is, which package it belongs to, of which kind it is. A process of the suite imports
 * hundreds of files, and there are hundreds of such processes. For files of this build the answers are known.
 */
import { existsSync } from 'node:fs'
import * as module from 'node:module'

/** Files of this build, and no others. */
const build = new URL('../../', import.meta.url).href
/** The packages that they import: each is looked for once. */
const packages = new Map<string, module.ResolveFnOutput>()

/** The assertion library of ava, as one file instead of more than 200: each test file loads it. */
const assertions = new URL('../node_modules/.cache/concordance.cjs', build)
const hasAssertions = existsSync(assertions)

module.registerHooks?.({
  resolve(specifier, context, next) {
    const { parentURL } = context
    if (specifier === 'concordance' && hasAssertions) return { url: assertions.href, format: 'commonjs', shortCircuit: true }
    if (parentURL === undefined || !parentURL.startsWith(build) || context.conditions.includes('require'))
      return next(specifier, context)
    if (specifier.startsWith('./') || specifier.startsWith('../')) {
      const url = new URL(specifier, parentURL).href
      return isOfBuild(url) ? { url, format: 'module', shortCircuit: true } : next(specifier, context)
    }
    const known = packages.get(specifier)
    if (known !== undefined) return known
    const found = { ...next(specifier, context), shortCircuit: true }
    packages.set(specifier, found)
    return found
  },
})

function isOfBuild(url: string): boolean {
  return url.startsWith(build) && url.endsWith('.js')
}
