/**
 * Upgrade-specific tables (§4: "such as a list of nodes that are authorized to upgrade"): what
 * may be in them.
 */
import { Fault } from '../base/fault.js'
import { isName, nameLengthMax, type Version } from '../base/ids.js'

/** The tables that the upgrader defines with an upgrade: by table, by key. */
export type TableEntries = Readonly<Record<string, Readonly<Record<string, string>>>>

/**
 * An undo *takes* the entries *back* that an upgrade has set: each is as it was before, unless somebody has
 * changed it since. The undo of the undo *brings* them *again*, where an entry still is as the undo has left
 * it.
 */
export interface TablesUndone {
  readonly way: 'takesBack' | 'bringsAgain'
  /** The version that has set them first. */
  readonly of: Version
}

/** The key of `overwrittenTable` that keeps what an entry was before a version set it. */
export function overwrittenKey(of: Version, table: string, key: string): string {
  return `${of}/${table}/${key}`
}

/** In characters as JavaScript counts them. */
export const tableKeyLengthMax = 256
/** In UTF-8. */
export const tableValueBytesMax = 64 * 1024
/** Lone surrogates don't survive UTF-8: what is read back would be another key. */
export function isTableKey(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= tableKeyLengthMax && value.isWellFormed()
}

export function isTableValue(value: unknown): value is string {
  return typeof value === 'string' && value.isWellFormed() && Buffer.byteLength(value) <= tableValueBytesMax
}

/** Every adapter asks before it does anything. Throws `config.invalid`. */
export function checkTable(name: string, key?: string, value?: string): void {
  if (!isName(name)) {
    const advice = `use 1 to ${nameLengthMax} letters, digits, - and _, beginning with a letter or digit`
    throw new Fault('config.invalid', `table ${shown(name)}: ${advice}`)
  }
  if (key !== undefined && !isTableKey(key))
    throw new Fault('config.invalid', `key ${shown(key)} of table ${name}: use text of 1 to ${tableKeyLengthMax} characters`)
  if (value !== undefined && !isTableValue(value)) {
    const advice = `use text of at most ${tableValueBytesMax / 1024} KiB, and several keys for more`
    throw new Fault('config.invalid', `the value of key ${shown(key)} of table ${name}: ${advice}`)
  }
}

/** Checks all entries. Throws `config.invalid`. */
export function checkTables(tables: TableEntries): void {
  for (const [name, entries] of Object.entries(tables)) {
    checkTable(name)
    for (const [key, value] of Object.entries(entries)) checkTable(name, key, value)
  }
}

/** Enough of a wrong value to find it by. */
function shown(value: unknown): string {
  return String(JSON.stringify(value)).slice(0, nameLengthMax)
}
