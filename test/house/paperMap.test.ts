/**
 * docs/paper-map.md names a file and a test for each statement of the paper, and docs/correctness.md for each
 * criterion: all of them exist.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { isTestTitle } from '../support/testTitles.js'

const root = resolve(fileURLToPath(new URL('../../..', import.meta.url)))
const page = readFileSync(join(root, 'docs/paper-map.md'), 'utf8')
const rows = page
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| statement'))
  .map((line) => line.split('|').map((cell) => cell.trim()))

test('the map of the paper has rows for each of its sections 2 to 8', (t) => {
  const sections = [...page.matchAll(/^## (\d)/gm)].map((match) => match[1])
  t.deepEqual(sections, ['2', '3', '4', '5', '6', '7', '8'])
  t.true(rows.length > 40)
  for (const row of rows) t.is(row.length, 5, row.join(' | '))
})

test('every file that the map of the paper names exists', (t) => {
  const files = rows.flatMap((row) =>
    [...`${row[2]} ${row[3]}`.matchAll(/`([a-z][A-Za-z0-9/._-]+\.ts)`/g)].map((match) => match[1]!),
  )
  t.true(files.length > 40)
  t.deepEqual(
    files.filter((file) => !existsSync(join(root, file))),
    [],
  )
})

test('every test that the map of the paper names exists under that title', (t) => {
  const named = rows.flatMap((row) => [...row[3]!.matchAll(/\*([^*]+)\*/g)].map((match) => match[1]!))
  t.true(named.length > 25)
  t.deepEqual(
    named.filter((title) => !isTestTitle(title)),
    [],
  )
})

test('every file and every test that the page of the criteria names exists', (t) => {
  const criteria = readFileSync(join(root, 'docs/correctness.md'), 'utf8')
  const tableRows = criteria.split('\n').filter((line) => line.startsWith('| ') && line.includes('.ts`'))
  t.true(tableRows.length > 25)
  const files = tableRows.flatMap((line) => [...line.matchAll(/`([a-z][A-Za-z0-9/._-]+\.ts)`/g)].map((match) => match[1]!))
  t.deepEqual(
    files.filter((file) => !existsSync(join(root, file))),
    [],
  )
  // Each of them has a test, and the page names no other.
  const titles = tableRows.map((line) => [...line.matchAll(/\*([^*]+)\*/g)].map((match) => match[1]!))
  const untested = tableRows.filter((line, i) => titles[i]!.length === 0 && !line.includes('`test/'))
  t.deepEqual(untested, [])
  t.deepEqual(
    titles.flat().filter((title) => !isTestTitle(title)),
    [],
  )
})
