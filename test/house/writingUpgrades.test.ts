/**
 * docs/writing-upgrades.md shows no code that is not there: its code is in files that run, and its mistakes
 * are found as it says.
 */
import { cpSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { check, rehearse } from 'theseus-actors/rehearsal'
import { tsconfigText } from '../../natsctl/new/serviceFiles.js'
import { ofCachedPages, ofRememberedRemovals } from '../fixtures/mistakes/rehearsals.js'
import { natsctl, root } from '../natsctl/natsctlProcess.js'
import { emptyRepository } from '../natsctl/newProject.js'

const page = await readFile(join(root, 'docs/writing-upgrades.md'), 'utf8')
const blocks = [...page.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map(([, language, text]) => ({ language, text: text! }))
const of = (language: string) => blocks.filter((block) => block.language === language).map(({ text }) => text)

/** As it stands, however far it is indented. */
const flush = (code: string) => code.replaceAll(/^ +/gm, '').trim()

test('the page has code, results, commands and decisions, and nothing that is not held against something', (t) => {
  t.deepEqual([...new Set(blocks.map(({ language }) => language))].sort(), ['', 'console', 'json', 'text', 'ts'])
  t.true(of('ts').length > 8)
})

test('each piece of code in the page is in the file that it names, line for line', async (t) => {
  for (const code of of('ts')) {
    const [, path, excerpt] = /^\/\/ (\S+\.ts)\n(.*)$/s.exec(code) ?? []
    t.truthy(path, code)
    t.true(flush(await readFile(join(root, path!), 'utf8')).includes(flush(excerpt!)), `${path} has no longer:\n${excerpt}`)
  }
})

test('the mistakes in the page are found by a rehearsal, as the page says', async (t) => {
  const found = await Promise.all([ofRememberedRemovals, ofCachedPages].map(rehearse))
  t.deepEqual(
    of('json').map((json) => JSON.parse(json)),
    found.map(([first]) => first),
  )
  t.deepEqual(
    found.map((violations) => violations.map(({ criterion }) => criterion)),
    [
      ['K2', 'K1'],
      ['K2', 'K1'],
    ],
  )
})

test('a check finds in the page’s mistake what the page says', async (t) => {
  const [command, ...shown] = of('console').join('').trimEnd().split('\n')
  const [, args] = /^\$ npx natsctl (.*)$/.exec(command!)!
  const { code, stdout, stderr } = await natsctl(t, args!.split(' '))
  t.is(code, 3, stderr)
  t.deepEqual(stdout.trimEnd().split('\n'), shown)
})

test('an upgrade is checked in a test as the page says', async (t) => {
  const report = await check('samples/02-pages-comments/upgrades/1-comments.ts', { histories: 100 })
  t.true(report.holds, report.text)
})

test('natsctl leaves the decisions that the page says', async (t) => {
  const cwd = emptyRepository(t)
  writeFileSync(join(cwd, 'tsconfig.json'), tsconfigText('src'))
  for (const name of ['pages.v1.ts', 'pages.v2.ts']) cpSync(join(root, 'samples/02-pages-comments', name), join(cwd, 'src', name))
  const [, args] = /^npx natsctl (new upgrade .*)$/m.exec(page)!
  const words = [...args!.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain!)
  const { stdout, stderr } = await natsctl(t, [...words, '-o', 'json'], { cwd })
  t.deepEqual(
    of('text').map((text) => text.trim().split('\n')),
    [
      JSON.parse(stdout || `{"decisions":[${JSON.stringify({ text: stderr })}]}`).decisions.map(
        ({ text }: { text: string }) => text,
      ),
    ],
  )
})

test('the commands and links of the page are there', async (t) => {
  const commands = of('').flatMap((text) => text.trim().split('\n'))
  const manual = await readFile(join(root, 'docs/natsctl.md'), 'utf8')
  t.true(commands.length > 5)
  for (const command of commands) {
    const [, words] = /^npx (natsctl(?: [a-z]+){1,2})/.exec(command) ?? []
    t.true(manual.includes(words!), command)
  }
  for (const [, link] of page.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g))
    await t.notThrowsAsync(readFile(join(root, 'docs', link!)), link)
})
