/** The faults that logs show, as settings of the memory log: each is one that some adapter can meet. */
import type { Random } from '../../core/ports/random.js'

/** An append on its way. */
export interface AppendInTransit {
  readonly writer: string
  readonly bytes: Uint8Array
  readonly after: number
}

/** The end of an append. */
export type AppendFate =
  | 'deliver'
  /** It arrives, and its writer is told `unknown`. */
  | 'lose-answer'
  /** It never arrives, and its writer is told `unknown`. */
  | 'lose'
  /** It arrives, and nobody answers before the writer closes its log. */
  | 'never-answer'
  /** The server is busy with an earlier copy (JetStream's error 10164): `unknown`, and it is not appended. */
  | 'in-flight'
  /** The log is full: `refused`. */
  | 'full'
  /** The server forgets to look at `after`: it appends at its end. */
  | 'accept-anyway'
  /** It arrives, and the answer comes later. */
  | { readonly answerAfterMs: number }
  /** Its writer is told `unknown` now, and it arrives later. */
  | { readonly arrivesAfterMs: number }

/** The chance of each fault, from 0 to 1. The rest is delivered. */
export interface AppendChances {
  readonly loseAnswer?: number
  readonly lose?: number
  readonly neverAnswer?: number
  readonly inFlight?: number
  readonly full?: number
  readonly acceptAnyway?: number
  readonly answerLate?: number
  readonly arriveLate?: number
  /** The most that an answer or an arrival is late. 100 by default. */
  readonly lateMsMax?: number
}

/** Fates by chance: the same `random` gives the same ones. */
export function fatesBy(random: Random, chances: AppendChances): (append: AppendInTransit) => AppendFate {
  const { lateMsMax = 100 } = chances
  const lateMs = () => Math.ceil(random.next() * lateMsMax)
  const all: readonly (readonly [number | undefined, () => AppendFate])[] = [
    [chances.loseAnswer, () => 'lose-answer'],
    [chances.lose, () => 'lose'],
    [chances.neverAnswer, () => 'never-answer'],
    [chances.inFlight, () => 'in-flight'],
    [chances.full, () => 'full'],
    [chances.acceptAnyway, () => 'accept-anyway'],
    [chances.answerLate, () => ({ answerAfterMs: lateMs() })],
    [chances.arriveLate, () => ({ arrivesAfterMs: lateMs() })],
  ]
  return () => {
    let left = random.next()
    for (const [chance = 0, fate] of all) {
      if (left < chance) return fate()
      left -= chance
    }
    return 'deliver'
  }
}
