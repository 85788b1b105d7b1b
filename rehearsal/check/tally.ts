/** Counts how the calls of each method ended, so that a check that tried nothing says so. */
import type { Cast } from './cast.js'
import type { Tried } from './findings.js'
import type { Call, History } from './history.js'
import type { Outcome } from './outcomes.js'
import type { Trace } from './playing.js'

export class Tally {
  readonly #counts = new Map<string, { -readonly [Key in keyof Tried]: Tried[Key] }>()

  constructor(private readonly cast: Cast) {}

  count(history: History, early: Trace, late: Trace): void {
    const calls = history.before.filter((step) => step.is === 'call')
    calls.forEach((call, i) => {
      this.#one(call, early.before[i])
    })
    this.#one(history.call, early.call)
    this.#one(history.call, late.call)
  }

  tried(): readonly Tried[] {
    return [...this.#counts.values()].sort((a, b) => a.version - b.version || (a.method < b.method ? -1 : 1))
  }

  #one({ node, version, method }: Call, outcome: Outcome | undefined): void {
    if (outcome === undefined) return
    const { className } = this.cast.member(node).line[version]!
    const key = `${version} ${className} ${method}`
    const counts = this.#counts.get(key) ?? { className, version, method, calls: 0, refused: 0, threw: 0 }
    counts.calls++
    if (outcome.is === 'refused') counts.refused++
    if (outcome.is === 'threw' || outcome.is === 'wrote') counts.threw++
    this.#counts.set(key, counts)
  }
}
