/**
 * Which nodes of this host hear which events. They share one subscription per event; each gets a copy of its
 * own of what arrives, through its own chain.
 *
 * A host that has not learned the newest version does not know which events that one brings. As long as there
 * may be such hosts, publishers send these events a second time, on a subject that every host with nodes
 * listens to. There an event teaches as a call does: a node that does not know its version holds it until it
 * has learned. Events that a node gets twice it carries out once (recentEvents.ts).
 */
import { inject, injectable } from 'tsyringe'
import { Fault, toFault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import type { HostObserver } from '../../core/inspection/hostEvents.js'
import type { Message, Subscription, Transport } from '../../core/ports/transport.js'
import { decode } from '../../core/wire/codec.js'
import { type CallEnvelope, kinds } from '../../core/wire/envelope.js'
import { subjectsOf } from '../../core/wire/subjects.js'
import type { HostSettings } from '../base/settings.js'
import { tokens } from '../base/tokens.js'

/** A node that hears events. */
export interface Hearer {
  /** Whether it knows what the event means at this version, be it nothing. */
  knows(version: Version): boolean
  hear(message: Message): void
}

interface Heard {
  readonly subscription: Subscription
  readonly hearers: Set<Hearer>
}

@injectable()
export class EventHub {
  readonly #heard = new Map<string, Heard>()
  readonly #names = new WeakMap<Hearer, ReadonlySet<string>>()

  /** The nodes that serve. */
  readonly #attending = new Set<Hearer>()
  #introduced: Subscription | undefined

  constructor(
    @inject(tokens.transport) private readonly transport: Transport,
    @inject(tokens.settings) private readonly settings: HostSettings,
    @inject(tokens.observer) private readonly observe: HostObserver,
  ) {}

  /** From now on the node gets events that it does not know of yet. */
  attend(hearer: Hearer): void {
    this.#attending.add(hearer)
    this.#introduced ??= this.transport.subscribe(subjectsOf(this.settings.system).introduced, (message) => this.#teach(message))
  }

  /** The node hears nothing any more. */
  leave(hearer: Hearer): void {
    this.hear(hearer, nothing)
    if (!this.#attending.delete(hearer) || this.#attending.size > 0) return
    this.#introduced?.unsubscribe()
    this.#introduced = undefined
  }

  #teach(message: Message): void {
    try {
      const events = decode(message.payload) as readonly CallEnvelope[]
      if (events.some(({ kind }) => kind !== kinds.event))
        throw new Fault('protocol.bad-envelope', 'something else than an event on a subject of events')
      const newest = Math.max(...events.map(({ label }) => label))
      for (const hearer of this.#attending) {
        const names = this.#names.get(hearer) ?? nothing
        if (!hearer.knows(newest) || events.some(({ method }) => names.has(method))) hearer.hear(message)
      }
    } catch (error) {
      this.observe({ type: 'deadLetter', subject: message.subject, fault: toFault(error, 'protocol.bad-envelope') })
    }
  }

  /** From now on the node hears these events, and no others. */
  hear(hearer: Hearer, names: ReadonlySet<string>): void {
    const before = this.#names.get(hearer) ?? nothing
    for (const name of names) if (!before.has(name)) this.#join(hearer, name)
    for (const name of before) if (!names.has(name)) this.#leave(hearer, name)
    // Most nodes hear none.
    if (names.size === 0) this.#names.delete(hearer)
    else this.#names.set(hearer, names)
  }

  #join(hearer: Hearer, name: string): void {
    let heard = this.#heard.get(name)
    if (heard === undefined) {
      const hearers = new Set<Hearer>()
      const subscription = this.transport.subscribe(subjectsOf(this.settings.system).event(name), (message) => {
        for (const each of hearers) each.hear(message)
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
