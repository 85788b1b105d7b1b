/** Copies of plain data, for what one object hands to another: neither can change what the other has. */
import { bareRecord } from './bareRecord.js'
import { isKey, isPlainDate, isPlainScalar, isRecord, nestingMax, notPlain } from './plain.js'

/** Thrown where data is not plain; the path to it is looked for then. */
const stopped = Symbol('stopped')

/**
 * A copy of plain data that has no part in common with it, as it would have arrived from another node (N1 of
 * `snapshot.ts`). Values that can't change are not copied. Throws `protocol.bad-arguments`.
 */
export function copied<Value>(value: Value, what: string): Value {
  if ((typeof value !== 'object' || value === null) && typeof value !== 'function') return value
  try {
    return copyOf(value, 0, false) as Value
  } catch (thrown) {
    throw thrown === stopped ? notPlain(value, what) : thrown
  }
}

/** The same for a part of a snapshot, which is plain: records of persistent state have no prototype. */
export function copiedState(snapshot: unknown): unknown {
  return copyOf(snapshot, 0, true)
}

function copyOf(value: unknown, depth: number, isBare: boolean): unknown {
  if (typeof value !== 'object') {
    // −0 too.
    if (value === 0) return 0
    if (value === undefined) return null
    if (!isPlainScalar(value)) throw stopped
    return value
  }
  if (value === null) return null
  if (Array.isArray(value)) {
    if (depth >= nestingMax) throw stopped
    const items: unknown[] = []
    for (let i = 0; i < value.length; i++) items.push(copyOf(value[i], depth + 1, isBare))
    return items
  }
  if (isRecord(value)) {
    if (depth >= nestingMax) throw stopped
    const fields = value as Readonly<Record<string, unknown>>
    const copy: Record<string, unknown> = isBare ? bareRecord() : {}
    for (const key of Object.keys(fields)) {
      if (!isKey(key)) throw stopped
      copy[key] = copyOf(fields[key], depth + 1, isBare)
    }
    return copy
  }
  if (value instanceof Uint8Array) return new Uint8Array(value)
  if (!isPlainDate(value)) throw stopped
  return new globalThis.Date(value.getTime())
}
