import { readFileSync } from 'node:fs'
import test from 'ava'
import { faultCodes } from '../../core/base/fault.js'

const page = readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8')

test('docs/errors.md has a row for every fault code, and for no other', (t) => {
  const documented = [...page.matchAll(/^\| `([a-z]+\.[a-z-]+)` \|/gm)].map((match) => match[1]!)
  t.deepEqual(documented.toSorted(), Object.keys(faultCodes).toSorted())
})

test('docs/errors.md says of every fault whether the call was not executed, as the code does', (t) => {
  const rows = [...page.matchAll(/^\| `([a-z]+\.[a-z-]+)` \| (yes|no|unknown|–) \|/gm)]
  t.is(rows.length, Object.keys(faultCodes).length)
  for (const [, code, notExecuted] of rows)
    t.is(notExecuted === 'yes', faultCodes[code as keyof typeof faultCodes].retryable, code)
})
