/**
 * Calls that hosts have denied, counted by caller, method and fault: what a host reports, and
 * what an entry of the audit says.
 */

import { isName } from '../base/ids.js'
import type { AuditFrom } from './audit.js'

export interface DeniedCalls {
  /**
   * The caller: of callers without a name, one of them. Null: several callers, too many to be counted apart.
   */
  readonly caller: AuditFrom | null
  /** Null: several methods. */
  readonly method: string | null
  /** `denied.caller`, `denied.filter` or `denied.rate`. */
  readonly code: string
  readonly times: number
}

/** The most that one report may say. */
export const deniedPerReportMax = 256
const methodLengthMax = 64
const codes: ReadonlySet<unknown> = new Set(['denied.caller', 'denied.filter', 'denied.rate'])

/** As it travels. */
export function deniedReport(denied: readonly DeniedCalls[]): readonly unknown[] {
  return denied.map(({ caller, method, code, times }) => [caller?.name ?? null, caller?.id ?? null, method, code, times])
}

/** Undefined for what is no report. */
export function readDeniedReport(value: unknown): readonly DeniedCalls[] | undefined {
  if (!Array.isArray(value) || value.length > deniedPerReportMax) return undefined
  const read = value.map(readDenied)
  return read.includes(undefined) ? undefined : (read as readonly DeniedCalls[])
}

function readDenied(value: unknown): DeniedCalls | undefined {
  if (!Array.isArray(value)) return undefined
  const [name, id, method, code, times] = value
  const isCaller = isName(id) ? name === null || isName(name) : id === null && name === null
  if (!isCaller || !(method === null || typeof method === 'string') || !codes.has(code) || !isTimes(times)) return undefined
  return { caller: id === null ? null : { name, id }, method: method === null ? null : shortMethod(method), code, times }
}

/** A caller may ask for a method of any name: what JSON would write with several characters takes one. */
export function shortMethod(method: string): string {
  return method
    .slice(0, methodLengthMax)
    .toWellFormed()
    .replace(/[\p{C}"\\]/gu, '?')
}

function isTimes(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1
}

/** Whether this is in an entry of the audit. */
export function isDeniedCalls(value: unknown): value is DeniedCalls {
  const { caller, method, code, times } = (value ?? {}) as Record<string, unknown>
  const { name, id } = (caller ?? { name: null, id: null }) as Record<string, unknown>
  return readDenied([name, id, method, code, times]) !== undefined
}

/** Nobody's counts pass what a number can say. */
export function timesOf(one: number, other: number): number {
  return Math.min(Number.MAX_SAFE_INTEGER, one + other)
}
