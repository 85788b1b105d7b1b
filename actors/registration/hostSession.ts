/**
 * This start of the host, as the upgrade database tells it from others (core/control/standing.ts). The state
 * directory remembers its last starts: one of them was over before this one could open the directory. A start
 * that it does not remember has another copy of the directory. A copy remembers them too, of which the last
 * may live: what was written in another place says nothing.
 */
import { inject, injectable } from 'tsyringe'
import { type Software, softwareSince } from '../../core/base/level.js'
import type { Session, Standing } from '../../core/control/standing.js'
import { keys } from '../../core/model/nodeRecord.js'
import type { Clock } from '../../core/ports/clock.js'
import { type Random, randomName } from '../../core/ports/random.js'
import type { StateStore } from '../../core/ports/stateStore.js'
import { pack, unpack } from '../../core/wire/codec.js'
import type { HostSettings } from '../base/settings.js'
import { tokens } from '../base/tokens.js'
import { Journal } from '../state/journal.js'

@injectable()
export class HostSession {
  readonly #id: string
  readonly #startedMs: number
  readonly #startedWallMs: number
  /** T1. */
  readonly software: Software
  /** The oldest first. */
  readonly #before: readonly string[]
  readonly #directory: DirectoryKind
  #written: Promise<void> | undefined
  #stampMs = 0
  #epoch: string | null = null

  constructor(
    @inject(tokens.clock) private readonly clock: Clock,
    @inject(tokens.random) random: Random,
    @inject(tokens.settings) private readonly settings: HostSettings,
    @inject(tokens.store) private readonly store: StateStore,
    @inject(Journal) private readonly journal: Journal,
  ) {
    this.#id = randomName(random)
    this.#startedMs = clock.monotonicMs()
    this.#startedWallMs = clock.now()
    this.software = softwareSince(this.#startedWallMs)
    const { directory, starts } = startsIn(store)
    this.#directory = directory
    this.#before = starts
  }

  /** Writes it down; to be awaited before the first node is registered. */
  begin(): Promise<void> {
    const starts = [...this.#before, this.#id].slice(-this.settings.startsKeptMax)
    const known: KnownStarts = { place: this.store.place ?? null, starts }
    this.#written ??= this.journal.commit([[keys.starts, pack(known, 'the starts of this host')]]).catch((error) => {
      this.#written = undefined
      throw error
    })
    return this.#written
  }

  get directory(): DirectoryKind {
    return this.#directory
  }

  /** Whether that start had this very directory, and not a copy of it. */
  hasEnded(session: string): boolean {
    return this.#before.includes(session)
  }

  get now(): Session {
    const { clock, settings, store } = this
    // A process that was stopped shows in one clock, a machine that was suspended in the other.
    const ageMs = Math.max(clock.monotonicMs() - this.#startedMs, clock.now() - this.#startedWallMs)
    return {
      id: this.#id,
      hostId: settings.hostId,
      directoryId: store.directoryId,
      ageMs,
      stampMs: this.#stampMs,
      epoch: this.#epoch,
      ended: this.#before,
    }
  }

  hear({ stampMs }: Standing): void {
    this.#stampMs = Math.max(this.#stampMs, stampMs)
  }

  /** The database has heard of all nodes in this epoch. */
  markReported(epoch: string): void {
    this.#epoch = epoch
  }
}

/**
 * Whose the state directory is, by the starts that it remembers. `own`: some were over this very directory.
 * `elsewhere`: all were in another place, so it is a copy, or was restored from one. `unknown`: it remembers
 * none: it is new, or of release 0.1.0.
 */
export type DirectoryKind = 'own' | 'elsewhere' | 'unknown'

interface KnownStarts {
  /** Null where the store can't tell. */
  readonly place: string | null
  readonly starts: readonly string[]
}

function startsIn(store: StateStore): { readonly directory: DirectoryKind; readonly starts: readonly string[] } {
  const bytes = store.get(keys.starts)
  const { place, starts = [] } = bytes === undefined ? {} : (unpack(bytes) as Partial<KnownStarts>)
  const known = Array.isArray(starts) ? starts.filter((start) => typeof start === 'string') : []
  if (known.length === 0) return { directory: 'unknown', starts: [] }
  return place === (store.place ?? null) ? { directory: 'own', starts: known } : { directory: 'elsewhere', starts: [] }
}
