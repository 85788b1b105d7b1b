/**
 * A keyed collection of the persistent state. Reads see the node's own writes at once; writes
 * are committed with their command.
 */
export interface Collection<Value> {
  /** A fresh copy of the record, or undefined. Changing it changes nothing until it is `put` back. */
  get(key: string): Value | undefined
  has(key: string): boolean
  put(key: string, value: Value): void
  delete(key: string): void
  /** Records by key, in the order of their keys' UTF-8 bytes. `from` is included, `to` is not. */
  entries(range?: KeyRange): Iterable<readonly [key: string, value: Value]>
}

export interface KeyRange {
  readonly from?: string
  readonly to?: string
  readonly limit?: number
}

/** For SOs, transforms and scheduling functions that only look. */
export type ReadonlyCollection<Value> = Pick<Collection<Value>, 'get' | 'has' | 'entries'>

/** A longer key is refused with `protocol.bad-arguments` at once: the store below has a hard limit. */
export const collectionKeyBytesMax = 1024
