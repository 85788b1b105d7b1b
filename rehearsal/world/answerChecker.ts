/**
 * Counts the calls that travel and the answers to them.
 *
 * C4. A call is answered once at most, by a reply or by a fault: a second fault would have its caller make it
 *     again while it runs.
 */
import type { Passage, Transit } from 'theseus-actors/memory'
import { decode } from '../../core/wire/codec.js'
import { type Envelope, kinds } from '../../core/wire/envelope.js'

export class AnswerChecker {
  /** By inbox and number: copies of the call that have travelled and are not answered. */
  readonly #unanswered = new Map<string, number>()

  constructor(private readonly violated: (rule: string, what: string) => void) {}

  passed({ message, from }: Transit, passage: Passage): void {
    if (message.noResponders) return
    const { replyTo, subject } = message
    for (const envelope of envelopesOf(message.payload)) {
      if (envelope.kind === kinds.call && replyTo !== undefined) this.#called(callOf(replyTo, envelope.seq), copiesIn(passage))
      // A fault of number 0 speaks of all calls of a message that can't be read.
      else if ((envelope.kind === kinds.reply || envelope.kind === kinds.fault) && envelope.seq !== 0)
        this.#answered(
          callOf(subject, envelope.seq),
          `${from} answers ${envelope.kind === kinds.fault ? envelope.fault.code : ''}`,
        )
    }
  }

  #called(call: string, copies: number): void {
    this.#unanswered.set(call, (this.#unanswered.get(call) ?? 0) + copies)
  }

  #answered(call: string, what: string): void {
    const unanswered = this.#unanswered.get(call) ?? 0
    if (unanswered === 0) this.violated('C4', `${what} to call ${call}, which has been answered`)
    else this.#unanswered.set(call, unanswered - 1)
  }
}

/** Nothing of a message that can't be decoded. */
function envelopesOf(payload: Uint8Array): readonly Envelope[] {
  try {
    return decode(payload)
  } catch {
    return []
  }
}

function copiesIn(passage: Passage): number {
  if (passage === 'drop') return 0
  return passage === 'duplicate' || (typeof passage === 'object' && 'duplicate' in passage && passage.duplicate) ? 2 : 1
}

/** All calls of a host are answered below one inbox; the last token tells its messages apart. */
function callOf(replySubject: string, seq: number): string {
  return `${replySubject.slice(0, replySubject.lastIndexOf('.'))} ${seq}`
}
