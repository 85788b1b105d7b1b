/** A host process with an SDK of its own, which tells the spans it has recorded when it is asked. */
import { createHost } from 'theseus-actors'
import { memoryStore } from 'theseus-actors/memory'
import { nats } from 'theseus-actors/nats'
import { redis } from 'theseus-actors/redis'
import { openTelemetry } from 'theseus-actors/telemetry'
import { PagesV1 } from '../../samples/02-pages-comments/pages.v1.js'
import { recordSpans, seenSpans } from './spans.js'

export interface TracedOrder {
  readonly system: string
  readonly natsUrl: string
  readonly redisUrl: string
  readonly directory: string
}

const order = JSON.parse(process.env.HOST_ORDER!) as TracedOrder

recordSpans()
const host = await createHost({
  system: order.system,
  hostId: 'traced',
  transport: nats(order.natsUrl),
  udb: redis(order.redisUrl),
  state: memoryStore(),
  bundles: order.directory,
  telemetry: openTelemetry(),
})
await host.node(PagesV1, 'p1')
process.on('message', () => process.send!(seenSpans()))
process.on('disconnect', () => process.exit(0))
process.send!('ready')
