/** A client process of the demo: calls at one version until it is told to stop, and tells what happened. */
import { createHost } from 'theseus-actors'
import { LoadClient, type PageMemory, type Tally } from 'theseus-actors/demo'
import { memoryStore } from 'theseus-actors/memory'
import { nats } from 'theseus-actors/nats'
import { redis } from 'theseus-actors/redis'
import { PagesV1 } from '../02-pages-comments/pages.v1.js'
import { PagesV2 } from '../02-pages-comments/pages.v2.js'

export interface ClientOrder {
  readonly THESEUS_SYSTEM: string
  readonly NATS_URL: string
  readonly THESEUS_REDIS: string
  readonly version: 0 | 1
  readonly nodes: readonly string[]
}

export interface ClientReport {
  readonly tally: Omit<Tally, 'failures'>
  readonly failures: [string, number][]
  readonly pages: PageMemory[]
}

const order: ClientOrder = JSON.parse(process.env.CLIENT_ORDER!)
const host = await createHost({
  system: order.THESEUS_SYSTEM,
  transport: nats(order.NATS_URL),
  udb: redis(order.THESEUS_REDIS),
  state: memoryStore(),
})
const target = [PagesV1, PagesV2][order.version] as typeof PagesV1
const client = new LoadClient((node) => host.ref(target, node), {
  name: `v${order.version}`,
  nodes: order.nodes,
  pagesPerNode: 2,
  pauseMs: 8,
})
client.start()
const telling = setInterval(() => tell([]), 100)

process.on('message', async () => {
  clearInterval(telling)
  await client.stop()
  tell(client.pages)
  await host.stop()
  process.disconnect()
})
process.on('disconnect', () => process.exit())

function tell(pages: PageMemory[]): void {
  const { failures, ...tally } = client.tally
  const report: ClientReport = { tally, failures: [...failures], pages }
  process.send?.(report)
}
