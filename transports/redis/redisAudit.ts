/**
 * The audit in Redis (core/control/audit.ts): a list of entries, and a hash that says where the
 * chain ends and begins.
 */

import { isDigest } from '../../core/base/digest.js'
import { Fault } from '../../core/base/fault.js'
import { type AuditBounds, type AuditHead, auditPageMax, emptyAudit } from '../../core/control/audit.js'
import { bufferOf, type RedisConnection } from './redisConnection.js'
import type { RedisKeys } from './redisKeys.js'

/** Entries leave rarely. */
const readTriesMax = 5

type Keys = Pick<RedisKeys, 'audit' | 'auditHead'>

/**
 * Throws `upgrade.invalid` for what makes no sense: begun anew in its place, the chain would
 * say nothing of what was there.
 */
export async function auditHead(redis: RedisConnection, { auditHead: key }: Keys): Promise<AuditHead> {
  const found = await redis.call((client) => client.hmget(key, 'number', 'hash', 'first', 'log'))
  const [numberText, hash, firstText, log] = found
  if (numberText === null && hash === null) return emptyAudit
  const [number, first] = [Number(numberText), Number(firstText ?? Number.NaN)]
  const isWhole = isPlace(number) && isPlace(first) && first <= number && isDigest(hash)
  if (!isWhole) throw new Fault('upgrade.invalid', `Redis key ${key} holds no number and hash of an audit entry`)
  return { number, hash, first, log: log ?? null }
}

export async function appendAudit(
  redis: RedisConnection,
  { audit, auditHead }: Keys,
  newest: AuditHead,
  bytes: Uint8Array,
  { hash, log }: { readonly hash: string; readonly log: string },
  { entriesMax, bytesMax }: AuditBounds,
): Promise<boolean> {
  const args = [newest.number, newest.hash ?? '', bufferOf(bytes), hash, log, entriesMax, bytesMax]
  return (await redis.run('theseusAppendAudit', [audit, auditHead], ...args)) === 1
}

/**
 * Not by a function: an operator's login may read these keys alone, and a function's keys have
 * to be its own to write.
 */
export async function readAudit(redis: RedisConnection, keys: Keys, from: number, to: number): Promise<readonly Uint8Array[]> {
  for (let tries = 0; ; tries++) {
    const { first } = await auditHead(redis, keys)
    const begin = Math.max(from, first)
    const end = Math.min(to, begin + auditPageMax - 1)
    if (end < begin) return []
    const found = await redis.call((client) => client.lrangeBuffer(keys.audit, begin - first, end - first))
    // The oldest may have left in between: then the places have moved.
    if (tries >= readTriesMax || (await auditHead(redis, keys)).first === first)
      return found.map((entry) => new Uint8Array(entry))
  }
}

function isPlace(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 1
}
