import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createHost, isFault, type NodeHandle } from 'theseus-actors'
import { buildUpgrade } from 'theseus-actors/build'
import { StockV1 } from './stock.js'
import { TillV1 } from './till.js'

const directory = await mkdtemp(join(tmpdir(), 'theseus-neighbours-'))
/** The stock upgrades `gradually`: it flips a coin now and then. Here the coin is in our hand. */
const coin = { heads: false, next: () => (coin.heads ? 0 : 0.9) }
/** Two systems of two teams. Both are embedded here; others have servers, and keys, of their own. */
const warehouse = await createHost({ system: 'warehouse', directory: join(directory, 'warehouse'), random: coin })
const shop = await createHost({ system: 'shop', directory: join(directory, 'shop'), neighbours: { warehouse: {} } })
try {
  await play()
} finally {
  await shop.stop()
  await warehouse.stop()
  await rm(directory, { recursive: true })
}

async function play(): Promise<void> {
  const stock = await warehouse.node(StockV1, 'stock')
  const till = await shop.node(TillV1, 'till')
  const tell = async (what: string) => {
    const sold = await shop.ref(TillV1, 'till').sell()
    console.log(`\n${what}`)
    console.log(`  warehouse at version ${stock.version}: ${stock.className}. ${answers(stock)}`)
    console.log(`  shop      at version ${till.version}: ${till.className} sells: ${sold}`)
  }
  console.log('Two systems, each at its own version 0.')
  await tell('The shop sells.')

  const shopUpgrade = await buildUpgrade(new URL('upgrades/shop-1-orders.js', import.meta.url))
  console.log('\nThe shop’s team is early: its upgrade needs one of the warehouse that is not published yet.')
  const refused = await shop.publish(shopUpgrade).catch((error: unknown) => (isFault(error) ? error : Promise.reject(error)))
  if (typeof refused !== 'number') console.log(`  ${refused.code}: ${refused.message}`)

  await warehouse.publish(await buildUpgrade(new URL('upgrades/warehouse-1-orders.js', import.meta.url)))
  await shop.publish(shopUpgrade)
  await till.reached(1)
  await tell('The warehouse publishes it, and its coin shows tails. The shop goes first.')
  await tellPin()

  coin.heads = true
  await stock.reached(1)
  await tell('The warehouse upgrades too.')

  await warehouse.operator.undo()
  await stock.reached(2)
  await tell('The warehouse undoes its upgrade. The shop need not know.')

  await shop.operator.undo()
  await till.reached(2)
  await warehouse.operator.undo()
  await stock.reached(3)
  await tell('The shop undoes its own, and the warehouse brings its upgrade again. So the warehouse goes first.')

  await shop.operator.undo()
  await till.reached(3)
  await tell('The shop brings its upgrade again.')
}

/** An operator of the warehouse sees for whom old versions are kept. */
async function tellPin(): Promise<void> {
  const rows = await warehouse.operator.database.nodes()
  const pin = rows.find(({ className }) => className === 'Neighbour')
  console.log(`  The warehouse keeps version ${pin?.version} and all later ones alive for ${pin?.nodeId}.`)
}

function answers(node: NodeHandle): string {
  return `Answered by: ${node.chain.map(({ version, role }) => `version ${version} ${role}`).join(', ')}.`
}
