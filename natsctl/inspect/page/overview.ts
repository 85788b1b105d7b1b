/**
 * The whole rollout in a band: how many nodes are in which group of phases at each moment. The same for ten
 * nodes and for ten thousand.
 */
import { groupOf, type PhaseGroup, phaseGroups } from './phaseGroups.js'
import type { RolloutNode } from './rollout.js'
import type { TimeRange } from './timeScale.js'

export type Counts = Record<PhaseGroup, number>

/**
 * Of all that a node is in within one part, the later in this list counts: a flip must not
 * vanish beside hours of rest.
 */
const rank: readonly PhaseGroup[] = phaseGroups.map(({ group }) => group)
const rankOf = new Map(rank.map((group, i) => [group, i + 1]))

export function noCounts(): Counts {
  return { serving: 0, preparing: 0, waiting: 0, away: 0, trouble: 0 }
}

/**
 * How many nodes are in each group, in each of `bins` equal parts of the range. Each node
 * counts once in each part.
 */
export function overview(nodes: Iterable<RolloutNode>, { from, to }: TimeRange, bins: number): readonly Counts[] {
  const counts = Array.from({ length: bins }, noCounts)
  const binOf = (at: number) => Math.floor(((at - from) / (to - from)) * bins)
  const ranks = new Uint8Array(bins)
  for (const { segments } of nodes) {
    ranks.fill(0)
    segments.forEach(({ at, phase }, i) => {
      const after = segments[i + 1]
      const last = Math.min(bins - 1, after === undefined ? bins - 1 : binOf(after.at))
      const value = rankOf.get(groupOf(phase))!
      for (let bin = Math.max(0, binOf(at)); bin <= last; bin++) if (ranks[bin]! < value) ranks[bin] = value
    })
    for (let bin = 0; bin < bins; bin++) if (ranks[bin] !== 0) counts[bin]![rank[ranks[bin]! - 1]!]++
  }
  return counts
}

export type GroupColours = Readonly<Record<PhaseGroup, string>>

export function drawOverview(
  canvas: CanvasRenderingContext2D,
  counts: readonly Counts[],
  colours: GroupColours,
  width: number,
  height: number,
): void {
  canvas.clearRect(0, 0, width, height)
  const barWidth = width / counts.length
  counts.forEach((bin, i) => {
    const total = Object.values(bin).reduce((sum, count) => sum + count, 0)
    let y = height
    for (const group of rank) {
      if (bin[group] === 0) continue
      // One node in trouble among thousands is seen all the same.
      const tall = Math.max(group === 'serving' ? 0 : 2, (bin[group] / total) * height)
      y = Math.max(0, y - tall)
      canvas.fillStyle = colours[group]
      canvas.fillRect(i * barWidth, y, barWidth + 0.5, tall)
    }
  })
}
