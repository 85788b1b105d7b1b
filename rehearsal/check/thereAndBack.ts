/**
 * The way back: an upgrade is undone, and a call makes no difference by its place, before the flip, between
 * the flip and the undo, or after it. So flip and undo together are nothing, and all that was written between
 * is kept.
 */
import type { MethodKind } from 'theseus-actors'
import { seededRandom } from 'theseus-actors/memory'
import type { Blame } from './blame.js'
import type { Finding, SourceLine } from './findings.js'
import {
  type Call,
  callText,
  type History,
  looksAfter,
  Positions,
  randomHistory,
  type Sources,
  statesText,
  targetOf,
} from './history.js'
import { areAlike, type Outcome, outcomeText } from './outcomes.js'
import { begin } from './playing.js'
import { shrunk } from './shrinking.js'
import type { Stage } from './stage.js'

/** Where the call is made; `unflipped`: before the undo of a flip that this node has not made. */
const places = ['before', 'between', 'after', 'unflipped', 'nowhere'] as const
type Place = (typeof places)[number]

interface Seen {
  readonly call: Outcome
  readonly looks: readonly Outcome[]
  /** The same queries just before the undo, where the call was made between it and the flip. */
  readonly looksBefore: readonly Outcome[]
  /** Why the node did not come back. */
  readonly failed: Outcome | undefined
}

interface Contradiction {
  readonly place: Place
  readonly call: Call
  readonly here: Outcome
  readonly there: Outcome
  /** Whether the two are the answers just before the undo and just after it. */
  readonly isAtUndo?: true
}

export interface ThereAndBackOptions {
  readonly histories: number
  readonly seed: number
  readonly untilMs: number
  readonly lineOf: (blame: Blame) => SourceLine | null
  /** Opens a system with these nodes and all upgrades. */
  readonly open: (seed: number, prefixes: readonly string[]) => Promise<Stage>
  /** Histories that may share a system. */
  readonly atOnce: number
}

const triesMax = 50

export class ThereAndBack {
  constructor(
    private readonly sources: Sources,
    private readonly options: ThereAndBackOptions,
  ) {}

  /** The first contradiction that is found, with its shortest history. */
  async find(): Promise<Finding | undefined> {
    const { histories, seed, untilMs, atOnce } = this.options
    const random = seededRandom(seed + 1)
    for (let played = 0; played < histories && performance.now() < untilMs; played += atOnce) {
      const batch = Array.from({ length: atOnce }, () => this.#history(random)).filter((each) => each !== undefined)
      if (batch.length === 0) return undefined
      for (const [i, seen] of (await this.#play(batch, 1)).entries()) {
        const found = this.#contradiction(batch[i]!, seen)
        if (found === undefined || (await this.#isOfChance(batch[i]!))) continue
        const finding = await this.#finding(batch[i]!, found)
        if (finding !== undefined) return finding
      }
    }
    return undefined
  }

  /** One whose flip is that of the newest upgrade. */
  #history(random: ReturnType<typeof seededRandom>): History | undefined {
    for (let tries = 0; tries < triesMax; tries++) {
      const history = { ...randomHistory(this.sources, random), after: [] }
      if (targetOf(history, this.sources.cast) === this.sources.cast.newest) return history
    }
    return undefined
  }

  #play(histories: readonly History[], seed: number): Promise<readonly ReadonlyMap<Place, Seen>[]> {
    return this.options.atOnce > 1 ? this.#together(histories, seed) : this.#apart(histories, seed)
  }

  async #together(histories: readonly History[], seed: number): Promise<readonly ReadonlyMap<Place, Seen>[]> {
    const prefixOf = (i: number, place: Place) => `h${i}-${place}-`
    const stage = await this.options.open(
      seed,
      histories.flatMap((_, i) => places.map((place) => prefixOf(i, place))),
    )
    try {
      const runs = histories.map((history, i) =>
        places.map((place) => new Run(stage, prefixOf(i, place), this.sources, history, place)),
      )
      await Promise.all(runs.flat().map((run) => run.begin()))
      await stage.undo()
      return await Promise.all(
        runs.map(async (each) => new Map(await Promise.all(each.map(async (run) => [run.place, await run.end()] as const)))),
      )
    } finally {
      await stage.close()
    }
  }

  async #apart(histories: readonly History[], seed: number): Promise<readonly ReadonlyMap<Place, Seen>[]> {
    const all: ReadonlyMap<Place, Seen>[] = []
    for (const history of histories) {
      const seen = new Map<Place, Seen>()
      for (const place of places) {
        const stage = await this.options.open(seed, [''])
        try {
          const run = new Run(stage, '', this.sources, history, place)
          await run.begin()
          await stage.undo()
          seen.set(place, await run.end())
        } finally {
          await stage.close()
        }
      }
      all.push(seen)
    }
    return all
  }

  #contradiction(history: History, seen: ReadonlyMap<Place, Seen>): Contradiction | undefined {
    const after = seen.get('after')!
    const looks = this.#looks(history)
    for (const place of ['before', 'between', 'unflipped'] as const) {
      const here = seen.get(place)!
      for (const each of [here, after])
        if (each.failed !== undefined) return { place, call: history.call, here: each.failed, there: each.failed }
      const gone = here.looksBefore.findIndex((was, i) => !areAlike(was, here.looks[i]!))
      if (gone >= 0 && !this.#isMeant(looks[gone]!))
        return { place, call: looks[gone]!, here: here.looksBefore[gone]!, there: here.looks[gone]!, isAtUndo: true }
      if (here.call.is === 'refused' || after.call.is === 'refused') continue
      const at = looks.findIndex((_, i) => !areAlike(here.looks[i]!, after.looks[i]!))
      if (at >= 0 && !this.#isMeant(looks[at]!))
        return { place, call: looks[at]!, here: here.looks[at]!, there: after.looks[at]! }
    }
    return undefined
  }

  #isMeant({ method }: Call): boolean {
    return this.sources.cast.upgrades.at(-1)!.classUpgrades.some(({ changes = {} }) => method in changes)
  }

  #looks(history: History): readonly Call[] {
    const looks = looksAfter(history, this.sources)
    const { newest } = this.sources.cast
    // The version of the undo means what the one before the upgrade meant.
    return [...looks, ...looks.filter(({ version }) => version === newest - 1).map((look) => ({ ...look, version: newest + 1 }))]
  }

  /** The same history once more, with other chance: an order that differs from itself says nothing. */
  async #isOfChance(history: History): Promise<boolean> {
    const [[one], [other]] = [await this.#play([history], 1), await this.#play([history], 2)]
    return places.some((place) => JSON.stringify(one!.get(place)) !== JSON.stringify(other!.get(place)))
  }

  async #finding(history: History, found: Contradiction): Promise<Finding | undefined> {
    const { cast } = this.sources
    const smallest = await shrunk(history, this.sources, this.options.untilMs, async (candidate) => {
      const [seen] = await this.#play([candidate], 1)
      const again = this.#contradiction(candidate, seen!)
      return again?.place === found.place && again.call.method === found.call.method
    })
    const [seen] = await this.#play([smallest], 1)
    const contradiction = this.#contradiction(smallest, seen!)
    // A call that the machine held up does not show again.
    if (contradiction === undefined) return undefined
    const { place, call, here, there, isAtUndo = false } = contradiction
    const { line } = cast.member(smallest.flip)
    const blame: Blame = {
      ...{ version: cast.newest, part: 'inverse', className: line[cast.newest - 1]!.className, method: null, how: 'implements' },
    }
    const isFailed = seen!.get('after')!.failed ?? seen!.get(place)!.failed
    const at = this.#looks(smallest).findIndex((look) => JSON.stringify(look) === JSON.stringify(call))
    const isLost = !isAtUndo && at >= 0 && areAlike(here, seen!.get('nowhere')!.looks[at]!)
    const isOfFlip = place === 'unflipped'
    const said = callText(smallest.call, cast.members.size === 1)
    const lost = isAtUndo
      ? `${callText(call, cast.members.size === 1)} sees something else after the undo`
      : isOfFlip
        ? 'flip and undo together lose something'
        : `${said} is ${isLost ? 'gone' : 'another one'} after the undo`
    return {
      kind: isFailed !== undefined ? 'throws' : isLost || isOfFlip || isAtUndo ? 'forgotten state' : 'inconsistent answer',
      ...{ version: cast.newest, blame, line: this.options.lineOf(blame), call, early: here, late: there },
      because: isFailed !== undefined ? 'a node can’t go back' : lost,
      history: smallest,
      transcript: [...this.#told(smallest), ...this.#orders(smallest, contradiction)],
    }
  }

  #told({ before, states = {} }: History): readonly string[] {
    const isAlone = this.sources.cast.members.size === 1
    const begun = statesText(states, isAlone)
    const steps = before.map((step) => {
      switch (step.is) {
        case 'call':
          return callText(step, isAlone)
        case 'flip':
          return `${isAlone ? 'it' : step.node} upgrades`
        case 'restart':
          return `${isAlone ? 'it' : step.node} restarts`
        case 'wait':
          return `${step.ms} ms pass`
      }
      return ''
    })
    return [...begun, ...steps]
  }

  #orders({ call }: History, { place, call: look, here, there, isAtUndo }: Contradiction): readonly string[] {
    const isAlone = this.sources.cast.members.size === 1
    const [made, { newest }] = [callText(call, isAlone), this.sources.cast]
    const [flip, undo] = [`upgrade to version ${newest}`, `undo by version ${newest + 1}`]
    const orders: Readonly<Record<Place, string>> = {
      before: `${made}, ${flip}, ${undo}`,
      between: `${flip}, ${made}, ${undo}`,
      after: `${flip}, ${undo}, ${made}`,
      unflipped: `${made}, ${undo} of an upgrade that the node has not made`,
      nowhere: `${flip}, ${undo}`,
    }
    if (isAtUndo)
      return [orders[place], `${callText(look, isAlone)}: ${outcomeText(here)} before the undo, ${outcomeText(there)} after it`]
    return [
      `either ${orders[place]}`,
      `or     ${orders.after}`,
      `${callText(look, isAlone)}: ${outcomeText(here)} in the first order, ${outcomeText(there)} in the second`,
    ]
  }
}

/** One history on nodes of its own, with its call in one place. */
class Run {
  readonly #positions: Positions
  #call: Outcome = { is: 'refused', reason: 'not made' }
  #failed: Outcome | undefined
  #looksBefore: readonly Outcome[] = []

  constructor(
    readonly stage: Stage,
    readonly prefix: string,
    private readonly sources: Sources,
    private readonly history: History,
    readonly place: Place,
  ) {
    this.#positions = new Positions(sources.cast)
  }

  async begin(): Promise<void> {
    await begin(this.history, this)
    for (const step of this.history.before) {
      if (step.is === 'call') await this.#made(step)
      else if (step.is === 'flip') await this.#flip(step.node)
      else if (step.is === 'restart') await this.stage.restart(this.prefix + step.node)
      else await this.stage.wait(step.ms)
    }
    if (this.place === 'before' || this.place === 'unflipped') this.#call = await this.#made(this.history.call)
    if (this.place !== 'unflipped') await this.#flip(this.history.flip)
    if (this.place !== 'between') return
    this.#call = await this.#made(this.history.call)
    this.#looksBefore = await Promise.all(looksAfter(this.history, this.sources).map((look) => this.#made(look)))
  }

  async end(): Promise<Seen> {
    const { cast } = this.sources
    for (const nodeId of cast.members.keys()) this.#failed ??= await this.stage.reached(this.prefix + nodeId, cast.newest + 1)
    if (this.place === 'after') this.#call = await this.#made(this.history.call)
    const looks = looksAfter(this.history, this.sources)
    const again = looks
      .filter(({ version }) => version === cast.newest - 1)
      .map((look) => ({ ...look, version: cast.newest + 1 }))
    return {
      call: this.#call,
      looksBefore: this.#looksBefore,
      looks: await Promise.all([...looks, ...again].map((look) => this.#made(look))),
      failed: this.#failed,
    }
  }

  async #flip(node: string): Promise<void> {
    const version = this.#positions.next(node)
    if (version === undefined) return
    this.#positions.flip(node)
    this.#failed ??= await this.stage.flip(this.prefix + node, version)
    if (this.prefix === '') await this.stage.settle()
  }

  async #made({ node, version, method, args }: Call): Promise<Outcome> {
    const { cast } = this.sources
    const known = version > cast.newest ? cast.newest - 1 : version
    const kind: MethodKind = cast.methodsAt(node, known).get(method) ?? 'command'
    const outcome = await this.stage.call(this.prefix + node, version, method, args, kind)
    if (this.prefix === '') await this.stage.settle()
    return outcome
  }
}
