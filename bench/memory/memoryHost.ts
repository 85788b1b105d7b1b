/**
 * One host with more and more idle nodes, and what its process has in memory for each. Runs with --expose-gc.
 */
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { createHost, type RunningHost } from 'theseus-actors'
import { lmdb } from 'theseus-actors/lmdb'
import { nats } from 'theseus-actors/nats'
import { redis } from 'theseus-actors/redis'
import { MeterV1 } from '../meters.js'
import { giveResult } from '../processes/childProcess.js'
import { buildCall, meters } from '../upgrades.js'

export interface MemoryOrder {
  readonly system: string
  readonly natsUrl: string
  readonly redisUrl: string
  readonly directory: string
  /** Before the first reading, so that what is made once is not counted, and after. */
  readonly first: number
  readonly nodes: number
}

export interface MemoryResult {
  /** Of one node that has never been upgraded: in JavaScript's heap, and of the process. */
  readonly heapKb: number
  readonly rssKb: number
  /** The same after an upgrade, with a past-SO in the chain. */
  readonly upgradedHeapKb: number
}

const startsAtOnce = 8

await giveResult(async (order: MemoryOrder): Promise<MemoryResult> => {
  const { system, natsUrl, redisUrl, directory, first, nodes } = order
  const host = await createHost({
    system,
    hostId: 'host',
    transport: nats(natsUrl),
    udb: redis(redisUrl),
    state: lmdb(join(directory, 'state')),
    bundles: join(directory, 'bundles'),
    settings: { limit: { percent: 100 } },
  })
  const upgrade = await buildCall(directory, meters, 'metersMeasureInKelvin', 'eagerly')
  await startNodes(host, 0, first)
  const before = await atRest()
  const handles = await startNodes(host, first, first + nodes)
  const after = await atRest()
  await host.publish(upgrade)
  await Promise.all(handles.map((node) => node.reached(1, { timeout: '120s' })))
  const upgraded = await atRest()
  const perNode = (bytes: number): number => bytes / nodes / 1024
  return {
    heapKb: perNode(after.heapUsed - before.heapUsed),
    rssKb: perNode(after.rss - before.rss),
    // The first ones have been upgraded too.
    upgradedHeapKb: perNode(after.heapUsed - before.heapUsed) + (upgraded.heapUsed - after.heapUsed) / (first + nodes) / 1024,
  }
})

async function startNodes(host: RunningHost, from: number, to: number) {
  let next = from
  const handles: Awaited<ReturnType<RunningHost['node']>>[] = []
  const one = async (): Promise<void> => {
    while (next < to) handles.push(await host.node(MeterV1, `m${next++}`))
  }
  await Promise.all(Array.from({ length: startsAtOnce }, one))
  return handles
}

/** Once everything has been written, and what is not needed is gone. */
async function atRest(): Promise<NodeJS.MemoryUsage> {
  for (let i = 0; i < 4; i++) {
    await pause(250)
    globalThis.gc!()
  }
  return process.memoryUsage()
}
