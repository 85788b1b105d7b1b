/**
 * The level of the system, as an upgrade server keeps it (T2 and T3 of core/base/level.ts): the signed
 * history says it, the upgrade database has it for those who register, and who does not read it is told so.
 */
import { Fault, isFault } from '../../core/base/fault.js'
import { firstRelease } from '../../core/base/formats.js'
import { isLevelRecord, type Level, readsOf, unreadOf } from '../../core/base/level.js'
import type { Head, UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import type { CallEnvelope } from '../../core/wire/envelope.js'
import type { InstalledHistory } from './installedHistory.js'

/** The class under which hosts and operators ask. */
const askingHost = 'Host'

export interface LevelOptions {
  readonly database: Pick<UpgradeDatabase, 'head' | 'level' | 'restoreLevel'>
  readonly history: InstalledHistory
}

export class LevelRounds {
  /** As it was seen last; undefined while nobody has raised it. */
  #level: { readonly numbers: Level; readonly release: string } | undefined

  /** The newest version that it has looked at. */
  #followed = 0

  constructor(private readonly options: LevelOptions) {}

  /** Throws `config.release` if this release does not read what may be written. */
  async check(): Promise<void> {
    try {
      await this.restore()
    } catch (error) {
      if (!isFault(error) || error.code !== 'upgrade.release') return
      throw new Fault('config.release', `this upgrade server can't serve: ${error.message}`, error.details, { cause: error })
    }
  }

  /** Another server may have raised it. A history that does not hold is told of elsewhere. */
  async follow({ version }: Head): Promise<void> {
    if (version === this.#followed) return
    await this.restore().catch(() => {})
    this.#followed = version
  }

  /**
   * After a loss the history comes back first. A level that no history says keeps everybody out: somebody
   * else has written it, or it is of a history that was here before.
   */
  async restore(): Promise<void> {
    const { database, history } = this.options
    // Before the head: then the version that has raised it is in the history.
    const stored = await database.level()
    const head = await database.head()
    if (head.version === 0) return
    const verified = await history.at(head)
    const { isLevelRaised, level: numbers, levelRelease } = verified
    if (isLevelRaised) this.#level = { numbers, release: levelRelease }
    const isWrong = stored !== null && unreadOf(stored.numbers as Level, numbers).length > 0
    if (isWrong) await database.restoreLevel({ release: levelRelease, numbers }, stored)
    else if (isLevelRaised && (stored === null || unreadOf(numbers, stored.numbers).length > 0))
      await database.restoreLevel({ release: levelRelease, numbers })
  }

  /**
   * Throws `config.release` for a host that does not read the level: it would misread what others write. A
   * stranger reads what it likes.
   */
  checkAsker({ callerClass, args }: Pick<CallEnvelope, 'callerClass' | 'args'>): void {
    if (this.#level === undefined || callerClass !== askingHost) return
    const { reads, release } = (args[0] ?? {}) as { readonly reads?: unknown; readonly release?: unknown }
    const unread = unreadOf(this.#level.numbers, isLevelRecord(reads) ? reads : readsOf(undefined))
    if (unread.length === 0) return
    const who = typeof release === 'string' ? release.slice(0, 64) : firstRelease
    const message = `the system's level is ${unread.join(', ')}, which release ${who} does not read: run release ${this.#level.release} or newer`
    throw new Fault('config.release', message, { release: this.#level.release })
  }
}
