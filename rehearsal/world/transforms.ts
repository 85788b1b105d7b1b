/**
 * The transform functions of the world, forward and back alike, and the states with which SOs begin that keep
 * registers of their own.
 */
import { asItIs, type InitialCollections } from 'theseus-actors'
import type { ClassSpec } from './classSpecs.js'
import { tableName } from './code/table.js'
import type { ExecutionOracle } from './executionOracle.js'
import type { Register, Trouble } from './plan.js'
import { copyRegister, emptyState, type RegistersState, reencoded } from './registers.js'

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
 * Carries every register over: from the class that is left, or from the SO that kept it meanwhile. Of what is
 * made lazily it counts the records.
 */
export function transformOf(
  from: ClassSpec,
  to: ClassSpec,
  isLazy: boolean,
  trouble: Trouble,
  oracle: ExecutionOracle,
  what: string,
) {
  const lazily = isLazy ? new Set(lazyRegisters(from, to).map(({ name }) => name)) : new Set<string>()
  return async (old: RegistersState, kept: RegistersState, collections: TransformTools): Promise<RegistersState> => {
    await oracle.trouble(trouble, anyNode, what)
    const state = emptyState(to.registers)
    const target = { state, collection: (name: string) => collections.next(name) }
    const fromOld = { state: old, collection: (name: string) => collections.old(name) }
    // Without an SO the register begins empty.
    const fromKept = {
      state: { lists: kept.lists ?? {}, counts: kept.counts ?? {} },
      collection: (name: string) => collections.future(name),
    }
    for (const register of to.registers) {
      const before = from.registers.find(({ name }) => name === register.name)
      const source = before === undefined ? fromKept : fromOld
      if (lazily.has(register.name)) state.counts[register.name] = source.state.counts[register.name] ?? 0
      else copyRegister(source, before ?? register, target, register)
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
function lazyRegisters(from: ClassSpec, to: ClassSpec): readonly Register[] {
  return to.registers.filter(({ name, kept }) => {
    const before = from.registers.find((register) => register.name === name)
    return kept === 'collection' && before?.kept !== 'root'
  })
}

/** How the records of these registers are made, each in the form of the class that it is for. */
export function recordsOf(from: ClassSpec, to: ClassSpec, trouble: Trouble, oracle: ExecutionOracle, what: string) {
  const made = Object.fromEntries(
    lazyRegisters(from, to).map((register) => {
      const before = from.registers.find(({ name }) => name === register.name)
      const make = (old: string | undefined, beside: string | undefined) => {
        void oracle.trouble(trouble, anyNode, what)
        return before === undefined ? beside : old && reencoded(old, before, register)
      }
      return [register.name, make]
    }),
  )
  return from.habits.includes('table') ? { ...made, [tableName]: asItIs } : made
}

/** The beginning of an SO that keeps these registers from now on, which the class that is left had. */
export function keptRegisters(registers: readonly Register[], isLazy: boolean) {
  return (left: RegistersState, collections: InitialCollections): RegistersState => {
    const state = emptyState(registers)
    const source = { state: left, collection: (name: string) => collections.old(name) }
    const target = { state, collection: (name: string) => collections.own(name) }
    for (const register of registers) {
      if (isLazy && register.kept === 'collection') state.counts[register.name] = left.counts[register.name] ?? 0
      else copyRegister(source, register, target, register)
    }
    return state
  }
}

export function keptRecords(registers: readonly Register[], isLazy: boolean) {
  const lazily = registers.filter(({ kept }) => isLazy && kept === 'collection')
  return Object.fromEntries(lazily.map(({ name }) => [name, asItIs<string>]))
}
