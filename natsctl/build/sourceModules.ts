/** The sources of an upgrade: its module, and those of the project that it leads to. */
import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'

export interface SourceModule {
  readonly path: string
  readonly text: string
}

/** Modules that are read of one upgrade at most. */
const modulesMax = 300
const imports = /(?:^|[\s;}])(?:import|export)\b[^'"]*?from\s*['"](\.[^'"]+)['"]|(?:^|[\s;}])import\s*['"](\.[^'"]+)['"]/g

/** Those that the modules at `paths` import by their path, and themselves first. */
export async function sourceModules(paths: readonly string[]): Promise<readonly SourceModule[]> {
  const found = new Map<string, SourceModule>()
  const left = [...paths]
  for (let path = left.shift(); path !== undefined && found.size < modulesMax; path = left.shift()) {
    if (found.has(path)) continue
    const text = await readFile(path, 'utf8').catch(() => undefined)
    if (text === undefined) continue
    found.set(path, { path, text })
    for (const [, from, bare] of text.matchAll(imports)) {
      const target = await sourceOf(resolve(dirname(path), (from ?? bare)!))
      if (target !== undefined) left.push(target)
    }
  }
  return [...found.values()]
}

/** The file that an import means: a source has its compiled file's name there. */
async function sourceOf(path: string): Promise<string | undefined> {
  for (const candidate of [path.replace(/\.([cm]?)js$/, '.$1ts'), path, `${path}.ts`, `${path}/index.ts`]) {
    const isThere = await readFile(candidate, 'utf8').then(
      () => true,
      () => false,
    )
    if (isThere) return candidate
  }
  return undefined
}

/** The exported class of this name, with the name of its export. */
export interface ExportedClass {
  readonly path: string
  readonly exportName: string
  readonly className: string
}

const classes = /^export\s+(?:default\s+)?(?:abstract\s+)?class\s+(\w+)\b[\s\S]*?\bclassName\b[^=\n]*=\s*(['"`])([^'"`]+)\2/gm

/** The classes that these modules export, by what their text says. */
export function exportedClasses(modules: readonly SourceModule[]): readonly ExportedClass[] {
  return modules.flatMap(({ path, text }) =>
    [...text.matchAll(classes)].map(([, exportName, , className]) => ({ path, exportName: exportName!, className: className! })),
  )
}
