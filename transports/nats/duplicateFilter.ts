/**
 * While two connections of one transport listen to the same subjects, each message comes twice, on one after
 * the other. A command that is carried out twice would be wrong, so the second is dropped: messages are told
 * apart by subject, reply subject and payload, and the ids of calls, sends and events differ.
 */
import { createHash } from 'node:crypto'
import type { Msg } from 'nats'
import type { NatsLink } from './natsLink.js'

/** Messages kept that have come on one connection only. Some 200 bytes each. */
const unmatchedMax = 100_000

export class DuplicateFilter {
  /** How often a message has come on the new connection more than on the old one. */
  readonly #ahead = new Map<string, number>()
  /** Set when no more can be kept: then nothing counts any more that comes on the old one. */
  #isFull = false

  constructor(
    private readonly old: NatsLink,
    private readonly max = unmatchedMax,
  ) {}

  /** Whether it has not come on the other connection already. */
  isFirst(message: Pick<Msg, 'subject' | 'reply' | 'data'>, link: NatsLink): boolean {
    const step = link === this.old ? -1 : 1
    if (this.#isFull && step < 0) return false
    const key = keyOf(message)
    const before = this.#ahead.get(key) ?? 0
    const after = before + step
    if (after === 0) this.#ahead.delete(key)
    else if (!this.#isFull || before !== 0) this.#ahead.set(key, after)
    this.#isFull ||= this.#ahead.size >= this.max
    return before * step >= 0
  }
}

function keyOf({ subject, reply, data }: Pick<Msg, 'subject' | 'reply' | 'data'>): string {
  return createHash('sha256')
    .update(`${subject} ${reply ?? ''} `)
    .update(data)
    .digest('base64')
}
