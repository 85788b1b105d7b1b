/** The code of a document: its blocks, and whether they compile as a project of their own. */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

export const root = resolve(fileURLToPath(new URL('../../..', import.meta.url)))

/** Each block of TypeScript begins with a line `// file: a.ts`: its name under `src`. */
export const nameLine = /^\/\/ file: ((?:[\w.-]+\/)*[\w.-]+\.ts)\n/

export function blocksOf(page: string, language: string): string[] {
  return [...page.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map((match) => match[1]!)
}

/** Writes the blocks as files of a project, as `npm install` would leave it, for as long as `use` takes. */
export async function withProject<T>(
  codes: readonly string[],
  tsconfig: string,
  use: (project: string) => Promise<T>,
): Promise<T> {
  const cache = join(root, 'node_modules/.cache')
  await mkdir(cache, { recursive: true })
  const project = await mkdtemp(join(cache, 'document-'))
  try {
    await write(join(project, 'tsconfig.json'), tsconfig)
    await write(join(project, 'package.json'), JSON.stringify({ name: 'shop', type: 'module' }))
    for (const code of codes) await write(join(project, 'src', nameLine.exec(code)![1]!), code)
    await mkdir(join(project, 'node_modules'))
    await symlink(root, join(project, 'node_modules/theseus-actors'), 'dir')
    return await use(project)
  } finally {
    await rm(project, { recursive: true, force: true })
  }
}

/** The compiler's own lines: none when all is well. */
export async function compile(project: string, ...flags: readonly string[]): Promise<string> {
  const manifest = createRequire(import.meta.url).resolve('typescript/package.json')
  const { bin } = createRequire(import.meta.url)(manifest) as { readonly bin: { readonly tsc: string } }
  const args = [join(dirname(manifest), bin.tsc), '--project', project, ...flags, '--pretty', 'false']
  try {
    return (await promisify(execFile)(process.execPath, args)).stdout
  } catch (error) {
    return (error as { readonly stdout?: string }).stdout || String(error)
  }
}

async function write(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, text)
}
