/**
 * Upgrades with all that their sources tell: their code, the types of their classes' methods, and the lines
 * of their parts. Several are bundled as one, so that they share their classes.
 */
import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Fault, type Upgrade } from 'theseus-actors'
import { reasonOf } from 'theseus-actors/operator'
import type { Parameters, UpgradeSource } from 'theseus-actors/rehearsal'
import { argumentTypes } from './argumentTypes.js'
import { withBuildSettings } from './buildSettings.js'
import { bundle } from './bundle.js'
import { importModule, isTypeScript, shareOwnModules } from './ownModules.js'
import { SourceLines } from './sourceLines.js'
import { exportedClasses, sourceModules } from './sourceModules.js'
import { typeCheck } from './typeCheck.js'

export interface ReadUpgrades {
  readonly upgrades: readonly Upgrade[]
  readonly source: UpgradeSource
}

export interface ReadUpgradesOptions {
  /** Whether TypeScript is checked first; by default true. */
  readonly typeCheck?: boolean
}

/**
 * Reads the upgrades that these modules export by default, oldest first, and runs them. Throws
 * `upgrade.invalid` for a module that does not compile, or exports no upgrade.
 */
export async function readUpgrades(
  sources: string | URL | readonly (string | URL)[],
  options: ReadUpgradesOptions = {},
): Promise<ReadUpgrades> {
  const paths = await Promise.all([sources].flat().map(pathOf))
  for (const path of paths) {
    if (!isTypeScript(path) || options.typeCheck === false) continue
    await withBuildSettings(path, (tsconfig) => typeCheck(path, tsconfig))
  }
  const upgrades = await load(paths)
  const modules = await sourceModules(paths)
  const classes = exportedClasses(modules)
  const used = upgrades.flatMap(({ classUpgrades, unaffected }) => [
    ...classUpgrades.flatMap(({ oldClass, newClass }) => [
      oldClass,
      newClass,
      ...called(oldClass.calls),
      ...called(newClass.calls),
    ]),
    ...unaffected,
  ])
  const named = new Map(used.map((definition) => [definition.className, definition]))
  const typed = classes.filter(({ className, path }) => named.has(className) && isTypeScript(path))
  const methodsOf = (className: string) => methodsIn(named.get(className)!)
  const parameters = typed.length === 0 ? {} : await argumentTypes(paths[0]!, typed, methodsOf)
  const lines = new SourceLines(modules, classes, (path) => relative(process.cwd(), path))
  return {
    upgrades,
    source: {
      parameters: parameters as Readonly<Record<string, Readonly<Record<string, Parameters>>>>,
      lineOf: lineOf(lines, upgrades),
    },
  }
}

type Definition = Upgrade['classUpgrades'][number]['oldClass']

/** `uses(Orders, [ … ])` has the class as its target. */
function called(calls: Definition['calls']): readonly Definition[] {
  const listed: readonly unknown[] = Object.values(typeof calls === 'function' ? calls() : (calls ?? []))
  const classes = listed.map((each) => {
    const { target, methods } = Object(each) as { readonly target?: unknown; readonly methods?: unknown }
    return Array.isArray(methods) ? target : each
  })
  return classes.filter((each) => typeof each === 'function') as unknown as readonly Definition[]
}

/** All functions of a class: the runtime knows which are remote, and asks for no others. */
function methodsIn(definition: Definition): readonly string[] {
  const names = new Set<string>()
  for (let at = definition.prototype; at !== null && at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    if (at.constructor.name === 'NodeObject') break
    for (const name of Object.getOwnPropertyNames(at)) if (/^[A-Za-z_]\w*$/.test(name) && name !== 'constructor') names.add(name)
  }
  return [...names]
}

function lineOf(lines: SourceLines, upgrades: readonly Upgrade[]): NonNullable<UpgradeSource['lineOf']> {
  return (blame) => {
    const steps = upgrades[blame.version - 1]?.classUpgrades ?? []
    const step = steps.find(({ oldClass, newClass }) => [oldClass.className, newClass.className].includes(blame.className))
    const named = step ?? upgrades.flatMap(({ classUpgrades }) => classUpgrades)[0]
    if (named === undefined) return null
    return lines.lineOf(blame, { oldClass: named.oldClass.className, newClass: named.newClass.className })
  }
}

async function pathOf(source: string | URL): Promise<string> {
  const path = resolve(source instanceof URL || source.startsWith('file:') ? fileURLToPath(source) : source)
  try {
    return await realpath(path)
  } catch (error) {
    throw new Fault('upgrade.invalid', `the upgrade can’t be read: ${reasonOf(error)}`, { source: path }, { cause: error })
  }
}

let areShared = false

async function load(paths: readonly string[]): Promise<readonly Upgrade[]> {
  if (!areShared) shareOwnModules()
  areShared = true
  const directory = await mkdtemp(join(tmpdir(), 'theseus-check-'))
  try {
    const exported = await importModule(await bundled(paths, directory), directory)
    return paths.map((path, i) => upgradeOf(path, exported[`upgrade${i}`]))
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

async function bundled(paths: readonly string[], directory: string): Promise<string> {
  const entryText = paths.map((path, i) => `export { default as upgrade${i} } from ${JSON.stringify(path)}\n`).join('')
  const made = join(directory, 'upgrades.mjs')
  const bytes = paths.some(isTypeScript)
    ? await withBuildSettings(paths.find(isTypeScript)!, async (tsconfig) => {
        const entry = tsconfig.replace(/json$/, 'mts')
        await writeFile(entry, entryText)
        return bundle(entry, tsconfig).finally(() => rm(entry, { force: true }))
      })
    : await bundledPlain(entryText, directory)
  await writeFile(made, bytes)
  return made
}

async function bundledPlain(entryText: string, directory: string): Promise<Uint8Array> {
  const entry = join(directory, 'entry.mjs')
  await writeFile(entry, entryText)
  return bundle(entry, undefined)
}

function upgradeOf(path: string, value: unknown): Upgrade {
  const { classUpgrades } = (value ?? {}) as Partial<Upgrade>
  if (Array.isArray(classUpgrades)) return value as Upgrade
  throw new Fault(
    'upgrade.invalid',
    `${relative(process.cwd(), path)} exports no upgrade by default: write export default defineUpgrade({ … })`,
  )
}
