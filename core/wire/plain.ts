/**
 * The values that may cross the border of an object: into an envelope, into persistent state. Plain data
 * only. MessagePack libraries change Set, Map, Error and class instances silently, so they are refused here,
 * with the path to them.
 */
import { shownName, shownPath } from '../base/boundedText.js'
import { Fault } from '../base/fault.js'
import { isPromiseIgnored } from '../base/maybePromise.js'
import { isWellFormed } from '../base/text.js'

/** Levels of lists and records. Bytes and instants are values in them. */
export const nestingMax = 64

/**
 * Throws `protocol.bad-arguments` unless `value` is plain: null, booleans, numbers, strings, bytes, dates,
 * arrays and plain objects of these.
 */
export function checkPlain(value: unknown, what: string): void {
  const fault = whyNotPlain(value, what)
  if (fault !== undefined) throw fault
}

/** The same, as a fault. */
export function whyNotPlain(value: unknown, what: string): Fault | undefined {
  return isPlain(value, 0) ? undefined : notPlain(value, what)
}

/**
 * For a value that is known not to be plain, with the path to what is wrong. It is looked for only here:
 * paths cost more than a check. `levelsMax`: as deep as it may be nested.
 */
export function notPlain(value: unknown, what: string, levelsMax = nestingMax): Fault {
  const found = find(value, nestingMax - levelsMax, levelsMax)
  return found === undefined ? refused(what, 'not the same each time it is read') : refused(pathOf(what, found.way), found.what)
}

function isPlain(value: unknown, depth: number): boolean {
  return typeof value === 'object' && value !== null ? isPlainObject(value, depth) : isPlainScalar(value)
}

/** Of anything but an object whether it is plain. */
export function isPlainScalar(value: unknown): boolean {
  switch (typeof value) {
    case 'string':
      // Text is UTF-8 on the wire: other languages can't read half a surrogate pair.
      return isWellFormed(value)
    case 'number':
    case 'boolean':
    case 'undefined':
      return true
    case 'object':
      return value === null
    case 'bigint':
    case 'function':
    case 'symbol':
      return false
  }
}

function isPlainObject(value: object, depth: number): boolean {
  if (Array.isArray(value)) {
    if (depth >= nestingMax) return false
    for (let i = 0; i < value.length; i++) if (!isPlain(value[i], depth + 1)) return false
    return true
  }
  if (isRecord(value)) {
    if (depth >= nestingMax) return false
    for (const key in value) if (!isKey(key) || !isPlain((value as Record<string, unknown>)[key], depth + 1)) return false
    return true
  }
  return value instanceof Uint8Array || isPlainDate(value)
}

/**
 * Throws `protocol.bad-arguments` for plain data that is no record, as the root of a persistent state: the
 * object could not go on with it.
 */
export function checkRoot(root: unknown, what: string): void {
  if (typeof root === 'object' && root !== null && isRecord(root)) return
  const found = Array.isArray(root) ? 'a list' : `${root}`
  throw new Fault('protocol.bad-arguments', `${what} is ${found}: it has to be a record, as {}`, { path: what })
}

export function isPlainDate(value: object): value is globalThis.Date {
  return value instanceof globalThis.Date && !Number.isNaN(value.getTime())
}

export function isRecord(value: object): boolean {
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/** `__proto__` would arrive under another name. */
export function isKey(key: string): boolean {
  return key !== '__proto__' && isWellFormed(key)
}

/** A value that is not plain, and the way to it, the last step first. */
interface Odd {
  readonly what: string
  readonly way: (string | number)[]
}

/**
 * Nothing where all is plain. Each value is looked at once: what comes from others may be as
 * large as a message.
 */
function find(value: unknown, depth: number, levelsMax: number): Odd | undefined {
  if (typeof value === 'string') return isWellFormed(value) ? undefined : odd('text with half a surrogate pair')
  if (typeof value !== 'object' || value === null) return isPlainScalar(value) ? undefined : odd(`a ${typeof value}`)
  if (depth >= nestingMax && (Array.isArray(value) || isRecord(value))) return odd(`nested deeper than ${levelsMax}`)
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const found = find(value[i], depth + 1, levelsMax)
      if (found !== undefined) return onTheWay(found, i)
    }
    return undefined
  }
  if (isRecord(value)) {
    for (const [key, item] of Object.entries(value)) {
      if (!isKey(key)) return odd(`a record with the key ${shownName(JSON.stringify(key))}`)
      const found = find(item, depth + 1, levelsMax)
      if (found !== undefined) return onTheWay(found, key)
    }
    return undefined
  }
  if (isPlainObject(value, depth)) return undefined
  if (isPromiseIgnored(value)) return odd('a Promise that was not awaited')
  return odd(
    value instanceof globalThis.Date ? 'an invalid Date' : `a ${shownName(String(value.constructor?.name ?? 'class instance'))}`,
  )
}

function odd(what: string): Odd {
  return { what, way: [] }
}

function onTheWay(found: Odd, step: string | number): Odd {
  found.way.push(step)
  return found
}

function pathOf(what: string, way: readonly (string | number)[]): string {
  return way.reduceRight<string>((path, step) => path + (typeof step === 'number' ? `[${step}]` : `.${shownName(step)}`), what)
}

function refused(way: string, found: string): Fault {
  const path = shownPath(way)
  return new Fault(
    'protocol.bad-arguments',
    `${path} is ${found}: use null, booleans, numbers, strings, bytes, dates, arrays and plain objects`,
    { path },
  )
}
