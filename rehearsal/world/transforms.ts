/** The transform functions of the world, forward and back alike, and the states with which SOs begin that keep columns of their own. */
import type { InitialCollections } from 'theseus'
import { type ColumnsState, copyColumn, emptyState } from './columns.js'
import type { Column, Trouble } from './plan.js'
import type { ClassSpec } from './specs.js'
import type { Witness } from './witness.js'

/** A transform is not told its node. */
const anyNode = 'any node'

interface TransformTools {
  old(name: string): any
  future(name: string): any
  next(name: string): any
  flushed(): Promise<void>
}

/** Carries every column over: from the class that is left, or from the SO that kept it meanwhile. */
export function transformOf(from: ClassSpec, to: ClassSpec, trouble: Trouble, witness: Witness, what: string) {
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
      copyColumn(before === undefined ? fromKept : fromOld, before ?? column, target, column)
      await collections.flushed()
    }
    return state
  }
}

/** What an SO begins with that keeps these columns from now on, which the class that is left had. */
export function keeping(columns: readonly Column[]) {
  return (left: ColumnsState, collections: InitialCollections): ColumnsState => {
    const state = emptyState(columns)
    const source = { state: left, collection: (name: string) => collections.old(name) }
    const target = { state, collection: (name: string) => collections.own(name) }
    for (const column of columns) copyColumn(source, column, target, column)
    return state
  }
}
