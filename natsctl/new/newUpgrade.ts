/**
 * `natsctl new upgrade`: an upgrade between two classes of the reader's, its mapping and its rehearsal, in
 * the reader's own repository.
 */
import { readdir } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { nearestFile } from '../build/buildSettings.js'
import { type ExitCode, exitCodes } from '../output/exitCodes.js'
import { type LoadedClass, loadClass, specifierOf } from './classRef.js'
import { decisionsIn } from './codeText.js'
import { compare } from './comparison.js'
import { mappingText } from './mappingText.js'
import { checkNew, type NewFile, writeNew } from './newFiles.js'
import { type Decision, type NewFlags, printNewReport } from './newReport.js'
import { copyOfClass, foundNext } from './nextClass.js'
import { compiledBy } from './project.js'
import { rehearsalText } from './rehearsalText.js'
import { upgradeText } from './upgradeText.js'

export interface NewUpgradeFlags extends NewFlags {
  readonly from: string
  readonly to?: string
}

export async function newUpgrade(title: string, flags: NewUpgradeFlags): Promise<ExitCode> {
  const old = await loadClass('--from', flags.from)
  const next = flags.to === undefined ? await foundNext(old) : await loadClass('--to', flags.to)
  // Between a class and its own copy there is nothing to decide: the upgrade is written when there is.
  const files = next === undefined ? [await copyOfClass(old)] : await upgradeFiles(title, old, next, flags)
  if (flags.dryRun === true) await checkNew(files)
  else await writeNew(files)
  if (next === undefined) tellOfCopy(files[0]!, title, flags)
  else await report(files, flags)
  return exitCodes.done
}

function tellOfCopy(copy: NewFile, title: string, flags: NewUpgradeFlags): void {
  const again = `npx natsctl new upgrade '${title.replaceAll("'", "'\\''")}' --from ${flags.from}`
  const next = [`change ${copy.path} into what the new version is to be`, `${again}: once more, for the upgrade between the two`]
  printNewReport({ files: [copy], decisions: [], notes: [], next, flags })
}

async function upgradeFiles(
  title: string,
  old: LoadedClass,
  next: LoadedClass,
  flags: NewUpgradeFlags,
): Promise<readonly NewFile[]> {
  const comparison = await compare(old, next)
  const directory = flags.dir ?? join(relative(process.cwd(), dirname(old.path)), 'upgrades')
  const name = join(directory, `${await nextNumber(directory)}-${slug(title)}`)
  const path = `${name}.ts`
  const modules = { [old.exportName]: specifierOf(path, old.path), [next.exportName]: specifierOf(path, next.path) }
  const beside = {
    upgrade: specifierOf(path, `${process.cwd()}/${path}`),
    mapping: specifierOf(path, `${process.cwd()}/${name}.mapping.ts`),
  }
  return [
    { path, about: 'the upgrade', text: upgradeText(title, comparison, modules) },
    { path: `${name}.mapping.ts`, about: 'how the two versions are related', text: mappingText(comparison, modules) },
    { path: `${name}.test.ts`, about: 'its rehearsal', text: rehearsalText(title, comparison, modules, beside) },
  ]
}

async function report(files: readonly NewFile[], flags: NewUpgradeFlags): Promise<void> {
  const [upgrade, , test] = files.slice(-3) as [NewFile, NewFile, NewFile]
  const decisions = files.flatMap(({ path, text }) => decisionsIn(text).map((found): Decision => ({ file: path, ...found })))
  const tsconfig = nearestFile(join(process.cwd(), upgrade.path), 'tsconfig.json')
  const paths = flags.dryRun === true ? [] : files.map(({ path }) => path)
  const compiled = tsconfig === undefined ? undefined : await compiledBy(tsconfig, paths)
  const built = compiled?.out(test.path)
  printNewReport({
    files,
    decisions,
    notes: compiled?.notes ?? [],
    next: [
      ...(decisions.length === 0 ? [] : ['decide, as node_modules/theseus-actors/docs/writing-upgrades.md says']),
      built === undefined ? `npx tsc, and then node --test on what it makes of ${test.path}` : `npx tsc && node --test ${built}`,
      `npx natsctl upgrade build ${upgrade.path}`,
    ],
    flags,
  })
}

/** Upgrades are numbered in the order in which they were written. */
async function nextNumber(directory: string): Promise<number> {
  const names = await readdir(directory).catch(() => [])
  return Math.max(0, ...names.map((name) => Number(/^(\d+)-/.exec(name)?.[1] ?? 0))) + 1
}

const slugLengthMax = 40

function slug(title: string): string {
  const words =
    title
      .normalize('NFKD')
      .toLowerCase()
      .match(/[a-z0-9]+/g) ?? []
  let short = ''
  for (const word of words) if (short.length + word.length < slugLengthMax) short += (short === '' ? '' : '-') + word
  return short === '' ? 'upgrade' : short
}
