/**
 * The installs of an upgrade server (§3): a signed manifest becomes the next version, once its bundle is
 * stored and its classes fit. The version number advances by one compare-and-set in the upgrade database.
 */
import { digestOf } from '../../core/base/digest.js'
import { Fault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import { type Control, controlReasonLengthMax } from '../../core/control/control.js'
import { askedFor } from '../../core/control/neededLevel.js'
import { leftBehind, readersText } from '../../core/control/readers.js'
import type { AskedOfReaders, UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import type { Clock } from '../../core/ports/clock.js'
import { storedBundle } from '../../core/upgrade/bundleParts.js'
import { checkClasses } from '../../core/upgrade/lineageCheck.js'
import { decodeManifest, type Manifest, type SignedManifest } from '../../core/upgrade/manifest.js'
import { tablesOf } from '../../core/upgrade/undo.js'
import { groupInTheWay } from '../../core/upgrade/undoable.js'
import type { Change } from './audit.js'
import { badArguments } from './badArguments.js'
import type { InstalledHistory } from './installedHistory.js'

/** So many ids of hosts and servers are in the details of a refusal. */
const behindMax = 100

export interface InstallerOptions {
  readonly system: string
  readonly database: UpgradeDatabase
  readonly clock: Clock
}

export interface InstallerParts {
  readonly history: InstalledHistory
  /** Throws while two manifests are known for one version. */
  checkForks(): Promise<void>
  /** Throws while the database knows not enough to install anything. */
  checkInstallable(): Promise<void>
  /** Throws where the upgrade calls versions of other systems that are not there, and pins those that are. */
  prepareNeighbours(manifest: Manifest): Promise<void>
  announce(version: Version, digest: string | null): void
}

export class Installer {
  constructor(
    private readonly options: InstallerOptions,
    private readonly parts: InstallerParts,
  ) {}

  /**
   * Installs the manifest after the newest one, once its bundle is stored. The same manifest
   * again is answered as done.
   */
  async install(bytes: unknown, signature: unknown, change: Change): Promise<unknown> {
    if (!(bytes instanceof Uint8Array)) throw badArguments('install(manifest, signature)')
    const { database, system, clock } = this.options
    const manifest = decodeManifest(bytes)
    const digest = digestOf(bytes)
    const signed: SignedManifest = { bytes, signature: signature instanceof Uint8Array ? signature : null }
    if (manifest.system !== system)
      throw new Fault('upgrade.invalid', `the upgrade is for system ${manifest.system}, this is ${system}`)
    const head = await database.head()
    if (head.version === manifest.version && head.digest === digest) return { version: head.version }
    if (head.version !== manifest.version - 1 || head.digest !== manifest.previous) throw conflict(manifest, head.version)
    await this.parts.checkForks()
    const history = await this.parts.history.at(head)
    // First of all: who is not trusted has nothing further looked at.
    const verified = history.check(signed, clock.now())
    change.by = verified.by
    await this.parts.checkInstallable()
    const writes = await database.bundleWrites(manifest.bundle.digest)
    await this.#checkBundle(manifest.bundle)
    await this.#checkClasses(history.manifests, manifest)
    const asked = askedFor(manifest, history.level)
    await this.#checkReplicated(manifest)
    // The last: what is refused pins nothing.
    await this.parts.prepareNeighbours(manifest)
    const before = { version: manifest.version - 1, digest: manifest.previous }
    const { undoes, bundle } = manifest
    const { entries, undone } = tablesOf(history.manifests, manifest)
    if (
      !(await database.install(
        before,
        digest,
        signed,
        entries,
        undoes,
        bundle.digest,
        writes,
        asked,
        undone,
        pauseOf(manifest, clock.now()),
      ))
    ) {
      const now = await database.head()
      if (now.version === manifest.version && now.digest === digest) return { version: now.version }
      if (now.version === before.version && now.digest === before.digest) {
        await this.#checkRead(manifest, asked)
        // The version that it undoes may have become final meanwhile.
        await this.#checkClasses(history.manifests, manifest)
        if ((await database.bundleWrites(bundle.digest)) !== writes)
          throw new Fault('unavailable.overloaded', 'others write the bundle of this upgrade: install it again')
        if (asked !== null) throw unread(manifest)
      }
      throw conflict(manifest, now.version)
    }
    change.isDone = true
    this.parts.history.keep(history.with(verified))
    this.parts.announce(manifest.version, digest)
    return { version: manifest.version }
  }

  /** T3. Names those who do not read it. */
  async #checkRead({ version }: Manifest, asked: AskedOfReaders | null): Promise<void> {
    if (asked === null) return
    const { database } = this.options
    const behind = leftBehind(asked.reads, await database.nodes(), await database.servers())
    if (behind.length === 0) return
    const message = `version ${version} is not installed: it is not read by ${readersText(behind)}: start them with this release, or forget those that will not come back`
    throw new Fault('upgrade.level', message, { behind: behind.map(({ id }) => id).slice(0, behindMax) })
  }

  async #checkClasses(history: readonly Manifest[], manifest: Manifest): Promise<void> {
    const { database } = this.options
    const rows = await database.nodes()
    checkClasses(history, manifest, rows, manifest.undoes === null ? 0 : await database.finalized())
    const undone = manifest.undoes === null ? undefined : history[manifest.undoes - 1]
    const obstacle = undone && groupInTheWay(history, undone, rows)
    if (obstacle !== undefined) throw new Fault('upgrade.invalid', `version ${undone!.version} can't be undone: ${obstacle}`)
  }

  /**
   * A version whose bundle is lost before a host has it can't be fetched by any. This server has attended
   * since the last chunk was written, by whichever server: so it waits for all of them. Of a version that
   * hosts give back nobody asks this: a new primary may have no replica yet.
   */
  async #checkReplicated({ version }: Manifest): Promise<void> {
    const missing = await this.options.database.unreplicated?.()
    if (missing === undefined) return
    throw new Fault(
      'upgrade.unreplicated',
      `version ${version} is not installed: of its bundle, ${missing}. Look at the replicas`,
    )
  }

  async #checkBundle({ digest, bytes }: { digest: string; bytes: number }): Promise<void> {
    const { database } = this.options
    const stored = await storedBundle(database, digest, bytes)
    if (stored.state === 'incomplete')
      throw new Fault('upgrade.invalid', `bundle ${digest} is not stored whole: chunk ${stored.chunk}`)
    if (stored.state === 'otherDigest') throw new Fault('upgrade.digest', `bundle ${digest}: the bytes have another digest`)
  }
}

/** The pause of the version that is aborted: the same decision installs its undo. */
function pauseOf({ aborts, undoes, reason }: Manifest, since: number): Control | null {
  if (aborts !== true || undoes === null) return null
  return { kind: 'pause', version: undoes, reason: (reason ?? 'aborted').slice(0, controlReasonLengthMax), since }
}

/** Of what can't be read, nobody knows what it reads. It may also have gone meanwhile. */
function unread({ version }: Manifest): Fault {
  const advice = 'install it again, and if that is refused too, look for that row in the upgrade database and remove it'
  return new Fault('upgrade.level', `version ${version} is not installed: a row of somebody registered can't be read: ${advice}`)
}

function conflict({ version }: Manifest, newest: Version): Fault {
  return new Fault('upgrade.conflict', `version ${version} does not follow the newest version, ${newest}`, { newest })
}
