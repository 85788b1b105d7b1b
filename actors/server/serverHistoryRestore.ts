/**
 * How an upgrade server gets a lost history back from the hosts, and what it does when theirs and its own are
 * not the same (DESIGN §5, "Install").
 *
 * L1. A manifest that is taught is verified like one that is installed: it follows the newest one, is by one
 *     who was trusted then, and its classes fit. Finality is not looked at: a version may have become final
 *     after the undo that is taught.
 * L2. A bundle that is here with its digest is never changed; one that is wanted may be written over until it
 *     has its digest. A bundle that is written over all the same, by two at once, is wanted again; and no
 *     version is added with a bundle that was whole when it was looked at, and has been written since.
 * L3. Two manifests for one version, both signed by one who was trusted then and is trusted now, stop all
 *     installs until an operator has looked.
 * L4. One look at a time whether a bundle is whole, which reads all of it; all who wait for it share one. A
 *     part may be a byte long, and as many come at once as a host likes.
 */

import { digestOf } from '../../core/base/digest.js'
import { Fault } from '../../core/base/fault.js'
import type { AskedOfReaders, Head, UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import type { VerifiedHistory } from '../../core/control/verifiedHistory.js'
import { forksTable, wantedTable } from '../../core/model/reservedTables.js'
import { storedBundle } from '../../core/upgrade/bundleParts.js'
import { checkClasses } from '../../core/upgrade/lineageCheck.js'
import {
  chunkCount,
  decodeManifest,
  type LevelManifest,
  levelIn,
  type Manifest,
  type SignedManifest,
} from '../../core/upgrade/manifest.js'
import { tablesOf } from '../../core/upgrade/undo.js'

/** Bundles that hosts are asked for in one answer. */
const wantedMax = 16

export interface Restored {
  /** The version that was added; undefined when it was here already. */
  readonly added: { readonly version: number; readonly digest: string } | undefined
}

export class ServerHistoryRestore {
  /** Those that have not begun. */
  readonly #next = new Map<string, Promise<boolean>>()
  #looking: Promise<unknown> = Promise.resolve()

  constructor(
    private readonly database: UpgradeDatabase,
    /** The history in the database, verified, up to a version: once, and then what is new. */
    private readonly verified: (head: Head) => Promise<VerifiedHistory>,
    /** The same with one more, which is in the database now. */
    private readonly keep: (history: VerifiedHistory) => void,
  ) {}

  /** L3. Throws `upgrade.forked` while two manifests are known for one version. */
  async checkForks(): Promise<void> {
    const forks = [...(await this.database.table(forksTable))]
    if (forks.length === 0) return
    const [[version, what]] = forks as [[string, string]]
    const advice = `find out by whom, then "natsctl table rm ${forksTable} ${version}"`
    throw new Fault('upgrade.forked', `nothing is installed: version ${version} has two manifests, ${what}: ${advice}`)
  }

  /** The bundles that hosts are asked for. */
  async wanted(): Promise<readonly string[]> {
    return [...(await this.database.table(wantedTable)).keys()].slice(0, wantedMax)
  }

  /** L1. A host's manifest: the next one, or one that is here, or another than the one that is here. */
  async restoreManifest(signed: SignedManifest, nowMs: number): Promise<Restored> {
    const { database } = this
    const manifest = decodeManifest(signed.bytes)
    const digest = digestOf(signed.bytes)
    const head = await database.head()
    if (manifest.version <= head.version) {
      await this.#compare(signed, manifest, digest, head, nowMs)
      return { added: undefined }
    }
    await this.checkForks()
    const history = await this.verified(head)
    // Not by the clock: what was lost may be by a key that has ended since.
    const verified = history.check(signed)
    history.checkTaught(verified, nowMs)
    checkClasses(history.manifests, manifest, await database.nodes(), 0)
    const { bundle, version } = manifest
    const writes = await this.#want(bundle)
    const level = levelIn(manifest)
    const asked: AskedOfReaders | null =
      level === null
        ? null
        : { reads: {}, level: { release: (manifest as LevelManifest).release, numbers: level }, isTaught: true }
    const { entries, undone } = tablesOf(history.manifests, manifest)
    if (!(await database.install(head, digest, signed, entries, null, bundle.digest, writes, asked, undone))) {
      const isFollowing = (await database.head()).digest === head.digest
      const why = isFollowing ? 'comes again: others write its bundle' : 'does not follow the newest version any more'
      throw new Fault('upgrade.conflict', `version ${version} ${why}`)
    }
    this.keep(history.with(verified))
    return { added: { version, digest } }
  }

  /** L2. A part of a wanted bundle. */
  async restoreChunk(digest: string, index: number, bytes: Uint8Array): Promise<void> {
    const { database } = this
    const length = Number((await database.table(wantedTable)).get(digest) ?? Number.NaN)
    if (!Number.isInteger(length) || index >= chunkCount(length)) return
    await database.putChunk(digest, index, bytes, 'kept')
    await this.#look(digest, length)
  }

  /**
   * L3. Both are here now: one in the history, one that a host brings. Only what was signed counts; anybody
   *     can make up another one.
   */
  async #compare(signed: SignedManifest, { version }: Manifest, digest: string, head: Head, nowMs: number): Promise<void> {
    const history = await this.verified(head)
    const ownDigest = history.at(version)?.digest
    if (ownDigest === digest || ownDigest === undefined) return
    history.checkRival(signed, nowMs)
    await this.database.setInTable(forksTable, String(version), `${ownDigest} here and ${digest} on a host`)
    await this.checkForks()
  }

  /** How many writes it had had when it was looked at, if it is whole; null: it is wanted. */
  async #want({ digest, bytes }: Manifest['bundle']): Promise<number | null> {
    const { database } = this
    // Of an upgrade that changes no class: no host has kept it.
    if (bytes === 0 && (await database.getChunk(digest, 0))?.length !== 0)
      await database.putChunk(digest, 0, new Uint8Array(0), 'kept')
    const writes = await database.bundleWrites(digest)
    return bytes === 0 || (await this.#look(digest, bytes)) ? writes : null
  }

  /** L4. Whether it is whole. Begins after it was asked. */
  #look(digest: string, bytes: number): Promise<boolean> {
    const asked = `${digest}/${bytes}`
    let next = this.#next.get(asked)
    if (next === undefined) {
      next = this.#looking.then(() => {
        this.#next.delete(asked)
        return this.#wantOrNot(digest, bytes)
      })
      this.#next.set(asked, next)
      this.#looking = next.catch(() => {})
    }
    return next
  }

  /** Also one that was whole a moment ago: a part that was on its way may have been written over it (L2). */
  async #wantOrNot(digest: string, bytes: number): Promise<boolean> {
    const { database } = this
    const isWhole = (await storedBundle(database, digest, bytes)).state === 'whole'
    if (isWhole) await database.removeFromTable(wantedTable, digest)
    else await database.setInTable(wantedTable, digest, String(bytes))
    return isWhole
  }
}
