/** A host process of the bench of shards. */
import { join } from 'node:path'
import { createHost, startUpgradeServer } from 'theseus-actors'
import { jetStreamLogs } from 'theseus-actors/jetstream'
import { lmdb } from 'theseus-actors/lmdb'
import { nats } from 'theseus-actors/nats'
import { redis } from 'theseus-actors/redis'
import { LocalCarts, nodes, ShardedCarts, sleepAfterMs, system } from './carts.js'

const [, , natsUrl = '', redisUrl = '', directory = '', hostId = ''] = process.argv
const ways = { system, transport: nats(natsUrl), udb: redis(redisUrl) }
const isFirst = hostId === 'h1'
const server = isFirst ? await startUpgradeServer(ways) : undefined
const host = await createHost({
  ...{ ...ways, hostId, bundles: join(directory, 'bundles'), settings: { sleepAfterMs } },
  state: lmdb(join(directory, hostId)),
  shards: jetStreamLogs({ system, servers: natsUrl, replicas: 1, onWarning: () => {} }),
})
if (isFirst) {
  const local = await Promise.all(nodes.map((nodeId) => host.node(LocalCarts, `local-${nodeId}`)))
  // From this level on a directory has a log before LMDB.
  await host.operator.raiseLevel({ reason: 'a bench: there is no other release' })
  await Promise.all(local.map((node) => node.reached(1)))
}
await host.offer(ShardedCarts)
process.once('disconnect', () => process.exit())
process.on('message', async (order: 'shards' | 'stop') => {
  if (order === 'shards') {
    process.send!(host.shards.length)
    return
  }
  await host.stop()
  await server?.stop()
  process.exit()
})
process.send!('ready')
