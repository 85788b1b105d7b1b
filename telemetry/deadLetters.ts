/** Messages that were dropped, for a log: the first of a kind at once, those of the next second together. */
import type { HostEvent } from '../core/inspection/hostEvents.js'

type DeadLetter = Extract<HostEvent, { type: 'deadLetter' }>

/** For so long the same is not told again. */
const togetherMs = 1_000
/** Kinds that are told apart; the others are counted together. */
export const deadLetterKindsMax = 64

interface Kind {
  /** The last one. */
  event: DeadLetter
  /** How many came after the one that was told of. */
  more: number
}

export class DeadLetters {
  readonly #kinds = new Map<string, Kind>()

  /**
   * @param log `count` letters of this kind, of which this is one
   * @param after a timer
   */
  constructor(
    private readonly log: (event: DeadLetter, count: number) => void,
    private readonly after: (ms: number, then: () => void) => void = later,
  ) {}

  tell(event: DeadLetter): void {
    const name = this.#nameOf(event)
    const kind = this.#kinds.get(name)
    if (kind !== undefined) {
      kind.event = event
      kind.more++
      return
    }
    if (this.#kinds.size === 0) this.after(togetherMs, () => this.#tellRest())
    this.#kinds.set(name, { event, more: 0 })
    this.log(event, 1)
  }

  #nameOf({ subject, fault }: DeadLetter): string {
    const name = `${subject} ${fault.code}`
    return this.#kinds.size < deadLetterKindsMax || this.#kinds.has(name) ? name : 'others'
  }

  #tellRest(): void {
    const kinds = [...this.#kinds.values()]
    this.#kinds.clear()
    for (const { event, more } of kinds) if (more > 0) this.log(event, more)
  }
}

/** A host that has stopped is not kept alive for its log. */
function later(ms: number, then: () => void): void {
  setTimeout(then, ms).unref()
}
