/** Plays a history in both orders, and says what callers could tell them apart by. */
import { isDeepStrictEqual } from 'node:util'
import type { MethodKind } from 'theseus-actors'
import type { Cast } from './cast.js'
import { type Call, type History, looksAfter, Positions, type Sources, type Step } from './history.js'
import { areAlike, type Outcome } from './outcomes.js'
import type { Stage } from './stage.js'

/** One order of a history, as callers have seen it. */
export interface Trace {
  /** The calls before, which are the same in both orders. */
  readonly before: readonly Outcome[]
  readonly call: Outcome
  /** Undefined for a flip that came off; a flip of `before` that did not, too. */
  readonly flip: Outcome | undefined
  readonly looks: readonly Outcome[]
  /** The same queries before the flip, where the call was made first. */
  readonly looksBefore?: readonly Outcome[]
  readonly after: readonly Outcome[]
  readonly looksAtEnd: readonly Outcome[]
  /** The changes of the call on its node, where they were asked for. */
  readonly changed?: Changed
}

/** Whether a call has changed the object, and which SOs' states, by version and class. */
export interface Changed {
  readonly object: boolean
  readonly simulations: readonly string[]
}

/** `callFirst`: call, then flip. */
export type Order = 'callFirst' | 'flipFirst' | 'callOnly' | 'flipOnly' | 'neither'

/** The place of a difference in a history. */
export interface Difference {
  readonly at: 'call' | 'looks' | 'after' | 'looksAtEnd'
  readonly call: Call
  /** When the call is made first, and when the flip is. */
  readonly early: Outcome
  readonly late: Outcome
}

/** The nodes of one playing on a stage: several may share it, each under ids of its own. */
export interface Troupe {
  readonly stage: Stage
  readonly prefix: string
}

export interface Player {
  readonly sources: Sources
  /** Each order gets nodes of its own, and is given `use`. `seed` is the chance of the system. */
  with<T>(seed: number, use: (troupe: Troupe) => Promise<T>): Promise<T>
}

export interface Playing {
  readonly seed: number
  /** Passes before the call: a little more time than in another playing. */
  readonly jitterMs?: number
  /** Whether it is asked what the call changes. */
  readonly watches?: boolean
  /** Asked at the end; by default all queries with the arguments of the history. */
  readonly looks?: readonly Call[]
}

export async function play(history: History, order: Order, player: Player, playing: Playing): Promise<Trace> {
  return player.with(playing.seed, async (troupe) => {
    const run = new Run(troupe, player.sources.cast)
    return run.play(history, order, playing.looks ?? looksAfter(history, player.sources), playing)
  })
}

class Run {
  readonly #positions: Positions
  #failedFlip: Outcome | undefined

  constructor(
    private readonly troupe: Troupe,
    private readonly cast: Cast,
  ) {
    this.#positions = new Positions(cast)
  }

  async play(history: History, order: Order, looks: readonly Call[], { jitterMs = 0, watches = false }: Playing): Promise<Trace> {
    const { stage } = this.troupe
    await begin(history, this.troupe)
    const before: Outcome[] = []
    for (const step of history.before) {
      const outcome = await this.#step(step)
      if (outcome !== undefined) before.push(outcome)
    }
    if (jitterMs > 0) await stage.clock.passes(jitterMs)
    await this.#settle()
    let call: Outcome = { is: 'refused', reason: 'not made' }
    let changed: Changed | undefined
    const make = async () => {
      const id = this.troupe.prefix + history.call.node
      const was = watches ? stage.stateOf(id) : null
      call = await this.call(history.call)
      await this.#settle()
      if (watches) changed = changedIn(was, stage.stateOf(id))
    }
    if (order === 'callFirst' || order === 'callOnly') await make()
    const looksBefore = order === 'callFirst' ? await this.#look(looks) : undefined
    if (order !== 'callOnly' && order !== 'neither') await this.#flip(history.flip)
    if (order === 'flipFirst') await make()
    const seen = await this.#look(looks)
    const after: Outcome[] = []
    for (const each of history.after) {
      after.push(await this.call(each))
      await this.#settle()
    }
    const { waitMs = 0 } = history
    if (waitMs > 0) {
      await stage.wait(waitMs)
      await this.#settle()
    }
    const looksAtEnd = history.after.length === 0 && waitMs === 0 ? seen : await this.#look(looks)
    return {
      ...{ before, call, flip: this.#failedFlip, looks: seen, after, looksAtEnd },
      ...(looksBefore === undefined ? {} : { looksBefore }),
      ...(changed === undefined ? {} : { changed }),
    }
  }

  call({ node, version, method, args }: Call): Promise<Outcome> {
    const kind: MethodKind = this.cast.methodsAt(node, version).get(method) ?? 'command'
    return this.troupe.stage.call(this.troupe.prefix + node, version, method, args, kind)
  }

  async #step(step: Step): Promise<Outcome | undefined> {
    const { stage, prefix } = this.troupe
    switch (step.is) {
      case 'call': {
        const outcome = await this.call(step)
        await this.#settle()
        return outcome
      }
      case 'flip':
        await this.#flip(step.node)
        return undefined
      case 'restart':
        await stage.restart(prefix + step.node)
        return undefined
      case 'wait':
        await stage.wait(step.ms)
        return undefined
    }
  }

  async #flip(node: string): Promise<void> {
    const version = this.#positions.next(node)
    if (version === undefined || this.#failedFlip !== undefined) return
    this.#positions.flip(node)
    this.#failedFlip = await this.troupe.stage.flip(this.troupe.prefix + node, version)
    await this.#settle()
  }

  #look(looks: readonly Call[]): Promise<readonly Outcome[]> {
    return Promise.all(looks.map((look) => this.call(look)))
  }

  /** A node alone has nothing under way when its call is answered. */
  async #settle(): Promise<void> {
    if (this.cast.members.size > 1 || this.troupe.prefix === '') await this.troupe.stage.settle()
  }
}

/** Nodes get the states that the history begins with. */
export async function begin({ states = {} }: History, { stage, prefix }: Troupe): Promise<void> {
  for (const [node, state] of Object.entries(states)) await stage.become(prefix + node, state)
}

type State = ReturnType<Stage['stateOf']>

function changedIn(was: State, is: State): Changed {
  const names = new Set([...Object.keys(was?.simulations ?? {}), ...Object.keys(is?.simulations ?? {})])
  return {
    object: !isDeepStrictEqual(was?.object, is?.object),
    simulations: [...names].filter((name) => !isDeepStrictEqual(was?.simulations[name], is?.simulations[name])),
  }
}

/** The differences of two traces, in order; none after a call that was refused on one side. */
export function differences(history: History, early: Trace, late: Trace, looks: readonly Call[]): readonly Difference[] {
  if (early.flip !== undefined || late.flip !== undefined) return []
  const found: Difference[] = []
  const hold = (at: Difference['at'], call: Call, one: Outcome, other: Outcome) => {
    if (!areAlike(one, other)) found.push({ at, call, early: one, late: other })
  }
  hold('call', history.call, early.call, late.call)
  if (isRefusedOnce(early.call, late.call)) return found
  looks.forEach((look, i) => {
    hold('looks', look, early.looks[i]!, late.looks[i]!)
  })
  for (const [i, call] of history.after.entries()) {
    hold('after', call, early.after[i]!, late.after[i]!)
    // From here on the two are apart, as condition 2 lets them be.
    if (isRefusedOnce(early.after[i]!, late.after[i]!)) return found
  }
  looks.forEach((look, i) => {
    hold('looksAtEnd', look, early.looksAtEnd[i]!, late.looksAtEnd[i]!)
  })
  return found
}

/**
 * The queries that see something else just after the flip than just before, each as the call of a history of
 * its own, whose flip may come before it or after.
 */
export function seenOtherwise(
  history: History,
  { looksBefore = [], looks: after, call, flip }: Trace,
  looks: readonly Call[],
): readonly { readonly history: History; readonly difference: Difference }[] {
  if (flip !== undefined) return []
  const made: History['before'] = call.is === 'refused' ? history.before : [...history.before, { is: 'call', ...history.call }]
  const { states } = history
  return looks.flatMap((look, i) => {
    const [early, late] = [looksBefore[i], after[i]]
    if (early === undefined || late === undefined || areAlike(early, late)) return []
    return [
      {
        history: {
          ...(states === undefined ? {} : { states }),
          ...{ before: made, call: look, flip: history.flip, after: [] },
        },
        difference: { at: 'call', call: look, early, late },
      },
    ]
  })
}

function isRefusedOnce(one: Outcome, other: Outcome): boolean {
  return (one.is === 'refused') !== (other.is === 'refused')
}
