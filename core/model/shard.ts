/**
 * The shards of a service: a fixed share of its nodes each, by a hash of the node's id. Callers compute the
 * shard, so the hash is a part of the protocol (docs/protocol.md, "Shards").
 */
import { Fault } from '../base/fault.js'
import { creatorsOf, type MethodKind } from './methods.js'
import type { ClassDescription, NodeClass } from './nodeObject.js'

export const shardsMax = 4_096

/** FNV-1a over the id's characters, which are ASCII, and the finalizer of MurmurHash3: 32 bits. */
export function shardHash(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  hash ^= hash >>> 16
  hash = Math.imul(hash, 0x85ebca6b)
  hash ^= hash >>> 13
  hash = Math.imul(hash, 0xc2b2ae35)
  hash ^= hash >>> 16
  return hash >>> 0
}

export function shardOf(nodeId: string, shards: number): number {
  return shardHash(nodeId) % shards
}

/** Whether a service can have a shard of this number. */
export function isShardNumber(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < shardsMax
}

/** Throws `config.invalid` for a number of shards that can't be. */
export function checkShards(shards: unknown, className: string): number | null {
  if (shards === undefined) return null
  if (Number.isInteger(shards) && (shards as number) >= 1 && (shards as number) <= shardsMax) return shards as number
  throw new Fault('config.invalid', `${className}: shards is a whole number from 1 to ${shardsMax}`)
}

/** A host that offers to run shards of a service. */
export interface Candidate {
  readonly hostId: string
  /** Its share beside the others': 2 for twice as much. Above 0. */
  readonly capacity: number
}

/**
 * The candidates for a shard, the preferred first (weighted rendezvous hashing): one that comes or goes moves
 * its own share, and nothing else. The host at which the shard is placed is before all.
 */
export function ranked<C extends Candidate>(
  service: string,
  shard: number,
  candidates: readonly C[],
  placedAt?: string,
): readonly C[] {
  const scored = candidates.map((candidate) => {
    const chance = (shardHash(`${service}/${shard}/${candidate.hostId}`) + 1) / (2 ** 32 + 1)
    return { candidate, score: -candidate.capacity / Math.log(chance) }
  })
  const isPlaced = ({ candidate }: (typeof scored)[number]) => Number(candidate.hostId === placedAt)
  scored.sort((a, b) => isPlaced(b) - isPlaced(a) || b.score - a.score || (a.candidate.hostId < b.candidate.hostId ? -1 : 1))
  return scored.map(({ candidate }) => candidate)
}

/** A host that has a fifth more than its share gives shards away. */
const excessMax = 1.2

/**
 * The shards that this host gives away now, each with the host that is to have it: those that another one is
 * preferred for, while it has more than a fifth above its share; at most `most`. One that an operator has
 * placed here stays, and counts. One that is placed elsewhere is not looked at here.
 */
export function movesFrom(
  service: string,
  shards: number,
  hostId: string,
  owned: readonly number[],
  candidates: readonly Candidate[],
  most: number,
  placedAt: (shard: number) => string | undefined = () => undefined,
): readonly (readonly [shard: number, to: string])[] {
  const me = candidates.find((candidate) => candidate.hostId === hostId)
  if (me === undefined || candidates.length < 2) return []
  const total = candidates.reduce((sum, { capacity }) => sum + capacity, 0)
  const share = (shards * me.capacity) / total
  let excess = owned.length - Math.max(1, Math.ceil(share * excessMax))
  const moves: (readonly [number, string])[] = []
  for (const shard of owned) {
    if (excess <= 0 || moves.length >= most) break
    if (placedAt(shard) !== undefined) continue
    const [first] = ranked(service, shard, candidates)
    if (first === undefined || first.hostId === hostId) continue
    moves.push([shard, first.hostId])
    excess--
  }
  return moves
}

/**
 * How nodes of a sharded service begin, as their class says. Throws `config.invalid`, saying what to change.
 */
export function birthOf(
  definition: NodeClass,
  methods: ReadonlyMap<string, MethodKind>,
  className: string,
): Pick<ClassDescription, 'birth' | 'creating'> {
  const marked = creatorsOf(definition.prototype, methods.keys())
  const { birth, shards } = definition as { readonly birth?: unknown; readonly shards?: unknown }
  const wrong = (message: string) => new Fault('config.invalid', `${className}: ${message}`)
  if (birth === undefined) {
    if (marked.size > 0)
      throw wrong(`${[...marked][0]} creates nodes: the class needs "static override readonly birth = 'explicit'"`)
    return { birth: 'command', creating: new Set([...methods].flatMap(([name, kind]) => (kind === 'command' ? [name] : []))) }
  }
  if (birth !== 'explicit') throw wrong(`birth is 'explicit', or left out`)
  if (shards === undefined) throw wrong(`birth = 'explicit' is for sharded services: host.node() makes any other node`)
  if (marked.size === 0) throw wrong('nothing makes its nodes: mark a command with @command({ creates: true })')
  return { birth, creating: marked }
}
