/** The neighbours in the config of `natsctl up`, for its upgrade server and its hosts. */
import type { NeighboursOption, Trust } from 'theseus-actors'
import { nats } from 'theseus-actors/nats'
import { redis } from 'theseus-actors/redis'
import { natsOptionsOf } from '../context/flags.js'

/** Another system that runs already. */
export interface NeighbourConfig {
  /** Undefined: it is reached through the NATS of this system. */
  readonly nats?: string
  readonly redis: string
  readonly trust: Trust | 'nobody'
}

export type NeighbourConfigs = Readonly<Record<string, NeighbourConfig>>

export function neighboursOption(configs: NeighbourConfigs): NeighboursOption {
  const all = Object.entries(configs).map(([system, { nats: url, redis: redisUrl, trust }]) => {
    const way = url === undefined ? {} : { transport: nats(natsOptionsOf(url)) }
    return [system, { ...way, udb: redis(redisUrl), trust }] as const
  })
  return all.length === 0 ? {} : { neighbours: Object.fromEntries(all) }
}
