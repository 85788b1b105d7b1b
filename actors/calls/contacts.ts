/**
 * Upgrade layers exchange class and version with every call and cache them (§4). Each node has its own
 * contacts (nodeContacts.ts); those here are of code outside of any object. A version that is new to the
 * host is told on, whoever heard of it.
 */
import { inject, injectable } from 'tsyringe'
import type { Version } from '../../core/base/ids.js'
import type { Clock } from '../../core/ports/clock.js'
import type { Contact } from '../../core/schedules/schedule.js'
import type { HostSettings } from '../base/settings.js'
import { Signal } from '../base/signal.js'
import { tokens } from '../base/tokens.js'
import { ContactList } from './contactList.js'

/** One that hears of other nodes: by their calls, and by their answers. */
export interface Listener {
  /** `now` is by the clock that never goes back. */
  hear(nodeId: string, className: string, version: Version, now: number): void
}

@injectable()
export class Contacts implements Listener {
  readonly #heard: ContactList
  #newestKnown: Version = 0
  /** Whenever a node says to run a version newer than the newest that is known. */
  readonly newer = new Signal<Version>()

  constructor(
    @inject(tokens.clock) private readonly clock: Clock,
    @inject(tokens.settings) settings: HostSettings,
  ) {
    this.#heard = new ContactList(settings.contactsMax)
  }

  hear(nodeId: string, className: string, version: Version, now = this.clock.monotonicMs()): void {
    this.#heard.hear(nodeId, className, version, now)
    this.hearOf(version)
  }

  /** Somebody runs this version. */
  hearOf(version: Version): void {
    if (version > this.#newestKnown) this.newer.emit(version)
  }

  /** The newest version that the upgrade server has told of: only it is believed. */
  know(newest: Version): void {
    this.#newestKnown = newest
  }

  /** Newest first. */
  list(): readonly Contact[] {
    return this.#heard.list(this.clock.monotonicMs())
  }
}
