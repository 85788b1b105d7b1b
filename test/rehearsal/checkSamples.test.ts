/** The samples' upgrades are right, but for the one that sample 08 is about: the check says so of each. */
import test from 'ava'
import { check } from 'theseus-actors/rehearsal'
import { StockV1 } from '../../samples/09-neighbours/stock.js'
import tills from '../../samples/09-neighbours/upgrades/shop-1-orders.js'
import orders from '../../samples/09-neighbours/upgrades/warehouse-1-orders.js'

const chains: readonly (readonly [title: string, modules: readonly string[], histories: number])[] = [
  [
    'pages, comments and likes',
    ['1-comments', '2-likes', '3-like-nothing'].map((name) => `02-pages-comments/upgrades/${name}.ts`),
    50,
  ],
  ['comments, with their way back', ['02-pages-comments/upgrades/1-comments.ts'], 50],
  ['archive and cache', ['03-archive-cache/upgrades/1-cache.ts'], 50],
  ['replicas that recover from one another', ['04-replica-group/upgrades/1-sizes.ts'], 40],
  ['stations and their pilots', ['05-clients-after-servers/upgrades/1-tomorrow.ts'], 30],
  ['sensors', ['06-sensor-field/upgrades/1-kelvin.ts'], 50],
  ['accounts, repaired', ['08-rewind/upgrades/3-euros-repaired.ts'], 40],
  ['stocks of a neighbour', ['09-neighbours/upgrades/warehouse-1-orders.ts'], 50],
]

for (const [title, modules, histories] of chains) {
  test.serial(`the check finds nothing in ${title}, and no needless refusal`, async (t) => {
    const report = await check(
      modules.map((module) => `samples/${module}`),
      { histories },
    )
    t.true(report.holds, report.text)
    t.deepEqual(report.hints, [], report.text)
  })
}

test.serial('the check finds the fault that sample 08 is about', async (t) => {
  const report = await check('samples/08-rewind/upgrades/1-euros.ts', { histories: 300, findingsMax: 1 })
  t.like(report.findings, [{ kind: 'inconsistent answer', blame: { method: 'withdraw' } }], report.text)
})

test.serial('classes that call a neighbour are checked with a stand-in of it', async (t) => {
  const warehouse = { nodes: { stock: StockV1 }, upgrades: [orders] }
  const report = await check(tills, { histories: 15, neighbours: { warehouse } })
  t.true(report.holds, report.text)
})
