/** The shards of a system, as the hosts that offer them tell each other. */
import { decodeOffer, type HostOffer } from '../../core/model/shardOffer.js'
import type { Clock } from '../../core/ports/clock.js'
import type { Transport } from '../../core/ports/transport.js'
import { subjectsOf } from '../../core/wire/subjects.js'
import { sleep } from '../base/timeouts.js'

export interface ShardSeen {
  readonly service: string
  readonly shard: number
  /** The number of shards that the service has. */
  readonly of: number
  /** The host that has it; null while none says so. */
  readonly host: string | null
}

/** Listens for so long, more than two rounds of the hosts. Nobody is asked: it needs no right to publish. */
export async function seeShards(transport: Transport, clock: Clock, system: string, ms: number): Promise<readonly ShardSeen[]> {
  const heard = new Map<string, HostOffer>()
  const subscription = transport.subscribe(subjectsOf(system).offers, ({ payload }) => {
    try {
      const offer = decodeOffer(payload)
      heard.set(offer.hostId, offer)
    } catch {
      // A message of something else tells of no shard.
    }
  })
  await sleep(clock, ms)
  subscription.unsubscribe()
  return shardsOf([...heard.values()])
}

function shardsOf(offers: readonly HostOffer[]): readonly ShardSeen[] {
  const services = new Map<string, (string | null)[]>()
  for (const { hostId, services: offered } of offers)
    for (const { service, shards, owned } of offered) {
      const hosts = services.get(service) ?? new Array<string | null>(shards).fill(null)
      services.set(service, hosts)
      for (const shard of owned) if (shard < hosts.length) hosts[shard] = hostId
    }
  return [...services]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([service, hosts]) => hosts.map((host, shard) => ({ service, shard, of: hosts.length, host })))
}
