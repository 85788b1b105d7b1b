/**
 * The state with which a future-SO begins: "without any input" (§5), or with that of its predecessor, whose
 * upgrade was undone (§8; W5).
 */
import { Fault, reasonOf } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import type { NodeClass } from '../../core/model/nodeObject.js'
import { keys, type NodeRecord, type StateSlot } from '../../core/model/nodeRecord.js'
import { type KeptInitial, noCollections, type Simulation } from '../../core/model/simulation.js'
import type { Write } from '../../core/ports/stateStore.js'
import { pack, unpack } from '../../core/wire/codec.js'
import type { NodeState } from './nodeState.js'
import { checkKey } from './storedCollection.js'

/** They are written between two calls. */
const recordsMax = 100_000
const bytesMax = 64 * 1024 * 1024

/** The node that learns of the version. */
export interface LearningState {
  readonly record: NodeRecord
  /** Its class at each known version. */
  readonly lineage: readonly string[]
  readonly state: NodeState
}

/** A future-SO that can't begin does not fit, like any other part of an upgrade. Throws `upgrade.invalid`. */
export function futureBeginning(so: Simulation, slot: StateSlot, version: Version, node: LearningState): readonly Write[] {
  try {
    const { initialFrom } = so
    const kept = initialFrom === null ? undefined : keptSlot(initialFrom, version, node)
    if (initialFrom !== null && kept !== undefined) return beginningOf(initialFrom, kept, slot, node)
    return [[keys.root(node.record.nodeId, slot), pack(so.initial(undefined, noCollections), 'the future-SO’s initial state')]]
  } catch (error) {
    throw new Fault('upgrade.invalid', `the future-SO's initial() failed: ${reasonOf(error)}`, {}, { cause: error })
  }
}

/** That of the newest version before whose class the predecessor simulates. */
function keptSlot({ className }: KeptInitial, version: Version, { record, lineage }: LearningState): StateSlot | undefined {
  for (let before = version - 1; before >= 0; before--) {
    const kept = record.generation.simulations[before]
    if (kept !== undefined && lineage[before] === className) return kept
  }
  return undefined
}

/** The writes into a slot. */
export type LateBeginning = (slot: StateSlot) => readonly Write[]

/** That of a past-SO over an object as it is when a node of its class is born. Throws `upgrade.invalid`. */
export async function lateBeginning(so: Simulation, simulated: NodeClass, nodeId: string): Promise<LateBeginning> {
  const empty = noCollections.old('')
  const writes: (readonly [collection: string, key: string, packed: Uint8Array])[] = []
  let bytes = 0
  const own = (name: string) => ({
    put(key: string, value: unknown) {
      const packed = pack(value, `record ${key}`)
      bytes += packed.length
      if (writes.length >= recordsMax || bytes > bytesMax)
        throw new Fault('upgrade.invalid', `more than ${recordsMax} records, or ${bytesMax} bytes`)
      writes.push([name, checkKey(key), packed])
    },
  })
  try {
    const old = unpack(pack(simulated.initial(), 'initial()'))
    const root = pack(await so.initial(old, { old: () => empty, own, flushed: async () => {} }), 'the past-SO’s initial state')
    return (slot) => [
      ...writes.map(([name, key, packed]) => [keys.collection(nodeId, slot, name) + key, packed] as const),
      [keys.root(nodeId, slot), root],
    ]
  } catch (error) {
    throw new Fault('upgrade.invalid', `the past-SO's initial() failed: ${reasonOf(error)}`, {}, { cause: error })
  }
}

function beginningOf(
  { state: make }: KeptInitial,
  kept: StateSlot,
  slot: StateSlot,
  { record: { nodeId }, state }: LearningState,
): readonly Write[] {
  const writes: Write[] = []
  let bytes = 0
  const add = (key: string, packed: Uint8Array) => {
    bytes += packed.length
    if (writes.length >= recordsMax || bytes > bytesMax)
      throw new Fault('upgrade.invalid', `initialFrom: more than ${recordsMax} records, or ${bytesMax} bytes`)
    writes.push([key, packed])
  }
  const root = make(state.rootCopy(kept), {
    kept: (name) => state.collection(kept, name),
    own: (name) => {
      const prefix = keys.collection(nodeId, slot, name)
      return { put: (key, value) => add(prefix + checkKey(key), pack(value, `record ${key}`)) }
    },
  })
  add(keys.root(nodeId, slot), pack(root, 'the future-SO’s initial state'))
  return writes
}
