/**
 * Snapshots of plain data: what state was, kept while it changes. A snapshot is never changed itself and has
 * no part in common with the data it was taken of, but all parts that are unchanged with the snapshot before.
 * Taking one compares and copies; nothing is packed.
 *
 * N1. A snapshot is what its packed form gives back (docs/guide.md, "Plain data"): `undefined` and holes are
 * null in it, −0 is 0, `Buffer` is `Uint8Array`, and what is no field or item is left out. Records of the
 * data have no prototype, as those that come from the disk. `normal.ts` makes the data the same.
 */
import { isKey, isPlainDate, isPlainScalar, isRecord, nestingMax, notPlain } from './plain.js'

/** Thrown where data is not plain; the path to it is looked for then. */
const stopped = Symbol('stopped')

/**
 * The parts of the data to look at, beside the values that the snapshot has: that takes longer
 * than to compare them.
 */
export type Thoroughness = 'values' | 'what is new' | 'everything'

/** One walk through data, and what it found. */
export class Walk {
  /** Something in the data is not as the snapshot has it (N1). */
  isOdd = false
  /** The objects that were met, where that is looked at: an object in two places comes back as two. */
  readonly #met: Set<object> | undefined

  constructor(private readonly looksAt: Thoroughness) {
    if (looksAt === 'everything') this.#met = new Set()
  }

  meets(value: object): void {
    if (this.#met === undefined) return
    if (this.#met.has(value)) this.isOdd = true
    else this.#met.add(value)
  }

  /** `isNew`: there was nothing like it in its place. */
  isThorough(isNew: boolean): boolean {
    return this.looksAt === 'everything' || (isNew && this.looksAt === 'what is new')
  }
}

/**
 * The snapshot of `data`: `before` itself if nothing has changed since. Throws `protocol.bad-arguments`
 * unless the data is plain.
 */
export function snapshotOf(data: unknown, before: unknown, what: string, walk = new Walk('values')): unknown {
  try {
    return taken(data, before, 0, walk)
  } catch (thrown) {
    throw thrown === stopped ? notPlain(data, what) : thrown
  }
}

function taken(value: unknown, before: unknown, depth: number, walk: Walk): unknown {
  if (typeof value !== 'object') return scalar(value, before, walk)
  if (value === null) return null
  walk.meets(value)
  if (Array.isArray(value)) return list(value, Array.isArray(before) ? before : undefined, depth, walk)
  if (isRecord(value)) {
    const isAlike = typeof before === 'object' && before !== null && isRecord(before)
    return record(value as Fields, isAlike ? (before as Fields) : undefined, depth, walk)
  }
  if (value instanceof Uint8Array) return bytes(value, before, walk)
  return instant(value, before, walk)
}

function scalar(value: unknown, before: unknown, walk: Walk): unknown {
  if (value === before && value !== 0 && value !== undefined) return before
  if (value === 0) {
    // −0 too.
    if (1 / (value as number) < 0) walk.isOdd = true
    return 0
  }
  if (value === undefined) {
    walk.isOdd = true
    return null
  }
  // NaN.
  if (Object.is(value, before)) return before
  if (!isPlainScalar(value)) throw stopped
  return value
}

type Fields = Readonly<Record<string, unknown>>

function list(value: readonly unknown[], before: readonly unknown[] | undefined, depth: number, walk: Walk): readonly unknown[] {
  if (depth >= nestingMax) throw stopped
  let copy = before?.length === value.length ? undefined : ([] as unknown[])
  for (let i = 0; i < value.length; i++) {
    const old = before?.[i]
    const item = taken(value[i], old, depth + 1, walk)
    if (copy !== undefined) copy.push(item)
    else if (!Object.is(item, old)) {
      copy = before!.slice(0, i)
      copy.push(item)
    }
  }
  if (walk.isThorough(before === undefined) && !isOrdinaryList(value)) walk.isOdd = true
  return copy ?? before!
}

/** The order of the fields counts: they are packed in it. */
function record(value: Fields, before: Fields | undefined, depth: number, walk: Walk): Fields {
  if (depth >= nestingMax) throw stopped
  const keys = before === undefined ? [] : Object.keys(before)
  const olds = before === undefined ? [] : Object.values(before)
  let copy: Record<string, unknown> | undefined = before === undefined ? {} : undefined
  let isInPlace = true
  let count = 0
  for (const key in value) {
    if (isInPlace && keys[count] !== key) {
      isInPlace = false
      copy = firstOf(copy ?? before!, keys, count)
    }
    if (isInPlace) {
      const item = taken(value[key], olds[count], depth + 1, walk)
      if (!Object.is(item, olds[count])) {
        // A copy of all fields takes a fraction of the time that setting each takes.
        copy ??= { ...before }
        copy[key] = item
      }
    } else {
      if (!isKey(key)) throw stopped
      copy![key] = taken(value[key], before?.[key], depth + 1, walk)
    }
    count++
  }
  if (walk.isThorough(before === undefined) && !isOrdinaryRecord(value, count)) walk.isOdd = true
  return isInPlace && count < keys.length ? firstOf(copy ?? before!, keys, count) : (copy ?? before!)
}

function firstOf(fields: Fields, keys: readonly string[], count: number): Record<string, unknown> {
  if (count === keys.length) return { ...fields }
  const first: Record<string, unknown> = {}
  for (let i = 0; i < count; i++) first[keys[i]!] = fields[keys[i]!]
  return first
}

function bytes(value: Uint8Array, before: unknown, walk: Walk): Uint8Array {
  const isSame = before instanceof Uint8Array && Buffer.compare(value, before) === 0
  if (walk.isThorough(!isSame)) {
    // Two views of one buffer change together.
    walk.meets(value.buffer)
    if (!isOrdinaryBytes(value)) walk.isOdd = true
  }
  return isSame ? before : new Uint8Array(value)
}

function instant(value: object, before: unknown, walk: Walk): object {
  if (!isPlainDate(value)) throw stopped
  const isSame = before instanceof globalThis.Date && before.getTime() === value.getTime()
  if (walk.isThorough(!isSame) && !isOrdinaryInstant(value)) walk.isOdd = true
  return isSame ? before : new globalThis.Date(value.getTime())
}

// --- Whether there is nothing to an object that a snapshot has not

function isOrdinaryRecord(value: object, fields = Object.keys(value).length): boolean {
  return Object.getPrototypeOf(value) === null && hasFieldsOnly(value, fields)
}

/** Beside its prototype there is nothing to it but fields. */
export function hasFieldsOnly(value: object, fields = Object.keys(value).length): boolean {
  const keys = Reflect.ownKeys(value)
  return keys.length === fields && keys.every((key) => isDataField(value, key))
}

function isDataField(value: object, key: PropertyKey): boolean {
  const field = Object.getOwnPropertyDescriptor(value, key)!
  return 'value' in field && field.enumerable === true
}

export function isOrdinaryList(value: readonly unknown[]): boolean {
  if (Object.getPrototypeOf(value) !== Array.prototype) return false
  const keys = Reflect.ownKeys(value)
  // Beside its items it has its length.
  if (keys.length !== value.length + 1) return false
  for (let i = 0; i < value.length; i++) if (!isDataField(value, i)) return false
  return true
}

export function isOrdinaryBytes(value: Uint8Array): boolean {
  if (Object.getPrototypeOf(value) !== Uint8Array.prototype || value.buffer.byteLength !== value.byteLength) return false
  // Others can write to shared memory, and a buffer may grow.
  if (!(value.buffer instanceof ArrayBuffer) || value.buffer.resizable) return false
  // Their keys are all of their indices: of many they are not looked at.
  return value.length > bytesLookedAtMax || Reflect.ownKeys(value).length === value.length
}

const bytesLookedAtMax = 1_024

export function isOrdinaryInstant(value: object): boolean {
  return Object.getPrototypeOf(value) === globalThis.Date.prototype && Reflect.ownKeys(value).length === 0
}
