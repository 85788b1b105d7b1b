/**
 * Which nodes of this host hear which events. They share one subscription per event; each gets a copy of its own of what arrives, through
 * its own chain.
 */
import { inject, injectable } from 'tsyringe'
import type { Message, Subscription, Transport } from '../core/ports/transport.js'
import { subjectsOf } from '../core/subjects.js'
import type { HostSettings } from './settings.js'
import { tokens } from './tokens.js'

/** A node that hears events. */
export interface Hearer {
  receive(message: Message): void
}

interface Heard {
  readonly subscription: Subscription
  readonly hearers: Set<Hearer>
}

@injectable()
export class EventHub {
  readonly #heard = new Map<string, Heard>()
  readonly #names = new Map<Hearer, ReadonlySet<string>>()

  constructor(
    @inject(tokens.transport) private readonly transport: Transport,
    @inject(tokens.settings) private readonly settings: HostSettings,
  ) {}

  /** From now on the node hears these events, and no others. */
  hear(hearer: Hearer, names: ReadonlySet<string>): void {
    const before = this.#names.get(hearer) ?? nothing
    if (names.size === 0 && before.size === 0) return
    for (const name of names) if (!before.has(name)) this.#join(hearer, name)
    for (const name of before) if (!names.has(name)) this.#leave(hearer, name)
    if (names.size === 0) this.#names.delete(hearer)
    else this.#names.set(hearer, names)
  }

  #join(hearer: Hearer, name: string): void {
    let heard = this.#heard.get(name)
    if (heard === undefined) {
      const hearers = new Set<Hearer>()
      const subscription = this.transport.subscribe(subjectsOf(this.settings.system).event(name), (message) => {
        for (const each of hearers) each.receive(message)
      })
      heard = { subscription, hearers }
      this.#heard.set(name, heard)
    }
    heard.hearers.add(hearer)
  }

  #leave(hearer: Hearer, name: string): void {
    const heard = this.#heard.get(name)!
    heard.hearers.delete(hearer)
    if (heard.hearers.size > 0) return
    heard.subscription.unsubscribe()
    this.#heard.delete(name)
  }
}

const nothing: ReadonlySet<string> = new Set()
