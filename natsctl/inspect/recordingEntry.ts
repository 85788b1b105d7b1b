/**
 * The entries of a look at a rollout: what hosts tell, and what the upgrade database and its history add to
 * it. One line of a recording each.
 */

import type { NodeRow, Version } from 'theseus-actors'
import { isSeen, isVersion, type Seen, type StatechartDescription } from 'theseus-actors/operator'

/** A node as the upgrade database has it: all there is of nodes whose host says nothing. */
export interface RowEntry extends Pick<NodeRow, RowKey | 'group' | 'shard'> {
  readonly type: 'row'
  readonly at: number
}

type RowKey = 'nodeId' | 'hostId' | 'service' | 'className' | 'version' | 'phase' | 'target' | 'reason' | 'since' | 'alive'

/** A version that is installed. */
export interface VersionEntry {
  readonly type: 'version'
  readonly at: number
  readonly version: Version
  readonly title: string
  readonly classUpgrades: readonly {
    readonly service: string
    readonly oldClass: string
    readonly newClass: string
    readonly schedule: string
  }[]
}

export type RecordingEntry =
  | Seen
  | RowEntry
  | VersionEntry
  | { readonly type: 'unregistered'; readonly at: number; readonly nodeId: string }
  /** The losses: messages of a host, and reports for which it had no place. */
  | { readonly type: 'lost'; readonly at: number; readonly hostId: string; readonly messages: number; readonly dropped: number }

/** The beginning of a recording. It brings the statechart along: that of whoever reads it may be another. */
export interface RecordingHeader {
  readonly format: typeof recordingFormat
  readonly system: string
  /** Milliseconds since 1970. */
  readonly startedAt: number
  readonly statechart: StatechartDescription
}

export const recordingFormat = 'theseus-inspection/1'

/** A file is not trusted to hold entries as this version writes them. */
export function isEntry(value: unknown): value is RecordingEntry {
  if (isSeen(value)) return true
  if (typeof value !== 'object' || value === null) return false
  const entry = value as Record<string, unknown>
  if (typeof entry.at !== 'number') return false
  switch (entry.type) {
    case 'row':
      return (
        ['nodeId', 'hostId', 'service', 'className', 'phase'].every((key) => typeof entry[key] === 'string') &&
        isVersion(entry.version) &&
        typeof entry.since === 'number' &&
        (entry.group === undefined || typeof entry.group === 'string') &&
        (entry.shard === undefined || Number.isInteger(entry.shard)) &&
        typeof entry.alive === 'boolean'
      )
    case 'version':
      return isVersion(entry.version) && typeof entry.title === 'string' && Array.isArray(entry.classUpgrades)
    case 'unregistered':
      return typeof entry.nodeId === 'string'
    case 'lost':
      return typeof entry.hostId === 'string' && typeof entry.messages === 'number' && typeof entry.dropped === 'number'
    default:
      return false
  }
}

export function isHeader(value: unknown): value is RecordingHeader {
  if (typeof value !== 'object' || value === null) return false
  const { format, system, startedAt, statechart } = value as Record<string, any>
  return (
    format === recordingFormat &&
    typeof system === 'string' &&
    typeof startedAt === 'number' &&
    Array.isArray(statechart?.states) &&
    Array.isArray(statechart?.transitions) &&
    typeof statechart?.initial === 'string'
  )
}

export function rowEntry(row: NodeRow, at: number): RowEntry {
  const { nodeId, hostId, service, className, version, phase, target, reason, since, alive, group, shard } = row
  const entry = { type: 'row', at, nodeId, hostId, service, className, version, phase, target, reason, since, alive } as const
  return { ...entry, ...(group === undefined ? {} : { group }), ...(shard === undefined ? {} : { shard }) }
}
