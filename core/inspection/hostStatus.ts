/** A host and its nodes as they are at one moment, for health checks, metrics and discovery. */
import type { Version } from '../base/ids.js'
import { notServing, type Phase } from '../base/phases.js'
import type { RecordsUnmade } from '../model/nodeRow.js'
import type { TransportStatus } from '../ports/transport.js'
import type { Trusts } from '../trust/trustMark.js'

export interface NodeSnapshot {
  readonly id: string
  readonly service: string
  readonly className: string
  readonly version: Version
  readonly phase: Phase
  /** The upgrade under way, or null. */
  readonly target: Version | null
  readonly reason: string | null
  /** Whether its mailbox is open, and its version alive. */
  readonly isServing: boolean
  /** Calls that wait for their turn; held ones while it does not serve. */
  readonly waiting: number
  /** Calls of versions that it does not know yet: held until it does. */
  readonly fetching: number
  /** Since it started here. */
  readonly answered: number
  readonly failed: number
  readonly expired: number
  /** Records that are still to be made (§8); null: none. */
  readonly records: RecordsUnmade | null
}

/** Comings and goings of shards here since the service was offered. */
export interface ShardCounts {
  /** Shards that came by a hand over, or were nobody's; and by the loss of their owner. */
  readonly claimed: number
  readonly takenOver: number
  /** Shards that were left to others, and those that another host has taken. */
  readonly handedOver: number
  readonly lost: number
  /** How often an owned shard was silent since its lease had run out. */
  readonly lapses: number
  /** Commits of nodes, and the bytes of their keys and values. */
  readonly commits: number
  readonly bytes: number
}

/** A sharded service that the host offers. */
export interface OfferSnapshot {
  readonly service: string
  /** The number of shards that the service has. */
  readonly shards: number
  /** Those that this host has. */
  readonly owned: readonly number[]
  /** Nodes of these that have an object in memory. */
  readonly awake: number
  /** Those whose logs it can't use. */
  readonly failed: readonly { readonly shard: number; readonly reason: string }[]
  readonly counts: ShardCounts
  /** Why it takes no shards now; null: it does. */
  readonly waits: string | null
}

export interface HostStatus {
  readonly hostId: string
  readonly system: string
  readonly isStopped: boolean
  readonly transport: TransportStatus
  /** Subjects on which it should listen, and the other side of the transport does not let it. */
  readonly refused: readonly string[]
  /**
   * The trust that it is told of, and why the upgrade server refuses it for that, if it does. Left out where
   * nothing is told of it.
   */
  readonly trust?: Trusts & { readonly refusal: string | null }
  /** The newest version that the host has heard of. */
  readonly newestVersion: Version
  /** Calls made here that wait for their answer. */
  readonly openCalls: number
  /** Nodes that are on their way to serve for the first time. */
  readonly starting: readonly string[]
  readonly nodes: readonly NodeSnapshot[]
  /** Left out where it offers no sharded service. */
  readonly offers?: readonly OfferSnapshot[]
}

/** The subjects are bounded: ten thousand nodes may be refused at once. */
export function refusedReason(subjects: readonly string[]): string {
  const more = subjects.length - 3
  const shown = `${subjects.slice(0, 3).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
  return `the transport does not let the host listen on ${shown}: correct the permissions of its login`
}

/**
 * Why a host should be sent no work for now; empty when it is ready. Nodes that upgrade by plan, and those
 * whose upgrade is stalled, are no reason.
 */
export function reasonsNotReady({
  isStopped,
  transport,
  refused,
  trust,
  starting,
  nodes,
  offers = [],
}: HostStatus): readonly string[] {
  const reasons: string[] = []
  if (isStopped) reasons.push('the host is stopping')
  if (transport !== 'connected') reasons.push(`the transport is ${transport}`)
  if (refused.length > 0) reasons.push(refusedReason(refused))
  if (trust !== undefined && trust.refusal !== null) reasons.push(`the upgrade server refuses the host: ${trust.refusal}`)
  for (const { service, waits } of offers) if (waits !== null) reasons.push(`it takes no shards of service ${service}: ${waits}`)
  for (const id of starting) reasons.push(`node ${id} is starting`)
  for (const { id, phase, reason, isServing } of nodes) {
    if (phase === 'failed') reasons.push(`node ${id} has failed: ${reason}`)
    else if (!isServing && !notServing.has(phase)) reasons.push(`node ${id} does not serve`)
  }
  return reasons
}
