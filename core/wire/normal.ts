/**
 * Makes data the same as its snapshot (N1 of `snapshot.ts`): state that is kept in memory is at once as it
 * would be after a restart. An ordinary object stays the object that it is, for others may refer to it, and a
 * record loses its prototype; anything else is replaced in its place.
 */
import { copiedState } from './copied.js'
import { isRecord } from './plain.js'
import { hasFieldsOnly, isOrdinaryBytes, isOrdinaryInstant, isOrdinaryList } from './snapshot.js'

/** The data itself, mended, or a copy of the snapshot where it can't be mended. */
export function normal(data: unknown, snapshot: unknown): unknown {
  return mended(data, snapshot, new Set())
}

function mended(data: unknown, snapshot: unknown, met: Set<object>): unknown {
  if (typeof data !== 'object' || data === null || typeof snapshot !== 'object' || snapshot === null) return snapshot
  if (met.has(data) || Object.isFrozen(data) || Object.isSealed(data)) return copiedState(snapshot)
  met.add(data)
  if (Array.isArray(data)) return isOrdinary(data) ? withMendedParts(data, snapshot, met) : copiedState(snapshot)
  if (data instanceof Uint8Array) {
    const isShared = met.has(data.buffer)
    met.add(data.buffer)
    return isOrdinaryBytes(data) && !isShared ? data : copiedState(snapshot)
  }
  if (data instanceof globalThis.Date) return isOrdinaryInstant(data) ? data : copiedState(snapshot)
  if (!isRecord(data) || !hasFieldsOnly(data) || !isWritable(data)) return copiedState(snapshot)
  if (Object.getPrototypeOf(data) !== null) Object.setPrototypeOf(data, null)
  return withMendedParts(data, snapshot, met)
}

/** A list with holes is mended by filling them. */
function isOrdinary(list: unknown[]): boolean {
  for (let i = 0; i < list.length; i++) if (!(i in list)) list[i] = null
  return isOrdinaryList(list) && isWritable(list)
}

function isWritable(data: object): boolean {
  return Object.keys(data).every((key) => Object.getOwnPropertyDescriptor(data, key)!.writable === true)
}

function withMendedParts(data: object, snapshot: object, met: Set<object>): object {
  const parts = data as Record<string, unknown>
  for (const [key, value] of Object.entries(snapshot)) {
    const part = mended(parts[key], value, met)
    if (!Object.is(part, parts[key])) parts[key] = part
  }
  return data
}
