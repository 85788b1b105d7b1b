/** A node's row as it is kept in Redis: JSON, so that an operator can read it with redis-cli. */
import { isClassName, isName, isVersion } from '../../core/base/ids.js'
import { isInstantMs } from '../../core/base/instant.js'
import { isSoftware } from '../../core/base/level.js'
import { phases } from '../../core/base/phases.js'
import { isMovedRow, isRewindRow, type NodeStatus } from '../../core/model/nodeRow.js'
import { isShardNumber } from '../../core/model/shard.js'
import { jsonText } from './redisJson.js'

const knownPhases: ReadonlySet<unknown> = new Set(phases)

export function encodeRow(status: NodeStatus): string {
  return jsonText(pick(status))
}

/**
 * Undefined for a row that another program, or a Theseus with other phases, wrote: one such row
 * must not hide all others.
 */
export function decodeRow(text: string): NodeStatus | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  return isStatus(value) ? pick(value) : undefined
}

function isStatus(value: unknown): value is NodeStatus {
  if (typeof value !== 'object' || value === null) return false
  const row = value as NodeStatus
  return (
    isName(row.nodeId) &&
    isName(row.service) &&
    isClassName(row.className) &&
    isVersion(row.version) &&
    knownPhases.has(row.phase) &&
    (row.target === null || isVersion(row.target)) &&
    (row.reason === null || typeof row.reason === 'string') &&
    typeof row.hostId === 'string' &&
    (row.directoryId === null || typeof row.directoryId === 'string') &&
    typeof row.since === 'number' &&
    (row.figures === undefined || isFigures(row.figures)) &&
    (row.uses === undefined || (Array.isArray(row.uses) && row.uses.every((used) => typeof used === 'string')))
  )
}

function pick(status: NodeStatus): NodeStatus {
  const {
    nodeId,
    service,
    className,
    version,
    phase,
    target,
    reason,
    hostId,
    directoryId,
    since,
    uses,
    figures,
    software,
    rewind,
  } = status
  const row = { nodeId, service, className, version, phase, target, reason, hostId, directoryId }
  return {
    ...row,
    // A time that nobody can tell would keep an operator from all rows.
    since: isInstantMs(since) ? since : 0,
    ...(isVersion(status.settled) ? { settled: status.settled } : {}),
    ...(isName(status.group) ? { group: status.group } : {}),
    ...(isShardNumber(status.shard) ? { shard: status.shard } : {}),
    ...(isMovedRow(status.moved) ? { moved: status.moved } : {}),
    ...(uses === undefined ? {} : { uses }),
    ...(figures === undefined ? {} : { figures }),
    ...(isSoftware(software) ? { software } : {}),
    ...(isRewindRow(rewind) ? { rewind } : {}),
  }
}

function isFigures(value: unknown): boolean {
  const { ended, threw, timed, tookMs, records } = (value ?? {}) as Record<string, unknown>
  return (
    [ended, threw, timed, tookMs].every((figure) => typeof figure === 'number') &&
    (records === undefined || isRecordsUnmade(records))
  )
}

function isRecordsUnmade(value: unknown): boolean {
  const { passed, left } = (value ?? {}) as Record<string, unknown>
  return (
    typeof passed === 'number' &&
    typeof left === 'object' &&
    left !== null &&
    Object.values(left).every((next) => typeof next === 'string')
  )
}
