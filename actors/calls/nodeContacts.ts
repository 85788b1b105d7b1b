/**
 * The nodes that each node has recently exchanged calls with (§4), over restarts too: "SFs can query ULs for
 * information about recently-contacted nodes".
 *
 * K1. No call waits for the disk because of them, or writes. New ones are written together, now and then, and
 *     all of a node when it stops. A host that is killed forgets what it heard since.
 * K2. They are a cache: one that can't be read, or is of another format, is as good as empty.
 */
import { inject, injectable } from 'tsyringe'
import { formats } from '../../core/base/formats.js'
import { isVersion, type Version } from '../../core/base/ids.js'
import { keys } from '../../core/model/nodeRecord.js'
import type { Clock } from '../../core/ports/clock.js'
import type { Contact } from '../../core/schedules/schedule.js'
import { pack, unpack } from '../../core/wire/codec.js'
import type { HostSettings } from '../base/settings.js'
import { tokens } from '../base/tokens.js'
import { Journal } from '../state/journal.js'
import { ContactList, type SharedRoom } from './contactList.js'
import { Contacts, type Listener } from './contacts.js'

/** Of their record on disk. Release 0.1.0 passes it over. */
const contactsFormat = formats.contacts.newest

/** Node id, class, version, and when it was last heard of, in milliseconds since 1970. */
type KeptContact = readonly [string, string, Version, number]

/** Those of one node. */
export interface NodeContacts extends Listener {
  /** Newest first. */
  list(): readonly Contact[]
  /** The node has stopped; `isKept`: what they are now is kept for its next start. */
  close(isKept: boolean): void
}

@injectable()
export class KeptContacts {
  readonly #room: SharedRoom
  /** Those with something new that is not written yet. */
  readonly #unkept = new Set<OpenContacts>()
  #cancel: (() => void) | undefined

  constructor(
    @inject(Contacts) readonly contacts: Contacts,
    @inject(Journal) private readonly journal: Journal,
    @inject(tokens.clock) private readonly clock: Clock,
    @inject(tokens.settings) private readonly settings: HostSettings,
  ) {
    this.#room = { max: settings.contactsOfHostMax, taken: 0 }
  }

  open(nodeId: string): NodeContacts {
    const list = new ContactList(this.settings.contactsMax, this.#room)
    const now = this.clock.now()
    const monotonicMs = this.clock.monotonicMs()
    // The oldest first: they are the first to be forgotten.
    for (const [id, className, version, atMs] of this.#kept(nodeId).reverse())
      list.hear(id, className, version, monotonicMs - Math.max(0, now - atMs))
    return new OpenContacts(nodeId, list, this)
  }

  #kept(nodeId: string): KeptContact[] {
    const bytes = this.journal.get(keys.contacts(nodeId))
    if (bytes === undefined) return []
    try {
      const { format, heard } = unpack(bytes) as { readonly format: unknown; readonly heard: unknown }
      return format === contactsFormat && Array.isArray(heard) ? heard.filter(isKeptContact) : []
    } catch {
      return []
    }
  }

  monotonicMs(): number {
    return this.clock.monotonicMs()
  }

  /** K1. Written soon, with those of other nodes. */
  changed(contacts: OpenContacts): void {
    this.#unkept.add(contacts)
    this.#cancel ??= this.clock.after(this.settings.contactsKeptMs, () => this.#keepSome())
  }

  #keepSome(): void {
    this.#cancel = undefined
    let left = this.settings.contactsPerTurnMax
    for (const contacts of this.#unkept) {
      if (left-- === 0) {
        this.#cancel = () => {}
        this.clock.turn(() => this.#keepSome())
        return
      }
      this.#unkept.delete(contacts)
      this.#write(contacts)
    }
  }

  #write({ nodeId, heard: list }: OpenContacts): void {
    const now = this.clock.now()
    const heard = list
      .list(this.clock.monotonicMs())
      .map(({ nodeId: id, className, version, ageMs }): KeptContact => [id, className, version, Math.round(now - ageMs)])
    this.journal.write(keys.contacts(nodeId), pack({ format: contactsFormat, heard }))
  }

  close(contacts: OpenContacts, isKept: boolean): void {
    this.#unkept.delete(contacts)
    if (this.#unkept.size === 0) {
      this.#cancel?.()
      this.#cancel = undefined
    }
    if (isKept) this.#write(contacts)
    contacts.heard.clear()
  }
}

class OpenContacts implements NodeContacts {
  #isClosed = false

  constructor(
    readonly nodeId: string,
    readonly heard: ContactList,
    private readonly kept: KeptContacts,
  ) {}

  hear(nodeId: string, className: string, version: Version, now: number): void {
    if (!this.#isClosed && this.heard.hear(nodeId, className, version, now)) this.kept.changed(this)
    this.kept.contacts.hearOf(version)
  }

  list(): readonly Contact[] {
    return this.heard.list(this.kept.monotonicMs())
  }

  close(isKept: boolean): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.kept.close(this, isKept)
  }
}

function isKeptContact(value: unknown): value is KeptContact {
  if (!Array.isArray(value)) return false
  const [nodeId, className, version, atMs] = value
  return typeof nodeId === 'string' && typeof className === 'string' && isVersion(version) && typeof atMs === 'number'
}
