/**
 * `natsctl rollout rewind`: back to the state of before the newest upgrade, and everything that was done
 * since is done once more (§8). It says first which nodes can.
 */
import type { Version } from 'theseus-actors'
import { type ExitCode, exitCodes, Failure } from '../output/exitCodes.js'
import { age, count, oneLine } from '../output/output.js'
import { type RewindOutcome, rewindOutcome } from '../rollout/rewindState.js'
import { takeBack, type UndoFlags, type UndoPlan, type WayBack } from './rolloutUndo.js'

/** Nodes that a line names; JSON has them all. */
const namesShownMax = 5

const byRecording: WayBack = {
  verb: 'rewind',
  done: 'rewound',
  check({ version, system, classUpgrades }) {
    const refuse = (why: string) => {
      throw new Failure(exitCodes.error, `error: version ${version} of system ${system} can't be rewound: ${why}`)
    }
    if (!classUpgrades.some(({ rewind }) => rewind !== undefined))
      refuse('none of its class upgrades says "rewind": "natsctl rollout undo" goes back by the inverse')
    const without = classUpgrades.find(({ inverse, rewind }) => !inverse && rewind === undefined)
    if (without !== undefined)
      refuse(`class upgrade ${without.oldClass} → ${without.newClass} says no "rewind" and has no inverse`)
  },
  checkDone({ version, system }, by) {
    if (by.rewinds === true) return
    const why = `version ${by.version} has undone it by the inverse, and what was recorded is gone`
    throw new Failure(exitCodes.error, `error: version ${version} of system ${system} can't be rewound: ${why}`)
  },
  checkLater({ version, system }, history) {
    if (version === history.length) return
    const why = `version ${history.length} came after it, and nodes that went on have ended their recordings: "natsctl rollout undo ${version}" goes back by the inverse`
    throw new Failure(exitCodes.error, `error: version ${version} of system ${system} can't be rewound: ${why}`)
  },
  lines(plan) {
    const { recording, inverse, nothing } = outcomesOf(plan)
    const first = recording.reduce((least, { untilMs }) => Math.min(least, untilMs), Number.POSITIVE_INFINITY)
    const until = recording.length === 0 ? '' : `, the first for ${age(first - Date.now())} more`
    return [
      `${count(recording.length, 'node')} with a whole recording${until}`,
      ...grouped(inverse).map((text) => `without, back by the inverse: ${text}`),
      ...grouped(nothing).map((text) => `without, and without an inverse, would stall: ${text}`),
      ...(recording.length === 0 && plan.back.length > 0 ? ['nothing would be replayed: this is an undo'] : []),
    ]
  },
  document(plan) {
    const { recording, inverse, nothing } = outcomesOf(plan)
    const named = ({ row, why }: Without) => ({ node: row.nodeId, why })
    return {
      recorded: recording.map(({ row, untilMs }) => ({ node: row.nodeId, until: new Date(untilMs).toISOString() })),
      byInverse: inverse.map(named),
      stalls: nothing.map(named),
    }
  },
  next: 'follow it with "natsctl rollout watch"; "natsctl rollout rewound" has the report',
}

export function rewind(asked: Version | undefined, flags: UndoFlags): Promise<ExitCode> {
  return takeBack(byRecording, asked, flags)
}

type Whole = Extract<RewindOutcome, { by: 'recording' }>
type Without = Exclude<RewindOutcome, Whole>

function outcomesOf({ undone, back }: UndoPlan) {
  const now = Date.now()
  const outcomes = back.map((row) => rewindOutcome(row, undone, now))
  const without = outcomes.filter((outcome): outcome is Without => outcome.by !== 'recording')
  return {
    recording: outcomes.filter((outcome): outcome is Whole => outcome.by === 'recording'),
    inverse: without.filter(({ by }) => by === 'inverse'),
    nothing: without.filter(({ by }) => by === 'nothing'),
  }
}

/** Nodes with the same reason together. */
function grouped(without: readonly Without[]): readonly string[] {
  return [...Map.groupBy(without, ({ why }) => why)].map(([why, of]) => {
    const names = of.slice(0, namesShownMax).map(({ row }) => row.nodeId)
    const more = of.length > names.length ? ` and ${of.length - names.length} more` : ''
    return oneLine(`${count(of.length, 'node')}, ${names.join(', ')}${more}: ${why}`)
  })
}
