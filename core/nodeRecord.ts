/**
 * What a node knows about itself across restarts: one record per node. It is the pointer that the flip moves, in one atomic commit
 * together with nothing else (DESIGN §5): before it the old version starts, after it the new one.
 *
 * State lives in *slots*: the object has one, each SO has one. A generation is the set of slots that belong together at one version;
 * SO states that an upgrade leaves alone are shared by the old and the new generation, which is safe because no call runs
 * between `draining` and `recovering`. What no record names is swept.
 */
import { Fault } from './fault.js'
import { checkName, type Version } from './ids.js'
import type { NodeFacts } from './nodeFilter.js'

export const recordFormat = 1

/** The generation a slot was made in, and the version its state implements. Never reused on one node. */
export type Slot = `${number}.${Version}`

export interface Generation {
  readonly number: number
  readonly version: Version
  readonly className: string
  /** The object's own slot. */
  readonly object: Slot
  /** The slots of past-SOs and future-SOs by the version that they implement. */
  readonly simulations: Readonly<Record<Version, Slot>>
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
}

export type UpgradeProgress =
  | { readonly phase: 'recovering'; readonly target: Version; readonly startsFailed: number }
  | { readonly phase: 'stalled'; readonly target: Version; readonly reason: string }

export function slot(generation: number, version: Version): Slot {
  return `${generation}.${version}`
}

export function generationOf(of: Slot): number {
  return Number(of.slice(0, of.indexOf('.')))
}

/** The slots that a generation names. */
export function slotsOf(generation: Generation): readonly Slot[] {
  return [generation.object, ...Object.values(generation.simulations)]
}

/** Keys of the state store, in one place (docs/architecture.md, "On disk"). */
export const keys = {
  host: 'host',
  record: (nodeId: string) => `n/${nodeId}`,
  allRecords: ['n/', 'n0'] as const,
  root: (nodeId: string, of: Slot) => `s/${nodeId}/${of}/r`,
  /** Throws `config.invalid` for a name that could run into another's records. */
  collection: (nodeId: string, of: Slot, name: string) => `s/${nodeId}/${of}/c/${checkName('collection', name)}/`,
  slot: (nodeId: string, of: Slot) => [`s/${nodeId}/${of}/`, `s/${nodeId}/${of}0`] as const,
  allSlots: (nodeId: string) => [`s/${nodeId}/`, `s/${nodeId}0`] as const,
  manifest: (version: Version) => `m/${String(version).padStart(10, '0')}`,
  allManifests: ['m/', 'm0'] as const,
  bundle: (digest: string) => `b/${digest}`,
}

/** The slot that a key of this node's state belongs to. */
export function slotOfKey(nodeId: string, key: string): Slot {
  const from = `s/${nodeId}/`.length
  return key.slice(from, key.indexOf('/', from)) as Slot
}

/** Throws `config.invalid` for a record that another version of Theseus wrote in a layout that this one does not know. */
export function checkRecord(value: unknown): NodeRecord {
  const record = value as NodeRecord
  if (typeof record === 'object' && record !== null && record.format === recordFormat) return record
  throw new Fault(
    'config.invalid',
    `node record of format ${(record as { format?: unknown })?.format}: this Theseus reads format ${recordFormat}`,
  )
}
