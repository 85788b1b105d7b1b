/**
 * The persistent state of the world's classes: append-only registers of operations, in the root or in a
 * collection. Objects, SOs and transform functions all use it, so that a mistake in an upgrade is a mistake
 * of the runtime or of the test, not of these few lines.
 *
 * A register in a collection counts its records in the root: root and collection are written by
 * one command and must agree.
 */
import type { Collection, ReadonlyCollection } from 'theseus-actors'
import type { Register } from './plan.js'

export interface RegistersState {
  lists: Record<string, string[]>
  counts: Record<string, number>
  /** The half of the table that is kept in the root, where there is one. */
  marks?: Record<string, unknown>
}

export interface RegistersHolder {
  readonly state: RegistersState
  collection(name: string): Collection<string>
}

/** Stands in a list where its records and their count disagree. */
export const torn = '(torn)'

export function emptyState(registers: readonly Register[]): RegistersState {
  const state: RegistersState = { lists: {}, counts: {} }
  for (const { name, kept } of registers) {
    if (kept === 'root') state.lists[name] = []
    else state.counts[name] = 0
  }
  return state
}

/** Returns the index of what was added. */
export function append(holder: RegistersHolder, { name, kept, form }: Register, op: string): number {
  const { state } = holder
  if (kept === 'root') return state.lists[name]!.push(op) - 1
  const index = state.counts[name]!
  holder.collection(name).put(keyOf(index), written(op, form))
  state.counts[name] = index + 1
  return index
}

export function listOf(holder: RegistersHolder, { name, kept, form }: Register): readonly string[] {
  if (kept === 'root') return [...holder.state.lists[name]!]
  return checked(holder.collection(name), form, holder.state.counts[name]!)
}

function written(op: string, form: number): string {
  return `${form}|${op}`
}

function read(record: string, form: number): string {
  const mark = `${form}|`
  return record.startsWith(mark) ? record.slice(mark.length) : `${torn} ${record}, and not in form ${form}`
}

/** The record in the form that it has in another register. */
export function reencoded(record: string, from: Register, to: Register): string {
  return written(read(record, from.form), to.form)
}

function checked(collection: ReadonlyCollection<string>, form: number, count: number): readonly string[] {
  const list = [...collection.entries()].map(([, record]) => read(record, form))
  return list.length === count ? list : [...list, `${torn} ${list.length} records, counted ${count}`]
}

/** Where a transform or an SO's beginning reads a register, and where it writes one. */
export interface RegistersSource {
  readonly state: RegistersState
  collection(name: string): ReadonlyCollection<string>
}
export interface RegistersTarget {
  readonly state: RegistersState
  collection(name: string): { put(key: string, op: string): void }
}

/** Copies a register, from where it was kept to where it is to be kept. */
export function copyRegister(source: RegistersSource, from: Register, target: RegistersTarget, to: Register): void {
  const list =
    from.kept === 'root'
      ? (source.state.lists[from.name] ?? [])
      : checked(source.collection(from.name), from.form, source.state.counts[from.name] ?? 0)
  if (to.kept === 'root') target.state.lists[to.name] = [...list]
  else {
    list.forEach((op, index) => {
      target.collection(to.name).put(keyOf(index), written(op, to.form))
    })
    target.state.counts[to.name] = list.length
  }
}

function keyOf(index: number): string {
  return String(index).padStart(6, '0')
}
