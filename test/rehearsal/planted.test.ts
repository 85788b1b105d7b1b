/**
 * Faults that were mended are put back, one at a time: the deterministic world finds each of
 * them within 2,000 plans.
 */
import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import type { FindOrder, Found } from './planted/find.js'
import { hunksOf, type Plantation, patched, patchesDirectory, plantation } from './planted/plant.js'
import { plantedFaults } from './planted/planted.js'

const seedsMax = 2_000
let copy: Plantation | undefined

test.before(async () => {
  copy = await plantation()
})

test.after.always(() => copy?.remove())

for (const { patch, shownBy, rules, firstSeed } of plantedFaults) {
  test.serial(`${patch}: the world finds it`, async (t) => {
    const planted = await copy!.plant(`${patch}.patch`)
    t.teardown(planted.remove)
    const order: FindOrder = { firstSeed, shownBy, seedsMax }
    const env = { ...process.env, NODE_COMPILE_CACHE: copy!.compileCache }
    const { stdout } = await promisify(execFile)(process.execPath, [planted.entry, JSON.stringify(order)], { env })
    const found: Found = JSON.parse(stdout)
    t.not(found.seed, null, `not found in ${found.played} plans`)
    t.true(rules.includes(found.rule), `seed ${found.seed}: ${found.rule}, ${found.what}`)
    t.log(`seed ${found.seed}: ${found.rule}, ${found.what.slice(0, 160)}`)
  })
}

test('every patch is planted, and is in the table for people with its seed', async (t) => {
  const patches = (await readdir(patchesDirectory)).filter((name) => name.endsWith('.patch'))
  t.deepEqual(patches.sort(), plantedFaults.map(({ patch }) => `${patch}.patch`).sort())
  const table = await readFile(join(patchesDirectory, 'README.md'), 'utf8')
  for (const { patch, firstSeed } of plantedFaults) t.regex(table, new RegExp(`\\| ${patch} \\|.*\\| ${firstSeed} \\|`), patch)
})

test('every patch fits the sources as they are', async (t) => {
  for (const { patch } of plantedFaults) t.true((await patched(`${patch}.patch`)).size > 0, patch)
})

test('a patch whose text is gone says so', async (t) => {
  const [hunk] = hunksOf('--- a/core/fault.ts\n+++ b/core/fault.ts\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n d\n')
  t.deepEqual(hunk, { file: 'core/fault.ts', before: 'a\nb\nd', after: 'a\nc\nd' })
})
