/**
 * A class in the reader's sources, as the command line names it: `./pages.v1.ts#PagesV1`; and
 * the name that comes after it.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, extname, join, relative, resolve, sep } from 'node:path'
import { isFault, type NodeClass } from 'theseus-actors'
import { reasonOf } from 'theseus-actors/operator'
import { importModule, isTypeScript, shareOwnModules } from '../build/ownModules.js'
import { exitCodes, Failure, usageFailure } from '../output/exitCodes.js'
import { exists } from './newFiles.js'

export interface ClassRef {
  /** Of the source, from the root of the disk. */
  readonly path: string
  readonly exportName: string
}

export interface LoadedClass extends ClassRef {
  readonly definition: NodeClass
  /** The other classes that the module exports. */
  readonly others: readonly string[]
}

/** `flag` is what a message names. */
export async function loadClass(flag: string, text: string): Promise<LoadedClass> {
  const [file = '', wanted] = text.split('#')
  const path = resolve(file)
  if (!isTypeScript(path)) throw usageFailure(`${flag} ${text}: name the TypeScript source, such as ./pages.v1.ts#PagesV1`)
  if (!(await exists(path))) throw usageFailure(`${flag} ${text}: there is no file ${file}`)
  const exported = await load(path).catch((error: unknown) => {
    throw new Failure(exitCodes.error, `error: ${file} can't be loaded: ${isFault(error) ? error.message : reasonOf(error)}`)
  })
  const classes = Object.keys(exported).filter((name) => isNodeClass(exported[name]))
  const list = classes.length === 0 ? 'no class that extends NodeObject' : classes.join(', ')
  if (wanted === undefined && classes.length !== 1)
    throw usageFailure(`${flag} ${text}: which class? ${file} exports ${list}: write ${file}#${classes[0] ?? 'Name'}`)
  const exportName = wanted ?? classes[0]!
  if (!classes.includes(exportName)) throw usageFailure(`${flag} ${text}: ${file} exports ${list}`)
  const others = classes.filter((name) => name !== exportName)
  return { path, exportName, definition: exported[exportName] as NodeClass, others }
}

let areShared = false

async function load(path: string): Promise<Record<string, unknown>> {
  if (!areShared) shareOwnModules()
  areShared = true
  const directory = await mkdtemp(join(tmpdir(), 'theseus-new-'))
  try {
    return await importModule(path, directory)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

function isNodeClass(value: unknown): value is NodeClass {
  const { className, initial } = (typeof value === 'function' ? value : {}) as Partial<NodeClass>
  return typeof className === 'string' && typeof initial === 'function'
}

/** How `from` imports `path`: a module has the name that it will have when it is compiled. */
export function specifierOf(from: string, path: string): string {
  const way = relative(dirname(resolve(from)), path)
    .replaceAll(sep, '/')
    .replace(/\.([cm]?)tsx?$/, '.$1js')
  return way.startsWith('.') ? way : `./${way}`
}

/**
 * `Pages.v1` → `Pages.v2`, `PagesV9` → `PagesV10`; a name without a number is the first: `Archive` →
 * `Archive` and `second`.
 */
export function advanced(name: string, second: string): string {
  const [, stem, number] = /^(.*?)(\d+)$/.exec(name) ?? []
  return number === undefined ? name + second : `${stem}${Number(number) + 1}`
}

/** `pages.v1.ts` → `pages.v2.ts`, in the same directory. */
export function advancedPath(path: string): string {
  const extension = extname(path)
  return advanced(path.slice(0, -extension.length), '.v2') + extension
}
