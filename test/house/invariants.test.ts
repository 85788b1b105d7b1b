/**
 * docs/architecture.md says of each invariant where it is asserted and which test breaks it:
 * the code and the tests do so.
 */
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { isTestTitle } from '../support/testTitles.js'

const root = resolve(fileURLToPath(new URL('../../..', import.meta.url)))
const rows = readFileSync(join(root, 'docs/architecture.md'), 'utf8')
  .split('\n')
  .flatMap((line) => {
    const found = /^\| (C\d+) \| `([^`]+)`[^|]* \| \*([^*|]+)\* \|$/.exec(line)
    return found === null ? [] : [{ invariant: found[1]!, file: found[2]!, title: found[3]! }]
  })

test('each invariant of the design is in the table of invariants', (t) => {
  const named = new Set(rows.map(({ invariant }) => invariant))
  t.deepEqual(
    [...named],
    Array.from({ length: 14 }, (_, i) => `C${i + 1}`),
  )
})

test('each file that the table of invariants names asserts that invariant', (t) => {
  const silent = rows.filter(({ invariant, file }) => {
    const lines = readFileSync(join(root, file), 'utf8').split('\n')
    return !lines.some((line) => new RegExp(`['\`]${invariant}: `).test(line))
  })
  t.deepEqual(silent, [])
})

test('each test that the table of invariants names is there, and is of that invariant', (t) => {
  t.deepEqual(
    rows.filter(({ invariant, title }) => !title.startsWith(`${invariant}: `) || !isTestTitle(title)),
    [],
  )
})
