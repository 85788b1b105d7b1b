/** The collections that a state slot has records of, found without reading these. */
import { keys, type LazySlot, type StateSlot } from '../../core/model/nodeRecord.js'
import { compareKeys } from '../../core/ports/stateStore.js'
import { afterPrefix, type PackedRecords } from './lazyRecords.js'

/** At most `max`, in order; those too whose records are still to be made. */
export function collectionNames(
  nodeId: string,
  of: StateSlot,
  lazy: LazySlot | undefined,
  records: PackedRecords,
  max: number,
): readonly string[] {
  const [begin, end] = keys.collections(nodeId, of)
  const found = new Set(Object.keys(lazy?.next ?? {}))
  for (let from: string = begin; found.size < max; ) {
    const key = firstKey(records, from, end)
    if (key === undefined) break
    const name = key.slice(begin.length, key.indexOf('/', begin.length))
    found.add(name)
    // The records of this one are skipped.
    from = afterPrefix(keys.collection(nodeId, of, name))
  }
  return [...found].sort(compareKeys).slice(0, max)
}

function firstKey(records: PackedRecords, from: string, to: string): string | undefined {
  for (const [key] of records.range(from, to)) return key
  return undefined
}
