/**
 * The events that a node has received lately, of those that travel twice: an event that an upgrade has
 * brought is published for hosts that hear it and, again, for hosts that do not know of it yet
 * (actors/serving/eventHub.ts). It is carried out once.
 */

/** The two copies leave together. */
export const eventsMax = 1_024

export class RecentEvents {
  readonly #ids = new Set<string>()

  /** Whether this event has not been received before. */
  isNew(id: string): boolean {
    if (this.#ids.has(id)) return false
    this.#ids.add(id)
    if (this.#ids.size > eventsMax) {
      const [oldest] = this.#ids
      this.#ids.delete(oldest!)
    }
    return true
  }
}
