/** Whether an answer differs by chance: a class, or a transform, that draws lots or asks for the time. */
import { type Call, type History, looksAfter } from './history.js'
import type { Outcome } from './outcomes.js'
import { SharedStages } from './players.js'
import { type Difference, type Player, play, type Trace } from './playing.js'

/** A little more time passes in a control than in what it controls. */
const jitterMs = 7
const controlSeed = 2
/** A coin shows the same side twice: so many times it is asked again. */
const controls = 3
/** Chance may give the same twice: playings that show a transform’s. */
const sameTries = 6

/** The same order again, with other chance: where it differs from itself, the flip is not the reason. */
export async function isOfChance(
  history: History,
  { at, call, early, late }: Difference,
  player: Player,
): Promise<'no' | 'of the class' | 'of the transform'> {
  const shiftMs = player instanceof SharedStages ? 0 : jitterMs
  for (const [order, was] of [
    ['callFirst', early],
    ['flipFirst', late],
  ] as const) {
    const seeds = Array.from({ length: controls }, (_, i) => controlSeed + i)
    const again = await Promise.all(seeds.map((seed) => play(history, order, player, { seed, jitterMs: shiftMs })))
    if (again.every((each) => isSame(outcomeAt(history, player, each, at, call), was))) continue
    const [one, other] = await Promise.all(
      [1, controlSeed].map((seed) => play(history, 'callOnly', player, { seed, jitterMs: seed === controlSeed ? shiftMs : 0 })),
    )
    const isOfClass = !isSame(outcomeAt(history, player, one!, at, call), outcomeAt(history, player, other!, at, call))
    if (isOfClass) return 'of the class'
    // The very same playing: nothing has other chance in it but the runs of transforms.
    for (let tries = 0; tries < sameTries; tries++) {
      const same = await play(history, order, player, { seed: 1 })
      if (!isSame(outcomeAt(history, player, same, at, call), was)) return 'of the transform'
    }
    return 'of the class'
  }
  return 'no'
}

function outcomeAt(history: History, player: Player, trace: Trace, at: Difference['at'], call: Call): Outcome {
  switch (at) {
    case 'call':
      return trace.call
    case 'after':
      return trace.after[history.after.indexOf(call)]!
    case 'looks':
    case 'looksAtEnd': {
      const looks = looksAfter(history, player.sources)
      return trace[at][looks.findIndex((look) => isCall(look, call))]!
    }
  }
}

function isCall(one: Call, other: Call): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}

function isSame(one: Outcome, other: Outcome): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}
