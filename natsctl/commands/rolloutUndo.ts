/** `natsctl rollout undo`: back to what the version before the newest one meant, as a version of its own. */

import type { NodeRow, Operator, Version } from 'theseus-actors'
import { type Manifest, takesBack, undoneBy } from 'theseus-actors/operator'
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

/** The meaning of an undo of the newest version for the nodes as they are. */
interface Plan {
  readonly undone: Manifest
  /** Those that have gone forward and go back. */
  readonly back: readonly NodeRow[]
  /** Those that have not, and stay. */
  readonly stay: readonly NodeRow[]
}

/**
 * A version that is undone already stays so, whoever asks again: the answer to the first time
 * may have been lost.
 */
export async function undo(asked: Version | undefined, flags: UndoFlags): Promise<ExitCode> {
  // A question may wait for hours, and a connection should not.
  const plan = await withOperator(flags, (operator, system, trust) => planOf(operator, system, asked, trust))
  if ('by' in plan) {
    showDone(plan, flags)
    return exitCodes.done
  }
  if (flags.dryRun === true) {
    show(plan, undefined, flags)
    return exitCodes.done
  }
  const what = `version ${plan.undone.version} of system ${plan.undone.system}, ${oneLine(plan.undone.title)}`
  const ended = await requireConfirmation(flags, {
    does: `undoes ${what}`,
    question: `Undo ${what}?`,
    refused: `version ${plan.undone.version} was not undone`,
    before: () => linesOf(plan, undefined).forEach(note),
  })
  if (ended !== undefined) return ended
  return withSigningOperator(flags, async (operator, system) => {
    const { version } = plan.undone
    const reason = flags.reason === undefined ? {} : { reason: flags.reason }
    show(plan, await explainNoServer(system, operator.undo({ version, ...reason })), flags)
    return exitCodes.done
  })
}

/** The version was undone before. */
interface Done {
  readonly undone: Manifest
  readonly by: Version
}

async function planOf(
  operator: Operator,
  system: string,
  asked: Version | undefined,
  trust: Trust | undefined,
): Promise<Plan | Done> {
  const { manifests: history } = await explainNoServer(system, askHistory(operator, system, trust))
  const newest = history.at(-1)
  if (newest === undefined) throw new Failure(exitCodes.error, `error: system ${system} runs version 0: there is nothing to undo`)
  const isBack = takesBack((version) => (history[version - 1]?.undoes ?? null) !== null, newest.version)
  // Without a version, an undo is not undone: the same command twice would bring back what was to go.
  const undone = history[(asked ?? (isBack ? newest.version - 1 : newest.version)) - 1]
  if (undone === undefined)
    throw new Failure(
      exitCodes.error,
      `error: version ${asked} is not installed: the newest of system ${system} is ${newest.version}`,
    )
  const by = undoneBy(history, undone.version)
  if (by !== null) return { undone, by }
  if (undone !== newest) {
    const why = `the newest of system ${system} is ${newest.version}, and only that can be undone`
    throw new Failure(exitCodes.error, `error: version ${undone.version} can't be undone: ${why}`)
  }
  const without = undone.classUpgrades.find(({ inverse }) => !inverse)
  if (without !== undefined) {
    const why = `class upgrade ${without.oldClass} → ${without.newClass} has no inverse`
    throw new Failure(exitCodes.error, `error: version ${undone.version} of system ${system} can't be undone: ${why}`)
  }
  const services = new Set(undone.classUpgrades.map(({ service }) => service))
  const rows = (await operator.database.nodes()).filter(({ service }) => services.has(service))
  return {
    undone,
    back: rows.filter(({ version }) => version >= undone.version),
    stay: rows.filter(({ version }) => version < undone.version),
  }
}

function showDone({ undone, by }: Done, flags: UndoFlags): void {
  showForm(flags.output, {
    table: () => {
      print(`version ${undone.version} of system ${undone.system} is undone already, by version ${by}`)
      note(`"natsctl rollout undo ${by}" would bring it again`)
    },
    document: () => ({ version: by, undoes: undone.version, classUpgrades: [], back: [], stay: [], ...dryRunField(flags) }),
    names: () => [`version/${by}`],
  })
}

function linesOf({ undone, back, stay }: Plan, version: number | undefined): string[] {
  const what = `version ${undone.version}, ${oneLine(undone.title)}`
  return [
    version === undefined ? `would undo ${what}` : `version ${version} of system ${undone.system}: undo of ${what}`,
    ...undone.classUpgrades.map(({ service, oldClass, newClass }) => `  ${service}: ${newClass} → ${oldClass}`),
    `  ${count(back.length, 'node')} to go back, ${stay.length} to stay as they are`,
  ]
}

function show(plan: Plan, version: number | undefined, flags: UndoFlags): void {
  const { undone, back, stay } = plan
  const { classUpgrades } = undone
  const ids = (rows: readonly NodeRow[]): string[] => rows.map(({ nodeId }) => nodeId)
  showForm(flags.output, {
    table: () => {
      linesOf(plan, version).forEach(print)
      if (version !== undefined) note('follow it with "natsctl rollout watch"; it can be undone in turn')
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
      ...dryRunField(flags),
    }),
    names: () => [`version/${version ?? undone.version}`],
  })
}
