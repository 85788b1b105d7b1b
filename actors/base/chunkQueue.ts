/**
 * The queue of those who ask an upgrade server for something large. Many ask at once; what the
 * transport has not carried off yet must stay small all the same.
 *
 * A1. At most `atOnce` answers are being made, or are on their way to the transport's other side.
 * A2. At most `waitingMax` questions wait, in the order in which they came. One more is refused at once: it
 *     may be asked again.
 * A3. A question that is asked again while it waits, or while it is being answered, keeps its
 *     place and has one answer.
 * A4. A question whose deadline has come while it waited is not answered.
 * A5. A waiting question is small: texts of a call that an answer does not need are let go. The code that
 *     enters a question has looked at its arguments.
 */

import { Fault } from '../../core/base/fault.js'
import type { Clock } from '../../core/ports/clock.js'
import { type CallEnvelope, callId } from '../../core/wire/envelope.js'

export interface Question {
  readonly call: CallEnvelope
  readonly replyTo: string
}

interface Waiting {
  readonly question: Question
  readonly untilMs: number
}

export interface QueueOptions {
  readonly atOnce: number
  readonly waitingMax: number
  readonly clock: Clock
  /** The id by which a question that is asked again is known: by default that of its call. */
  readonly idOf?: (question: Question) => string
  /** Sends an answer, be it a fault. Must not throw. */
  readonly answer: (question: Question) => Promise<void>
  readonly refuse: (question: Question, fault: Fault) => void
  /** Resolves when what was sent has reached the transport's other side. */
  readonly flush: () => Promise<void>
}

export class ChunkQueue {
  /** By the call's id, in the order in which they came. */
  readonly #waiting = new Map<string, Waiting>()
  readonly #underWay = new Set<string>()
  #closed = false

  constructor(private readonly options: QueueOptions) {}

  enter(asked: Question): void {
    const question = { call: briefly(asked.call), replyTo: asked.replyTo }
    const { atOnce, waitingMax, clock, refuse, idOf = ofCall } = this.options
    const id = idOf(question)
    if (this.#underWay.has(id)) return // A3
    if (this.#closed) {
      refuse(question, stopped())
    } else if (this.#underWay.size < atOnce) {
      void this.#answer(id, question)
    } else if (this.#waiting.size < waitingMax || this.#waiting.has(id)) {
      // A3. A map keeps the place of a key that is set again; the newest copy says where its asker listens.
      this.#waiting.set(id, { question, untilMs: clock.monotonicMs() + question.call.deadlineMs })
    } else {
      refuse(question, new Fault('unavailable.overloaded', `${this.#waiting.size} questions wait for their answer already`))
    }
  }

  /** Refuses those who wait, and whoever comes: another server may answer them. */
  close(): void {
    this.#closed = true
    for (const { question } of this.#waiting.values()) this.options.refuse(question, stopped())
    this.#waiting.clear()
  }

  async #answer(id: string, question: Question): Promise<void> {
    this.#underWay.add(id)
    await this.options.answer(question)
    // Without a connection nothing is on its way.
    await this.options.flush().catch(() => {})
    this.#underWay.delete(id)
    this.#next()
  }

  #next(): void {
    const nowMs = this.options.clock.monotonicMs()
    for (const [id, { question, untilMs }] of this.#waiting) {
      this.#waiting.delete(id)
      if (untilMs <= nowMs) continue // A4
      void this.#answer(id, question)
      return
    }
  }
}

/** A5. */
function briefly(call: CallEnvelope): CallEnvelope {
  return { ...call, expects: null, path: null, trace: null }
}

function ofCall({ call }: Question): string {
  return callId(call)
}

function stopped(): Fault {
  return new Fault('unavailable.stopped', 'the upgrade server stops')
}
