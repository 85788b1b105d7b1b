/**
 * The transform functions of the world, forward and back alike, and the states with which SOs begin that keep
 * columns of their own.
 */
import { asItIs, type InitialCollections } from 'theseus'
import { tableName } from './code/table.js'
import { type ColumnsState, copyColumn, emptyState, rewritten } from './columns.js'
import type { Column, Trouble } from './plan.js'
import type { ClassSpec } from './specs.js'
import type { Witness } from './witness.js'

/** A transform is not told its node. */
const anyNode = 'any node'

interface TransformTools {
  old(name: string): any
  future(name: string): any
  next(name: string): any
  carry(name: string): Promise<void>
  flushed(): Promise<void>
}

/**
 * Carries every column over: from the class that is left, or from the SO that kept it meanwhile. Of what is
 * made lazily it counts the records.
 */
export function transformOf(from: ClassSpec, to: ClassSpec, isLazy: boolean, trouble: Trouble, witness: Witness, what: string) {
  const lazily = isLazy ? new Set(lazyColumns(from, to).map(({ name }) => name)) : new Set<string>()
  return async (old: ColumnsState, kept: ColumnsState, collections: TransformTools): Promise<ColumnsState> => {
    await witness.trouble(trouble, anyNode, what)
    const state = emptyState(to.columns)
    const target = { state, collection: (name: string) => collections.next(name) }
    const fromOld = { state: old, collection: (name: string) => collections.old(name) }
    // Without an SO the column begins empty.
    const fromKept = {
      state: { lists: kept.lists ?? {}, counts: kept.counts ?? {} },
      collection: (name: string) => collections.future(name),
    }
    for (const column of to.columns) {
      const before = from.columns.find(({ name }) => name === column.name)
      const source = before === undefined ? fromKept : fromOld
      if (lazily.has(column.name)) state.counts[column.name] = source.state.counts[column.name] ?? 0
      else copyColumn(source, before ?? column, target, column)
      await collections.flushed()
    }
    if (old.marks !== undefined) {
      state.marks = old.marks
      if (!isLazy) await collections.carry(tableName)
    }
    return state
  }
}

/** Those that are kept in collections on either side, or by an SO. */
function lazyColumns(from: ClassSpec, to: ClassSpec): readonly Column[] {
  return to.columns.filter(({ name, kept }) => {
    const before = from.columns.find((column) => column.name === name)
    return kept === 'collection' && before?.kept !== 'root'
  })
}

/** How the records of these columns are made, each in the form of the class that it is for. */
export function recordsOf(from: ClassSpec, to: ClassSpec, trouble: Trouble, witness: Witness, what: string) {
  const made = Object.fromEntries(
    lazyColumns(from, to).map((column) => {
      const before = from.columns.find(({ name }) => name === column.name)
      const make = (old: string | undefined, beside: string | undefined) => {
        void witness.trouble(trouble, anyNode, what)
        return before === undefined ? beside : old && rewritten(old, before, column)
      }
      return [column.name, make]
    }),
  )
  return from.habits.includes('table') ? { ...made, [tableName]: asItIs } : made
}

/** The beginning of an SO that keeps these columns from now on, which the class that is left had. */
export function keeping(columns: readonly Column[], isLazy: boolean) {
  return (left: ColumnsState, collections: InitialCollections): ColumnsState => {
    const state = emptyState(columns)
    const source = { state: left, collection: (name: string) => collections.old(name) }
    const target = { state, collection: (name: string) => collections.own(name) }
    for (const column of columns) {
      if (isLazy && column.kept === 'collection') state.counts[column.name] = left.counts[column.name] ?? 0
      else copyColumn(source, column, target, column)
    }
    return state
  }
}

export function keptRecords(columns: readonly Column[], isLazy: boolean) {
  const lazily = columns.filter(({ kept }) => isLazy && kept === 'collection')
  return Object.fromEntries(lazily.map(({ name }) => [name, asItIs<string>]))
}
