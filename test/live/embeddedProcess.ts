/** A process with an embedded system in a directory of its own; can be told to kill itself in an upgrade. */
import { createHost, type HostEvent } from 'theseus-actors'
import { buildUpgrade } from 'theseus-actors/build'
import { PagesV1 } from '../../samples/02-pages-comments/pages.v1.js'
import type { KillPoint } from './hostProcess.js'

export interface EmbeddedOrder {
  readonly directory: string
  /** Told before the upgrade. */
  readonly write?: readonly [url: string, text: string]
  /** The module of an upgrade to publish. */
  readonly publish?: string
  readonly kill?: KillPoint
}

export interface EmbeddedReport {
  readonly versions: readonly number[]
  readonly published: number
  readonly titles: readonly string[]
  readonly read: string | null
  readonly doubt: string | null
}

const order: EmbeddedOrder = JSON.parse(process.env.EMBEDDED_ORDER!)
const { kill } = order
const nodes = ['p1', 'p2'] as const

const host = await createHost({
  ...{ system: 'embedded', directory: order.directory },
  observe: (event) => {
    if (kill !== undefined && isAt(kill, event)) process.kill(process.pid, 'SIGKILL')
  },
})
const started = await Promise.all(nodes.map((id) => host.node(PagesV1, id)))
const page = host.ref(PagesV1, 'p1', { version: 0 })
if (order.write !== undefined) await page.put(...order.write)
if (order.publish !== undefined) await host.publish(await buildUpgrade(new URL(order.publish)))
const { database } = host.operator
const { version } = await database.head()
// The clock is real: until every node is there, or the process kills itself.
while (started.some((node) => node.version < version)) await new Promise((resolve) => setTimeout(resolve, 5))
const report: EmbeddedReport = {
  versions: started.map((node) => node.version),
  published: version,
  titles: (await host.operator.history()).map(({ title }) => title),
  read: await page.get('/a'),
  doubt: (await database.standing())?.probation?.doubt ?? null,
}
process.send!(report)
await host.stop()
process.disconnect()

function isAt(point: KillPoint, event: HostEvent): boolean {
  if (event.type === 'flipped') return point.at === 'flipped' && event.version === point.version
  return event.type === 'phase' && event.phase === point.at && event.target === point.version
}
