/** Draws walks: of any length, to and fro, in circles, and in several directions at once. */
import type { Dice } from '../dice.js'
import type { Plan } from '../plan.js'
import type { Walk } from './walks.js'

const lengthMax = 5

export function walkFrom(dice: Dice, plan: Plan, nodeId: string, mayBeUnawaited: boolean): Walk {
  const nodes = plan.nodes.map((node) => node.nodeId)
  return more([nodeId], dice.between(1, lengthMax))

  function more(been: readonly string[], left: number): Walk {
    const pauseMs = dice.oneOf([0, 0, 10, 60, 150])
    if (left === 0) return { to: [], awaits: 'inTurn', pauseMs }
    const ways = dice.chance(0.25) ? 2 : 1
    const to = Array.from({ length: ways }, () => {
      // Half of them go where they have been.
      const others = been.filter((each) => each !== been.at(-1))
      const node = others.length > 0 && dice.chance(0.5) ? dice.oneOf(others) : dice.oneOf(nodes)
      return { node, walk: more([...been, node], Math.floor((left - 1) / ways)) }
    })
    const awaits =
      mayBeUnawaited && dice.chance(0.4)
        ? dice.oneOf(['nothing', 'aFailure'] as const)
        : dice.oneOf(['inTurn', 'atOnce'] as const)
    return { to, awaits, pauseMs }
  }
}
