/**
 * A host process of a live test: real NATS, real Redis, LMDB; can be told to kill itself at an
 * exact point of an upgrade.
 */
import { createHost, type HostEvent } from 'theseus-actors'
import { lmdb } from 'theseus-actors/lmdb'
import { nats } from 'theseus-actors/nats'
import { redis } from 'theseus-actors/redis'
import { PagesV1 } from '../../samples/02-pages-comments/pages.v1.js'
import { VisitsV1 } from './visits.js'

/** `flipped` is right after the flip; a phase is right when it begins. */
export interface KillPoint {
  readonly at: Extract<HostEvent, { type: 'phase' }>['phase'] | 'flipped'
  readonly version: number
}

export interface HostOrder {
  readonly system: string
  readonly hostId: string
  readonly natsUrl: string
  readonly redisUrl: string
  readonly directory: string
  readonly nodes: readonly string[]
  /** Groups of pages and of visits. */
  readonly groups?: readonly string[]
  readonly kill?: KillPoint
}

const order: HostOrder = JSON.parse(process.env.HOST_ORDER!)

const host = await createHost({
  system: order.system,
  hostId: order.hostId,
  transport: nats(order.natsUrl),
  udb: redis(order.redisUrl),
  state: lmdb(`${order.directory}/state`),
  bundles: `${order.directory}/bundles`,
  observe: (event) => {
    if (order.kill !== undefined && isAt(order.kill, event)) process.kill(process.pid, 'SIGKILL')
    if (event.type === 'warning' || event.type === 'nodeFailed')
      process.stderr.write(`${order.hostId}: ${JSON.stringify(event)} ${event.error}\n`)
  },
})
for (const node of order.nodes) await host.node(PagesV1, node)
for (const group of order.groups ?? []) await host.group(group, { pages: PagesV1, visits: VisitsV1 })
process.on('SIGTERM', () => {
  host.stop().then(
    () => process.exit(0),
    () => process.exit(1),
  )
})
process.on('disconnect', () => process.exit(0))
// Last: whoever hears it may end this process at once.
process.send?.('ready')

function isAt(point: KillPoint, event: HostEvent): boolean {
  if (event.type === 'flipped') return point.at === 'flipped' && event.version === point.version
  return event.type === 'phase' && event.phase === point.at && event.target === point.version
}
