/** The persistent state of a node's object, apart from its store: as a copy of state has it. */
import { unpack, unpackState } from '../wire/codec.js'
import { checkRecord, keys } from './nodeRecord.js'

export interface ObjectState {
  readonly nodeId: string
  readonly className: string
  /** `this.state`. */
  readonly state: object
  /** By name, the records with their keys. */
  readonly collections: Readonly<Record<string, readonly (readonly [key: string, record: unknown])[]>>
}

/** The place of an object's state in a store. */
export interface ObjectPlace {
  readonly nodeId: string
  readonly className: string
  /** All keys of the state begin with it. */
  readonly prefix: string
  /** False while records of it are still to be made of the old object's. */
  readonly isWhole: boolean
}

/** Of a node's record, as it is packed. Throws `config.invalid` for one that this release does not read. */
export function objectPlaceOf(packed: Uint8Array): ObjectPlace {
  const { nodeId, generation } = checkRecord(unpack(packed))
  const { className, object, lazy = {} } = generation
  return { nodeId, className, prefix: keys.stateSlot(nodeId, object)[0], isWhole: lazy[object] === undefined }
}

/** @param records packed, by their keys without the prefix of the place */
export function objectStateOf({ nodeId, className }: ObjectPlace, records: ReadonlyMap<string, Uint8Array>): ObjectState {
  const collections: Record<string, (readonly [string, unknown])[]> = {}
  let state: object = {}
  for (const [key, packed] of records) {
    if (key === 'r') state = unpackState(packed) as object
    const [, name, record] = /^c\/([^/]*)\/(.*)$/s.exec(key) ?? []
    if (name === undefined || record === undefined) continue
    collections[name] ??= []
    collections[name].push([record, unpackState(packed)])
  }
  return { nodeId, className, state, collections }
}
