/**
 * The compiler settings an upgrade is checked and bundled with: those of the project it lies in, except where
 * they are about what the project emits. One file says them to both compilers.
 */
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, parse } from 'node:path'

/** Without a project: as strict as an upgrade deserves. */
const ownOptions = {
  target: 'es2024',
  module: 'nodenext',
  moduleResolution: 'nodenext',
  strict: true,
  noUncheckedIndexedAccess: true,
  noImplicitOverride: true,
  skipLibCheck: true,
  types: [],
}

/** Runs `use` with the path of a tsconfig file for `source`, which is there as long as that runs. */
export async function withBuildSettings<T>(source: string, use: (tsconfig: string) => Promise<T>): Promise<T> {
  const project = nearestFile(source, 'tsconfig.json')
  const settings = {
    ...(project !== undefined && { extends: project }),
    files: [source],
    include: [],
    exclude: [],
    compilerOptions: {
      ...(project === undefined && ownOptions),
      // The settings that the bundle is made with, whatever the project says.
      experimentalDecorators: true,
      noEmit: true,
      // Upgrades may lie beside what the project compiles.
      rootDir: parse(source).root,
      // These contradict `noEmit`, or ask for more than types that are right. `null` takes back
      // what is inherited.
      composite: false,
      incremental: false,
      tsBuildInfoFile: null,
      declaration: null,
      declarationMap: null,
      emitDeclarationOnly: null,
      isolatedDeclarations: null,
    },
  }
  // From here, `types` are looked up where the project has its packages.
  const packages = nearestFile(project ?? source, 'node_modules')
  const directory = packages === undefined ? tmpdir() : join(packages, '.cache', 'theseus')
  await mkdir(directory, { recursive: true })
  const tsconfig = join(directory, `${randomUUID()}.json`)
  await writeFile(tsconfig, JSON.stringify(settings))
  try {
    return await use(tsconfig)
  } finally {
    await rm(tsconfig, { force: true })
  }
}

/** The path of `name` in the directory of `from` or the nearest one above. */
export function nearestFile(from: string, name: string): string | undefined {
  for (let directory = dirname(from); ; directory = dirname(directory)) {
    const path = join(directory, name)
    if (existsSync(path)) return path
    if (directory === dirname(directory)) return undefined
  }
}
