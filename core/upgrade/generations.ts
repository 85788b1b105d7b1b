/**
 * The algebra of generations: how a node's record goes from one state to the next. Pure: each function
 * takes a record or a generation and answers the one after it, so that a whole story of upgrades can be
 * told without a node (test/transcripts/).
 *
 * A generation is a version, the object's state, and the states of the simulation objects around it. An
 * upgrade makes the next one beside the old (`nextGeneration`); one commit moves to it (`flipped`); until
 * the new object has started, one commit moves back (`flippedBack`).
 */
import type { Version } from '../base/ids.js'
import { invariant } from '../base/invariant.js'
import type { NodeFacts } from '../model/nodeFilter.js'
import {
  type Generation,
  generationOf,
  type LazySlot,
  type NodeRecord,
  type Recording,
  recordFormat,
  type StateSlot,
  stateSlot,
  stateSlotsOf,
  withLazy,
} from '../model/nodeRecord.js'
import type { RecordRules } from '../model/recordTransform.js'
import { isSO } from '../model/simulation.js'
import type { RewindLimits } from './rewindLimits.js'
import { proxyVersion, type Undoes } from './undo.js'
import type { ClassUpgrade } from './upgrade.js'

/** As much of a class upgrade as decides which states there are. */
export type StatesOfUpgrade = Pick<ClassUpgrade, 'newClass' | 'pastSO' | 'records'> & Partial<Pick<ClassUpgrade, 'rewind'>>

/** One upgrade, as the history has it for a node. */
export interface UpgradeKind {
  /** The upgrade that it undoes. */
  readonly undoes: Version | null
  /** Whether it takes back what its bundle brought: an undo does, the undo of an undo brings it again. */
  readonly takesBack: boolean
}

// --- Before an upgrade

/** Shared by all that have none. */
const noSimulations: Generation['simulations'] = Object.freeze({})

export function firstGeneration(version: Version, className: string): Generation {
  return { number: 0, version, className, object: stateSlot(0, version), simulations: noSimulations }
}

/** The record of a node that is born with this generation, while versions from `oldest` on live. */
export function newborn(
  { nodeId, service, facts }: Pick<NodeRecord, 'nodeId' | 'service'> & { readonly facts: NodeFacts },
  generation: Generation,
  oldest: Version,
): NodeRecord {
  return {
    format: recordFormat,
    nodeId,
    service,
    facts,
    incarnation: 1,
    oldest: Math.min(oldest, generation.version),
    newest: generation.version,
    generation,
    previous: null,
    upgrade: null,
  }
}

/**
 * The version that the states of a birth begin with. An upgrade that can still be undone, and one that is
 * an undo already, is answered with the state of the SO before it, dead as that one's version may be.
 *
 * @param final the newest version from which nobody goes back
 */
export function firstNeeded(oldest: Version, final: Version, newest: Version, undoes: Undoes): Version {
  return oldestMeant(Math.min(oldest, Math.max(final, newest - 1)), newest, undoes)
}

/** The oldest version that is meant by one from `version` to `newest`. */
export function oldestMeant(version: Version, newest: Version, undoes: Undoes): Version {
  let oldest = version
  for (let later = newest; later > oldest; later--) oldest = Math.min(oldest, proxyVersion(later, undoes(later)))
  return oldest
}

/**
 * "The UM installs the class upgrade's future-SO" (§3): the record that knows `version`, and the slots of
 * the future-SO's state that it needs anew. Undefined where `version` is not the one after the newest.
 */
export function learned(
  record: NodeRecord,
  version: Version,
  hasFutureSO: boolean,
  { undoes, takesBack }: UpgradeKind,
): { readonly record: NodeRecord; readonly made: readonly StateSlot[] } | undefined {
  if (record.newest !== version - 1) return undefined
  const { generation } = record
  const of = proxyVersion(version, undoes)
  // A node that has not taken the undone upgrade has the object, or an SO of its own, for the version that
  // is meant again. One that has taken it has its past-SO, unless it was born later. An undo of an undo has
  // none where the undone version was rejected when it came for the first time.
  const isBefore = takesBack && generation.version < of
  const isThere = isBefore || of === generation.version || generation.simulations[of] !== undefined
  if (!hasFutureSO || isThere) return { record: { ...record, newest: version }, made: [] }
  const made = stateSlot(generation.number, of)
  const simulations = { ...generation.simulations, [of]: made }
  const known = { ...record, newest: version, generation: { ...generation, simulations } }
  const recording = record.rewind?.phase === 'recording' ? keptWith(record.rewind, of) : undefined
  if (recording === undefined) return { record: known, made: [made] }
  return { record: { ...known, rewind: recording }, made: [made, recording.kept.simulations[of]!] }
}

/** A replay goes through the new future-SO as well: its state begins in the kept generation too. */
function keptWith(recording: Recording, of: Version): Recording | undefined {
  const { kept } = recording
  if (of === kept.version || kept.simulations[of] !== undefined) return undefined
  const simulations = { ...kept.simulations, [of]: stateSlot(kept.number, of) }
  return { ...recording, kept: { ...kept, simulations } }
}

/**
 * "The node is unaffected and immediately advances its version number" (§3): the same state at a later
 * version, the next one or, past an upgrade that is undone, that of its undo. The SO that stood for each
 * upgrade that is skipped with its undo is the past-SO of that undo from now on.
 *
 * @param undoes the version that an upgrade for this node undoes
 */
export function advanced(record: NodeRecord, to: Version, undoes: Undoes): NodeRecord {
  const { generation } = record
  const simulations: Record<Version, StateSlot> = { ...generation.simulations }
  for (let version = generation.version + 1; version <= to; version++) {
    const undone = undoes(version)
    if (undone === null || undone <= generation.version) continue
    const stood = proxyVersion(undone, undoes(undone))
    const state = simulations[stood]
    if (state === undefined) continue
    delete simulations[stood]
    simulations[version - 1] = state
  }
  return withoutPast({ ...record, upgrade: null, generation: { ...generation, version: to, simulations } })
}

// --- An upgrade

/** The generation after an upgrade: the object's new slot, the past-SO's, and every other SO's as it was. */
export function nextGeneration(old: Generation, upgrade: StatesOfUpgrade, undoes: Version | null): Generation {
  const number = old.number + 1
  const version = old.version + 1
  const { [proxyVersion(version, undoes)]: future, ...others } = old.simulations
  const object = stateSlot(number, version)
  const past = stateSlot(number, old.version)
  const lazy: Record<StateSlot, LazySlot> = { ...old.lazy }
  // The old generation is kept as it is: an SO that goes on writes to a copy.
  const copyOf = (of: Version, slot: StateSlot): StateSlot => {
    const copy = stateSlot(number, of)
    if (lazy[slot] !== undefined) lazy[copy] = lazy[slot]
    return copy
  }
  const kept =
    upgrade.rewind == null
      ? others
      : Object.fromEntries(Object.entries(others).map(([of, slot]) => [of, copyOf(Number(of), slot)]))
  const makes = (of: StateSlot, role: LazySlot['role'], rules: RecordRules | null, beside: StateSlot | null) => {
    if (rules === null) return
    const next = Object.fromEntries(Object.keys(rules).map((name) => [name, '']))
    lazy[of] = { upgrade: version, role, ...undoneIn(version, undoes), old: old.object, beside, next, passed: 0 }
  }
  makes(object, 'object', upgrade.records, future ?? null)
  if (isSO(upgrade.pastSO)) makes(past, 'pastSO', upgrade.pastSO.records, null)
  const generation: Generation = {
    number,
    version,
    className: upgrade.newClass.className,
    object,
    simulations: { ...kept, ...(isSO(upgrade.pastSO) ? { [old.version]: past } : {}) },
  }
  return withLazy(generation, lazy)
}

function undoneIn(version: Version, undoes: Version | null): Pick<LazySlot, 'undoes' | 'undone'> {
  return { undoes: undoes !== null, ...(undoes === null || undoes === version - 1 ? {} : { undone: undoes }) }
}

/** The slots of an SO that the next generation has as copies of the old one's. */
export function copiedSlots(old: Generation, next: Generation): readonly (readonly [from: StateSlot, to: StateSlot])[] {
  return Object.entries(next.simulations).flatMap(([of, to]) => {
    const from = old.simulations[Number(of)]
    return from === undefined || from === to || Number(of) === old.version ? [] : [[from, to] as const]
  })
}

/** The flip: from its commit on the node starts with the new generation, and can still go back. */
export function flipped(record: NodeRecord, next: Generation, recording?: Recording): NodeRecord {
  const upgrade = { phase: 'recovering', target: next.version, startsFailed: 0 } as const
  const keeps = recording === undefined ? {} : { rewind: recording }
  return { ...record, generation: next, previous: record.generation, upgrade, ...keeps }
}

/** A start of the new object that is about to be tried, after so many that failed. */
export function recovering(record: NodeRecord, startsFailed: number): NodeRecord {
  return { ...record, upgrade: { phase: 'recovering', target: record.generation.version, startsFailed } }
}

/** The new object has started: the point of no return of this node. */
export function started(record: NodeRecord): NodeRecord {
  return withoutPast({ ...record, previous: null, upgrade: null })
}

/** A way back leads from the version that the node runs, or nowhere. */
function withoutPast(record: NodeRecord): NodeRecord {
  const { rewind, ...rest } = record
  return rewind === undefined || rewind.target === record.generation.version ? record : rest
}

/** After too many failed starts: the old generation again, and why. */
export function flippedBack(record: NodeRecord, reason: string): NodeRecord {
  const { previous, generation } = record
  invariant(previous !== null, 'flipping back without an old generation')
  const upgrade = { phase: 'stalled', target: generation.version, reason } as const
  // That of an upgrade which does not take place keeps nothing; that of a rewind is still to be used.
  return withoutPast({ ...record, generation: previous, previous: null, upgrade })
}

/**
 * A host that ended while the new object was starting counts as a failed start; after too many the old
 * generation is there again.
 */
export function afterCrash(record: NodeRecord, startTriesMax: number): NodeRecord {
  const { upgrade, previous } = record
  if (upgrade?.phase !== 'recovering' || previous === null) return record
  const startsFailed = upgrade.startsFailed + 1
  if (startsFailed < startTriesMax) return { ...record, upgrade: { ...upgrade, startsFailed } }
  return flippedBack(record, `the host ended ${startsFailed} times while the new object was starting`)
}

/**
 * The same for the members of a group: all are at the new version, or all go back. The starts that failed of
 * one count for all. An upgrade that has stalled by the record of one member has stalled for all.
 */
export function groupAfterCrash(records: readonly NodeRecord[], startTriesMax: number): readonly NodeRecord[] {
  const failed = Math.max(0, ...records.map(({ upgrade }) => (upgrade?.phase === 'recovering' ? upgrade.startsFailed : 0)))
  const after = records.map((record) => {
    const isOnItsWay = record.upgrade?.phase === 'recovering' && record.previous !== null
    return afterCrash(isOnItsWay ? recovering(record, failed) : record, startTriesMax)
  })
  const back = after.find(({ generation, previous }) => previous === null && after.some((other) => isAhead(other, generation)))
  const reason = back?.upgrade?.phase === 'stalled' ? back.upgrade.reason : 'another member of its group is at the old version'
  const together = after.map((record) =>
    back !== undefined && isAhead(record, back.generation) ? flippedBack(record, reason) : record,
  )
  return together.map((record) => stalledWith(record, together))
}

/** It can go back to the version that another is at. */
function isAhead({ previous, generation }: NodeRecord, other: Generation): boolean {
  return previous !== null && generation.version > other.version
}

function stalledWith(record: NodeRecord, group: readonly NodeRecord[]): NodeRecord {
  const target = record.generation.version + 1
  const stalled = group.find(({ upgrade }) => upgrade?.phase === 'stalled' && upgrade.target === target)
  if (record.upgrade !== null || stalled === undefined) return record
  return { ...record, upgrade: stalled.upgrade }
}

// --- A rewind

/** The recording of a flip to the generation `next` (W1). */
export function recordingOf(
  record: NodeRecord,
  next: Generation,
  { forMs, operations, bytes, queries }: RewindLimits,
  nowMs: number,
): Recording {
  const { generation: kept, oldest, incarnation } = record
  const limits = { operationsMax: operations, bytesMax: bytes, queries }
  return {
    phase: 'recording',
    target: next.version,
    kept,
    oldest,
    sinceMs: nowMs,
    untilMs: nowMs + forMs,
    ...limits,
    incarnation,
  }
}

/** The recording that leads back from this version, if it is whole. */
export function wholeRecording({ rewind }: NodeRecord, from: Version): Recording | undefined {
  return rewind?.phase === 'recording' && rewind.target === from ? rewind : undefined
}

/** Nobody can go back by it any more. */
export function recordingEnded(record: NodeRecord, reason: string): NodeRecord {
  const { rewind } = record
  return rewind?.phase === 'recording' ? { ...record, rewind: { phase: 'ended', target: rewind.target, reason } } : record
}

/** The record of a node that comes back: a release that knows no recordings may have run it meanwhile. */
export function continued(record: NodeRecord, incarnation: number): NodeRecord {
  const { rewind } = record
  if (rewind?.phase !== 'recording') return { ...record, incarnation }
  if (rewind.incarnation !== record.incarnation)
    return recordingEnded({ ...record, incarnation }, 'an older release, which records nothing, has run the node since')
  return { ...record, incarnation, rewind: { ...rewind, incarnation } }
}

/**
 * The generation of a node that goes back: the kept one, with all operations replayed, as if it had passed
 * over the upgrade and its undo (`advanced`).
 *
 * @param undoes the version that an upgrade for this node undoes
 */
export function rewoundGeneration(record: NodeRecord, { kept, target }: Recording, undoes: Undoes): Generation {
  const { generation } = advanced({ ...record, generation: kept }, target + 1, undoes)
  return { ...generation, number: record.generation.number + 1 }
}

/**
 * The kept generation in slots of its own; undefined where it has them. A record of the present generation
 * that is still to be made is made of the kept ones, and operations that are replayed would change these.
 */
export function keptApart(record: NodeRecord, recording: Recording): Recording | undefined {
  const { generation } = record
  const { kept } = recording
  const mine = new Set<StateSlot>([kept.object, ...Object.values(kept.simulations)])
  const isShared = Object.values(generation.lazy ?? {}).some(({ old, beside }) => mine.has(old) || mine.has(beside!))
  if (!isShared) return undefined
  const number = generation.number + 1
  const lazy: Record<StateSlot, LazySlot> = { ...kept.lazy }
  const copyOf = (of: StateSlot, version: Version): StateSlot => {
    const copy = stateSlot(number, version)
    if (lazy[of] !== undefined) lazy[copy] = lazy[of]
    return copy
  }
  const simulations = Object.fromEntries(Object.entries(kept.simulations).map(([of, slot]) => [of, copyOf(slot, Number(of))]))
  const apart = { ...kept, object: copyOf(kept.object, kept.version), simulations }
  return { ...recording, kept: withLazy(apart, lazy) }
}

/** Which slot of one generation each slot of a copy of it has. */
export function slotsBetween(from: Generation, to: Generation): readonly (readonly [from: StateSlot, to: StateSlot])[] {
  const simulations = Object.entries(from.simulations).map(([of, slot]) => [slot, to.simulations[Number(of)]!] as const)
  return [[from.object, to.object], ...simulations]
}

// --- After upgrades

/**
 * C8. The record without the past-SOs of versions that are dead, and so without every link below. A state
 * stays for as long as somebody can go back to it. The same record where there is nothing to drop.
 *
 * @param dead versions older than this one are dead
 * @param final the newest version from which nobody goes back
 * @param meant the oldest version that an undo which the node has still before it means again
 */
export function withoutDeadVersions(record: NodeRecord, dead: Version, final: Version, meant: Version): NodeRecord {
  const { generation } = record
  const oldest = Math.max(record.oldest, Math.min(dead, generation.version))
  // Nobody goes back from a final version but by an undo that was installed before; a node that comes to it
  // may meet an undo of its own version, and goes on as the one that is meant again.
  const least = Math.min(oldest, meant, generation.version < final ? generation.version - 1 : final)
  const kept = Object.entries(generation.simulations).filter(([version]) => Number(version) >= least)
  const isAll = kept.length === Object.keys(generation.simulations).length
  if (oldest === record.oldest && isAll) return record
  if (isAll) return { ...record, oldest }
  const left = withLazy({ ...generation, simulations: Object.fromEntries(kept) }, generation.lazy ?? {})
  return { ...record, oldest, generation: left }
}

/** A state that a finished upgrade left: no record names it, and no transform that runs now writes it. */
export function isLeftBehind(record: NodeRecord, of: StateSlot): boolean {
  if (generationOf(of) > record.generation.number) return false
  const { generation, previous } = record
  const isNamed = [generation, previous].some((named) => named !== null && stateSlotsOf(named).includes(of))
  return !isNamed && !isKept(record, of)
}

function isKept({ rewind }: NodeRecord, of: StateSlot): boolean {
  return rewind?.phase === 'recording' && stateSlotsOf(rewind.kept).includes(of)
}

/** A state that a failed transform left: the generation after the record's. */
export function isUnfinished(record: NodeRecord, of: StateSlot): boolean {
  return generationOf(of) > record.generation.number && !isKept(record, of)
}
