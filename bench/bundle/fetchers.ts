/**
 * A process with many hosts, each with a connection, a state store and a node of its own, which fetch what
 * the upgrade server has.
 */
import { createHost, type HostEvent, type RunningHost } from 'theseus-actors'
import { bundleRepository } from 'theseus-actors/bundles'
import { memoryStore } from 'theseus-actors/memory'
import { nats } from 'theseus-actors/nats'
import { redis } from 'theseus-actors/redis'
import { MeterV1 } from '../meters.js'
import { giveResult } from '../processes/childProcess.js'

export interface FetchersOrder {
  readonly system: string
  readonly natsUrl: string
  readonly redisUrl: string
  readonly directory: string
  /** Names the hosts of this process. */
  readonly name: string
  readonly hosts: number
  readonly timeoutMs: number
}

export interface FetchersResult {
  /** When each host had the bundle, verified and loaded: milliseconds since 1970. */
  readonly readyAtMs: readonly number[]
  /** The reasons why hosts do not have it. */
  readonly reasons: readonly string[]
}

const startsAtOnce = 8

await giveResult(async (order: FetchersOrder, ready): Promise<FetchersResult> => {
  const { system, natsUrl, redisUrl, directory, name, hosts, timeoutMs } = order
  // One copy of the classes for the process. Each host fetches the bundle for itself all the same.
  const bundles = bundleRepository(directory)
  const readyAtMs: number[] = []
  const reasons = new Set<string>()
  let done = () => {}
  const observe = (event: HostEvent): void => {
    if (event.type !== 'phase') return
    if (event.reason !== null && event.phase !== 'scheduled') reasons.add(`${event.phase}: ${event.reason}`)
    if (event.phase === 'scheduled' && event.reason === null && readyAtMs.push(Date.now()) === hosts) done()
  }
  let next = 0
  const one = async (): Promise<void> => {
    while (next < hosts) {
      const hostId = `${name}-${next++}`
      const host: RunningHost = await createHost({
        system,
        hostId,
        transport: nats(natsUrl),
        udb: redis(redisUrl),
        state: memoryStore(),
        bundles,
        observe,
        discovery: false,
      })
      await host.node(MeterV1, `${hostId}-meter`)
    }
  }
  await Promise.all(Array.from({ length: startsAtOnce }, one))
  const all = new Promise<void>((resolve) => {
    done = resolve
    setTimeout(resolve, timeoutMs)
  })
  ready()
  await all
  return { readyAtMs, reasons: [...reasons] }
})
