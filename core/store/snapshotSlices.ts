/**
 * A snapshot as slices that its store takes. A slice has as many keys as fit. A value that is larger than a
 * slice is in several, one behind the other.
 */
import { Fault } from '../base/fault.js'
import { packWrites, unpackWrites } from '../model/logEntry.js'
import type { Write } from '../ports/stateStore.js'

const pairBytes = 16
/** The first byte of a slice. */
const kinds = { whole: 0, piece: 1, lastPiece: 2 } as const

/** `bytesMax`: of a slice, with all that is in it. */
export async function* slicesOf(writes: AsyncIterable<Write> | Iterable<Write>, bytesMax: number): AsyncGenerator<Uint8Array> {
  let slice: Write[] = []
  let bytes = pairBytes
  for await (const write of writes) {
    const weight = Buffer.byteLength(write[0]) + (write[1]?.length ?? 0) + pairBytes
    if (slice.length > 0 && bytes + weight > bytesMax) {
      yield* pieces(packWrites(slice), bytesMax)
      slice = []
      bytes = pairBytes
    }
    slice.push(write)
    bytes += weight
  }
  if (slice.length > 0) yield* pieces(packWrites(slice), bytesMax)
}

function* pieces(packed: Uint8Array, bytesMax: number): Generator<Uint8Array> {
  const size = Math.max(1, bytesMax - 1)
  if (packed.length <= size) yield ofKind(kinds.whole, packed)
  else
    for (let at = 0; at < packed.length; at += size)
      yield ofKind(at + size < packed.length ? kinds.piece : kinds.lastPiece, packed.subarray(at, at + size))
}

function ofKind(kind: number, bytes: Uint8Array): Uint8Array {
  const slice = new Uint8Array(bytes.length + 1)
  slice[0] = kind
  slice.set(bytes, 1)
  return slice
}

/** The opposite of `slicesOf`. Throws `config.log-lost` for slices that are none. */
export async function* writesIn(slices: AsyncIterable<Uint8Array>): AsyncGenerator<readonly Write[]> {
  let before: Uint8Array[] = []
  for await (const slice of slices) {
    const [kind, bytes] = [slice[0], slice.subarray(1)]
    if (kind === kinds.whole && before.length === 0) yield unpackWrites(bytes)
    else if (kind === kinds.piece) before.push(new Uint8Array(bytes))
    else if (kind === kinds.lastPiece && before.length > 0) {
      const packed = Buffer.concat([...before, bytes])
      before = []
      yield unpackWrites(packed)
    } else
      throw new Fault('config.log-lost', `a slice of a snapshot begins with ${kind}, and ${before.length} pieces were before it`)
  }
  if (before.length > 0)
    throw new Fault('config.log-lost', `a snapshot ends with ${before.length} pieces of a slice that is not whole`)
}
