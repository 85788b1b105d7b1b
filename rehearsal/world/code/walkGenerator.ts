/** Draws walks: of any length, to and fro, in circles, and in several directions at once. */

import type { Plan } from '../plan.js'
import type { PlanRandom } from '../planRandom.js'
import type { Walk } from './walks.js'

const lengthMax = 5

export function walkFrom(random: PlanRandom, plan: Plan, nodeId: string, mayBeUnawaited: boolean): Walk {
  const nodes = plan.nodes.map((node) => node.nodeId)
  return more([nodeId], random.between(1, lengthMax))

  function more(been: readonly string[], left: number): Walk {
    const pauseMs = random.oneOf([0, 0, 10, 60, 150])
    if (left === 0) return { to: [], awaits: 'inTurn', pauseMs }
    const ways = random.chance(0.25) ? 2 : 1
    const to = Array.from({ length: ways }, () => {
      // Half of them go where they have been.
      const others = been.filter((each) => each !== been.at(-1))
      const node = others.length > 0 && random.chance(0.5) ? random.oneOf(others) : random.oneOf(nodes)
      return { node, walk: more([...been, node], Math.floor((left - 1) / ways)) }
    })
    const awaits =
      mayBeUnawaited && random.chance(0.4)
        ? random.oneOf(['nothing', 'aFailure'] as const)
        : random.oneOf(['inTurn', 'atOnce'] as const)
    return { to, awaits, pauseMs }
  }
}
