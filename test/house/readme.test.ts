/**
 * The door: README.md, CONTRIBUTING.md and the index of docs/ promise code, commands, links and
 * figures. All of it is there.
 */
import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { type KeptResults, withFigures } from '../../bench/charts/readmeFigures.js'
import { tsconfigText } from '../../natsctl/new/serviceFiles.js'
import { blocksOf, compile, nameLine, root, withProject } from '../support/documentCode.js'
import { isTestTitle } from '../support/testTitles.js'

const read = (path: string) => readFileSync(join(root, path), 'utf8')
const readme = read('README.md')
const contributing = read('CONTRIBUTING.md')
const doors = ['README.md', 'CONTRIBUTING.md', 'docs/README.md', 'docs/releasing.md', 'docs/design.md']

test('the code of the README compiles in the project that "natsctl new service" makes, and its main.ts prints what it says', async (t) => {
  const codes = blocksOf(readme, 'ts')
  t.true(codes.length >= 5)
  t.deepEqual(
    codes.filter((code) => !nameLine.test(code)),
    [],
  )
  await withProject(codes, tsconfigText('src'), async (project) => {
    t.is(await compile(project), '')
    const { stdout } = await promisify(execFile)(process.execPath, ['dist/main.js'], { cwd: project })
    t.is(stdout, '<h1>Hello</h1>\n')
    t.true(readme.includes('prints `<h1>Hello</h1>`'))
  })
})

test('the scripts that the doors name are in package.json', (t) => {
  const { scripts } = JSON.parse(read('package.json')) as { readonly scripts: Readonly<Record<string, string>> }
  for (const door of doors) {
    const named = [...read(door).matchAll(/\bnpm run (?:-s )?([a-z]+)/g)].map((match) => match[1]!)
    t.deepEqual(
      named.filter((name) => !(name in scripts)),
      [],
      door,
    )
  }
})

test('the commands of natsctl that the README names are in its manual', (t) => {
  const manual = read('docs/natsctl.md')
  const named = [...readme.matchAll(/\bnatsctl ((?:new|upgrade|rollout|node) [a-z]+|[a-z]+)/g)].map((match) => match[1]!)
  t.true(named.length > 8)
  t.deepEqual(
    named.filter((command) => {
      const [group, verb] = command.split(' ')
      return !new RegExp(`^## natsctl ${group}\\b${verb === undefined ? '' : `[a-z |]*\\b${verb}\\b`}`, 'm').test(manual)
    }),
    [],
  )
})

test('the links of the doors lead somewhere, and so do their fragments', (t) => {
  for (const door of doors) {
    const links = [...read(door).matchAll(/\]\(([^)\s:]+)\)/g)].map((match) => match[1]!)
    for (const link of links) {
      const [path, fragment] = link.split('#') as [string, string | undefined]
      const file = path === '' ? door : relative(root, resolve(root, dirname(door), path))
      if (!t.true(existsSync(join(root, file)), `${door}: ${link}`) || fragment === undefined) continue
      t.true(fragmentsOf(read(file)).has(fragment), `${door}: ${link}`)
    }
  }
})

/** As GitHub makes them of headings. */
function fragmentsOf(page: string): ReadonlySet<string> {
  return new Set(
    [...page.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
      heading!
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  )
}

test('the index of docs/ has every page', (t) => {
  const index = read('docs/README.md')
  t.deepEqual(
    readdirSync(join(root, 'docs')).filter((name) => /\.(md|json)$/.test(name) && name !== 'README.md' && !index.includes(name)),
    [],
  )
})

test('the files that CONTRIBUTING.md names are there, and so is the test that it runs', (t) => {
  const named = [...contributing.matchAll(/`((?:[a-zA-Z]+\/)+[\w.-]*)`/g)].map((match) => match[1]!)
  t.true(named.length > 40)
  t.deepEqual(
    named.filter((path) => !existsSync(join(root, path))),
    [],
  )
  const compiled = [...contributing.matchAll(/dist\/([\w/.]+)\.js/g)].map((match) => `${match[1]}.ts`)
  t.true(compiled.length > 2)
  t.deepEqual(
    compiled.filter((path) => !existsSync(join(root, path))),
    [],
  )
  const start = /--match '([^*]+)\*'/.exec(contributing)![1]!
  const titles = [...read('test/core/codec.test.ts').matchAll(/^test\('([^']+)'/gm)].map((match) => match[1]!)
  t.true(titles.some((title) => title.startsWith(start) && isTestTitle(title)))
})

test('the figures of the README are those of docs/bench.json', (t) => {
  const results = JSON.parse(read('docs/bench.json')) as KeptResults
  t.is(withFigures(readme, results), readme)
  t.throws(() => withFigures('# A page without marks\n', results), { message: /^the page has no line <!-- figures/ })
})

test('the changelog has one open release at its head, and closed ones with dates below', (t) => {
  const [open, ...closed] = [...read('CHANGELOG.md').matchAll(/^## (.+)$/gm)].map((match) => match[1]!)
  t.is(open, 'Unreleased')
  t.true(closed.length > 0)
  for (const release of closed) t.regex(release, /^\d+\.\d+\.\d+ - \d{4}-\d{2}-\d{2}$/)
  const kinds = [...read('CHANGELOG.md').matchAll(/^### (.+)$/gm)].map((match) => match[1]!)
  for (const kind of kinds) t.true(['Added', 'Changed', 'Deprecated', 'Removed', 'Fixed', 'Security'].includes(kind), kind)
})
