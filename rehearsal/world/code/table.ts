/**
 * A table of records under keys, beside the registers: put, put again, deleted, and read by key and by range.
 * Its contents follow from the operations in `main`, which the same commands write: a reader of both must
 * find that they agree.
 *
 * T5 (C2, C3, C7, C12). The table is what the operations before made of it, in the root as in the collection;
 * every range of it is that part of it, in the order of the keys' bytes.
 * T6. A value is for ever as it was when it was read first: a restart changes nothing of it.
 */
import type { KeyRange } from '../../../core/model/collection.js'
import type { Asked, Plan } from '../plan.js'
import type { RegistersHolder } from '../registers.js'
import { described, plainValuesCount, storedValueFor, valueFor } from './oddValues.js'
import { stepOf } from './operationIds.js'

export const tableName = 'table'
/** Of one byte and of many, beyond the first plane too, where the order of bytes is not that of UTF-16. */
export const tableKeys = ['a', 'b', 'a\u0001', 'é', 'ß', '日本', '\uffee', '😀', 'constructor', '10', '2']

/** One change: `value` by number; null: the record is deleted. */
export interface TableChange {
  readonly key: string
  readonly value: number | null
}

export interface TableRead {
  readonly node: string
  readonly list: readonly string[]
  readonly records: readonly (readonly [key: string, value: string])[]
  readonly root: readonly (readonly [key: string, value: string])[]
}

export function change(holder: RegistersHolder, { key, value }: TableChange): void {
  const table = holder.collection(tableName)
  const { marks } = holder.state
  if (value === null) {
    table.delete(key)
    delete marks![key]
  } else {
    table.put(key, valueFor(value) as never)
    marks![key] = valueFor(value)
  }
}

export function readTable(holder: RegistersHolder, range: KeyRange): Omit<TableRead, 'node' | 'list'> {
  const table = holder.collection(tableName)
  const records: (readonly [string, string])[] = []
  for (const [key, value] of table.entries(range)) {
    const isThere = table.has(key) && described(table.get(key)) === described(value)
    records.push([key, isThere ? described(value) : '(not there when it is asked for by its key)'])
  }
  return { records, root: Object.entries(holder.state.marks!).map(([key, value]) => [key, described(value)] as const) }
}

export class TableChecker {
  /** Each value as it was when it was read first, by node and operation. */
  readonly #seen = new Map<string, string>()

  constructor(
    private readonly plan: Plan,
    private readonly violated: (rule: string, what: string) => void,
  ) {}

  /** The node is back where it was once. */
  restored(node: string): void {
    for (const key of [...this.#seen.keys()]) if (key.startsWith(`${node} `)) this.#seen.delete(key)
  }

  read({ node, list, records, root }: TableRead, range: KeyRange): void {
    const all = [...this.#after(list)].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    const { from = '', to, limit = all.length } = range
    const isIn = (key: string) => isBefore(from, key, true) && (to === undefined || isBefore(key, to, false))
    const expected = all.filter(([key]) => isIn(key)).slice(0, limit)
    this.#compare(node, 'the collection', records, expected)
    const byKey = (entries: readonly (readonly [string, string])[]) => [...entries].sort(([a], [b]) => (a < b ? -1 : 1))
    this.#compare(
      node,
      'the root',
      byKey(root),
      [...all].sort(([a], [b]) => (a < b ? -1 : 1)),
    )
  }

  #compare(
    node: string,
    where: string,
    found: readonly (readonly [key: string, value: string])[],
    expected: readonly (readonly [key: string, made: { readonly op: string; readonly value: number }])[],
  ): void {
    const keys = found.map(([key]) => key)
    const due = expected.map(([key]) => key)
    if (JSON.stringify(keys) !== JSON.stringify(due)) {
      this.violated('T5', `${where} of ${node} has ${JSON.stringify(keys)}; its operations make ${JSON.stringify(due)}`)
      return
    }
    found.forEach(([key, value], i) => {
      const { op, value: number } = expected[i]![1]
      const seenKey = `${node} ${where} ${op}`
      const seen = this.#seen.get(seenKey) ?? (number < plainValuesCount ? described(storedValueFor(number)) : undefined)
      if (seen === undefined) this.#seen.set(seenKey, value)
      else if (seen !== value) {
        const rule = number < plainValuesCount ? 'T5' : 'T6'
        this.violated(rule, `${where} of ${node} has ${value} under ${JSON.stringify(key)}; ${op} made it ${seen}`)
      }
    })
  }

  /** The result of these operations on an empty table. */
  #after(list: readonly string[]): ReadonlyMap<string, { readonly op: string; readonly value: number }> {
    const table = new Map<string, { op: string; value: number }>()
    for (const op of list) {
      const made = this.#changeOf(op)
      if (made === undefined) continue
      if (made.value === null) table.delete(made.key)
      else table.set(made.key, { op, value: made.value })
    }
    return table
  }

  #changeOf(op: string): TableChange | undefined {
    const step = this.plan.steps[stepOf(op) ?? -1]
    const asked: Asked | undefined = step?.kind === 'call' ? step.asked : undefined
    if (asked?.what === 'set') return asked.change
    // An operation that sets it later has written nothing itself.
    return asked?.what === 'setLater' && op.endsWith('t') ? asked.change : undefined
  }
}

function isBefore(a: string, b: string, orSame: boolean): boolean {
  const order = Buffer.compare(Buffer.from(a), Buffer.from(b))
  return order < 0 || (orSame && order === 0)
}
