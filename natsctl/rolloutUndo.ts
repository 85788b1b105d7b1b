/** `natsctl rollout undo`: back to what the version before the newest one meant, as a version of its own. */
import type { Manifest, NodeRow, Operator } from 'theseus'
import { agree } from './confirm.js'
import { asking, signed, withOperator } from './connection.js'
import { type ExitCode, exitCodes, Failure } from './exitCodes.js'
import { show as showForm } from './forms.js'
import { ifDry, type OrderFlags } from './orders.js'
import { count, note, oneLine, print } from './output.js'
import type { KeyFlags } from './upgraderSeed.js'

export interface UndoFlags extends OrderFlags, KeyFlags {
  readonly reason?: string
  readonly yes?: true
}

/** What an undo of the newest version means for the nodes as they are. */
interface Plan {
  readonly undone: Manifest
  /** Those that have gone forward and go back. */
  readonly back: readonly NodeRow[]
  /** Those that have not, and stay. */
  readonly stay: readonly NodeRow[]
}

export async function undo(flags: UndoFlags): Promise<ExitCode> {
  // A question may wait for hours, and a connection should not.
  const plan = await withOperator(flags, (operator, system) => planOf(operator, system))
  if (flags.dryRun === true) {
    show(plan, undefined, flags)
    return exitCodes.done
  }
  const what = `version ${plan.undone.version} of system ${plan.undone.system}, ${oneLine(plan.undone.title)}`
  const ended = await agree(flags, {
    does: `undoes ${what}`,
    question: `Undo ${what}?`,
    refused: `version ${plan.undone.version} was not undone`,
    before: () => linesOf(plan, undefined).forEach(note),
  })
  if (ended !== undefined) return ended
  return signed(flags, async (operator, system) => {
    const { version } = plan.undone
    const reason = flags.reason === undefined ? {} : { reason: flags.reason }
    show(plan, await asking(system, operator.undo({ version, ...reason })), flags)
    return exitCodes.done
  })
}

async function planOf(operator: Operator, system: string): Promise<Plan> {
  const undone = (await asking(system, operator.history())).at(-1)
  if (undone === undefined) throw new Failure(exitCodes.error, `error: system ${system} runs version 0: there is nothing to undo`)
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
      ...ifDry(flags),
    }),
    names: () => [`version/${version ?? undone.version}`],
  })
}
