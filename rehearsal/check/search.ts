/** Plays random histories, and makes a finding of each difference that is nobody's intention. */
import { isDeepStrictEqual } from 'node:util'
import { seededRandom } from 'theseus-actors/memory'
import { type Blame, carriedOutBy, flipBlame, transformTo } from './blame.js'
import { isOfChance } from './chance.js'
import { Diagnostician, type FindingKind } from './diagnosis.js'
import { endlessCall, methodOf } from './endless.js'
import { type CheckReport, type Finding, findingOf, type MeantChange, type SourceLine, transcriptOf } from './findings.js'
import { type Call, callText, type History, looksAfter, Positions, randomHistory, targetOf } from './history.js'
import { lateRefusal, suspectSide } from './lateRefusals.js'
import { failureOf, newFailures } from './newFailures.js'
import { isProgrammingError, type Outcome, outcomeText } from './outcomes.js'
import { SharedStages } from './players.js'
import { type Difference, differences, type Player, play, seenOtherwise, type Trace } from './playing.js'
import { Refusals } from './refusals.js'
import { shrunk } from './shrinking.js'
import { Tally } from './tally.js'

export interface SearchOptions {
  readonly histories: number
  readonly seed: number
  readonly withinMs: number
  readonly findingsMax: number
  readonly without: readonly FindingKind[]
  readonly lineOf: (blame: Blame) => SourceLine | null
}

/** Histories played at once on one stage; fewer where they take long, so that it ends in time. */
const atOnce = 16
const batchMsMax = 500
/** Many failures are a class's own: of each method so many are looked into. */
const failureTriesMax = 6

type Pair = readonly [early: Trace, late: Trace]

export class Search {
  readonly #findings: Finding[] = []
  readonly #seen = new Set<string>()
  /** Parts of upgrades that findings blame. */
  readonly #blamed = new Set<string>()
  readonly #noisy = new Set<string>()
  /** Failures of a new method that were looked into, by method. */
  readonly #failures = new Map<string, number>()
  #untilMs = Number.POSITIVE_INFINITY
  readonly #meant = new Map<string, MeantChange>()
  readonly #tally: Tally
  readonly #refusals: Refusals

  constructor(
    private readonly player: Player,
    private readonly options: SearchOptions,
  ) {
    this.#tally = new Tally(player.sources.cast)
    this.#refusals = new Refusals(player)
    for (const meant of declaredChanges(player)) this.#meant.set(`${meant.version} ${meant.method}`, meant)
  }

  async run(): Promise<Omit<CheckReport, 'text' | 'untried' | 'real'>> {
    const { histories, seed, withinMs, findingsMax } = this.options
    const random = seededRandom(seed)
    const untilMs = performance.now() + withinMs
    const most = this.player instanceof SharedStages ? atOnce : 1
    this.#untilMs = untilMs
    let together = 1
    let played = 0
    while (played < histories && performance.now() < untilMs) {
      const batch = Array.from({ length: Math.min(together, histories - played) }, () =>
        randomHistory(this.player.sources, random),
      )
      const beganMs = performance.now()
      const pairs = await Promise.all(batch.map((history) => this.#pair(history)))
      const msEach = (performance.now() - beganMs) / batch.length
      together = Math.max(1, Math.min(most, Math.floor(batchMsMax / msEach)))
      played += batch.length
      for (const [i, history] of batch.entries()) await this.#judge(history, pairs[i]!)
      if (this.#findings.length >= Math.max(findingsMax, 1)) break
    }
    return {
      holds: this.#findings.length === 0,
      findings: this.#findings,
      meant: [...this.#meant.values()],
      hints: this.#findings.length > 0 ? [] : await this.#refusals.hints(this.options.lineOf, untilMs),
      tried: this.#tally.tried(),
      notCompared: [...this.#noisy],
      histories: played,
      seed,
    }
  }

  async #pair(history: History): Promise<Pair> {
    return Promise.all([
      play(history, 'callFirst', this.player, { seed: 1 }),
      play(history, 'flipFirst', this.player, { seed: 1 }),
    ])
  }

  async #judge(history: History, [early, late]: Pair): Promise<void> {
    this.#tally.count(history, early, late)
    this.#refusals.note(history, early, late)
    if (await this.#neverEnds(history, [early, late])) return
    const failed = failedFlip(early, late)
    if (failed !== undefined) return this.#flipThrew(history, failed)
    const looks = looksAfter(history, this.player.sources)
    // A query that sees something else at once says more than what is seen later.
    const atOnce = seenOtherwise(history, early, looks).filter((each) => this.#isWrong(each.history, each.difference))
    const later = this.#differences(history, [early, late]).map((difference) => ({ history, difference }))
    for (const each of [...atOnce, ...later]) {
      if (this.#isFull) return
      if (this.#seen.has(this.#keyOf(each.history, each.difference))) continue
      if (await this.#report(each.history, each.difference)) return
    }
    const side = suspectSide(history, early, late, this.player.sources.cast)
    if (side !== undefined) await this.#lateRefusal(history, side)
    for (const each of newFailures(history, late, looks, targetOf(history, this.player.sources.cast)!))
      await this.#newFailure(each)
  }

  /** A failure after the flip that no answer before it contradicts. */
  async #newFailure(history: History): Promise<void> {
    const { cast } = this.player.sources
    const target = targetOf(history, cast)!
    const { node, method } = history.call
    const key = `new failure ${target} ${method}`
    const tries = this.#failures.get(key) ?? 0
    if (tries >= failureTriesMax || this.#isFull || this.options.without.includes('throws')) return
    this.#failures.set(key, tries + 1)
    if (this.#isOfKnown(history) || (await failureOf(history, this.player)) === undefined) return
    const stillFails = async (candidate: History) =>
      candidate.call.method === method && (await failureOf(candidate, this.player)) !== undefined
    const smallest = await shrunk(history, this.player.sources, this.#untilMs, stillFails)
    const found = await failureOf(smallest, this.player)
    if (found === undefined) return
    this.#failures.set(key, failureTriesMax)
    const { early, late } = found
    const because = `${method} throws on the state that it has made: ${late.name}: ${late.message}`
    const diagnosis = { kind: 'throws' as const, blame: transformTo(cast.member(node), target), because }
    this.#add(findingOf(smallest, { at: 'call', call: smallest.call, early, late }, diagnosis, cast))
  }

  /** A refused call that others see all the same. */
  async #lateRefusal(history: History, side: 'early' | 'late'): Promise<void> {
    const { cast } = this.player.sources
    const key = `late refusal ${targetOf(history, cast)} ${side} ${history.call.method}`
    if (this.#seen.has(key) || this.#isFull || this.options.without.includes('inconsistent answer')) return
    const alone = { ...history, after: [] }
    if ((await lateRefusal(alone, side, this.player)) === undefined) return
    this.#seen.add(key)
    const stillFails = async (candidate: History) => (await lateRefusal(candidate, side, this.player)) !== undefined
    const smallest = await shrunk(alone, this.player.sources, this.#untilMs, stillFails)
    const found = await lateRefusal(smallest, side, this.player)
    if (found === undefined) return
    const { blame, refused, look, shown, without } = found
    const isAlone = cast.members.size === 1
    const because = `it refuses the call, and ${look.method} at version ${look.version} shows it all the same: refuse before anything else`
    const diagnosis = { kind: 'inconsistent answer' as const, blame, because }
    const finding = findingOf(smallest, { at: 'call', call: look, early: shown, late: without }, diagnosis, cast)
    const end = [
      `${callText(smallest.call, isAlone)}: ${outcomeText(refused)}`,
      `${callText(look, isAlone)}: ${outcomeText(shown)} after it, and ${outcomeText(without)} without it`,
    ]
    this.#add({ ...finding, transcript: [...finding.transcript.slice(0, -2), ...end] })
  }

  get #isFull(): boolean {
    return this.#findings.length >= this.options.findingsMax
  }

  /** Whether some call of it does not end. Where this is so in one order only, an SO is to blame. */
  async #neverEnds(history: History, [early, late]: Pair): Promise<boolean> {
    const { sources } = this.player
    const endless = (pair: Pair) =>
      (['callFirst', 'flipFirst'] as const).map((order, i) => endlessCall(history, order, pair[i]!, sources))
    const [one, other] = endless([early, late])
    const culprit = one ?? other
    if (culprit === undefined) return false
    // A machine that stands still ends calls as well, but not the same ones again.
    if (!isDeepStrictEqual(endless(await this.#pair(history)), [one, other])) return true
    const isOfClass = one !== undefined && other !== undefined && methodOf(one, sources) === methodOf(other, sources)
    if (isOfClass) {
      sources.endless.add(methodOf(culprit, sources))
      return true
    }
    const version = targetOf(history, sources.cast)!
    const key = `endless ${methodOf(culprit, sources)} ${version}`
    if (this.#seen.has(key) || this.options.without.includes('throws')) return true
    this.#seen.add(key)
    const runs = one === undefined ? version : version - 1
    const blame = carriedOutBy(sources.cast.member(culprit.node), culprit.version, runs, culprit.method)
    const ends: Outcome = { is: 'threw', code: 'timeout', name: 'timeout', message: 'it does not end' }
    const is = (here: Call | undefined, there: Outcome): Outcome => (here === undefined ? there : ends)
    const [before, after] = [is(one, early.call), is(other, late.call)]
    const difference: Difference = { at: 'call', call: culprit, early: before, late: after }
    const because = `it does not end ${one === undefined ? 'after' : 'before'} the flip`
    this.#add(findingOf({ ...history, call: culprit, after: [] }, difference, { kind: 'throws', blame, because }, sources.cast))
    return true
  }

  /** Those that are not meant; what is meant is noted. */
  #differences(history: History, [early, late]: Pair): readonly Difference[] {
    const { sources } = this.player
    const all = [
      ...written(history, early, late, looksAfter(history, sources)),
      ...differences(history, early, late, looksAfter(history, sources)),
    ]
    return all.filter((difference) => this.#isWrong(history, difference))
  }

  #isWrong(history: History, difference: Difference): boolean {
    const { call, early, late } = difference
    if (this.#noisy.has(this.#nameOf(call))) return false
    const { cast } = this.player.sources
    const key = `${targetOf(history, cast)} ${call.method}`
    const meant = this.#meant.get(key)
    const isWrite = early.is === 'wrote' || late.is === 'wrote'
    if (meant === undefined || isWrite || isProgrammingError(early) || isProgrammingError(late)) return true
    if (!meant.isSeen) this.#meant.set(key, { ...meant, isSeen: true, example: transcriptOf(history, difference, cast) })
    return false
  }

  /** Whether the history goes through something that is known to be wrong: then it shows nothing new. */
  #isOfKnown(history: History): boolean {
    const { cast } = this.player.sources
    const positions = new Positions(cast)
    const isKnown = ({ node, version, method }: Call) => {
      const next = positions.next(node)
      const places = next === undefined ? [cast.newest] : [next - 1, next]
      return places.some((runs) => {
        const blame = carriedOutBy(cast.member(node), version, runs, method)
        return blame.part !== 'object' && this.#blamed.has(partOf(blame))
      })
    }
    for (const step of history.before) {
      if (step.is === 'flip') positions.flip(step.node)
      if (step.is === 'call' && isKnown(step)) return true
    }
    return [history.call, ...history.after].some(isKnown)
  }

  /** False where the difference came from time or chance, and nobody is to blame. */
  async #report(history: History, difference: Difference): Promise<boolean> {
    const { player, options } = this
    const { cast } = player.sources
    const same = (other: Difference) => this.#keyOf(history, other) === this.#keyOf(history, difference)
    const isChance = await isOfChance(history, difference, this.player)
    if (isChance === 'of the class' && !isHeldUp(difference)) {
      this.#noisy.add(this.#nameOf(difference.call))
      return false
    }
    this.#seen.add(this.#keyOf(history, difference))
    const smallest = await shrunk(history, player.sources, this.#untilMs, async (candidate) => {
      const [early, late] = await this.#pair(candidate)
      return this.#differences(candidate, [early, late]).some(same)
    })
    const found = this.#differences(smallest, await this.#pair(smallest)).find(same)
    if (found === undefined) {
      // A call that the machine held up is no chance of its class: it is looked at again.
      if (isHeldUp(difference)) this.#seen.delete(this.#keyOf(history, difference))
      else this.#noisy.add(this.#nameOf(difference.call))
      return false
    }
    const diagnosis =
      isChance === 'of the transform'
        ? {
            kind: 'TF that depends on time or chance' as const,
            blame: transformTo(cast.member(history.flip), targetOf(history, cast)!),
            because: 'the same state gives another result each time',
          }
        : await new Diagnostician(player, smallest, found).diagnose()
    const isSamePart = this.#blamed.has(partOf(diagnosis.blame))
    if (options.without.includes(diagnosis.kind) || (!isSamePart && this.#isOfKnown(smallest))) return false
    this.#add(findingOf(smallest, found, diagnosis, cast))
    return true
  }

  /** One finding of each kind for each part of an upgrade: the same mistake shows in many ways. */
  #add(finding: Omit<Finding, 'line'>): void {
    const { version, part, method } = finding.blame
    const key = `${version} ${part} ${finding.kind === 'TF that depends on time or chance' ? '' : method} ${finding.kind}`
    if (this.#seen.has(key)) return
    this.#seen.add(key)
    this.#blamed.add(partOf(finding.blame))
    this.#findings.push({ ...finding, line: this.options.lineOf(finding.blame) })
  }

  async #flipThrew(history: History, failed: Outcome & { readonly is: 'threw' }): Promise<void> {
    const { cast } = this.player.sources
    const version = targetOf(history, cast)!
    const key = `flip ${version} ${failed.name}`
    if (this.#seen.has(key) || this.options.without.includes('throws')) return
    this.#seen.add(key)
    const smallest = await shrunk(history, this.player.sources, this.#untilMs, async (candidate) => {
      const traces = await this.#pair(candidate)
      return failedFlip(...traces) !== undefined
    })
    const traces = await this.#pair(smallest)
    const outcome = failedFlip(...traces) ?? failed
    const blame = flipBlame(cast.member(smallest.flip), version, outcome.message)
    const difference: Difference = { at: 'call', call: smallest.call, early: outcome, late: outcome }
    const because = `a node can’t go to version ${version}: ${outcome.message}`
    const finding = findingOf(smallest, difference, { kind: 'throws', blame, because }, cast)
    const isAlone = cast.members.size === 1
    // The call before the flip is a part of the story where the flip without it comes off.
    const call = traces[1].flip === undefined ? [callText(smallest.call, isAlone)] : []
    const flip = `${isAlone ? 'it' : smallest.flip} upgrades to version ${version}: ${outcome.message}`
    this.#add({ ...finding, transcript: [...finding.transcript.slice(0, -2), ...call, flip] })
  }

  #keyOf(history: History, { at, call }: Difference): string {
    const target = targetOf(history, this.player.sources.cast)!
    const op = `${history.call.method} ${history.call.version}`
    return `${target} ${at === 'call' ? 'call' : 'later'} ${op} ${call.method} ${call.version}`
  }

  #nameOf({ node, version, method }: Call): string {
    return `${this.player.sources.cast.member(node).line[version]!.className}.${method}`
  }
}

/** A flip of the prefix that fails, fails in both orders: only the one that is exchanged counts here. */
function failedFlip(early: Trace, late: Trace): (Outcome & { readonly is: 'threw' }) | undefined {
  const failed = early.flip ?? late.flip
  return failed?.is === 'threw' ? failed : undefined
}

/** Queries that write, on whichever side: no other side is needed to know that it is wrong. */
function written(history: History, early: Trace, late: Trace, looks: readonly Call[]): readonly Difference[] {
  const found: Difference[] = []
  const hold = (at: Difference['at'], call: Call, one: Outcome, other: Outcome) => {
    if (one.is === 'wrote' && other.is === 'wrote') found.push({ at, call, early: one, late: other })
  }
  hold('call', history.call, early.call, late.call)
  looks.forEach((look, i) => {
    hold('looks', look, early.looks[i]!, late.looks[i]!)
  })
  return found
}

function partOf({ version, part, method }: Blame): string {
  return `${version} ${part} ${method}`
}

function isHeldUp({ early, late }: Difference): boolean {
  return [early, late].some((each) => each.is === 'threw' && each.code === 'timeout.deadline')
}

function declaredChanges({ sources: { cast } }: Player): readonly MeantChange[] {
  return cast.upgrades.flatMap(({ classUpgrades }, index) =>
    classUpgrades.flatMap(({ newClass, changes = {} }) =>
      Object.entries(changes).map(([method, reason]) => {
        return { version: index + 1, className: newClass.className, method, reason, isSeen: false, example: [] }
      }),
    ),
  )
}
