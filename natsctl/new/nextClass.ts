/**
 * The new class of an upgrade that nobody has written yet: a copy of the old one, its names
 * advanced, for the reader to change.
 */
import { readFile } from 'node:fs/promises'
import { relative } from 'node:path'
import { exitCodes, Failure } from '../output/exitCodes.js'
import { advanced, advancedPath, type ClassRef, type LoadedClass, loadClass } from './classRef.js'
import { exists, type NewFile } from './newFiles.js'

/** Where the class after this one is, or will be. */
function nextRef({ path, exportName }: ClassRef): ClassRef {
  return { path: advancedPath(path), exportName: advanced(exportName, 'V2') }
}

/** The class after this one where its source is there already. */
export async function foundNext(old: ClassRef): Promise<LoadedClass | undefined> {
  const { path, exportName } = nextRef(old)
  if (!(await exists(path))) return undefined
  return loadClass('--from', `${relative(process.cwd(), path)}#${exportName}`)
}

/** Throws a failure where a copy would not be a class of its own. */
export async function copyOfClass(old: LoadedClass): Promise<NewFile> {
  const { path, exportName } = nextRef(old)
  const [from, to] = [relative(process.cwd(), old.path), relative(process.cwd(), path)]
  const refuse = (why: string): never => {
    throw new Failure(exitCodes.error, `error: ${from} ${why}: write the new class yourself, and name it with --to`)
  }
  const { className } = old.definition
  if (old.others.length > 0) refuse(`exports ${old.others.join(', ')} too`)
  const source = await readFile(old.path, 'utf8')
  const nextName = advanced(className, '.v2')
  // Together, or the one would be found within the other: the class Archive in 'Archive.v1'.
  const names = new RegExp(`(['"\`])${className.replaceAll('.', '\\.')}\\1|\\b${old.exportName}\\b`, 'g')
  const text = source.replaceAll(names, (_, quote?: string) => (quote === undefined ? exportName : quote + nextName + quote))
  if (!text.includes(nextName)) refuse(`does not say "${className}" as it is`)
  return { path: to, about: `${nextName}, a copy of ${className} for you to change`, text }
}
