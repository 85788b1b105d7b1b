/**
 * A node's knowledge about itself across restarts: one record per node. It is the pointer that
 * the flip moves, in one atomic commit together with nothing else (DESIGN §5): before it the
 * old version starts, after it the new one.
 *
 * State lives in *slots*: the object has one, each SO has one. A generation is the set of slots
 * that belong together at one version; SO states that an upgrade leaves alone are shared by the
 * old and the new generation, which is safe because no call runs between `draining` and
 * `recovering`. A state that no record names is swept.
 */
import { Fault } from '../base/fault.js'
import { formats, isRead, numbersRead } from '../base/formats.js'
import { checkName, type Version } from '../base/ids.js'
import type { NodeFacts } from './nodeFilter.js'

export const recordFormat = formats.record.newest

/**
 * The generation a slot was made in, and the version its state implements. A try after a failed one uses
 * its slots again, once they are swept.
 */
export type StateSlot = `${number}.${Version}`

export interface Generation {
  readonly number: number
  readonly version: Version
  readonly className: string
  /** The object's own slot. */
  readonly object: StateSlot
  /** The slots of past-SOs and future-SOs by the version that they implement. */
  readonly simulations: Readonly<Record<Version, StateSlot>>
  /**
   * The slots some of whose records are still to be made of other slots', which nobody writes to any more.
   */
  readonly lazy?: Readonly<Record<StateSlot, LazySlot>>
}

/** A slot between the flip that made it and the moment when its last record has been made (§8). */
export interface LazySlot {
  /** The upgrade whose functions make its records: the transform's, or those of the past-SO's beginning. */
  readonly upgrade: Version
  readonly role: 'object' | 'pastSO'
  /** Whether that upgrade undoes another one. */
  readonly undoes: boolean
  /** Which one. Left out where it is the one before: release 0.1.0 knows no other. */
  readonly undone?: Version
  /** Of which slots: the old object's, and that of the SO which stood for the new one. */
  readonly old: StateSlot
  readonly beside: StateSlot | null
  /**
   * By collection: the first key whose record may be still to be made. Collections whose
   * records are all made are not named.
   */
  readonly next: Readonly<Record<string, string>>
  /** Records that were looked at in passing, for whoever asks how far it has come. */
  readonly passed: number
}

/**
 * The way back to the generation before the newest flip (§8: "undo an upgrade, fix it, then somehow replay
 * the undone operations"). While it is recorded, nobody writes to the kept generation, and all operations
 * since are kept in order (core/model/recordedOperation.ts).
 */
export type Rewind = Recording | EndedRecording

export interface Recording {
  readonly phase: 'recording'
  /** The version that the node flipped to, and would go back from. */
  readonly target: Version
  /** The state of before, as it was at the flip; with the operations that have been replayed, if any. */
  readonly kept: Generation
  /** The oldest version that the kept generation answers. */
  readonly oldest: Version
  /** Milliseconds since 1970, by the clock of the node's host. */
  readonly sinceMs: number
  readonly untilMs: number
  readonly operationsMax: number
  readonly bytesMax: number
  /** Whether queries are recorded too. */
  readonly queries: boolean
  /**
   * The start of the node that records. A start by a release that does not know recordings counts the
   * record's `incarnation` alone: then operations are missing.
   */
  readonly incarnation: number
}

export interface EndedRecording {
  readonly phase: 'ended'
  readonly target: Version
  /** Why nobody can go back by it any more. */
  readonly reason: string
}

export interface NodeRecord {
  readonly format: typeof recordFormat
  readonly nodeId: string
  readonly service: string
  /** The facts of the host that the node was born on. They never change. */
  readonly facts: NodeFacts
  /** Counts the starts of this node: makes the ids of its calls unique across restarts. */
  readonly incarnation: number
  /** The chain answers versions `oldest` to `newest`, or says with which fault it is cut. */
  readonly oldest: Version
  readonly newest: Version
  readonly generation: Generation
  /** Set from the flip until the node serves again: where one commit flips back to. */
  readonly previous: Generation | null
  /** How far the upgrade under way has come, as far as a restart needs to know. */
  readonly upgrade: UpgradeProgress | null
  /**
   * The token of the newest retry that it has heeded, or that was ordered before there was anything to retry.
   * Release 0.1.0 has none.
   */
  readonly heededRetry?: string
  /** Those before it, the newest first (heededRetries.ts). Releases before 0.2.0 know of none. */
  readonly heededBefore?: readonly string[]
  /** Left out where the newest flip keeps nothing. Releases before 0.2.0 know of none. */
  readonly rewind?: Rewind
}

export type UpgradeProgress =
  | { readonly phase: 'recovering'; readonly target: Version; readonly startsFailed: number }
  | { readonly phase: 'stalled'; readonly target: Version; readonly reason: string }

export function stateSlot(generation: number, version: Version): StateSlot {
  return `${generation}.${version}`
}

export function generationOf(of: StateSlot): number {
  return Number(of.slice(0, of.indexOf('.')))
}

/** The slots that a generation names, and those of which theirs are still being made. */
export function stateSlotsOf({ object, simulations, lazy = {} }: Generation): readonly StateSlot[] {
  const found = new Set<StateSlot>([object, ...Object.values(simulations)])
  // A set is gone through with what is added meanwhile.
  for (const of of found) {
    const made = lazy[of]
    if (made === undefined) continue
    found.add(made.old)
    if (made.beside !== null) found.add(made.beside)
  }
  return [...found]
}

/** The generation with these lazy slots, as far as they are still needed. */
export function withLazy(generation: Generation, lazy: Readonly<Record<StateSlot, LazySlot>>): Generation {
  const { lazy: _, ...rest } = generation
  const needed = new Set(stateSlotsOf({ ...rest, lazy }))
  const kept = Object.entries(lazy).filter(([of]) => needed.has(of as StateSlot))
  return kept.length === 0 ? rest : { ...rest, lazy: Object.fromEntries(kept) }
}

/** Keys of the state store, in one place (docs/architecture.md, "On disk"). */
export const keys = {
  host: 'host',
  /** The last starts of a host on this directory. */
  starts: 'starts',
  record: (nodeId: string) => `n/${nodeId}`,
  allRecords: ['n/', 'n0'] as const,
  /** A node of a shard that is being born: the upgrade database has it before it has a record. */
  birth: (nodeId: string) => `k/${nodeId}`,
  allBirths: ['k/', 'k0'] as const,
  /** A node that goes to another store, or has gone there; the decision about one that came (nodeMove.ts). */
  departure: (nodeId: string) => `d/${nodeId}`,
  allDepartures: ['d/', 'd0'] as const,
  arrival: (nodeId: string) => `a/${nodeId}`,
  allArrivals: ['a/', 'a0'] as const,
  /** The nodes that it has recently exchanged calls with. */
  contacts: (nodeId: string) => `c/${nodeId}`,
  group: (name: string) => `g/${name}`,
  root: (nodeId: string, of: StateSlot) => `s/${nodeId}/${of}/r`,
  /** Throws `config.invalid` for a name that could run into another's records. */
  collection: (nodeId: string, of: StateSlot, name: string) => `s/${nodeId}/${of}/c/${checkName('collection', name)}/`,
  collections: (nodeId: string, of: StateSlot) => [`s/${nodeId}/${of}/c/`, `s/${nodeId}/${of}/c0`] as const,
  stateSlot: (nodeId: string, of: StateSlot) => [`s/${nodeId}/${of}/`, `s/${nodeId}/${of}0`] as const,
  allStateSlots: (nodeId: string) => [`s/${nodeId}/`, `s/${nodeId}0`] as const,
  /** One that has been recorded since the flip to `target`. */
  operation: (nodeId: string, target: Version, number: number) => `o/${nodeId}/${digits(target)}/${digits(number)}`,
  operations: (nodeId: string, target: Version) => [`o/${nodeId}/${digits(target)}/`, `o/${nodeId}/${digits(target)}0`] as const,
  allOperations: (nodeId: string) => [`o/${nodeId}/`, `o/${nodeId}0`] as const,
  /** One whose replay did not give what its caller had been told. */
  difference: (nodeId: string, number: number) => `w/${nodeId}/${digits(number)}`,
  differences: (nodeId: string) => [`w/${nodeId}/`, `w/${nodeId}0`] as const,
  manifest: (version: Version) => `m/${String(version).padStart(10, '0')}`,
  allManifests: ['m/', 'm0'] as const,
  bundle: (digest: string) => `b/${digest}`,
}

/** The slot that a key of this node's state belongs to. */
export function stateSlotOfKey(nodeId: string, key: string): StateSlot {
  const from = `s/${nodeId}/`.length
  return key.slice(from, key.indexOf('/', from)) as StateSlot
}

/** Whose record is kept under this key of a state store; undefined for any other key. */
export function nodeIdOfKey(key: string): string | undefined {
  const before = keys.record('')
  return key.startsWith(before) ? key.slice(before.length) : undefined
}

/**
 * Throws `config.invalid` for a record that another version of Theseus wrote in a layout that
 * this one does not know.
 */
export function checkRecord(value: unknown): NodeRecord {
  const record = value as NodeRecord
  if (typeof record === 'object' && record !== null && isRead(formats.record, record.format))
    return { ...record, format: recordFormat }
  throw new Fault(
    'config.invalid',
    `node record of format ${(record as { format?: unknown })?.format}: this Theseus reads formats ${numbersRead(formats.record)}`,
  )
}

function digits(number: number): string {
  return String(number).padStart(10, '0')
}

/** The number of an operation, or of a difference, by its key. */
export function numberOfKey(key: string): number {
  return Number(key.slice(key.lastIndexOf('/') + 1))
}
