/** A host process that offers the sharded service: real NATS with JetStream, real Redis, LMDB. */
import { createHost } from 'theseus-actors'
import { jetStreamLogs } from 'theseus-actors/jetstream'
import { lmdb } from 'theseus-actors/lmdb'
import { nats } from 'theseus-actors/nats'
import { redis } from 'theseus-actors/redis'
import { CartsV1 } from './carts.v1.js'

export interface CartsOrder {
  readonly system: string
  readonly hostId: string
  readonly servers: readonly string[]
  readonly replicas: number
  readonly redisUrl: string
  readonly directory: string
}

/** A lease that a test has time for. */
export const cartsSettings = {
  shardLeaseMs: 4_000,
  shardGuardMs: 1_000,
  shardSuccessorMs: 1_000,
  sleepAfterMs: 3_000,
  leaseMs: 6_000,
}

const order: CartsOrder = JSON.parse(process.env.CARTS_ORDER!)
const host = await createHost({
  ...{ system: order.system, hostId: order.hostId, settings: cartsSettings },
  transport: nats({ servers: order.servers }),
  udb: redis(order.redisUrl),
  state: lmdb(`${order.directory}/state`),
  bundles: `${order.directory}/bundles`,
  trust: 'nobody',
  shards: jetStreamLogs({ system: order.system, servers: order.servers, replicas: order.replicas, onWarning: () => {} }),
  observe: (event) => {
    if ((event.type === 'warning' && event.error !== undefined) || event.type === 'nodeFailed')
      process.stderr.write(`${order.hostId}: ${event.type === 'warning' ? event.message : event.nodeId} ${event.error}\n`)
  },
})
await host.offer(CartsV1)
process.on('SIGTERM', () => {
  host.stop().then(
    () => process.exit(0),
    () => process.exit(1),
  )
})
process.on('disconnect', () => process.exit(0))
process.on('message', () => process.send?.({ shards: host.shards.map(({ shard }) => shard) }))
// Last: whoever hears it may end this process at once.
process.send?.('ready')
