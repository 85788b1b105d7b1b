/** The reader's own project, as far as new files have to fit into it: looked at, never changed. */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { nearestFile } from '../build/buildSettings.js'
import { runCompiler } from '../build/typeCheck.js'

/** The parts that `package.json` lacks, each a thing to do. */
export async function packageHints(directory: string): Promise<readonly string[]> {
  const from = resolve(directory, 'any')
  const file = nearestFile(from, 'package.json')
  const fields = file === undefined ? undefined : await jsonOf(file)
  if (fields === undefined) return ['npm init -y && npm pkg set type=module', ...missing(from, {})]
  return [...(fields.type === 'module' ? [] : ['npm pkg set type=module']), ...missing(from, fields)]
}

function missing(from: string, fields: Readonly<Record<string, unknown>>): readonly string[] {
  const listed = { ...(fields.dependencies as object), ...(fields.devDependencies as object) }
  const lacks = (name: string, file: string) => !(name in listed) && fields.name !== name && !isInstalled(from, `${name}/${file}`)
  const dev = ['typescript', '@types/node'].filter((name) => lacks(name, 'package.json'))
  return [
    // Not by name: it is not in npm's registry.
    ...(lacks('theseus-actors', 'memory') ? ['npm install <the packed theseus-actors>, see "Installing" in docs/guide.md'] : []),
    ...(dev.length > 0 ? [`npm install --save-dev ${dev.join(' ')}`] : []),
  ]
}

function isInstalled(from: string, specifier: string): boolean {
  try {
    createRequire(from).resolve(specifier)
    return true
  } catch {
    return false
  }
}

export interface Compiled {
  /** The settings that do not fit, each a sentence. */
  readonly notes: readonly string[]
  /** Where the compiler writes a source, from the current directory; undefined: it can't be told. */
  out(path: string): string | undefined
}

/** How the project compiles these sources, which are there. Without a compiler nothing is known. */
export async function compiledBy(tsconfig: string, paths: readonly string[]): Promise<Compiled> {
  const shown = await runCompiler(resolve(tsconfig), ['--showConfig', '--project', tsconfig]).catch(() => undefined)
  const config = shown === undefined || shown.failed ? undefined : parsed(shown.output)
  if (config === undefined) return { notes: [], out: () => undefined }
  const directory = dirname(resolve(tsconfig))
  const options = (config.compilerOptions ?? {}) as Readonly<Record<string, unknown>>
  const files = ((config.files ?? []) as readonly string[]).map((file) => resolve(directory, file))
  const name = relative(process.cwd(), tsconfig)
  const left = paths.filter((path) => !files.includes(resolve(path)))
  const notes = [
    ...(options.experimentalDecorators === true ? [] : [`${name} needs "experimentalDecorators": true, for @command and @query`]),
    ...(left.length === 0 ? [] : [`${name} does not include ${left.join(', ')}`]),
  ]
  const out = (path: string): string | undefined => {
    if (typeof options.outDir !== 'string' || options.noEmit === true) return undefined
    const below = relative(resolve(directory, (options.rootDir as string | undefined) ?? '.'), resolve(path))
    if (below.startsWith(`..${sep}`)) return undefined
    return relative(process.cwd(), join(directory, options.outDir, below)).replace(/\.([cm]?)tsx?$/, '.$1js')
  }
  return { notes, out }
}

/** Undefined for what is not there, or no JSON object. */
export async function jsonOf(path: string): Promise<Readonly<Record<string, unknown>> | undefined> {
  return parsed(await readFile(path, 'utf8').catch(() => ''))
}

function parsed(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : undefined
  } catch {
    return undefined
  }
}
