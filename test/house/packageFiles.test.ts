/**
 * The package holds all that its entries import: what is missing there is missed only where it is installed.
 */
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'

const root = resolve(fileURLToPath(new URL('../../..', import.meta.url)))
const { exports, bin, files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly exports: Readonly<Record<string, string>>
  readonly bin: Readonly<Record<string, string>>
  readonly files: readonly string[]
}
/** Modules that are started by their path, and are in no import. */
const started = ['dist/natsctl/up/hostChild.js']

/** The files of ours that a compiled file, or its types, leads to. */
function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8')
  const imports = [...text.matchAll(/(?:from|import)\s*\(?\s*['"](\.[^'"]+)['"]/g)].map(([, specifier]) => {
    const found = relative(root, resolve(root, dirname(file), specifier!))
    return file.endsWith('.d.ts') ? found.replace(/\.js$/, '.d.ts') : found
  })
  // Code that is written for users has imports too: those are text here.
  return imports.filter((found) => existsSync(join(root, found)))
}

function reachedFrom(entries: readonly string[]): Set<string> {
  const [reached, left] = [new Set<string>(), [...entries]]
  for (let file = left.pop(); file !== undefined; file = left.pop()) {
    if (reached.has(file)) continue
    reached.add(file)
    left.push(...importsOf(file))
  }
  return reached
}

test('all that the entries of the package import is in the package', (t) => {
  const entries = [...Object.values(exports), ...Object.values(bin), ...started].map((path) => path.replace(/^\.\//, ''))
  const types = entries.map((path) => path.replace(/\.js$/, '.d.ts')).filter((path) => existsSync(join(root, path)))
  const reached = [...reachedFrom([...entries, ...types])]
  t.true(reached.length > 200)
  t.deepEqual(
    reached.filter((file) => !files.some((each) => file === each || file.startsWith(`${each}/`))),
    [],
  )
})

/** A whole folder, or one file. */
const isPacked = (path: string) => files.some((each) => path === each || path.startsWith(`${each}/`))

test('the pages of the package link to files of the package', (t) => {
  const always = ['README.md', 'LICENSE', 'package.json']
  const pages = globSync('**/*.md', { cwd: root, exclude: ['node_modules', 'dist'] }).filter(
    (page) => page === 'README.md' || isPacked(page),
  )
  t.true(pages.length > 20, `${pages}`)
  const missing = pages.flatMap((page) => {
    const links = [...readFileSync(join(root, page), 'utf8').matchAll(/\]\((?!\w+:)([^)#\s]+)/g)].map(([, link]) => link!)
    const found = links.map((link) => relative(root, resolve(root, dirname(page), link)))
    return found
      .filter((path) => !existsSync(join(root, path)) || !(always.includes(path) || isPacked(path)))
      .map((path) => `${page}: ${path}`)
  })
  t.deepEqual(missing, [])
})
