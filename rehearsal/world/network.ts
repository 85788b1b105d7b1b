/**
 * The network of the world: what befalls messages, by the weather, by who is cut off from whom, and by the
 * messages that a crash waits for.
 */

import { MemoryBroker, memoryTransport, type Passage, type Transit } from 'theseus-actors/memory'
import type { Random } from '../../core/ports/random.js'
import type { Message } from '../../core/ports/transport.js'
import { decode } from '../../core/wire/codec.js'
import { kinds } from '../../core/wire/envelope.js'
import { calm, type Weather } from './plan.js'
import type { VirtualTime } from './virtualTime.js'

export interface NetworkObserver {
  passed(transit: Transit, passage: Passage): void
  /** A command will arrive a second time. */
  copied(op: string): void
}

export class Network {
  readonly broker: MemoryBroker
  readonly #weathers: Weather[] = []
  readonly #orders: Message[] = []
  readonly #walls = new Set<string>()
  /** The nodes that hear no announcements, and how many times over. */
  readonly #deaf = new Map<string, number>()
  /** Called for every message to or from a connection of that name. */
  readonly #waiting = new Map<string, (transit: Transit) => void>()

  constructor(
    time: VirtualTime,
    private readonly random: Random,
    private readonly observer: NetworkObserver,
    /** Whether somebody records what is sent to upgrade servers. */
    isRecorded: boolean,
  ) {
    this.broker = new MemoryBroker({ clock: time, random })
    this.broker.filter = (transit) => {
      const passage = this.#passage(transit)
      observer.passed(transit, passage)
      if (isRecorded && isOrder(transit.message)) this.#orders.push(transit.message)
      this.#waiting.get(transit.from)?.(transit)
      if (transit.to !== transit.from) this.#waiting.get(transit.to)?.(transit)
      return passage
    }
  }

  /** From now on, until the returned function is called. */
  weather(weather: Weather): () => void {
    this.#weathers.push(weather)
    return () => void this.#weathers.splice(this.#weathers.indexOf(weather), 1)
  }

  /** Messages from `from` to `to` are lost, until the returned function is called. */
  wall(from: string, to: string): () => void {
    const wall = `${from} ${to}`
    this.#walls.add(wall)
    return () => void this.#walls.delete(wall)
  }

  /** Sends all orders again, from a connection of its own. */
  replay(): void {
    const transport = memoryTransport(this.broker)
    for (const { subject, payload } of [...this.#orders]) transport.publish(subject, payload)
  }

  /** No announcement reaches it, until the returned function is called. */
  deafen(name: string): () => void {
    const more = (by: number) => this.#deaf.set(name, (this.#deaf.get(name) ?? 0) + by)
    more(1)
    return () => void more(-1)
  }

  onMessage(name: string, heard: ((transit: Transit) => void) | undefined): void {
    if (heard === undefined) this.#waiting.delete(name)
    else this.#waiting.set(name, heard)
  }

  heal(): void {
    this.#weathers.length = 0
    this.#walls.clear()
    this.#deaf.clear()
    this.#waiting.clear()
  }

  #passage(transit: Transit): Passage {
    if (this.#walls.has(`${transit.from} ${transit.to}`)) return 'drop'
    if ((this.#deaf.get(transit.to) ?? 0) > 0 && transit.message.subject.endsWith('.upgrades')) return 'drop'
    const { delayMs, lost, duplicated, late } = this.#weathers.at(-1) ?? calm
    const chance = this.random.next()
    const delay = Math.floor(this.random.next() * (delayMs + 1))
    if (chance < lost) return 'drop'
    if (chance < lost + duplicated) {
      this.#tellOfCopies(transit)
      return { lateMs: delay, duplicate: true }
    }
    if (chance < lost + duplicated + late) return { lateMs: delay }
    return delay === 0 ? 'deliver' : { delayMs: delay }
  }

  /**
   * Delivery is at most once by the port's word: what comes twice may be done twice, and the
   * oracle is to know.
   */
  #tellOfCopies({ message }: Transit): void {
    if (message.noResponders) return
    for (const envelope of decode(message.payload)) {
      if (envelope.kind !== kinds.call && envelope.kind !== kinds.send && envelope.kind !== kinds.event) continue
      const [op] = envelope.args
      if (typeof op === 'string') this.observer.copied(op)
    }
  }
}

function isOrder({ subject, payload, noResponders }: Message): boolean {
  return (
    !noResponders &&
    subject.endsWith('.install') &&
    decode(payload).some((envelope) => envelope.kind === kinds.call && envelope.method === 'direct')
  )
}
