/** Where the two classes are imported from. */
import type { Side } from './comparison.js'

export interface Modules {
  /** By the name of the class. */
  readonly [exportName: string]: string
}

export function importsOf(modules: Modules, sides: readonly Side[]): string {
  const specifiers = [...new Set(sides.map(({ exportName }) => modules[exportName]!))]
  return specifiers
    .map((specifier) => {
      const names = sides.map(({ exportName }) => exportName).filter((name) => modules[name] === specifier)
      return `import { ${names.join(', ')} } from '${specifier}'`
    })
    .join('\n')
}
