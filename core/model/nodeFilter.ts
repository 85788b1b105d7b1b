/**
 * Which nodes a class upgrade concerns (§2: "a filter that restricts a class upgrade to only
 * some nodes belonging to the old-class … to optimize for environment or hardware
 * capabilities"). It asks only for what never changes about a node, and is data in the
 * manifest: everybody who asks, at any time, gets the same answer.
 */
import { Fault } from '../base/fault.js'
import { isName } from '../base/ids.js'

/** The facts about a node that never change: its id, and the facts of the host it was born on. */
export interface NodeIdentity {
  readonly nodeId: string
  readonly facts: NodeFacts
}

/** For example `{ zone: 'eu', gpu: 'yes' }`. */
export type NodeFacts = Readonly<Record<string, string>>

/** Every part that is given must hold. */
export interface NodeFilter {
  /** Node ids, in which `*` stands for any characters: `['n1', 'eu-*']`. One of them must match. */
  readonly nodes?: readonly string[]
  /** Facts that the node must have. */
  readonly facts?: NodeFacts
}

export const factsMax = 32
export const factLengthMax = 256

export function isAdmitted({ nodes, facts = {} }: NodeFilter, node: NodeIdentity): boolean {
  if (nodes !== undefined && !nodes.some((pattern) => matches(pattern, node.nodeId))) return false
  return Object.entries(facts).every(([name, value]) => node.facts[name] === value)
}

/** Everything between two `*` must come in order; nothing is looked at twice. */
function matches(pattern: string, id: string): boolean {
  const [first = '', ...rest] = pattern.split('*')
  const last = rest.pop()
  if (last === undefined) return pattern === id
  if (!id.startsWith(first) || !id.endsWith(last) || id.length < first.length + last.length) return false
  let at = first.length
  const end = id.length - last.length
  for (const part of rest) {
    const found = id.indexOf(part, at)
    if (found === -1 || found + part.length > end) return false
    at = found + part.length
  }
  return true
}

/** Whether a value that came from outside is a filter; an empty one, which admits every node, is none. */
export function isNodeFilter(value: unknown): value is NodeFilter {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const { nodes, facts, ...more } = value as Record<string, unknown>
  if (Object.keys(more).length > 0 || (nodes === undefined && facts === undefined)) return false
  const arePatterns = Array.isArray(nodes) && nodes.length > 0 && nodes.every((pattern) => isPattern(pattern))
  return (nodes === undefined || arePatterns) && (facts === undefined || areFacts(facts))
}

function isPattern(value: unknown): boolean {
  return (
    typeof value === 'string' &&
    value.length > 0 &&
    (value.includes('*') ? isName(`n${value.replaceAll('*', '')}`) : isName(value))
  )
}

export function areFacts(value: unknown): value is NodeFacts {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const entries = Object.entries(value)
  return entries.length <= factsMax && entries.every(([name, fact]) => isName(name) && isFact(fact))
}

function isFact(value: unknown): boolean {
  return typeof value === 'string' && value.length <= factLengthMax
}

/** Throws `config.invalid`. */
export function checkFacts(facts: unknown): NodeFacts {
  if (areFacts(facts)) return facts
  const advice = `use at most ${factsMax} names with text of at most ${factLengthMax} characters: { zone: 'eu' }`
  throw new Fault('config.invalid', `facts of a host: ${advice}`)
}
