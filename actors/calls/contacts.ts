/**
 * Nodes this host has recently exchanged calls with: upgrade layers exchange class and version on every reply
 * and cache them (§4).
 */
import { inject, injectable } from 'tsyringe'
import type { Version } from '../../core/base/ids.js'
import type { Clock } from '../../core/ports/clock.js'
import type { Contact } from '../../core/schedules/schedule.js'
import type { HostSettings } from '../base/settings.js'
import { Signal } from '../base/signal.js'
import { tokens } from '../base/tokens.js'

interface Heard {
  className: string
  version: Version
  atMs: number
}

@injectable()
export class Contacts {
  readonly #heard = new Map<string, Heard>()
  #newestKnown: Version = 0
  /** Whenever a node says to run a version newer than the newest that is known. */
  readonly newer = new Signal<Version>()

  constructor(
    @inject(tokens.clock) private readonly clock: Clock,
    @inject(tokens.settings) private readonly settings: HostSettings,
  ) {}

  /** `now` is by the clock that never goes back, for callers that have just read it. */
  hear(nodeId: string, className: string, version: Version, now = this.clock.monotonicMs()): void {
    const known = this.#heard.get(nodeId)
    if (known !== undefined) {
      known.className = className
      known.version = version
      known.atMs = now
    } else {
      if (this.#heard.size >= this.settings.contactsMax) this.#heard.delete(this.#heard.keys().next().value!)
      this.#heard.set(nodeId, { className, version, atMs: now })
    }
    if (version > this.#newestKnown) this.newer.emit(version)
  }

  /** The newest version that the upgrade server has told of: only it is believed. */
  know(newest: Version): void {
    this.#newestKnown = newest
  }

  /** Newest first. */
  list(): readonly Contact[] {
    const now = this.clock.monotonicMs()
    return [...this.#heard]
      .map(([nodeId, heard]) => ({ nodeId, className: heard.className, version: heard.version, ageMs: now - heard.atMs }))
      .sort((a, b) => a.ageMs - b.ageMs)
  }
}
