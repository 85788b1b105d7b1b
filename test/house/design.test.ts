/**
 * docs/design.md is what comments cite as "DESIGN §n": each section that they cite is there,
 * with the words that they quote.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { phases } from '../../core/base/phases.js'

const root = resolve(fileURLToPath(new URL('../../..', import.meta.url)))
const page = readFileSync(join(root, 'docs/design.md'), 'utf8')
const rooms = ['core', 'actors', 'transports', 'telemetry', 'natsctl', 'rehearsal', 'samples', 'bench', 'test']

/** The text of each section, by its number. */
const sections = new Map(
  page.split(/^## (?=\d+\. )/m).map((text) => [/^(\d+)\. /.exec(text)?.[1], text.replaceAll(/\s+/g, ' ')] as const),
)

interface Citation {
  readonly at: string
  readonly section: string
  readonly quotes: readonly string[]
}

/** The citations of a file. A comment may break a line within a citation. */
function citationsOf(file: string): Citation[] {
  const text = readFileSync(join(root, file), 'utf8').replaceAll(/\n\s*(\*|\/\/)? */g, ' ')
  return [...text.matchAll(/DESIGN ((?:§\d+(?:, (?=§))?)+)((?:[,:] "[^"]+")*)/g)].flatMap(([, numbers, quotes]) =>
    [...numbers!.matchAll(/\d+/g)].map(([section]) => ({
      at: file,
      section,
      quotes: [...quotes!.matchAll(/"([^"]+)"/g)].map((match) => match[1]!),
    })),
  )
}

function sources(room: string): string[] {
  return readdirSync(join(root, room), { withFileTypes: true, recursive: true })
    .filter(({ name, parentPath }) => name.endsWith('.ts') && !parentPath.includes('node_modules'))
    .map(({ name, parentPath }) => relative(root, join(parentPath, name)))
    .filter((file) => file !== 'test/house/design.test.ts')
}

const citations = rooms.flatMap(sources).flatMap(citationsOf)

test('the sections of the design are numbered from 1 to 9', (t) => {
  t.deepEqual(
    [...sections.keys()].filter((number) => number !== undefined),
    ['1', '2', '3', '4', '5', '6', '7', '8', '9'],
  )
})

test('each section of the design that a comment cites is there', (t) => {
  t.true(citations.length > 40)
  t.deepEqual(
    citations.filter(({ section }) => !sections.has(section)),
    [],
  )
})

test('each text that a comment quotes from the design stands in the section that it names', (t) => {
  t.true(citations.some(({ quotes }) => quotes.length > 0))
  const absent = citations.flatMap(({ at, section, quotes }) =>
    quotes.filter((quote) => !sections.get(section)?.includes(quote)).map((quote) => `${at}: §${section}, "${quote}"`),
  )
  t.deepEqual(absent, [])
})

test('the design names the phases of an upgrade, each as the code does', (t) => {
  const named = new Set([...sections.get('5')!.matchAll(/`([a-z]+)`/g)].map((match) => match[1]!))
  t.deepEqual(
    phases.filter((phase) => !named.has(phase)),
    [],
  )
})
