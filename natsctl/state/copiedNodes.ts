/**
 * Nodes out of a copy of state, for `upgrade check`: the object's own state of each, as it was. The states of
 * its simulation objects are left out: they belong to versions that the check does not have.
 */
import type { ObjectState } from 'theseus-actors'
import { type ObjectPlace, objectPlaceOf, objectStateOf } from 'theseus-actors/operator'
import { CopyReader } from './copyFile.js'

/** Nodes that are taken of one copy, evenly from all of them; and the state of one, and of all together. */
const nodesMax = 200
const nodeBytesMax = 4 * 1024 * 1024
const bytesMax = 64 * 1024 * 1024

export interface CopiedNodes {
  readonly nodes: readonly ObjectState[]
  /** Why others were left out, with their number. */
  readonly left: Readonly<Record<string, number>>
}

/**
 * @param classes the names of the classes whose nodes are wanted
 * Throws `config.invalid` for a file that is no copy of state.
 */
export async function readCopiedNodes(path: string, classes: ReadonlySet<string>): Promise<CopiedNodes> {
  const copy = await CopyReader.open(path)
  try {
    const left: Record<string, number> = {}
    const leave = (why: string) => {
      left[why] = (left[why] ?? 0) + 1
    }
    const found = await slotsIn(copy, classes, leave)
    const every = Math.max(1, found.length / nodesMax)
    const chosen = found.filter((_, i) => Math.floor(i / every) !== Math.floor((i - 1) / every) || i === 0)
    for (let i = chosen.length; i < found.length; i++) leave(`more than ${nodesMax}`)
    return { nodes: await statesIn(copy, chosen, leave), left }
  } finally {
    await copy.close()
  }
}

async function slotsIn(
  copy: CopyReader,
  classes: ReadonlySet<string>,
  leave: (why: string) => void,
): Promise<readonly ObjectPlace[]> {
  const records = new Map<string, Uint8Array>()
  for await (const [key, value] of writesOf(copy)) {
    if (!key.startsWith('n/')) continue
    if (value === null) records.delete(key)
    else records.set(key, value)
  }
  return [...records.values()].flatMap((packed) => {
    const place = objectPlaceOf(packed)
    const isWanted = classes.has(place.className)
    if (isWanted && place.isWhole) return [place]
    leave(isWanted ? 'with records that are still to be made' : `of class ${place.className}`)
    return []
  })
}

async function statesIn(
  copy: CopyReader,
  places: readonly ObjectPlace[],
  leave: (why: string) => void,
): Promise<readonly ObjectState[]> {
  const states = new Map(places.map((place) => [place.nodeId, { place, records: new Map<string, Uint8Array>(), bytes: 0 }]))
  for await (const [key, value] of writesOf(copy)) {
    const state = states.get(nodeIdOf(key) ?? '')
    if (state === undefined || !key.startsWith(state.place.prefix)) continue
    const name = key.slice(state.place.prefix.length)
    state.bytes -= state.records.get(name)?.length ?? 0
    if (value === null) state.records.delete(name)
    else if (state.bytes <= nodeBytesMax) state.records.set(name, value)
    state.bytes += value?.length ?? 0
  }
  let all = 0
  return [...states.values()].flatMap(({ place, records, bytes }) => {
    const isTooLarge = bytes > nodeBytesMax
    if (isTooLarge || all + bytes > bytesMax) {
      leave(isTooLarge ? `larger than ${nodeBytesMax} bytes` : `beyond ${bytesMax} bytes of all together`)
      return []
    }
    all += bytes
    return [objectStateOf(place, records)]
  })
}

async function* writesOf(copy: CopyReader) {
  for (const part of copy.parts) for await (const writes of copy.writes(part)) yield* writes
}

function nodeIdOf(key: string): string | undefined {
  return key.startsWith('s/') ? key.slice(2, key.indexOf('/', 2)) : undefined
}
