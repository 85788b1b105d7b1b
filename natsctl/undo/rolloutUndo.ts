/**
 * `natsctl rollout undo`: back to the meaning of the version before an upgrade, as a version of its own; and
 * the part that `rollout rewind` has in common with it.
 */

import type { NodeRow, Operator, Version } from 'theseus-actors'
import {
  checkNeeds,
  groupInTheWay,
  levelFormat,
  levelIn,
  type Manifest,
  obstacleToUndo,
  takesBack,
  undoesIn,
  undoneBy,
  wordOn,
} from 'theseus-actors/operator'
import { explainNoServer, withOperator, withSigningOperator } from '../context/connection.js'
import { dryRunField, type OrderFlags } from '../context/orders.js'
import type { Trust } from '../context/trust.js'
import type { KeyFlags } from '../context/upgraderSeed.js'
import { askHistory } from '../history/knownHistory.js'
import { requireConfirmation } from '../output/confirm.js'
import { type ExitCode, exitCodes, Failure } from '../output/exitCodes.js'
import { show as showForm } from '../output/forms.js'
import { count, note, oneLine, print } from '../output/output.js'

export interface UndoFlags extends OrderFlags, KeyFlags {
  readonly reason?: string
  readonly yes?: true
}

/** The meaning of an undo for the nodes as they are. */
export interface UndoPlan {
  readonly undone: Manifest
  /** Those that have gone forward and go back. */
  readonly back: readonly NodeRow[]
  /** Those that have not, and stay. */
  readonly stay: readonly NodeRow[]
}

/** How nodes go back: the difference between an undo and a rewind. */
export interface WayBack {
  readonly verb: 'undo' | 'rewind' | 'abort'
  readonly done: 'undone' | 'rewound'
  /** Throws a failure where an upgrade has no such way back. */
  check(undone: Manifest): void
  /** Throws a failure where a version that took the upgrade back did it in another way. */
  checkDone(undone: Manifest, by: Manifest): void
  /** Throws a failure where versions that came later rest on the upgrade, or a group can't pass over it. */
  checkLater(undone: Manifest, history: readonly Manifest[], rows: readonly NodeRow[]): void
  readonly lines: (plan: UndoPlan) => readonly string[]
  /** Further fields of the document. */
  readonly document: (plan: UndoPlan) => object
  /** For somebody who has just ordered it. */
  readonly next: string
}

export const byInverse: WayBack = {
  verb: 'undo',
  done: 'undone',
  check({ version, system, classUpgrades }) {
    const without = classUpgrades.find(({ inverse }) => !inverse)
    if (without === undefined) return
    const why = `class upgrade ${without.oldClass} → ${without.newClass} has no inverse`
    const hint = without.rewind === undefined ? '' : ': "natsctl rollout rewind" goes back by what its nodes have recorded'
    throw new Failure(exitCodes.error, `error: version ${version} of system ${system} can't be undone: ${why}${hint}`)
  },
  checkDone() {},
  checkLater(undone, history, rows) {
    const { version, system } = undone
    const why = obstacleToUndo(history, undone) ?? groupInTheWay(history, undone, rows)
    if (why !== undefined)
      throw new Failure(exitCodes.error, `error: version ${version} of system ${system} can't be undone: ${why}`)
  },
  lines: () => [],
  document: () => ({}),
  next: 'follow it with "natsctl rollout watch"; it can be undone in turn',
}

export function undo(asked: Version | undefined, flags: UndoFlags): Promise<ExitCode> {
  return takeBack(byInverse, asked, flags)
}

/**
 * A version that is undone already stays so, whoever asks again: the answer to the first time
 * may have been lost.
 */
export async function takeBack(way: WayBack, asked: Version | undefined, flags: UndoFlags): Promise<ExitCode> {
  // A question may wait for hours, and a connection should not.
  const plan = await withOperator(flags, (operator, system, trust) => planOf(way, operator, system, asked, trust))
  if ('by' in plan) {
    showDone(way, plan, flags)
    return exitCodes.done
  }
  if (flags.dryRun === true) {
    show(way, plan, undefined, flags)
    return exitCodes.done
  }
  const what = `version ${plan.undone.version} of system ${plan.undone.system}, ${oneLine(plan.undone.title)}`
  const { verb, done } = way
  const ended = await requireConfirmation(flags, {
    does: `${verb}${verb === 'undo' ? 'es' : 's'} ${what}`,
    question: `${verb[0]!.toUpperCase()}${verb.slice(1)} ${what}?`,
    refused: `version ${plan.undone.version} was not ${done}`,
    before: () => linesOf(way, plan, undefined).forEach(note),
  })
  if (ended !== undefined) return ended
  return withSigningOperator(flags, async (operator, system) => {
    const { version } = plan.undone
    const reason = flags.reason === undefined ? {} : { reason: flags.reason }
    const options = { version, ...reason, ...(verb === 'rewind' ? { rewind: true } : verb === 'abort' ? { abort: true } : {}) }
    show(way, plan, await explainNoServer(system, operator.undo(options)), flags)
    return exitCodes.done
  })
}

/** The version was undone before. */
interface Done {
  readonly undone: Manifest
  readonly by: Version
  /** The version whose undo would bring it again: `by`, or what brought that again. */
  readonly last: Version
}

async function planOf(
  way: WayBack,
  operator: Operator,
  system: string,
  asked: Version | undefined,
  trust: Trust | undefined,
): Promise<UndoPlan | Done> {
  const { manifests: history } = await explainNoServer(system, askHistory(operator, system, trust))
  const newest = history.at(-1)
  if (newest === undefined)
    throw new Failure(exitCodes.error, `error: system ${system} runs version 0: there is nothing to ${way.verb}`)
  const isBack = takesBack(undoesIn(history), newest.version)
  // Without a version, an undo is not undone: the same command twice would bring back what was to go.
  const undone = history[(asked ?? (isBack ? newest.undoes! : newest.version)) - 1]
  if (undone === undefined)
    throw new Failure(
      exitCodes.error,
      `error: version ${asked} is not installed: the newest of system ${system} is ${newest.version}`,
    )
  const by = undoneBy(history, undone.version)
  if (by !== null) {
    way.checkDone(undone, history[by - 1]!)
    return { undone, by, last: wordOn(history, undone.version).last }
  }
  checkLevel(undone, history.length === undone.version)
  const all = await operator.database.nodes()
  way.checkLater(undone, history, all)
  if (way.verb === 'rewind' && isBack) {
    const why = `it takes back what version ${undone.undoes} brought`
    throw new Failure(exitCodes.error, `error: version ${undone.version} of system ${system} can't be rewound: ${why}`)
  }
  way.check(undone)
  const services = new Set(undone.classUpgrades.map(({ service }) => service))
  if (undone !== newest) {
    const { level } = await explainNoServer(system, operator.systemLevel())
    // Its format has to be read. No runtime interface closes the way back.
    checkNeeds({ version: newest.version + 1, runtime: 0, format: levelFormat }, level)
  }
  const rows = all.filter(({ service }) => services.has(service))
  return {
    undone,
    back: rows.filter(({ version }) => version >= undone.version),
    stay: rows.filter(({ version }) => version < undone.version),
  }
}

function checkLevel(undone: Manifest, isNewest: boolean): void {
  const { version, system } = undone
  if (levelIn(undone) === null) return
  const hint = isNewest ? '; an upgrade before it can: say which version' : ''
  const why = `it has raised the level, which is never lowered${hint}`
  throw new Failure(exitCodes.error, `error: version ${version} of system ${system} can't be undone: ${why}`)
}

function showDone({ done }: WayBack, { undone, by, last }: Done, flags: UndoFlags): void {
  showForm(flags.output, {
    table: () => {
      print(`version ${undone.version} of system ${undone.system} is ${done} already, by version ${by}`)
      note(`"natsctl rollout undo ${last}" would bring it again`)
    },
    document: () => ({ version: by, undoes: undone.version, classUpgrades: [], back: [], stay: [], ...dryRunField(flags) }),
    names: () => [`version/${by}`],
  })
}

function linesOf(way: WayBack, plan: UndoPlan, version: number | undefined): string[] {
  const { undone, back, stay } = plan
  const what = `version ${undone.version}, ${oneLine(undone.title)}`
  return [
    version === undefined ? `would ${way.verb} ${what}` : `version ${version} of system ${undone.system}: ${way.verb} of ${what}`,
    ...undone.classUpgrades.map(({ service, oldClass, newClass }) => `  ${service}: ${newClass} → ${oldClass}`),
    `  ${count(back.length, 'node')} to go back, ${stay.length} to stay as they are`,
    ...way.lines(plan).map((line) => `  ${line}`),
  ]
}

function show(way: WayBack, plan: UndoPlan, version: number | undefined, flags: UndoFlags): void {
  const { undone, back, stay } = plan
  const { classUpgrades } = undone
  const ids = (rows: readonly NodeRow[]): string[] => rows.map(({ nodeId }) => nodeId)
  showForm(flags.output, {
    table: () => {
      linesOf(way, plan, version).forEach(print)
      if (version !== undefined) note(way.next)
    },
    document: () => ({
      version: version ?? null,
      undoes: undone.version,
      classUpgrades: classUpgrades.map(({ service, oldClass, newClass }) => ({
        service,
        oldClass: newClass,
        newClass: oldClass,
      })),
      back: ids(back),
      stay: ids(stay),
      ...way.document(plan),
      ...dryRunField(flags),
    }),
    names: () => [`version/${version ?? undone.version}`],
  })
}
