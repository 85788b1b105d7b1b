/** The answering process of the state bench: an upgrade server, and one host for each durability. */
import { join } from 'node:path'
import { createHost, startUpgradeServer } from 'theseus-actors'
import { lmdb } from 'theseus-actors/lmdb'
import { nats } from 'theseus-actors/nats'
import { redis } from 'theseus-actors/redis'
import { Entries } from './entries.js'
import { durabilities, nodesOf, system } from './loads.js'

const [, , natsUrl = '', redisUrl = '', directory = ''] = process.argv
const ways = { system, transport: nats(natsUrl), udb: redis(redisUrl) }
const server = await startUpgradeServer(ways)
const hosts = await Promise.all(
  durabilities.map((durability) =>
    createHost({
      ...ways,
      hostId: durability,
      state: lmdb(join(directory, durability), { durability }),
      bundles: join(directory, 'bundles'),
    }),
  ),
)
const nodes = await Promise.all(hosts.flatMap((host, i) => nodesOf(durabilities[i]!).map((nodeId) => host.node(Entries, nodeId))))
// From this level on a directory has a log before LMDB.
await hosts[0]!.operator.raiseLevel({ reason: 'a bench: there is no other release' })
await Promise.all(nodes.map((node) => node.reached(1)))
process.once('disconnect', () => process.exit())
process.once('message', async () => {
  for (const host of hosts) await host.stop()
  await server.stop()
  process.exit()
})
process.send!('ready')
