/**
 * Chunks of bundles that are larger than a message may be (`max_payload` of NATS) travel in pieces, each told
 * by where it begins. A peer of release 0.1.0 knows no pieces: as a server it answers with the whole chunk,
 * and takes a piece for one.
 */
import { Fault } from '../../core/base/fault.js'

/** The bytes that an envelope needs beside the piece: names, ids, a trace. */
const envelopeBytes = 1_024
const pieceBytesMin = 1_024

/** How large a piece may be where a message may have so many bytes. */
export function pieceBytesMax(payloadBytesMax: number): number {
  return Math.max(pieceBytesMin, payloadBytesMax - envelopeBytes)
}

/**
 * A chunk of `length` bytes, of as many pieces as it takes. `ask` answers the piece that begins
 * at `from`, or the whole chunk.
 */
export async function fetchChunk(length: number, ask: (from: number) => Promise<unknown>): Promise<unknown> {
  const first = await ask(0)
  if (!(first instanceof Uint8Array) || first.length >= length) return first
  const chunk = new Uint8Array(length)
  chunk.set(first)
  let at = first.length
  while (at < length) {
    const piece = await ask(at)
    if (!(piece instanceof Uint8Array) || piece.length === length) return piece
    if (piece.length === 0) break // There is no more of it.
    if (at + piece.length > length) return undefined
    chunk.set(piece, at)
    at += piece.length
  }
  return chunk.subarray(0, at)
}

/**
 * Gives a chunk away: whole where a message can hold it. Throws `protocol.too-large` for a
 * server that does not know pieces.
 */
export async function giveChunk(
  chunk: Uint8Array,
  payloadBytesMax: number,
  give: (bytes: Uint8Array, from?: number) => Promise<unknown>,
): Promise<void> {
  const most = pieceBytesMax(payloadBytesMax)
  if (chunk.length <= most) {
    await give(chunk)
    return
  }
  for (let from = 0; from < chunk.length; from += most) {
    if ((await give(chunk.subarray(from, from + most), from)) !== null) continue
    throw new Fault(
      'protocol.too-large',
      `a chunk of ${chunk.length} bytes: NATS takes ${payloadBytesMax} in a message, and the upgrade server knows no pieces of chunks: raise max_payload, or bring the upgrade server up to date`,
    )
  }
}

/**
 * The chunk with a piece that has come. Bytes that are there already are kept: a piece may come twice, and
 * late. Undefined where one before is missing.
 */
export function withPiece(before: Uint8Array | undefined, piece: Uint8Array, from: number): Uint8Array | undefined {
  const there = before ?? new Uint8Array(0)
  if (there.length < from) return undefined
  const end = from + piece.length
  if (there.length >= end && Buffer.compare(there.subarray(from, end), piece) === 0) return there
  return new Uint8Array(Buffer.concat([there.subarray(0, from), piece]))
}
