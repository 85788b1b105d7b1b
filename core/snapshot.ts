/**
 * Snapshots of plain data: what state was, kept while it changes. A snapshot is never changed itself and has no part in common with the data
 * it was taken of, but all parts that are unchanged with the snapshot before. Taking one compares and copies; nothing is packed.
 */
import { isKey, isPlainDate, isPlainScalar, isRecord, nestingMax, notPlain } from './plain.js'

/** Thrown where data is not plain; the path to it is looked for then. */
const stopped = Symbol('stopped')

/** The snapshot of `data`: `before` itself if nothing has changed since. Throws `protocol.bad-arguments` unless the data is plain. */
export function snapshotOf(data: unknown, before: unknown, what: string): unknown {
  try {
    return taken(data, before, 0)
  } catch (thrown) {
    throw thrown === stopped ? notPlain(data, what) : thrown
  }
}

function taken(value: unknown, before: unknown, depth: number): unknown {
  // Of numbers NaN too; 0 and −0 are packed alike.
  if (typeof value !== 'object' && (value === before || Object.is(value, before))) return before
  if (typeof value !== 'object' || value === null) {
    if (!isPlainScalar(value)) throw stopped
    return value
  }
  if (depth >= nestingMax) throw stopped
  if (Array.isArray(value)) return list(value, Array.isArray(before) ? before : undefined, depth)
  if (isRecord(value)) {
    const isAlike = typeof before === 'object' && before !== null && isRecord(before)
    return record(value as Fields, isAlike ? (before as Fields) : undefined, depth)
  }
  if (value instanceof Uint8Array) return bytes(value, before)
  return instant(value, before)
}

type Fields = Readonly<Record<string, unknown>>

function list(value: readonly unknown[], before: readonly unknown[] | undefined, depth: number): readonly unknown[] {
  let copy = before?.length === value.length ? undefined : ([] as unknown[])
  for (let i = 0; i < value.length; i++) {
    const old = before?.[i]
    const item = taken(value[i], old, depth + 1)
    if (copy !== undefined) copy.push(item)
    else if (!Object.is(item, old)) {
      copy = before!.slice(0, i)
      copy.push(item)
    }
  }
  return copy ?? before!
}

/** The order of the fields counts: they are packed in it. */
function record(value: Fields, before: Fields | undefined, depth: number): Fields {
  const keys = before === undefined ? [] : Object.keys(before)
  let copy: Record<string, unknown> | undefined = before === undefined ? {} : undefined
  let count = 0
  for (const key in value) {
    const isInPlace = keys[count] === key
    if (!isInPlace && !isKey(key)) throw stopped
    const old = before?.[key]
    const item = taken(value[key], old, depth + 1)
    if (copy === undefined && (!isInPlace || !Object.is(item, old))) copy = firstOf(before!, keys, count)
    if (copy !== undefined) copy[key] = item
    count++
  }
  return copy ?? (count === keys.length ? before! : firstOf(before!, keys, count))
}

function firstOf(fields: Fields, keys: readonly string[], count: number): Record<string, unknown> {
  const first: Record<string, unknown> = {}
  for (let i = 0; i < count; i++) first[keys[i]!] = fields[keys[i]!]
  return first
}

function bytes(value: Uint8Array, before: unknown): Uint8Array {
  return before instanceof Uint8Array && Buffer.compare(value, before) === 0 ? before : new Uint8Array(value)
}

function instant(value: object, before: unknown): object {
  if (!isPlainDate(value)) throw stopped
  if (before instanceof globalThis.Date && before.getTime() === value.getTime()) return before
  return new globalThis.Date(value.getTime())
}
