/** A host of the demo that offers the sharded service of carts. It is there to be killed. */
import { createHost } from 'theseus-actors'
import { jetStreamLogs } from 'theseus-actors/jetstream'
import { nats } from 'theseus-actors/nats'
import { redis } from 'theseus-actors/redis'
import { CartsV1 } from './carts/carts.v1.js'

export interface CartsHostOrder {
  readonly THESEUS_SYSTEM: string
  readonly NATS_URL: string
  readonly THESEUS_REDIS: string
  readonly hostId: string
  /** All that the host has on disk. */
  readonly directory: string
}

/** Told when it serves, and whenever it is asked. */
export interface CartsHostReport {
  readonly shards: readonly number[]
}

const order: CartsHostOrder = JSON.parse(process.env.CARTS_HOST_ORDER!)
const { THESEUS_SYSTEM: system, NATS_URL: natsUrl, hostId, directory } = order
const host = await createHost({
  ...{ system, hostId, directory },
  transport: nats(natsUrl),
  udb: redis(order.THESEUS_REDIS),
  trust: 'nobody',
  // One nats-server keeps one copy of each log: the scene says so. docs/sharded.md says what three do.
  shards: jetStreamLogs({ system, servers: natsUrl, replicas: 1, onWarning: () => {} }),
  // A story has less time than a system: the defaults are a lease of ten seconds.
  settings: { shardLeaseMs: 3000, shardGuardMs: 1000, shardSuccessorMs: 1000, leaseMs: 6000 },
})
await host.offer(CartsV1)
const tell = () => {
  const report: CartsHostReport = { shards: host.shards.map(({ shard }) => shard) }
  process.send!(report)
}
process.on('message', tell)
process.on('disconnect', () => process.exit())
process.on('SIGTERM', () => void host.stop().finally(() => process.exit()))
tell()
