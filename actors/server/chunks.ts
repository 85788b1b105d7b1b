/**
 * Bundles in chunks, as they come to an upgrade server and leave it. A chunk that is too large for a message
 * travels in pieces.
 */
import { isDigest } from '../../core/base/digest.js'
import { Fault } from '../../core/base/fault.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import type { Transport } from '../../core/ports/transport.js'
import { bundleBytesMax, bundleChunkBytes, chunkCount } from '../../core/upgrade/manifest.js'
import type { CallEnvelope } from '../../core/wire/envelope.js'
import { pieceBytesMax, withPiece } from '../history/chunkPieces.js'
import { badArguments } from './badArguments.js'
import type { InstalledHistory } from './installedHistory.js'
import type { ServedBundles } from './servedBundles.js'
import type { ServerHistoryRestore } from './serverHistoryRestore.js'

/** How often a chunk is tried to be written while others write the same bundle. */
const putTriesMax = 8

export interface ChunksParts {
  readonly database: UpgradeDatabase
  readonly transport: Pick<Transport, 'payloadBytesMax'>
  readonly history: InstalledHistory
  readonly bundles: ServedBundles
  readonly historyRestore: Pick<ServerHistoryRestore, 'restoreChunk'>
}

/** The arguments of each are those of a call: they are checked here. */
export class Chunks {
  constructor(private readonly parts: ChunksParts) {}

  async get([digest, index, from = null]: readonly unknown[]): Promise<unknown> {
    if (!isDigest(digest) || !isChunkIndex(index) || !isPlace(from)) throw badArguments('chunk(digest, index, from)')
    const bytes = await this.parts.bundles.chunk(digest, index)
    if (bytes === undefined) throw new Fault('upgrade.fetch', `there is no chunk ${index} of bundle ${digest}`)
    if (from === null) return bytes
    return bytes.subarray(from, from + pieceBytesMax(this.parts.transport.payloadBytesMax))
  }

  async put(args: readonly unknown[]): Promise<unknown> {
    const { database, history } = this.parts
    const [of] = args
    for (let tries = 0; tries < putTriesMax; tries++) {
      // Another chunk may make it whole, and an install may name it, between this look at it and the writing:
      // then it is looked at again.
      const writes = isDigest(of) ? await database.bundleWrites(of) : null
      const { digest, index, bytes, answer } = await this.#given(args)
      const { manifests } = await history.at(await database.head())
      const isInstalled = manifests.some(({ bundle }) => bundle.digest === digest)
      if (isInstalled && (await this.#isHere(digest, index))) return answer
      if (await database.putChunk(digest, index, bytes, isInstalled ? 'kept' : 'staged', writes)) return answer
    }
    throw new Fault('unavailable.overloaded', 'others write this bundle: send the chunk again')
  }

  async restore(args: readonly unknown[]): Promise<unknown> {
    const { digest, index, bytes, answer } = await this.#given(args)
    await this.parts.historyRestore.restoreChunk(digest, index, bytes)
    return answer
  }

  /**
   * An installed bundle is signed, and hosts are still to fetch it: nobody writes over it while it is whole.
   * A caller that sends the same again is answered as done.
   */
  async #isHere(digest: string, index: number): Promise<boolean> {
    return (await this.parts.database.getChunk(digest, index)) !== undefined && (await this.parts.bundles.isWhole(digest))
  }

  /** A chunk, or what is there of one with the piece that is given. */
  async #given([digest, index, bytes, from = null]: readonly unknown[]) {
    if (!isDigest(digest) || !isChunkIndex(index) || !isChunk(bytes) || !isPlace(from)) throw badArguments(chunkArguments)
    if (from === null) return { digest, index, bytes, answer: null }
    const chunk = withPiece(await this.parts.database.getChunk(digest, index), bytes, from)
    if (chunk === undefined) throw badArguments(`the piece of chunk ${index} before byte ${from} is missing`)
    if (!isChunk(chunk)) throw badArguments(chunkArguments)
    return { digest, index, bytes: chunk, answer: { bytes: chunk.length } }
  }
}

const chunkArguments = `digest, index, bytes, from: at most ${bundleChunkBytes} bytes`

/** Where a piece of a chunk begins; null: it is the whole chunk. */
function isPlace(value: unknown): value is number | null {
  return value === null || (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < bundleChunkBytes)
}

function isChunk(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array && value.length <= bundleChunkBytes
}

function isChunkIndex(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < chunkCount(bundleBytesMax)
}

/**
 * Those who wait for a chunk hold no more of their question than that: others are refused when
 * it is their turn.
 */
export function onlyItsChunk(call: CallEnvelope): CallEnvelope {
  const [digest, index, from] = call.args
  return { ...call, args: isDigest(digest) && isChunkIndex(index) && isPlace(from ?? null) ? [digest, index, from] : [] }
}
