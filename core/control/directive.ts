/**
 * An upgrader's order while an upgrade is under way, as a signed document: controls, tables, finality.
 *
 * D1. A directive is counted and carried out in one step, or neither.
 * D2. No directive is carried out twice, whatever the upgrade database has lost. It names its number, the
 *     head of the history, and the log that counts it. A database that has lost something has another log.
 */

import { isDigest } from '../base/digest.js'
import { Fault } from '../base/fault.js'
import { formats, isRead, numbersRead } from '../base/formats.js'
import { isName, isVersion, type Version } from '../base/ids.js'
import { isTableKey, isTableValue } from '../model/tables.js'
import { isIdentity } from '../trust/trustRoot.js'
import { type CallRecording, describeRecording, isCallRecording } from './callRecording.js'
import {
  type Control,
  type ControlName,
  controlKey,
  controlReasonLengthMax,
  homeText,
  isControl,
  isShardName,
} from './control.js'

export const directiveFormat = 2
/** Names the identity of the system as well. */
export const identifiedDirectiveFormat = 3
/** Names no head and no log; that of upgraders of release 0.1.0. */
export const firstDirectiveFormat = 1
export const directiveBytesMax = 128 * 1024
/** Directives that the upgrade database keeps for whoever looks back. */
export const directivesKeptMax = 1000

export type Order =
  | { readonly order: 'set'; readonly control: Control }
  | { readonly order: 'remove'; readonly control: ControlName }
  | { readonly order: 'setInTable'; readonly table: string; readonly key: string; readonly value: string }
  | { readonly order: 'removeFromTable'; readonly table: string; readonly key: string }
  | { readonly order: 'finalize'; readonly version: Version }
  /**
   * A node that will not come back leaves, with its permit and what it was told. Release 0.1.0
   * does not know it, and refuses it.
   */
  | { readonly order: 'forget'; readonly nodeId: string }
  /**
   * A copy of the upgrade database is taken, or what it is missing is given back from one: counted, and in
   * the audit, and nothing else. `digest` is the file's, `version` the newest in it. Release 0.1.0 does not
   * know them, and refuses them.
   */
  | { readonly order: 'backup' | 'restore'; readonly digest: string; readonly version: Version }
  /**
   * Hosts tell a sample of calls to a viewer. For upgrade servers it is counted, and in the audit; the viewer
   * shows it to the hosts. Releases before 0.2.0 do not know it, and refuse it.
   */
  | { readonly order: 'record'; readonly recording: CallRecording }

interface AnyDirective {
  readonly system: string
  /** 1 for the first of the system. */
  readonly number: number
  readonly what: Order
  /** RFC 3339. */
  readonly createdAt: string
  /** The public key of who signed it; null while signatures are not required. */
  readonly upgrader: string | null
  /** Why. Left out where the order has its own, or nobody says it. Release 0.1.0 passes it over. */
  readonly reason?: string
}

export interface FirstDirective extends AnyDirective {
  readonly format: typeof firstDirectiveFormat
}

export interface NewDirective extends AnyDirective {
  readonly format: typeof directiveFormat
  /** The digest of the newest manifest; null at version 0. */
  readonly head: string | null
  /** The id of the log (`DirectiveLog`). */
  readonly log: string
}

export interface IdentifiedDirective extends Omit<NewDirective, 'format'> {
  readonly format: typeof identifiedDirectiveFormat
  /** That of the system (core/trust/trustRoot.ts). */
  readonly identity: string
}

export type Directive = FirstDirective | NewDirective | IdentifiedDirective

/**
 * The part of the upgrade database that counts directives. It begins anew, with another id,
 * after every loss that is found out.
 */
export interface DirectiveLog {
  readonly id: string
  /** How many have been carried out. */
  readonly count: number
}

/**
 * The answer to an order: whether there was something to remove (a node that was registered),
 * or the version that is final.
 */
export type OrderResult = boolean | Version

/**
 * Why a directive is not carried out: it is not the next one, or names another head or log, or
 * may be older than a loss.
 */
export type WhyNotDirected = 'number' | 'head' | 'log' | 'older'

export type Directed =
  | { readonly done: true; readonly result: OrderResult }
  /** `earlier`: the very same document was carried out before, with this result. */
  | {
      readonly done: false
      readonly why: WhyNotDirected
      readonly log: DirectiveLog
      readonly earlier: { readonly result: OrderResult } | undefined
    }

/** In the oldest format that says it all. `log` is null for a server of release 0.1.0, which has none. */
export function directiveOf(order: AnyDirective, head: string | null, log: string | null, identity: string | null): Directive {
  if (identity !== null) return { format: identifiedDirectiveFormat, ...order, head, log: log ?? '', identity }
  return log === null ? { format: firstDirectiveFormat, ...order } : { format: directiveFormat, head, log, ...order }
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
  const { format, system, number, what, createdAt, upgrader, head, log, identity, reason } = (value ?? {}) as Record<
    string,
    unknown
  >
  if (!isRead(formats.directive, format))
    throw invalid(`format ${String(format)}; this Theseus reads formats ${numbersRead(formats.directive)}`)
  if (!isName(system)) throw invalid('system is missing or wrong')
  if (!Number.isSafeInteger(number) || (number as number) < 1) throw invalid('number is missing or wrong')
  if (typeof createdAt !== 'string') throw invalid('createdAt is missing or wrong')
  if (upgrader !== null && typeof upgrader !== 'string') throw invalid('upgrader is missing or wrong')
  if (!isOrder(what)) throw invalid('it orders nothing that there is')
  if (reason !== undefined && (typeof reason !== 'string' || reason.length > controlReasonLengthMax))
    throw invalid('reason is wrong')
  if (format !== firstDirectiveFormat) {
    if (head !== null && !isDigest(head)) throw invalid('head is missing or wrong')
    if (!isLogId(log)) throw invalid('log is missing or wrong')
  }
  if (format === identifiedDirectiveFormat && !isIdentity(identity)) throw invalid('identity is missing or wrong')
  return value as Directive
}

const logIdLengthMax = 128

export function isLogId(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= logIdLengthMax
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
    case 'forget':
      return isName(what.nodeId)
    case 'backup':
    case 'restore':
      return isDigest(what.digest) && isVersion(what.version)
    case 'record':
      return isCallRecording(what.recording)
    default:
      return false
  }
}

function isControlName(value: unknown): value is ControlName {
  const name = (value ?? {}) as Record<string, unknown>
  if (isVersionKind(name.kind)) return isVersion(name.version)
  if (name.kind === 'place') return isShardName(name)
  if (name.kind === 'home') return isName(name.service)
  return (name.kind === 'hold' || name.kind === 'now') && isName(name.nodeId)
}

/** The controls of a version that operators set; the gate's memory is the upgrade servers' own. */
function isVersionKind(kind: unknown): boolean {
  return kind === 'pause' || kind === 'retry' || kind === 'promote' || kind === 'pace'
}

/** The identity that a directive names, if any. */
export function identityNamed(directive: Directive): string | null {
  return directive.format === identifiedDirectiveFormat ? directive.identity : null
}

/** As people read it. */
export function describeOrder(what: Order): string {
  switch (what.order) {
    case 'set':
      return describeControl(what.control)
    case 'remove':
      return `no ${controlKey(what.control)}`
    case 'setInTable':
      return `${what.table}: ${what.key} = ${what.value}`
    case 'removeFromTable':
      return `${what.table}: no ${what.key}`
    case 'finalize':
      return `version ${what.version} is final`
    case 'forget':
      return `forget ${what.nodeId}`
    case 'backup':
      return `backup ${what.digest}, up to version ${what.version}`
    case 'restore':
      return `restore from backup ${what.digest}, up to version ${what.version}`
    case 'record':
      return describeRecording(what.recording)
  }
}

function describeControl(control: Control): string {
  const key = controlKey(control)
  switch (control.kind) {
    case 'place':
      return `${key} at ${control.hostId}`
    case 'home':
      return `${key} in ${homeText(control.to)}`
    case 'promote':
      return control.percent === null ? `${key}: the next step` : `${key}: ${control.percent} %`
    case 'pace': {
      const { probability, everyMs, bakeMs } = control
      const parts = [
        ...(probability === null ? [] : [`probability ${probability}`]),
        ...(everyMs === null ? [] : [`every ${everyMs} ms`]),
        ...(bakeMs === null ? [] : [`bake ${bakeMs} ms`]),
      ]
      return `${key}: ${parts.join(', ')}`
    }
    default:
      return key
  }
}

/** Why it was ordered, as its signer says; null where nobody says it. */
export function orderReason({ what, reason }: Pick<AnyDirective, 'what' | 'reason'>): string | null {
  if (typeof reason === 'string' && reason !== '') return reason
  if (what.order !== 'set' || !('reason' in what.control) || what.control.reason === '') return null
  return what.control.reason
}

function invalid(message: string): Fault {
  return new Fault('config.invalid', `directive: ${message}`)
}
