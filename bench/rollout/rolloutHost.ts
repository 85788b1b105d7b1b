/** A host of the rollout bench: meters with some readings each, on disk. Serves until the bench ends. */
import { join } from 'node:path'
import { createHost } from 'theseus-actors'
import { lmdb } from 'theseus-actors/lmdb'
import { nats } from 'theseus-actors/nats'
import { redis } from 'theseus-actors/redis'
import { MeterV1 } from '../meters.js'
import { giveResult } from '../processes/childProcess.js'
import type { RolloutHostOrder } from './rolloutOrder.js'

await giveResult(async (order: RolloutHostOrder, ready) => {
  const { system, hostId, natsUrl, redisUrl, nodeIds, readings } = order
  const directory = join(order.directory, hostId)
  const host = await createHost({
    system,
    hostId,
    transport: nats(natsUrl),
    udb: redis(redisUrl),
    state: lmdb(join(directory, 'state')),
    bundles: join(directory, 'bundles'),
    observe: (event) => {
      if (event.type === 'phase' && event.reason !== null && event.phase !== 'scheduled')
        process.stderr.write(`${event.nodeId} ${event.phase}: ${event.reason}\n`)
    },
  })
  for (const nodeId of nodeIds) {
    await host.node(MeterV1, nodeId)
    await host.ref(MeterV1, nodeId, { version: 0 }).filled(0, readings)
  }
  ready()
  await new Promise(() => {})
})
