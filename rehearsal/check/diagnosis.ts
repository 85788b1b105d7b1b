/**
 * The kind of mistake that a difference is, and the part to blame. Asked of the smallest history that shows
 * it: it is played again without the last call, or without the flip. The missing part then says where state
 * was lost.
 */
import type { Version } from 'theseus-actors'
import { isSO } from '../../core/model/simulation.js'
import { type Blame, carriedOutBy, transformTo } from './blame.js'
import type { Member } from './cast.js'
import { type Call, type History, targetOf } from './history.js'
import { areAlike, isProgrammingError, type Outcome } from './outcomes.js'
import { type Difference, type Player, play, type Trace } from './playing.js'

export const findingKinds = [
  'faked success',
  'inconsistent answer',
  'copied state',
  'forgotten state',
  'query that writes',
  'fault that only one version knows',
  'TF that depends on time or chance',
  'throws',
] as const
export type FindingKind = (typeof findingKinds)[number]

export interface Diagnosis {
  readonly kind: FindingKind
  readonly blame: Blame
  /** A sentence for people. */
  readonly because: string
}

export class Diagnostician {
  readonly #member: Member
  readonly #target: Version
  readonly #runs: Version

  constructor(
    private readonly player: Player,
    private readonly history: History,
    private readonly difference: Difference,
  ) {
    const { cast } = player.sources
    this.#target = targetOf(history, cast)!
    this.#runs = this.#target - 1
    this.#member = cast.member(difference.call.node)
  }

  async diagnose(): Promise<Diagnosis> {
    const { early, late, call } = this.difference
    for (const [outcome, runs] of [
      [early, this.#isAtCall ? this.#runs : this.#target],
      [late, this.#target],
    ] as const)
      if (outcome.is === 'wrote')
        return this.#found(
          'query that writes',
          carriedOutBy(this.#member, call.version, runs, call.method),
          'it is marked as a query, and writes',
        )
    const side = isProgrammingError(early) !== isProgrammingError(late) ? (isProgrammingError(early) ? early : late) : undefined
    if (side?.is === 'threw') return this.#found('throws', this.#simulatedSide(), `${side.name}: ${side.message}`)
    if (early.is === 'threw' || late.is === 'threw') {
      const [when, fault] =
        early.is === 'threw' ? ['before the flip', early] : ['after the flip', late as Outcome & { is: 'threw' }]
      const other =
        early.is === 'threw' && late.is === 'threw' ? `and with ${late.code} after it` : 'and not on the other side of it'
      return this.#found(
        'fault that only one version knows',
        this.#simulatedSide(),
        `it fails ${when} with ${fault.code}, ${other}`,
      )
    }
    if (this.#isAtCall) return this.#isCommand(call) ? this.#otherAnswer() : this.#lostAtFlip()
    return this.#otherEffect()
  }

  get #isAtCall(): boolean {
    return this.difference.at === 'call'
  }

  #isCommand({ node, version, method }: Call): boolean {
    return this.player.sources.cast.methodsAt(node, version).get(method) === 'command'
  }

  #isAhead({ version }: Call): boolean {
    return version >= this.#target
  }

  /** The SO that answers this call on one side of the flip. */
  #simulatedSide(call: Call = this.difference.call): Blame {
    return carriedOutBy(
      this.player.sources.cast.member(call.node),
      call.version,
      this.#isAhead(call) ? this.#runs : this.#target,
      call.method,
    )
  }

  #found(kind: FindingKind, blame: Blame, because: string): Diagnosis {
    return { kind, blame, because }
  }

  #otherAnswer(): Diagnosis {
    return this.#found('inconsistent answer', this.#simulatedSide(), 'it answers otherwise before the flip than after it')
  }

  get #transform(): Blame {
    return transformTo(this.player.sources.cast.member(this.history.flip), this.#target)
  }

  /** A query sees something else just after the flip than just before. */
  async #lostAtFlip(): Promise<Diagnosis> {
    const { early, late, call } = this.difference
    const at = this.history.before.findLastIndex((step) => step.is === 'call' && this.#isCommand(step))
    const last = this.history.before[at]
    if (last?.is !== 'call') return this.#otherAnswer()
    const without = { ...this.history, before: this.history.before.toSpliced(at, 1), after: [] }
    const [earlyWithout, lateWithout] = await Promise.all([this.#call(without, 'callFirst'), this.#call(without, 'flipFirst')])
    const isUnseenEarly = areSame(early, earlyWithout)
    const isUnseenLate = areSame(late, lateWithout)
    const said = `${last.method} at version ${last.version}`
    if (isUnseenLate && !isUnseenEarly)
      return this.#forgottenAtFlip(this.#isAhead(last) ? 'the future-SO has kept' : 'the old object had', said)
    if (isUnseenEarly && !isUnseenLate) {
      if (this.#isAhead(call)) {
        const copied = this.#hasState(call) ? 'copied state' : 'inconsistent answer'
        return this.#found(copied, this.#simulatedSide(), `it does not see ${said}, which the object has carried out`)
      }
      const because = `the simulation object keeps to itself what version ${call.version} sees after the flip`
      if (this.#isAhead(last)) return this.#found('copied state', this.#simulatedSide(last), because)
    }
    return this.#otherAnswer()
  }

  #forgottenAtFlip(whose: string, said: string): Diagnosis {
    const side = this.#simulatedSide()
    if (side.part === 'pastSO' && side.how === 'implements')
      return this.#found('forgotten state', side, `the past-SO does not have what ${whose} of ${said}`)
    return this.#found('forgotten state', this.#transform, `the transform forgets what ${whose} of ${said}`)
  }

  /** A later call sees that the two orders have left other states behind. */
  async #otherEffect(): Promise<Diagnosis> {
    const { call } = this.history
    const { waitMs } = this.history
    if (this.difference.at === 'looksAtEnd' && waitMs !== undefined) {
      const { method, version } = this.difference.call
      const because = `${method} at version ${version} shows it after ${waitMs} ms: a timer ends with its object, and start() has to set it again`
      return this.#found('forgotten state', this.#transform, because)
    }
    if (this.difference.at !== 'looks') return this.#otherAnswer()
    const looks = [this.difference.call]
    const alone = { ...this.history, after: [] }
    const [before, after, flipped, unflipped, untouched] = await Promise.all([
      play(alone, 'callFirst', this.player, { seed: 1, looks, watches: true }),
      play(alone, 'flipFirst', this.player, { seed: 1, looks, watches: true }),
      play(alone, 'flipOnly', this.player, { seed: 1, looks }),
      play(alone, 'callOnly', this.player, { seed: 1, looks }),
      play(alone, 'neither', this.player, { seed: 1, looks }),
    ])
    const { method, version } = this.difference.call
    const lookedFor = `${method} at version ${version}`
    const none = flipped.looks[0]!
    if (areSame(before.looks[0]!, none)) {
      const isSeenBefore = !areSame(unflipped.looks[0]!, untouched.looks[0]!)
      return this.#lostBefore(call, before, lookedFor, isSeenBefore)
    }
    if (areSame(after.looks[0]!, none)) return this.#lostAfter(call, after, lookedFor)
    return this.#found('inconsistent answer', this.#simulatedSide(call), `${lookedFor} shows another effect of it`)
  }

  /** @param isSeenBefore whether the call that was made before the flip is seen before it */
  #lostBefore(call: Call, { changed }: Trace, lookedFor: string, isSeenBefore: boolean): Diagnosis {
    const isObject = changed?.object === true
    const isKept = (changed?.simulations.length ?? 0) > 0
    if (isSeenBefore || (isKept && !isObject))
      return this.#forgottenAtFlip(
        isObject ? 'the old object had' : 'the future-SO has kept',
        `${call.method} at version ${call.version}`,
      )
    if (this.#isAhead(call))
      return this.#found('faked success', this.#simulatedSide(call), `it says that it is done, and ${lookedFor} does not show it`)
    const because = `it does more than the old object does: ${lookedFor} shows it after the flip only`
    return this.#found('inconsistent answer', this.#simulatedSide(call), because)
  }

  #lostAfter(call: Call, { changed }: Trace, lookedFor: string): Diagnosis {
    if (!this.#isAhead(call)) {
      const isKept = changed?.object === false && changed.simulations.length > 0
      const because = `it is kept in the simulation object alone: ${lookedFor} does not see it`
      if (isKept) return this.#found('copied state', this.#simulatedSide(call), because)
      return this.#found('faked success', this.#simulatedSide(call), `it says that it is done, and ${lookedFor} does not show it`)
    }
    const side = this.#simulatedSide()
    if (side.part === 'pastSO' && this.#hasState(this.difference.call)) {
      const because = `it does not see ${call.method} at version ${call.version}, which the object has carried out`
      return this.#found('copied state', side, because)
    }
    return this.#found('inconsistent answer', this.#simulatedSide(call), `${lookedFor} does not see it after the flip`)
  }

  async #call(history: History, order: 'callFirst' | 'flipFirst'): Promise<Outcome> {
    return (await play(history, order, this.player, { seed: 1, looks: [] })).call
  }

  /** Whether the SO that answers the call keeps anything. */
  #hasState(call: Call): boolean {
    const { version } = this.#simulatedSide(call)
    const step = this.player.sources.cast.member(call.node).steps[version]
    const so = this.#isAhead(call) ? step?.futureSO : step?.pastSO
    if (so === undefined || !isSO(so)) return false
    return Object.values(so.methods).some((method) => /this\s*\.\s*(state|collection)\b/.test(String(method)))
  }
}

/** Unlike `areAlike`: a refusal is like nothing but a refusal. */
function areSame(one: Outcome, other: Outcome): boolean {
  return one.is === other.is && areAlike(one, other)
}
