/**
 * One host of the pause bench: a node with so many readings, which upgrades at once, and a neighbour that has
 * nothing to do with it.
 */
import { join } from 'node:path'
import { createHost, type HostEvent } from 'theseus-actors'
import { lmdb } from 'theseus-actors/lmdb'
import { nats } from 'theseus-actors/nats'
import { redis } from 'theseus-actors/redis'
import { MeterV1, MeterV2, readingKey } from '../meters.js'
import { giveResult } from '../processes/childProcess.js'
import { LoopWatch } from '../processes/loopWatch.js'
import { buildCall, meters } from '../upgrades.js'
import { Neighbour, neighbour, type PauseOrder, type PauseResult, pausedNode } from './pauseOrder.js'

/** Readings written by one command. */
const readingsPerCommand = 1_000

await giveResult(async (order: PauseOrder, ready): Promise<PauseResult> => {
  const { system, natsUrl, redisUrl, directory, records, way } = order
  const began = new Map<string, number>()
  const observe = (event: HostEvent): void => {
    if (event.type === 'phase' && event.nodeId === pausedNode && event.target === 1 && !began.has(event.phase))
      began.set(event.phase, now())
    if (event.type === 'phase' && event.nodeId === pausedNode && event.version === 1 && event.phase === 'current')
      began.set('there', now())
  }
  const host = await createHost({
    system,
    hostId: 'host',
    transport: nats(natsUrl),
    udb: redis(redisUrl),
    state: lmdb(join(directory, 'state')),
    bundles: join(directory, 'bundles'),
    observe,
  })
  await host.node(Neighbour, neighbour)
  const node = await host.node(MeterV1, pausedNode)
  const meter = host.ref(MeterV1, pausedNode, { version: 0, deadline: '30s' })
  for (let from = 0; from < records; from += readingsPerCommand)
    await meter.filled(from, Math.min(records, from + readingsPerCommand))
  const upgrade = await buildCall(directory, meters, 'readingsBecomeKelvin', way)
  ready()

  const watch = new LoopWatch()
  watch.begin()
  await host.publish(upgrade)
  await node.reached(1, { timeout: '120s' })
  const { longestBlockMs } = await watch.end()
  const last = await host.ref(MeterV2, pausedNode, { version: 1 }).kelvinAt(readingKey(records - 1))
  if (last !== 273.15 + ((records - 1) % 40)) throw new Error(`the last of ${records} readings is ${last} K`)
  const at = (phase: string): number => began.get(phase)!
  return { fromMs: at('draining'), toMs: at('there'), transformMs: at('checking') - at('transforming'), longestBlockMs }
})

/** Finer than Date.now(), and the same in every process of this machine. */
function now(): number {
  return performance.timeOrigin + performance.now()
}
