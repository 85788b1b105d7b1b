/**
 * The word of a host about the sharded services that it offers: which shards it has, and how many it would
 * take. A hint for others on where shards go. The logs alone decide who has one.
 */
import { Fault } from '../base/fault.js'
import { formats, isRead } from '../base/formats.js'
import { isName } from '../base/ids.js'
import { shortened } from '../base/thrownText.js'
import { pack, unpack } from '../wire/codec.js'
import { shardsMax } from './shard.js'

export interface ShardTrouble {
  readonly shard: number
  readonly reason: string
}

export interface ServiceOffer {
  readonly service: string
  readonly shards: number
  /** 0: it takes no more, and `waits` says why. */
  readonly capacity: number
  readonly waits: string | null
  /** Shards that it can't run, and those of its own that can't answer now; not all of many. */
  readonly troubles: readonly ShardTrouble[]
  /** The shards that the host has now. */
  readonly owned: readonly number[]
  /** The last acknowledged entry in the log of each of these, as it was when this was told. */
  readonly positions: readonly number[]
  /** Some of these, with the host to which each goes soon: its copy is to follow the log until then. */
  readonly promised: readonly (readonly [shard: number, to: string])[]
  /** Shards of others, of which the host's copy follows the log. */
  readonly followed: readonly number[]
}

export interface HostOffer {
  readonly hostId: string
  /** Of this start of the host. */
  readonly start: string
  /** It takes no more shards, and gives those away that it has. */
  readonly isLeaving: boolean
  /** It asks the others to tell of themselves now. */
  readonly asks: boolean
  readonly services: readonly ServiceOffer[]
}

const servicesMax = 1_000
const textLengthMax = 500
/** A text that was cut says so at its end. */
const textReadLengthMax = 2 * textLengthMax
const troublesMax = 32

export function encodeOffer({ hostId, start, isLeaving, asks, services }: HostOffer): Uint8Array {
  const told = services.map(({ service, shards, capacity, owned, positions, promised, followed, waits, troubles }) => [
    ...[service, shards, capacity, owned, positions, promised, followed],
    waits === null ? null : shortened(waits, textLengthMax),
    troubles.slice(0, troublesMax).map(({ shard, reason }) => [shard, shortened(reason, textLengthMax)]),
  ])
  return pack([formats.offer.newest, hostId, start, isLeaving, asks, told], 'the offer of a host')
}

/** Throws `protocol.bad-envelope`. */
export function decodeOffer(bytes: Uint8Array): HostOffer {
  const fields = read(bytes)
  const [format, hostId, start, isLeaving, asks, services] = fields
  const isWhole =
    isRead(formats.offer, format) &&
    isName(hostId) &&
    isName(start) &&
    typeof isLeaving === 'boolean' &&
    typeof asks === 'boolean' &&
    Array.isArray(services) &&
    services.length <= servicesMax
  if (!isWhole) throw bad()
  return { hostId, start, isLeaving, asks, services: services.map(serviceOffer) }
}

function read(bytes: Uint8Array): readonly unknown[] {
  try {
    const value = unpack(bytes)
    if (Array.isArray(value)) return value
  } catch {}
  throw bad()
}

function serviceOffer(value: unknown): ServiceOffer {
  const fields = Array.isArray(value) ? value : []
  const [service, shards, capacity, owned, positions, promised, followed, waits = null, troubles = []] = fields
  const isShard = (each: unknown) => Number.isInteger(each) && (each as number) >= 0 && (each as number) < shards
  const isWhole =
    isName(service) &&
    Number.isInteger(shards) &&
    shards >= 1 &&
    shards <= shardsMax &&
    typeof capacity === 'number' &&
    capacity >= 0 &&
    capacity <= 1e6 &&
    Array.isArray(owned) &&
    owned.length <= shards &&
    owned.every(isShard) &&
    Array.isArray(positions) &&
    positions.length === owned.length &&
    positions.every((each: unknown) => Number.isSafeInteger(each) && (each as number) >= 0) &&
    Array.isArray(promised) &&
    promised.length <= shards &&
    promised.every((each: unknown) => Array.isArray(each) && each.length === 2 && isShard(each[0]) && isName(each[1])) &&
    Array.isArray(followed) &&
    followed.length <= shards &&
    followed.every(isShard) &&
    (waits === null ? capacity > 0 : capacity === 0 && isText(waits)) &&
    Array.isArray(troubles) &&
    troubles.length <= troublesMax &&
    troubles.every((each: unknown) => Array.isArray(each) && isShard(each[0]) && isText(each[1]))
  if (!isWhole) throw bad()
  return {
    ...{ service, shards, capacity, owned, positions, promised, followed, waits },
    troubles: troubles.map(([shard, reason]: [number, string]) => ({ shard, reason })),
  }
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value.length <= textReadLengthMax
}

function bad(): Fault {
  return new Fault('protocol.bad-envelope', 'the message is not the offer of a host')
}
