/** A host process that offers the sharded service: real NATS with JetStream, real Redis, LMDB. */
import { createHost, type HostEvent } from 'theseus-actors'
import { jetStreamLogs } from 'theseus-actors/jetstream'
import { lmdb } from 'theseus-actors/lmdb'
import { nats } from 'theseus-actors/nats'
import { redis } from 'theseus-actors/redis'
import { CartsV1 } from './carts.v1.js'
import { FirstGeneration } from './generations.js'

export interface CartsOrder {
  readonly system: string
  readonly hostId: string
  readonly servers: readonly string[]
  readonly replicas: number
  readonly redisUrl: string
  readonly directory: string
  readonly classes: 'carts' | 'generations'
}

/** This process ends, stands still or waits as soon as one of its nodes is in that phase, on that way. */
export interface Trap {
  readonly phase: string
  readonly target: number
  /** `pause`: it does nothing for a moment, in which whoever set the trap acts. */
  readonly how: 'SIGKILL' | 'SIGSTOP' | 'pause'
}

export type CartsWord =
  | { readonly type: 'ready' | 'set' | 'reached' }
  | { readonly type: 'shards'; readonly shards: readonly number[] }
export type CartsDirective = { readonly type: 'shards' } | { readonly type: 'trap'; readonly trap: Trap }

const pauseMs = 300
let trap: Trap | undefined

function say(word: CartsWord): void {
  process.send?.(word)
}

function spring(event: HostEvent): void {
  if (trap === undefined || event.type !== 'phase' || event.phase !== trap.phase || event.target !== trap.target) return
  const { how } = trap
  trap = undefined
  say({ type: 'reached' })
  if (how === 'pause') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pauseMs)
  else process.kill(process.pid, how)
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
    spring(event)
    if ((event.type === 'warning' && event.error !== undefined) || event.type === 'nodeFailed')
      process.stderr.write(`${order.hostId}: ${event.type === 'warning' ? event.message : event.nodeId} ${event.error}\n`)
  },
})
await host.offer(order.classes === 'carts' ? CartsV1 : FirstGeneration)
process.on('SIGTERM', () => {
  host.stop().then(
    () => process.exit(0),
    () => process.exit(1),
  )
})
process.on('disconnect', () => process.exit(0))
process.on('message', (directive: CartsDirective) => {
  if (directive.type === 'shards') say({ type: 'shards', shards: host.shards.map(({ shard }) => shard) })
  else {
    ;({ trap } = directive)
    say({ type: 'set' })
  }
})
// Last: whoever hears it may end this process at once.
say({ type: 'ready' })
