/** `natsctl node`: who runs what. */
import { type Command, Option } from 'commander'
import type { NodeRow, Operator, Phase, Version } from 'theseus-actors'
import { phases, systemOfPin } from 'theseus-actors/operator'
import { withOperator, withSigningOperator } from '../context/connection.js'
import { type GlobalFlags, nameFlag, versionFlag } from '../context/flags.js'
import { withKnownSystem } from '../context/knownSystem.js'
import { asSignedOrder, dryRunField, type OrderFlags } from '../context/orders.js'
import { type KeyFlags, keyFlag } from '../context/upgraderSeed.js'
import { requireConfirmation } from '../output/confirm.js'
import { type ExitCode, exitCodes, Failure } from '../output/exitCodes.js'
import { show, showList } from '../output/forms.js'
import { byName } from '../output/naturalOrder.js'
import { didYouMean } from '../output/nearest.js'
import { count, note, oneLine, print } from '../output/output.js'
import type { Program } from '../output/program.js'
import { nodeColumns, nodeJson, nodeName, noNodesText } from '../rollout/nodeFormat.js'
import { addNodeControls } from './control.js'
import { addDescribe } from './nodeDescribe.js'

export function addNode(program: Program): void {
  const node = program.command.command('node').description('the registered nodes')
  node
    .command('ls')
    .description('list nodes with their class, version and phase')
    .option('--service <name>', 'only the nodes of this service', nameFlag)
    .option('--class <name>', 'only those that run this class')
    .option('--at-version <n>', 'only those that run this version', versionFlag)
    .addOption(new Option('--phase <phase>', 'only those in this phase').choices(phases))
    .action(program.action((_: unknown, command: Command) => list(command.optsWithGlobals())))
  addDescribe(node, program)
  const forgetting = node
    .command('forget')
    .description('remove a node that will not come back, with its upgrade permit; its state directory stays as it is')
    .argument('<id>', 'the node', nameFlag)
    .option('--yes', 'do not ask')
    .option('--force', 'even if it is alive, or not registered (then: what is left of it)')
    .option(...keyFlag)
    .action(program.action((id: string, _: unknown, command: Command) => forget(id, command.optsWithGlobals())))
  asSignedOrder(forgetting)
  addNodeControls(node, program)
}

interface ListFlags extends GlobalFlags {
  readonly service?: string
  readonly class?: string
  readonly atVersion?: Version
  readonly phase?: Phase
}

function list(flags: ListFlags): Promise<ExitCode> {
  return withKnownSystem(flags, async (operator, system) => {
    const { class: className, atVersion, phase } = flags
    const found = await operator.database.nodes(flags.service)
    const rows = found
      .toSorted(byName(({ nodeId }) => nodeId))
      .filter(
        (row) =>
          (className === undefined || row.className === className) &&
          (atVersion === undefined || row.version === atVersion) &&
          (phase === undefined || row.phase === phase),
      )
    showList(flags.output, rows, { columns: nodeColumns(Date.now()), document: nodeJson, name: nodeName })
    if (found.length === 0) {
      const services = flags.service === undefined ? [] : (await operator.database.nodes()).map(({ service }) => service)
      note(`${noNodesText(system, flags.service)}${didYouMean(flags.service ?? '', services)}`)
    } else if (rows.length === 0) {
      const classes = found.map((row) => row.className)
      const near = className === undefined || classes.includes(className) ? '' : didYouMean(className, classes)
      note(`none of ${count(found.length, 'node')} is like that${near}`)
    }
    return exitCodes.done
  })
}

interface ForgetFlags extends OrderFlags, KeyFlags {
  readonly yes?: true
  readonly force?: true
}

async function forget(nodeId: string, flags: ForgetFlags): Promise<ExitCode> {
  if (flags.yes !== true && flags.dryRun !== true) {
    // Not asked while connected: who thinks for long would find the connection gone.
    const row = await withOperator(flags, (operator, system) => forgettable(operator, system, nodeId, flags))
    const what = described(nodeId, row)
    const ended = await requireConfirmation(flags, {
      does: `forgets ${what} for good`,
      question: `Forget ${what} for good?`,
      refused: `node ${nodeId} was not forgotten`,
      before: () => note(stateLeft(nodeId, row)),
    })
    if (ended !== undefined) return ended
  }
  return withSigningOperator(flags, async (operator, system) => {
    // Looked at again: it may have come back meanwhile.
    const row = await forgettable(operator, system, nodeId, flags)
    if (flags.dryRun !== true) await operator.forget(nodeId, flags.reason)
    show(flags.output, {
      table: () => {
        print(`${flags.dryRun === true ? 'would forget' : 'forgot'} ${described(nodeId, row)}`)
        note(stateLeft(nodeId, row))
      },
      document: () => ({ node: nodeId, row: row === undefined ? null : nodeJson(row), ...dryRunField(flags) }),
      names: () => [`node/${nodeId}`],
    })
    return exitCodes.done
  })
}

/** Nothing of the state is in the upgrade database: who forgets a node may think that it is moved. */
function stateLeft(nodeId: string, row: NodeRow | undefined): string {
  const begins = `a node ${nodeId} that starts on another host begins without it`
  if (row === undefined) return `if it had state, ${begins}`
  const system = systemOfPin(row)
  if (system !== undefined)
    return `versions that system ${system} calls may die now; it is known again with its next upgrade that calls this system`
  return row.directoryId === null
    ? 'it had no state on disk'
    : `its state is only in the state directory of host ${oneLine(row.hostId)}: ${begins}`
}

/**
 * The row that is dropped, if there is one. Throws for a node that is alive or not registered,
 * unless it is forced.
 */
async function forgettable(
  operator: Operator,
  system: string,
  nodeId: string,
  { force }: ForgetFlags,
): Promise<NodeRow | undefined> {
  const rows = await operator.database.nodes()
  const row = rows.find((one) => one.nodeId === nodeId)
  if (force) return row
  if (row === undefined) {
    const near = didYouMean(
      nodeId,
      rows.map((one) => one.nodeId),
    )
    const message = `error: system ${system} has no node ${nodeId} registered; --force forgets what is left of it${near}`
    throw new Failure(exitCodes.noResponder, message)
  }
  // A pin belongs to a system: no host of this one can be stopped for it.
  if (row.alive && systemOfPin(row) === undefined) {
    const advice = `stop host ${oneLine(row.hostId)} first, or give --force`
    throw new Failure(exitCodes.error, `error: ${described(nodeId, row)} must not be forgotten while it lives: ${advice}`)
  }
  return row
}

function described(nodeId: string, row: NodeRow | undefined): string {
  if (row === undefined) return `node ${nodeId} (not registered)`
  const { service, className, version, phase, alive } = row
  return `node ${nodeId} (service ${service}, class ${className}, version ${version}, ${phase}, ${alive ? 'alive' : 'not alive'})`
}
