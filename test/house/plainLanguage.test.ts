/**
 * Documents and comments are in plain language, as far as a program can tell: short lines, and
 * each sentence names its subject.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { commentBreachesOf } from '../support/commentStyle.js'
import { breachesOf } from '../support/plainLanguage.js'

const root = resolve(fileURLToPath(new URL('../../..', import.meta.url)))

/** Their comments are looked at, and their pages. */
const rooms = ['actors', 'bench', 'core', 'natsctl', 'rehearsal', 'samples', 'scripts', 'telemetry', 'test', 'transports']

/** Every page but those of installed packages, and those that a release made. */
const documents = [
  ...readdirSync(root),
  ...['.github', 'docs', ...rooms].flatMap((room) =>
    readdirSync(join(root, room), { recursive: true, encoding: 'utf8' }).map((name) => `${room}/${name}`),
  ),
].filter((name) => name.endsWith('.md') && !/node_modules|fixtures\/releases/.test(name))

test('the pages of every room are looked at', (t) => {
  for (const page of [
    'README.md',
    '.github/pull_request_template.md',
    'docs/guide.md',
    'bench/README.md',
    'samples/01-hello/README.md',
  ])
    t.true(documents.includes(page), page)
})

for (const document of documents) {
  test(`${document} is in plain language`, (t) => {
    t.deepEqual(breachesOf(readFileSync(join(root, document), 'utf8')), [])
  })
}

for (const room of rooms) {
  test(`the comments of ${room}/ have lines of at most 110 characters, and each sentence names its subject`, (t) => {
    // The bench installs its peers below itself. A fixture stays as its release made it.
    const files = readdirSync(join(root, room), { recursive: true, encoding: 'utf8' }).filter(
      (name) => /\.(ts|mjs)$/.test(name) && !/node_modules|fixtures\/releases/.test(name),
    )
    t.true(files.length > 0)
    const breaches = files.flatMap((name) => {
      const found = commentBreachesOf(readFileSync(join(root, room, name), 'utf8'))
      return found.map((breach) => `${room}/${name}:${breach}`)
    })
    t.deepEqual(breaches, [])
  })
}

test('the comments of the files beside the rooms are in plain language too', (t) => {
  const files = readdirSync(root).filter((name) => name.endsWith('.ts'))
  t.true(files.includes('compose.ts'))
  const breaches = files.flatMap((name) =>
    commentBreachesOf(readFileSync(join(root, name), 'utf8')).map((breach) => `${name}:${breach}`),
  )
  t.deepEqual(breaches, [])
})

test('a line of a comment has at most 110 characters, in blocks and after slashes; code may have more', (t) => {
  const long = 'ab '.repeat(37).trim()
  const source = [`// ${long}`, `const text = '${long}' // ${long}`, '/**', ` * ${long}`, ' * It ends.', ' */', 'run()']
  t.deepEqual(commentBreachesOf(source.join('\n')), [`1: over 110 characters: // ${long}`, `4: over 110 characters: * ${long}`])
})

test('no sentence of a comment begins with What or Who as a noun, wherever its lines break', (t) => {
  const breach = (line: number, sentence: string) => `${line}: name the thing that this sentence is about: ${sentence}`
  t.deepEqual(commentBreachesOf('/** What fails. */'), [breach(1, 'What fails.')])
  t.deepEqual(commentBreachesOf('  // It runs. Whoever\n  // calls waits.\n  run() // Who calls waits.'), [
    breach(1, 'Whoever calls waits.'),
  ])
  t.deepEqual(commentBreachesOf('/**\n * R1. It runs.\n * R2. What fails ends.\n *\n * Who asks waits.\n */'), [
    breach(2, 'What fails ends.'),
    breach(5, 'Who asks waits.'),
  ])
  t.deepEqual(commentBreachesOf("/** What does it do? It says\n * what `What` is. */\nsay('What fails.')"), [])
})

test('a line of prose has at most 100 characters; code, tables and link definitions may have more', (t) => {
  const long = 'ab '.repeat(34).trim()
  const page = [`- ${long}. A b.`, '', `| ${long} |`, '', '```', `- ${long}`, '```', '', `[page]: ${long}`, '', 'Short.']
  t.deepEqual(
    breachesOf(page.join('\n')).filter((breach) => breach.includes('characters')),
    [`1: over 100 characters: - ${long}. A b.`],
  )
})

test('a sentence has at most 25 words, wherever its lines break; code and a link’s address are no words of it', (t) => {
  const words = (count: number) => Array.from({ length: count }, () => 'so').join(' ')
  const broken = (text: string) => text.replaceAll(/(.{50,90}) /g, '$1\n')
  t.deepEqual(breachesOf(broken(`The ${words(24)}. The ${words(24)}.`)), [])
  t.deepEqual(breachesOf(broken(`It is.\nThe ${words(25)}.`)), [`1: 26 words, over 25: The ${words(25)}.`])
  t.deepEqual(breachesOf(broken(`\`a b c d\` [is](of/a/page.md) ${words(23)}`)), [])
  t.deepEqual(breachesOf(broken(`- The ${words(20)}\n- the ${words(20)}`)), [])
  t.is(breachesOf(`| Yes | The ${words(25)} |`).length, 1)
  t.deepEqual(breachesOf(`| Yes | *the ${words(25)}* |`), [])
})

test('no sentence begins with What, Who, Whoever or Whatever as a noun; a question may', (t) => {
  const breach = (sentence: string) => `1: name the thing that this sentence is about: ${sentence}`
  for (const sentence of ['What fails is a fault.', 'Who looks asks.', 'Whoever calls waits.', 'Whatever ends, ends.']) {
    t.deepEqual(breachesOf(`It runs. ${sentence} It ends.`), [breach(sentence)])
    t.deepEqual(breachesOf(`- **${sentence}**`), [breach(sentence)])
    t.deepEqual(breachesOf(`| Yes | ${sentence} |`), [breach(sentence)])
  }
  t.deepEqual(breachesOf('What does it write? Nothing that fails, whatever it is. `What` is a name.'), [])
})
