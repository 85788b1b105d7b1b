/** A shard as a host sees it that offers its service. */
import type { OwnedShard } from '../shards/ownedShard.js'
import type { ShardClaim } from '../shards/shardClaim.js'
import type { Shard } from './shard.js'

/**
 * - `elsewhere`: another has it, or is to have it. `opening`: its log is being opened.
 * - `claiming`: its log is watched, until it is free.
 * - `restoring`, `owned`, `promised` to another, `leaving`: it is this host's.
 * - `failed`: its log can't be used; an operator is told why.
 */
export type HostedShard =
  | { readonly state: 'elsewhere' | 'opening' }
  | { readonly state: 'claiming'; readonly claim: ShardClaim; readonly sinceMs: number }
  | { readonly state: 'restoring'; readonly owned: OwnedShard }
  | { readonly state: 'owned' | 'promised' | 'leaving'; readonly shard: Shard }
  | { readonly state: 'failed'; readonly reason: string }

export const elsewhere: HostedShard = { state: 'elsewhere' }

type Served = Extract<HostedShard, { readonly state: 'owned' | 'promised' | 'leaving' }>

/** Others hear of it as this host's. */
export function isServed(hosted: HostedShard): hosted is Served {
  return hosted.state === 'owned' || hosted.state === 'promised'
}
