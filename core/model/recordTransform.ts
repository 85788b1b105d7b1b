/**
 * Transforms that run "lazily, so that a node can upgrade to the next version quickly" (§8): a keyed
 * collection is declared record by record. The flip does not touch it; a record is made when somebody asks
 * for it, the rest in the background.
 *
 * A function of this kind is pure and keeps the key: the same two records make the same third one, however
 * often and whenever it is asked. The value that it returns under a key is the record there; `undefined`
 * means that there is none.
 */
import { Fault } from '../base/fault.js'
import { checkName } from '../base/ids.js'

/**
 * `key` is the record's; `futureRecord` is the future-SO's record under the same key, as it was at
 * the flip, or undefined.
 */
export type MakeRecord<Old, Made> = (old: Old | undefined, futureRecord: any, key: string) => Made | undefined

/** The collections of two classes under one name, or under two. */
type RecordsOf<Olds, Made, Name> =
  | MakeRecord<Name extends keyof Olds ? Olds[Name] : undefined, Made>
  | {
      readonly [From in keyof Olds & string]: {
        /** The old class's collection, where it has another name. */
        readonly from: From
        /** The other input's collection, where that has another name. */
        readonly beside?: string
        readonly record: MakeRecord<Olds[From], Made>
      }
    }[keyof Olds & string]

/**
 * By the name of the collection that is made. Collections that are not named are as the
 * transform function leaves them.
 */
export type Records<Olds, News> = { readonly [Name in keyof News & string]?: RecordsOf<Olds, News[Name], Name> }

/** How one collection is made, with the names filled in. */
export interface RecordRule {
  readonly from: string
  readonly beside: string
  readonly record: MakeRecord<any, unknown>
}

export type RecordRules = Readonly<Record<string, RecordRule>>

/** Fills in the names; null where nothing is made record by record. Throws `upgrade.invalid`. */
export function recordRules(records: Records<any, any> | undefined, what: string): RecordRules | null {
  const entries = Object.entries(records ?? {})
  if (entries.length === 0) return null
  return Object.fromEntries(entries.map(([name, given]) => [name, ruleOf(name, given, what)]))
}

function ruleOf(name: string, given: unknown, what: string): RecordRule {
  const parts: { [Part in keyof RecordRule]?: unknown } = typeof given === 'function' ? { record: given } : (given ?? {})
  const { record, from = name, beside = name } = parts
  if (typeof record !== 'function')
    throw new Fault('upgrade.invalid', `${what}.${name}: use (old, futureRecord, key) => record, or { from: 'pages', record: … }`)
  checkName('collection', name)
  return {
    from: checkName('collection', from as string),
    beside: checkName('collection', beside as string),
    record: record as RecordRule['record'],
  }
}

/** A collection whose records stay as they are, for `records`. */
export function asItIs<Kept>(old: Kept | undefined): Kept | undefined {
  return old
}
