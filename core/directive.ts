/**
 * What an upgrader orders while an upgrade is under way, as a signed document: controls, tables, finality. It names its number, the next after
 * those that were carried out, so that one that was seen can't be ordered again (no replay).
 */
import { type Control, type ControlName, controlKey, isControl } from './control.js'
import { Fault } from './fault.js'
import { isName, isVersion, type Version } from './ids.js'
import { isTableKey, isTableValue } from './tables.js'

export const directiveFormat = 1
export const directiveBytesMax = 128 * 1024
/** Directives that the upgrade database keeps for whoever looks back. */
export const directivesKeptMax = 1000

export type Order =
  | { readonly order: 'set'; readonly control: Control }
  | { readonly order: 'remove'; readonly control: ControlName }
  | { readonly order: 'setInTable'; readonly table: string; readonly key: string; readonly value: string }
  | { readonly order: 'removeFromTable'; readonly table: string; readonly key: string }
  | { readonly order: 'finalize'; readonly version: Version }

export interface Directive {
  readonly format: typeof directiveFormat
  readonly system: string
  /** 1 for the first of the system. */
  readonly number: number
  readonly what: Order
  /** RFC 3339. */
  readonly createdAt: string
  /** The public key of who signed it; null while signatures are not required. */
  readonly upgrader: string | null
}

export function encodeDirective(directive: Directive): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(directive))
}

/** Throws `config.invalid` for what is no directive. */
export function decodeDirective(bytes: Uint8Array): Directive {
  if (bytes.length > directiveBytesMax) throw invalid(`${bytes.length} bytes; at most ${directiveBytesMax} are taken`)
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (error) {
    throw new Fault('config.invalid', 'the directive is not JSON', {}, { cause: error })
  }
  const { format, system, number, what, createdAt, upgrader } = (value ?? {}) as Record<string, unknown>
  if (format !== directiveFormat) throw invalid(`format ${String(format)}; this Theseus reads format ${directiveFormat}`)
  if (!isName(system)) throw invalid('system is missing or wrong')
  if (!Number.isSafeInteger(number) || (number as number) < 1) throw invalid('number is missing or wrong')
  if (typeof createdAt !== 'string') throw invalid('createdAt is missing or wrong')
  if (upgrader !== null && typeof upgrader !== 'string') throw invalid('upgrader is missing or wrong')
  if (!isOrder(what)) throw invalid('it orders nothing that there is')
  return value as Directive
}

function isOrder(value: unknown): value is Order {
  if (typeof value !== 'object' || value === null) return false
  const what = value as Record<string, unknown>
  switch (what.order) {
    case 'set':
      // The gate's memory is the upgrade servers' own.
      return isControl(what.control) && what.control.kind !== 'gate'
    case 'remove':
      return isControlName(what.control)
    case 'setInTable':
      return isName(what.table) && isTableKey(what.key) && isTableValue(what.value)
    case 'removeFromTable':
      return isName(what.table) && isTableKey(what.key)
    case 'finalize':
      return isVersion(what.version)
    default:
      return false
  }
}

function isControlName(value: unknown): value is ControlName {
  const name = (value ?? {}) as Record<string, unknown>
  if (name.kind === 'pause' || name.kind === 'retry') return isVersion(name.version)
  return (name.kind === 'hold' || name.kind === 'now') && isName(name.nodeId)
}

/** As people read it. */
export function describeOrder(what: Order): string {
  switch (what.order) {
    case 'set':
      return controlKey(what.control)
    case 'remove':
      return `no ${controlKey(what.control)}`
    case 'setInTable':
      return `${what.table}: ${what.key} = ${what.value}`
    case 'removeFromTable':
      return `${what.table}: no ${what.key}`
    case 'finalize':
      return `version ${what.version} is final`
  }
}

function invalid(message: string): Fault {
  return new Fault('config.invalid', `directive: ${message}`)
}
