/**
 * Puts a fault back: a patch against the sources, applied to a copy of what was built. A hunk is found by its
 * text and not by its line, so that it outlives changes elsewhere in its file; where its text is gone, or
 * there twice, it says so.
 */
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { transform } from 'esbuild'

const root = fileURLToPath(new URL('../../../../', import.meta.url))
export const patchesDirectory = join(root, 'test/rehearsal/planted')

interface Hunk {
  readonly file: string
  readonly before: string
  readonly after: string
}

/** The hunks of a unified diff. */
export function hunksOf(patch: string): readonly Hunk[] {
  const hunks: { file: string; before: string[]; after: string[] }[] = []
  let file: string | undefined
  for (const line of patch.trimEnd().split('\n')) {
    if (line.startsWith('--- ')) continue
    if (line.startsWith('+++ b/')) file = line.slice('+++ b/'.length)
    else if (line.startsWith('@@')) {
      if (file === undefined) throw new Error('a hunk before the name of its file')
      hunks.push({ file, before: [], after: [] })
    } else {
      const hunk = hunks.at(-1)
      const text = line.slice(1)
      if (!line.startsWith('+')) hunk?.before.push(text)
      if (!line.startsWith('-')) hunk?.after.push(text)
    }
  }
  return hunks.map(({ before, after, ...hunk }) => ({ ...hunk, before: before.join('\n'), after: after.join('\n') }))
}

/** The sources that a patch changes, as they are with it. Throws where a hunk does not fit any more. */
export async function patched(name: string): Promise<ReadonlyMap<string, string>> {
  const sources = new Map<string, string>()
  for (const { file, before, after } of hunksOf(await readFile(join(patchesDirectory, name), 'utf8'))) {
    const source = sources.get(file) ?? (await readFile(join(root, file), 'utf8'))
    const found = source.split(before).length - 1
    if (found !== 1)
      throw new Error(`${name} does not apply to ${file}: the text of a hunk is there ${found} times. Make it anew.`)
    sources.set(
      file,
      source.replace(before, () => after),
    )
  }
  return sources
}

export interface Planted {
  /** The module that plays plans over it. */
  readonly entry: string
  /** Takes the fault out again. */
  remove(): Promise<void>
}

/** A copy of what was built, in which there is one fault at a time. */
export interface Plantation {
  /** Its modules are compiled once for all faults, here. */
  readonly compileCache: string
  plant(name: string): Promise<Planted>
  remove(): Promise<void>
}

/** All but what plays no part in a world. */
const isLeftOut = (path: string) => /^(bench|natsctl|samples|test)$/.test(path) || /\.(d\.ts|map|tsbuildinfo)$/.test(path)
const entry = 'test/rehearsal/planted/find.js'

export async function plantation(): Promise<Plantation> {
  const directory = await mkdtemp(join(tmpdir(), 'theseus-planted-'))
  const remove = () => rm(directory, { recursive: true, force: true })
  const built = join(root, 'dist')
  const copy = join(directory, 'dist')
  try {
    await cp(join(root, 'package.json'), join(directory, 'package.json'))
    await symlink(join(root, 'node_modules'), join(directory, 'node_modules'), 'dir')
    const filter = (source: string) => !isLeftOut(relative(built, source))
    await cp(built, copy, { recursive: true, filter })
    await cp(join(built, entry), join(copy, entry))
  } catch (error) {
    await remove()
    throw error
  }
  const plant = async (name: string): Promise<Planted> => {
    const code = new Map<string, string>()
    for (const [file, source] of await patched(name)) code.set(file.replace(/\.ts$/, '.js'), await compiled(source))
    for (const [file, text] of code) await writeFile(join(copy, file), text)
    return {
      entry: join(copy, entry),
      async remove() {
        for (const file of code.keys()) await cp(join(built, file), join(copy, file))
      },
    }
  }
  return { compileCache: join(directory, 'compiled'), plant, remove }
}

async function compiled(source: string): Promise<string> {
  const tsconfigRaw = { compilerOptions: { experimentalDecorators: true, useDefineForClassFields: true, target: 'es2024' } }
  return (await transform(source, { loader: 'ts', target: 'node22', tsconfigRaw })).code
}
