/**
 * Reads the collections of slots whose records are made lazily (§8): a record that was written to is as it
 * was written; any other is made of the records that were there at the flip, and those of the records before
 * them, upgrade by upgrade.
 *
 * Z1. A slot of which records are made is never written to again: not by calls, and not in passing.
 * Z2. A record that is deleted before it is made leaves a tombstone, or it would be made again.
 * Z3. An undo does not make a record of one that it would have to make first: what nobody has written to
 *     since the flip is as it was before.
 */

import { Fault, reasonOf } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import { invariant } from '../../core/base/invariant.js'
import { isPromiseIgnored } from '../../core/base/maybePromise.js'
import { keys, type LazySlot, type StateSlot } from '../../core/model/nodeRecord.js'
import type { RecordRule, RecordRules } from '../../core/model/recordTransform.js'
import { compareKeys } from '../../core/ports/stateStore.js'
import { pack, unpackState } from '../../core/wire/codec.js'

/** Packed values by key: the journal's, or the store's. */
export interface PackedRecords {
  get(key: string): Uint8Array | undefined
  range(from: string, to: string): Iterable<readonly [key: string, value: Uint8Array]>
}

/** A byte that MessagePack never uses. */
export const tombstone: Uint8Array = new Uint8Array([0xc1])

function isTombstone(packed: Uint8Array): boolean {
  return packed.length === 1 && packed[0] === 0xc1
}

export class LazyRecords {
  constructor(
    private readonly nodeId: string,
    private readonly records: PackedRecords,
    private readonly lazyOf: (slot: StateSlot) => LazySlot | undefined,
    /** The functions of an upgrade that this node has loaded. */
    private readonly rulesOf: (lazy: LazySlot) => RecordRules,
    /** A record that was made is looked at by the object that it is for. */
    private readonly check: (slot: StateSlot, collection: string, key: string, record: unknown) => unknown = () => {},
    private readonly onFailure: (fault: Fault) => void = () => {},
  ) {}

  /** Whether records of this collection are still to be made. */
  isLazy(slot: StateSlot, name: string): boolean {
    return this.lazyOf(slot)?.next[name] !== undefined
  }

  /** A fresh copy of the record, or undefined. Throws `upgrade.record` where it can't be made. */
  get(slot: StateSlot, name: string, key: string): unknown {
    const own = this.#own(slot, name, key)
    if (own !== undefined) return isTombstone(own) ? undefined : unpackState(own)
    return this.#made(slot, name, key)
  }

  /** In the order of their keys; `from` is included, `to` is not. Hidden ones are not made. */
  *entries(
    slot: StateSlot,
    name: string,
    from: string,
    to: string | undefined,
    isHidden: (key: string) => boolean = () => false,
  ): Iterable<readonly [key: string, record: unknown]> {
    for (const key of this.#keys(slot, name, from, to)) {
      if (isHidden(key)) continue
      const record = this.get(slot, name, key)
      if (record !== undefined) yield [key, record]
    }
  }

  /** Whether deleting this record needs a tombstone. */
  needsTombstone(slot: StateSlot, name: string, key: string): boolean {
    const [first] = this.#sourceKeys(slot, name, key, `${key}\0`)
    return first !== undefined
  }

  /**
   * The writes for up to `most` keys from the first that is still to be made, and where that comes to: the
   * next such key, or undefined at the end. Throws `upgrade.record`, with the writes before it left out.
   */
  pass(slot: StateSlot, name: string, most: number): PassedRecords {
    const next = this.lazyOf(slot)?.next[name]
    invariant(next !== undefined, `Z1: ${this.nodeId}: ${name} of slot ${slot} is made already`)
    const prefix = keys.collection(this.nodeId, slot, name)
    const writes: (readonly [string, Uint8Array | null])[] = []
    let passed = 0
    for (const key of this.#sourceKeys(slot, name, next, undefined)) {
      if (passed === most) return { writes, passed, next: key }
      passed++
      const own = this.#own(slot, name, key)
      if (own !== undefined) {
        if (isTombstone(own)) writes.push([prefix + key, null])
        continue
      }
      try {
        const record = this.#made(slot, name, key)
        if (record !== undefined) writes.push([prefix + key, pack(record, `record ${key}`)])
      } catch (error) {
        if (writes.length === 0) throw error
        // As far as it went; the next pass begins with it.
        return { writes, passed: passed - 1, next: key }
      }
    }
    return { writes, passed, next: undefined }
  }

  #own(slot: StateSlot, name: string, key: string): Uint8Array | undefined {
    return this.records.get(keys.collection(this.nodeId, slot, name) + key)
  }

  #made(slot: StateSlot, name: string, key: string): unknown {
    const lazy = this.lazyOf(slot)
    const next = lazy?.next[name]
    if (lazy === undefined || next === undefined || compareKeys(key, next) < 0) return undefined
    const rule = this.#rule(lazy, name)
    const before = this.#asBefore(lazy, rule, name, key)
    if (before !== undefined) return before.record
    const old = this.get(lazy.old, rule.from, key)
    const beside = lazy.beside === null ? undefined : this.get(lazy.beside, rule.beside, key)
    if (old === undefined && beside === undefined) return undefined
    try {
      const made = rule.record(old, beside, key)
      if (made === undefined) return undefined
      // Plain data, and nobody else's.
      const record = unpackState(pack(made, `record ${key}`))
      if (isPromiseIgnored(this.check(slot, name, key, record))) throw new Error('checkRecord() may not be asynchronous')
      return record
    } catch (error) {
      const what = `record ${JSON.stringify(key)} of ${name} can't be made for version ${lazy.upgrade}`
      const fault = new Fault('upgrade.record', `${what}: ${reasonOf(error)}`, { collection: name, key }, { cause: error })
      this.onFailure(fault)
      throw fault
    }
  }

  /** Z3. The record as it was before the upgrade that is undone, where nobody has written to it since. */
  #asBefore(lazy: LazySlot, rule: RecordRule, name: string, key: string): { readonly record: unknown } | undefined {
    if (!lazy.undoes) return undefined
    const version = lazy.undone ?? lazy.upgrade - 1
    const old = this.#behindUndos(lazy.old, rule.from, key, version)
    const undone = this.lazyOf(old)
    if (undone?.upgrade !== version || !this.#isUntouched(old, rule.from, key)) return undefined
    const forward = this.#rule(undone, rule.from)
    if (lazy.role === 'pastSO') {
      if (undone.beside === null || forward.beside !== name) return undefined
      return { record: this.get(undone.beside, name, key) }
    }
    const isLeftAlone = lazy.beside === null || this.#own(lazy.beside, rule.beside, key) === undefined
    return forward.from === name && isLeftAlone ? { record: this.get(undone.old, name, key) } : undefined
  }

  /** Of upgrades since `version` that are undone already, nothing is made either: the slot of before them. */
  #behindUndos(slot: StateSlot, name: string, key: string, version: Version): StateSlot {
    const lazy = this.lazyOf(slot)
    if (lazy?.undoes !== true || lazy.upgrade <= version || !this.#isUntouched(slot, name, key)) return slot
    const { from, beside } = this.#rule(lazy, name)
    const inner = lazy.undone ?? lazy.upgrade - 1
    const old = this.#behindUndos(lazy.old, from, key, inner)
    const undone = this.lazyOf(old)
    if (undone?.upgrade !== inner || !this.#isUntouched(old, from, key)) return slot
    const isLeftAlone = lazy.beside === null || this.#own(lazy.beside, beside, key) === undefined
    if (this.#rule(undone, from).from !== name || !isLeftAlone) return slot
    return this.#behindUndos(undone.old, name, key, version)
  }

  #isUntouched(slot: StateSlot, name: string, key: string): boolean {
    const next = this.lazyOf(slot)?.next[name]
    return next !== undefined && compareKeys(key, next) >= 0 && this.#own(slot, name, key) === undefined
  }

  #rule(lazy: LazySlot, name: string): RecordRule {
    const rule = this.rulesOf(lazy)[name]
    invariant(rule !== undefined, `Z1: the upgrade to version ${lazy.upgrade} does not say how ${name} is made`)
    return rule
  }

  /** The keys under which there may be a record, in order. */
  #keys(slot: StateSlot, name: string, from: string, to: string | undefined): Iterable<string> {
    const prefix = keys.collection(this.nodeId, slot, name)
    const own = keysIn(this.records, prefix, from, to)
    return this.isLazy(slot, name) ? united(own, this.#sourceKeys(slot, name, from, to)) : own
  }

  /** Those of the records that this slot's are still to be made of. */
  #sourceKeys(slot: StateSlot, name: string, from: string, to: string | undefined): Iterable<string> {
    const lazy = this.lazyOf(slot)
    const next = lazy?.next[name]
    if (lazy === undefined || next === undefined) return []
    const rule = this.#rule(lazy, name)
    const start = compareKeys(from, next) < 0 ? next : from
    const old = this.#keys(lazy.old, rule.from, start, to)
    return lazy.beside === null ? old : united(old, this.#keys(lazy.beside, rule.beside, start, to))
  }
}

export interface PassedRecords {
  readonly writes: readonly (readonly [key: string, value: Uint8Array | null])[]
  readonly passed: number
  readonly next: string | undefined
}

function* keysIn(records: PackedRecords, prefix: string, from: string, to: string | undefined): Iterable<string> {
  const end = to === undefined ? afterPrefix(prefix) : prefix + to
  for (const [key] of records.range(prefix + from, end)) yield key.slice(prefix.length)
}

/** Collection prefixes end with '/'; '0' is the character after it. */
export function afterPrefix(prefix: string): string {
  return `${prefix.slice(0, -1)}0`
}

/** Two sorted sequences as one; what is in both once. */
function* united(one: Iterable<string>, other: Iterable<string>): Iterable<string> {
  const rest = other[Symbol.iterator]()
  let next = rest.next()
  try {
    for (const key of one) {
      while (next.done !== true && compareKeys(next.value, key) < 0) {
        yield next.value
        next = rest.next()
      }
      if (next.done !== true && next.value === key) next = rest.next()
      yield key
    }
    while (next.done !== true) {
      yield next.value
      next = rest.next()
    }
  } finally {
    rest.return?.()
  }
}
