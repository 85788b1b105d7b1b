/**
 * What an object or an SO answers, built when a version is installed and not per call (DESIGN §9). A delegated method is the next
 * object's own entry, one hop further: a chain of delegations costs nothing when a call runs.
 */
import { Fault } from './fault.js'
import type { MethodKind } from './methods.js'
import type { ClassDescription } from './nodeObject.js'
import type { Simulation } from './simulation.js'

export interface MethodEntry {
  readonly kind: MethodKind
  /** How many simulation objects a call passes on its way. */
  readonly hops: number
  readonly invoke: (args: readonly unknown[]) => unknown
}

export type MethodTable = ReadonlyMap<string, MethodEntry>

type AnyMethod = (...args: any[]) => unknown

/** `touch` is called before a command runs: it tells the node state whose root may be written. */
export function objectTable(instance: object, description: ClassDescription, touch: () => void): MethodTable {
  const table = new Map<string, MethodEntry>()
  for (const [name, kind] of description.methods) {
    const method = (instance as Record<string, AnyMethod>)[name]!
    table.set(name, { kind, hops: 0, invoke: invoker(method, instance, kind, touch) })
  }
  return table
}

/** The table of an SO: `simulated` says which methods there are and of which kind, `self` is `this` of the SO's own methods. */
export function simulationTable(
  so: Simulation,
  simulated: ClassDescription,
  next: MethodTable,
  self: object,
  touch: () => void,
): MethodTable {
  const table = new Map<string, MethodEntry>()
  const delegates = new Set(so.delegates)
  for (const [name, kind] of simulated.methods) {
    const own = so.methods[name]
    if (own !== undefined) table.set(name, { kind, hops: 1, invoke: invoker(own, self, kind, touch) })
    else if (delegates.has(name)) {
      const entry = next.get(name)
      table.set(name, entry === undefined ? missing(so, name, kind) : { kind, hops: entry.hops + 1, invoke: entry.invoke })
    } else table.set(name, refusal(so, name, kind))
  }
  return table
}

/** Only the methods that the class of that version has: a version's callers see that version. */
export function restrictedTable(table: MethodTable, description: ClassDescription): MethodTable {
  const restricted = new Map<string, MethodEntry>()
  for (const name of description.methods.keys()) {
    const entry = table.get(name)
    if (entry !== undefined) restricted.set(name, entry)
  }
  return restricted
}

/** What an SO's `this.next` is: asynchronous throughout, so that an SO can't tell whether the next is the object or another SO. */
export function asynchronous(table: MethodTable): Record<string, AnyMethod> {
  const next: Record<string, AnyMethod> = {}
  for (const [name, entry] of table) next[name] = (...args) => promised(entry, args)
  return next
}

/** Not an async function: it would wrap the promise of a next SO in another one, at each hop. */
function promised(entry: MethodEntry, args: readonly unknown[]): Promise<unknown> {
  try {
    const answer = entry.invoke(args)
    return answer instanceof Promise ? answer : Promise.resolve(answer)
  } catch (error) {
    return Promise.reject(error)
  }
}

function invoker(method: AnyMethod, self: object, kind: MethodKind, touch: () => void): MethodEntry['invoke'] {
  if (kind === 'query') return (args) => method.apply(self, args as unknown[])
  return (args) => {
    touch()
    return method.apply(self, args as unknown[])
  }
}

function refusal(so: Simulation, name: string, kind: MethodKind): MethodEntry {
  const from = so.simulates.className
  const over = so.over.className
  return {
    kind,
    hops: 1,
    invoke: () => {
      throw new Fault('simulation.refused', `${from}.${name} can't be carried out on ${over}`, {
        method: name,
        simulates: from,
        over,
      })
    },
  }
}

/** The next object lost the method by its own restriction: the same to the caller as a refusal. */
function missing(so: Simulation, name: string, kind: MethodKind): MethodEntry {
  return refusal(so, name, kind)
}
