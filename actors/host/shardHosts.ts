/**
 * The hosts that offer sharded services, as they tell of themselves: who is there, and who has which shard. A
 * host that is silent for two rounds is gone. That is a hint: the logs decide.
 */
import { toFault } from '../../core/base/fault.js'
import type { HostObserver } from '../../core/inspection/hostEvents.js'
import type { Candidate } from '../../core/model/shard.js'
import { decodeOffer, encodeOffer, type HostOffer, type ServiceOffer } from '../../core/model/shardOffer.js'
import type { Clock } from '../../core/ports/clock.js'
import type { Message, Subscription, Transport } from '../../core/ports/transport.js'
import { subjectsOf } from '../../core/wire/subjects.js'
import { Signal } from '../base/signal.js'

/** Hosts that are remembered; one more is not heard. */
const hostsMax = 1_000
/** Services whose logs' positions are remembered. */
const servicesMax = 1_000
const silentRounds = 2

export interface ShardHostsServices {
  readonly transport: Transport
  readonly clock: Clock
  readonly observe: HostObserver
  readonly settings: { readonly system: string; readonly hostId: string; readonly shardOfferMs: number }
}

/** A start of a host. */
export interface Place {
  readonly hostId: string
  readonly start: string
}

interface Heard {
  readonly offer: HostOffer
  readonly ms: number
}

export class ShardHosts {
  /** A host asks all to tell of themselves. */
  readonly asked = new Signal()
  /** A host has other shards than before, promises others, or follows others. */
  readonly moved = new Signal()
  readonly #others = new Map<string, Heard>()
  readonly #positions = new Map<string, Map<number, number>>()
  #subscription: Subscription | undefined

  constructor(
    private readonly services: ShardHostsServices,
    private readonly start: string,
    /** Of other services nothing is remembered. */
    private readonly isOfferedHere: (service: string) => boolean,
  ) {}

  listen(): void {
    const { transport, settings } = this.services
    this.#subscription ??= transport.subscribe(subjectsOf(settings.system).offers, (message) => this.#hear(message))
  }

  tell(services: readonly ServiceOffer[], { isLeaving = false, asks = false } = {}): void {
    const { transport, settings } = this.services
    const offer = { hostId: settings.hostId, start: this.start, isLeaving, asks, services }
    try {
      transport.publish(subjectsOf(settings.system).offers, encodeOffer(offer))
    } catch {
      // The transport is away: the next round comes.
    }
  }

  /** All that would take shards of this service, this host too if it offers any. */
  candidates(service: string, own: number | undefined): readonly Candidate[] {
    const others = [...this.#alive()].flatMap(({ hostId, isLeaving, services }) =>
      isLeaving
        ? []
        : services.flatMap((each) =>
            each.service === service && each.capacity > 0 ? [{ hostId, capacity: each.capacity }] : [],
          ),
    )
    return own === undefined ? others : [...others, { hostId: this.services.settings.hostId, capacity: own }]
  }

  /** Whether this start of a host would take shards of this service. */
  isOffered(service: string, { hostId, start }: Place): boolean {
    if (hostId === this.services.settings.hostId) return start === this.start && this.isOfferedHere(service)
    for (const offer of this.#alive())
      if (offer.hostId === hostId) {
        const offers = offer.services.some((each) => each.service === service && each.capacity > 0)
        return offer.start === start && !offer.isLeaving && offers
      }
    return false
  }

  /** The other host that says that it has the shard. */
  ownerOf(service: string, shard: number): string | undefined {
    for (const { hostId, services } of this.#alive())
      if (services.some((each) => each.service === service && each.owned.includes(shard))) return hostId
    return undefined
  }

  /** Whether the copy of that host follows the shard's log, as it says. */
  isFollowed(service: string, shard: number, by: string): boolean {
    return this.#says(by, (each) => each.service === service && each.followed.includes(shard))
  }

  /** Whether its owner, as it says, gives the shard to this host soon. */
  isPromised(service: string, shard: number): boolean {
    const owner = this.ownerOf(service, shard)
    const { hostId } = this.services.settings
    const isMine = ([number, to]: readonly [number, string]) => number === shard && to === hostId
    return owner !== undefined && this.#says(owner, (each) => each.service === service && each.promised.some(isMine))
  }

  #says(hostId: string, about: (offer: ServiceOffer) => boolean): boolean {
    for (const offer of this.#alive()) if (offer.hostId === hostId) return offer.services.some(about)
    return false
  }

  /** The newest entry of a shard's log that some owner has told of; 0: none. */
  positionOf(service: string, shard: number): number {
    return this.#positions.get(service)?.get(shard) ?? 0
  }

  #note({ services }: HostOffer): void {
    for (const { service, owned, positions } of services) {
      const known = this.#positions.get(service) ?? new Map<number, number>()
      if (!this.#positions.has(service) && this.#positions.size >= servicesMax) continue
      this.#positions.set(service, known)
      for (const [i, shard] of owned.entries()) known.set(shard, Math.max(known.get(shard) ?? 0, positions[i]!))
    }
  }

  close(): void {
    this.#subscription?.unsubscribe()
    this.#subscription = undefined
  }

  *#alive(): Iterable<HostOffer> {
    const { clock, settings } = this.services
    const sinceMs = clock.monotonicMs() - silentRounds * settings.shardOfferMs
    for (const { offer, ms } of this.#others.values()) if (ms > sinceMs) yield offer
  }

  #hear(message: Message): void {
    const { clock, observe, settings } = this.services
    try {
      const told = decodeOffer(message.payload)
      const offer = { ...told, services: told.services.filter(({ service }) => this.isOfferedHere(service)) }
      if (offer.hostId === settings.hostId) return
      if (!this.#others.has(offer.hostId) && this.#others.size >= hostsMax) this.#forget()
      this.#note(offer)
      const before = this.#others.get(offer.hostId)
      if (before !== undefined || this.#others.size < hostsMax) this.#others.set(offer.hostId, { offer, ms: clock.monotonicMs() })
      if (before === undefined || !hasSameShards(before.offer, offer)) this.moved.emit()
      if (offer.asks) this.asked.emit()
    } catch (error) {
      observe({ type: 'deadLetter', subject: message.subject, fault: toFault(error, 'protocol.bad-envelope') })
    }
  }

  #forget(): void {
    const alive = new Set([...this.#alive()].map(({ hostId }) => hostId))
    for (const hostId of this.#others.keys()) if (!alive.has(hostId)) this.#others.delete(hostId)
  }
}

function hasSameShards(a: HostOffer, b: HostOffer): boolean {
  const told = ({ services }: HostOffer) =>
    services.map(({ service, owned, promised, followed }) => `${service} ${owned.join()} ${promised.join()} ${followed.join()}`)
  return a.isLeaving === b.isLeaving && told(a).join(';') === told(b).join(';')
}
