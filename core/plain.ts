/**
 * What may cross the border of an object: into an envelope, into persistent state. Plain data only. MessagePack libraries change Set, Map,
 * Error and class instances silently, so they are refused here, with the path to them.
 */
import { Fault } from './fault.js'

export const nestingMax = 64

/** Throws `protocol.bad-arguments` unless `value` is plain: null, booleans, numbers, strings, bytes, dates, arrays and plain objects of these. */
export function checkPlain(value: unknown, what: string): void {
  walk(value, what, 0)
}

function walk(value: unknown, path: string, depth: number): void {
  switch (typeof value) {
    case 'string':
    case 'number':
    case 'boolean':
    case 'undefined':
      return
    case 'object':
      if (value !== null) walkObject(value, path, depth)
      return
    case 'bigint':
    case 'function':
    case 'symbol':
      throw refused(path, `a ${typeof value}`)
  }
}

function walkObject(value: object, path: string, depth: number): void {
  if (depth >= nestingMax) throw refused(path, `nested deeper than ${nestingMax}`)
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const item = value[i]
      if (typeof item === 'object' && item !== null) walk(item, `${path}[${i}]`, depth + 1)
      else walk(item, path, depth)
    }
    return
  }
  const prototype = Object.getPrototypeOf(value)
  if (prototype === Object.prototype || prototype === null) {
    for (const key in value) {
      const item = (value as Record<string, unknown>)[key]
      if (typeof item === 'object' && item !== null) walk(item, `${path}.${key}`, depth + 1)
      else walk(item, `${path}.${key}`, depth)
    }
    return
  }
  if (value instanceof Uint8Array || value instanceof globalThis.Date) return
  throw refused(path, `a ${value.constructor?.name ?? 'class instance'}`)
}

function refused(path: string, found: string): Fault {
  return new Fault(
    'protocol.bad-arguments',
    `${path} is ${found}: use null, booleans, numbers, strings, bytes, dates, arrays and plain objects`,
    { path },
  )
}
