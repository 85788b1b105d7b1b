/** The shards of a system, as the hosts that offer them tell each other. */
import { Fault } from '../../core/base/fault.js'
import type { Placement } from '../../core/control/control.js'
import { ranked } from '../../core/model/shard.js'
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

export interface Listening {
  readonly transport: Transport
  readonly clock: Clock
  readonly system: string
}

/** Hears offers until that is ended. Nobody is asked: it needs no right to publish. */
function hear({ transport, system }: Listening, heard: (offer: HostOffer) => void): () => void {
  const subscription = transport.subscribe(subjectsOf(system).offers, ({ payload }) => {
    let offer: HostOffer
    try {
      offer = decodeOffer(payload)
    } catch {
      // A message of something else tells of no shard.
      return
    }
    heard(offer)
  })
  return () => subscription.unsubscribe()
}

/** Listens for so long, more than two rounds of the hosts. */
export async function hearOffers(listening: Listening, ms: number): Promise<readonly HostOffer[]> {
  const heard = new Map<string, HostOffer>()
  const end = hear(listening, (offer) => heard.set(offer.hostId, offer))
  await sleep(listening.clock, ms)
  end()
  return [...heard.values()]
}

/** Resolves with true when the host tells that it has the shard; with false after so long. */
export async function awaitShard(
  listening: Listening,
  { service, shard, hostId }: Pick<Placement, 'service' | 'shard' | 'hostId'>,
  ms: number,
): Promise<boolean> {
  const there = Promise.withResolvers<boolean>()
  const end = hear(listening, (offer) => {
    const isThere =
      offer.hostId === hostId && offer.services.some((each) => each.service === service && each.owned.includes(shard))
    if (isThere) there.resolve(true)
  })
  const cancel = listening.clock.after(ms, () => there.resolve(false))
  try {
    return await there.promise
  } finally {
    cancel()
    end()
  }
}

export function shardsOf(offers: readonly HostOffer[]): readonly ShardSeen[] {
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

/** A shard, and the host to which it is to go; left out: the one that hashing prefers of those without it. */
export interface ShardMove {
  readonly service: string
  readonly shard: number
  readonly to?: string | undefined
}

/**
 * Where the shard goes, of the hosts that were heard. Throws `config.invalid` for a service or a shard that
 * there is not, and for a host that does not offer the service, or is leaving.
 */
export function placeOf(offers: readonly HostOffer[], { service, shard, to }: ShardMove): Pick<Placement, 'hostId' | 'start'> {
  const seen = shardsOf(offers).find((each) => each.service === service && each.shard === shard)
  if (seen === undefined) throw new Fault('config.invalid', noSuchShard(offers, service, shard))
  const candidates = offers.flatMap(({ hostId, start, isLeaving, services }) =>
    isLeaving ? [] : services.flatMap((each) => (each.service === service ? [{ hostId, start, ...each }] : [])),
  )
  const waiting = candidates.find(({ hostId, waits }) => hostId === to && waits !== null)
  if (waiting !== undefined)
    throw new Fault('config.invalid', `host ${to} takes no shards of service ${service} now: ${waiting.waits}`)
  const others = candidates.filter(({ hostId, capacity }) => hostId !== seen.host && capacity > 0)
  const chosen = to === undefined ? ranked(service, shard, others)[0] : candidates.find(({ hostId }) => hostId === to)
  if (chosen !== undefined) return { hostId: chosen.hostId, start: chosen.start }
  const names = (to === undefined ? others : candidates).map(({ hostId }) => hostId).sort()
  const there = names.length === 0 ? 'no other host does' : `${names.join(', ')} ${names.length === 1 ? 'does' : 'do'}`
  throw new Fault(
    'config.invalid',
    `${to === undefined ? 'another host' : `host ${to}`} does not offer service ${service}: ${there}`,
  )
}

function noSuchShard(offers: readonly HostOffer[], service: string, shard: number): string {
  const found = offers.flatMap(({ services }) => services).find((each) => each.service === service)
  return found === undefined
    ? `no host offers a sharded service ${service}`
    : `service ${service} has no shard ${shard}: it has shards 0 to ${found.shards - 1}`
}
