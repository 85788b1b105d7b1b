/** Upgrades as the benches publish them. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { BuiltUpgrade } from 'theseus-actors'
import { buildUpgrade } from 'theseus-actors/build'

export const meters = new URL('meters.js', import.meta.url)

/**
 * The upgrade that a compiled module's function makes of one argument. The bundle has a copy of
 * all that the module imports.
 */
export async function buildCall(directory: string, module: URL, name: string, argument: unknown): Promise<BuiltUpgrade> {
  const sources = join(directory, 'upgrades')
  await mkdir(sources, { recursive: true })
  const source = join(sources, `${name}-${argument}.mjs`)
  const from = JSON.stringify(fileURLToPath(module))
  await writeFile(source, `import { ${name} } from ${from}\nexport default ${name}(${JSON.stringify(argument)})\n`)
  return buildUpgrade(source)
}
