/**
 * The persistent state of one node: the roots and collections of its object and SOs. It alone writes to disk.
 *
 * A call begins, touches what it may write, and ends by `keep` or `drop`. A root is packed after each command and compared with what was
 * packed before: these bytes are both the value to write and the undo record. `batch` is the newest batch that holds a write of this
 * node: what leaves the node waits for it (C12).
 */
import { pack, unpack } from '../core/codec.js'
import { type Collection, collectionKeyBytesMax, type KeyRange } from '../core/collection.js'
import { Fault } from '../core/fault.js'
import { invariant } from '../core/invariant.js'
import type { MethodKind } from '../core/methods.js'
import { keys, type Slot } from '../core/nodeRecord.js'
import { compareKeys } from '../core/ports/stateStore.js'
import { type BatchNumber, type Journal, overlaid } from './journal.js'

/** Whoever has a root: an object or an SO's `this`. */
export interface RootHolder {
  state: object
}

interface OpenSlot {
  readonly slot: Slot
  readonly holder: RootHolder
  packed: Uint8Array
  touched: boolean
}

export class NodeState {
  /** The newest batch with a write of this node. */
  batch: BatchNumber = 0
  readonly #slots = new Map<Slot, OpenSlot>()
  #running: MethodKind | undefined
  #touched: OpenSlot[] = []
  readonly #staged = new Map<string, Uint8Array | null>()

  constructor(
    private readonly nodeId: string,
    private readonly journal: Journal,
  ) {}

  /** Gives the holder its root as it was last written. From then on the holder's root is the slot's. */
  open(slot: Slot, holder: RootHolder): void {
    const packed = this.journal.get(keys.root(this.nodeId, slot))
    invariant(packed !== undefined, `${this.nodeId}: no state in slot ${slot}`)
    holder.state = unpack(packed) as object
    this.#slots.set(slot, { slot, holder, packed, touched: false })
  }

  close(slot: Slot): void {
    this.#slots.delete(slot)
  }

  closeAll(): void {
    this.#slots.clear()
  }

  begin(kind: MethodKind): void {
    this.#running = kind
  }

  /** Called before a command of this slot's holder runs. */
  touch(slot: Slot): void {
    this.#mayWrite()
    const open = this.#slots.get(slot)
    invariant(open !== undefined, `${this.nodeId}: slot ${slot} is not open`)
    if (open.touched) return
    open.touched = true
    this.#touched.push(open)
  }

  /** The call succeeded: what it wrote goes into the journal. Throws, having dropped it, if a root is not plain data. */
  keep(): void {
    if (this.#touched.length > 0) {
      const changed: (readonly [OpenSlot, Uint8Array])[] = []
      try {
        for (const open of this.#touched) {
          const packed = pack(open.holder.state, 'state')
          if (!equal(packed, open.packed)) changed.push([open, packed])
        }
      } catch (error) {
        this.drop()
        throw error
      }
      for (const [open, packed] of changed) {
        open.packed = packed
        this.batch = this.journal.write(keys.root(this.nodeId, open.slot), packed)
      }
    }
    for (const [key, value] of this.#staged) this.batch = this.journal.write(key, value)
    this.#end()
  }

  /** The call failed: roots are as they were before it, collections too. True if it had written: the object must be rebuilt then. */
  drop(): boolean {
    let written = this.#staged.size > 0
    for (const open of this.#touched) {
      if (packedEquals(open)) continue
      written = true
      open.holder.state = unpack(open.packed) as object
    }
    this.#end()
    return written
  }

  /** The root as committed or about to be, as a copy that nobody else has. */
  rootCopy(slot: Slot): object {
    const packed = this.#slots.get(slot)?.packed ?? this.journal.get(keys.root(this.nodeId, slot))
    return packed === undefined ? {} : (unpack(packed) as object)
  }

  collection(slot: Slot, name: string): Collection<unknown> {
    return new StoredCollection(keys.collection(this.nodeId, slot, name), this.journal, this.#staged, () => this.#mayWrite())
  }

  #mayWrite(): void {
    if (this.#running === 'command') return
    throw new Fault(
      'protocol.query-writes',
      this.#running === 'query'
        ? 'a query may not write, nor call a command: mark the method @command'
        : 'state is written by commands, and in start()',
    )
  }

  #end(): void {
    this.#running = undefined
    if (this.#touched.length > 0) {
      for (const open of this.#touched) open.touched = false
      this.#touched = []
    }
    if (this.#staged.size > 0) this.#staged.clear()
  }
}

function packedEquals(open: OpenSlot): boolean {
  try {
    return equal(pack(open.holder.state, 'state'), open.packed)
  } catch {
    return false
  }
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0
}

/** One collection of one slot: the call's own writes over the journal's over the store's. */
class StoredCollection implements Collection<unknown> {
  constructor(
    private readonly prefix: string,
    private readonly journal: Journal,
    private readonly staged: Map<string, Uint8Array | null>,
    private readonly mayWrite: () => void,
  ) {}

  get(key: string): unknown {
    const packed = this.#bytes(checkKey(key))
    return packed === undefined ? undefined : unpack(packed)
  }

  has(key: string): boolean {
    return this.#bytes(checkKey(key)) !== undefined
  }

  put(key: string, value: unknown): void {
    this.mayWrite()
    this.staged.set(this.prefix + checkKey(key), pack(value, `record ${key}`))
  }

  delete(key: string): void {
    this.mayWrite()
    this.staged.set(this.prefix + checkKey(key), null)
  }

  *entries(range: KeyRange = {}): Iterable<readonly [string, unknown]> {
    const from = this.prefix + (range.from ?? '')
    const to = range.to === undefined ? afterPrefix(this.prefix) : this.prefix + range.to
    const own = [...this.staged]
      .filter(([key]) => compareKeys(key, from) >= 0 && compareKeys(key, to) < 0)
      .sort(([a], [b]) => compareKeys(a, b))
    let left = range.limit ?? Number.POSITIVE_INFINITY
    for (const [key, packed] of overlaid(this.journal.range(from, to), own)) {
      if (left-- <= 0) return
      yield [key.slice(this.prefix.length), unpack(packed)]
    }
  }

  #bytes(key: string): Uint8Array | undefined {
    const full = this.prefix + key
    const own = this.staged.get(full)
    if (own !== undefined) return own ?? undefined
    return this.staged.has(full) ? undefined : this.journal.get(full)
  }
}

/** Collection keys end with '/'; '0' is the character after it. */
export function afterPrefix(prefix: string): string {
  return `${prefix.slice(0, -1)}0`
}

export function checkKey(key: string): string {
  if (typeof key === 'string' && key.length > 0 && !key.includes('\0') && Buffer.byteLength(key) <= collectionKeyBytesMax)
    return key
  throw new Fault(
    'protocol.bad-arguments',
    `collection key ${JSON.stringify(key)}: use a string of 1 to ${collectionKeyBytesMax} bytes without NUL`,
  )
}
