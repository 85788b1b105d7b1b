/**
 * The shape of a class's persistent state, as far as it can be known without a node: the root record of a new
 * node, and names in the code.
 */
import { type NodeClass, NodeObject } from 'theseus-actors'

/** Each field of the root record, with what is in it: `text`, `number`, `list`, `{ html: text }`. */
export type Shape = Readonly<Record<string, string>>

/** Deeper is not looked. */
const depthMax = 3

export function shapeOf(initial: object): Shape {
  return Object.fromEntries(
    Object.entries(initial)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([field, value]) => [field, kindOf(value, depthMax)]),
  )
}

function kindOf(value: unknown, depth: number): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return value.length === 0 ? 'list' : `list of ${kindOf(value[0], depth - 1)}`
  if (value instanceof Uint8Array) return 'bytes'
  if (value instanceof Date) return 'time'
  switch (typeof value) {
    case 'string':
      return 'text'
    case 'object':
      return recordKind(value as object, depth)
    default:
      return typeof value
  }
}

function recordKind(value: object, depth: number): string {
  const fields = Object.entries(shapeAt(value, depth))
  return fields.length === 0 ? 'record' : `{ ${fields.map(([field, kind]) => `${field}: ${kind}`).join(', ')} }`
}

function shapeAt(value: object, depth: number): Shape {
  if (depth === 0) return {}
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([field, inner]) => [field, kindOf(inner, depth - 1)]),
  )
}

/** The collections whose names stand in the class's code, with the classes that it extends. */
export function collectionsNamed(definition: NodeClass): readonly string[] {
  const names = new Set<string>()
  for (let at: unknown = definition; typeof at === 'function' && at !== NodeObject; at = Object.getPrototypeOf(at)) {
    const code = Function.prototype.toString.call(at)
    for (const [, , name] of code.matchAll(/\.collection\(\s*(['"`])([\w-]+)\1/g)) names.add(name!)
  }
  return [...names].sort()
}
