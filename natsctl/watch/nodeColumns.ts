/** A node as a row of the screen. Only rows that are shown are made. */
import type { NodeRow } from 'theseus-actors'
import { age } from '../output/output.js'
import { phaseCell } from '../rollout/nodeFormat.js'
import { waitReasonOf } from '../rollout/waitReason.js'
import type { Column } from './tableLayout.js'
import { groupOf, type WatchedRollout } from './watchedRollout.js'

/** So wide is a terminal in which two tables stand beside each other, and a node has its host. */
export const wideColumns = 150

const host: Column<NodeRow> = { title: 'HOST', rank: 8, max: 24, cell: ({ hostId }) => hostId }

export function nodeColumns(
  { known, rollout, schedules }: WatchedRollout,
  now: number,
  columns: number,
): readonly Column<NodeRow>[] {
  // The reason of the pause stands above, once.
  const pauseTold = new RegExp(`^(the end of the pause of version ${rollout.goal}): .*$`)
  return [
    { title: 'NODE', rank: 1, min: 6, max: 24, cell: ({ nodeId }) => nodeId },
    { title: 'SERVICE', rank: 7, max: 16, cell: ({ service }) => service },
    { title: 'CLASS', rank: 6, max: 24, cell: ({ className }) => className },
    ...(columns < wideColumns ? [] : [host]),
    { title: 'VERSION', rank: 5, cell: versionCell },
    { title: 'PHASE', rank: 2, min: 12, cell: ({ phase }) => phaseCell(phase) },
    { title: 'FOR', rank: 3, min: 6, align: 'right', cell: ({ since }) => age(now - since) },
    {
      title: 'WHY',
      rank: 4,
      min: 8,
      wants: 24,
      cell: (row) => (row.alive ? whyOf(row) : { text: whyOf(row), style: 'red' }),
    },
  ]

  function whyOf(row: NodeRow): string {
    const group = groupOf(row, rollout.goal)
    if (group === 'there' && row.alive) return row.reason ?? ''
    if (row.alive && row.reason !== null) return row.reason.replace(/^waits for /, '').replace(pauseTold, '$1')
    return stepOf(row) ?? waitReasonOf(row, known).waitsFor ?? ''
  }

  /** All of the schedule stands above. */
  function stepOf({ nodeId, service, phase, alive }: NodeRow): string | undefined {
    const steps = schedules.find((one) => one.service === service)?.steps
    const step = steps?.stepOf.get(nodeId)
    if (steps === undefined || step === undefined || phase !== 'scheduled' || !alive || isHeld(nodeId)) return undefined
    return step >= steps.current ? `step ${step + 1} of ${steps.steps.length}, ${steps.steps[step]!.size}` : undefined
  }

  function isHeld(nodeId: string): boolean {
    return known.controls.some((control) => control.kind === 'hold' && control.nodeId === nodeId)
  }
}

function versionCell({ version, target }: NodeRow): string {
  return target === null || target === version ? String(version) : `${version} → ${target}`
}
