/** `natsctl node describe`: everything that the upgrade database knows of one node, and what it waits for. */
import type { Command } from 'commander'
import type { NodeRow } from 'theseus-actors'
import { withOperator } from '../context/connection.js'
import { type GlobalFlags, nameFlag } from '../context/flags.js'
import { type ExitCode, exitCodes } from '../output/exitCodes.js'
import { show } from '../output/forms.js'
import { age, oneLine, print } from '../output/output.js'
import type { Program } from '../output/program.js'
import { findNode } from '../rollout/findNode.js'
import { nodeJson, nodeName } from '../rollout/nodeFormat.js'
import { type WaitReason, waitReasonOf } from '../rollout/waitReason.js'
import { readKnownRollout } from './explain.js'

export function addDescribe(node: Command, program: Program): void {
  node
    .command('describe')
    .description('one node: its class and version, how its calls go, how far its lazy transform has come, and what it waits for')
    .argument('<id>', 'the node', nameFlag)
    .action(program.action((id: string, _: unknown, command: Command) => describe(id, command.optsWithGlobals())))
}

function describe(nodeId: string, flags: GlobalFlags): Promise<ExitCode> {
  return withOperator(flags, async ({ database }, system, trust) => {
    const row = findNode(nodeId, await database.nodes(), system)
    const waiting = waitReasonOf(row, await readKnownRollout(database, system, trust))
    show(flags.output, {
      table: () => {
        for (const [title, text] of describeLines(row, waiting, Date.now())) print(`${title.padEnd(10)}${oneLine(text)}`)
      },
      document: () => nodeDocument(row, waiting),
      names: () => [nodeName(row)],
    })
    return exitCodes.done
  })
}

export function nodeDocument(row: NodeRow, { waitsFor, movedBy }: WaitReason) {
  const { figures, uses = [], directoryId } = row
  const { records = null, ...calls } = figures ?? {}
  return {
    ...nodeJson(row),
    directory: directoryId,
    uses,
    waitsFor,
    movedBy,
    calls: figures === undefined ? null : calls,
    records,
  }
}

export function describeLines(
  row: NodeRow,
  { waitsFor, movedBy }: WaitReason,
  now: number,
): readonly (readonly [string, string])[] {
  const {
    nodeId,
    service,
    className,
    version,
    phase,
    target,
    since,
    alive,
    hostId,
    directoryId,
    reason,
    uses = [],
    figures,
  } = row
  const towards = target === null ? '' : `, on its way to version ${target}`
  const lines: (readonly [string, string])[] = [
    ['node', `${nodeId}, of service ${service}`],
    ['runs', `${className} at version ${version}`],
    ['phase', `${phase} for ${age(now - since)}${towards}`],
    ['host', `${hostId}, ${alive ? 'alive' : 'not heard of'}${directoryId === null ? ', without persistent state' : ''}`],
  ]
  if (reason !== null) lines.push(['because', reason])
  if (waitsFor !== null) lines.push(['waits for', waitsFor])
  for (const way of movedBy) lines.push(['moved by', way])
  if (uses.length > 0) lines.push(['uses', uses.join(', ')])
  if (figures === undefined) return lines
  const { ended, threw, timed, tookMs, records } = figures
  const took = timed === 0 ? '' : `, ${(tookMs / timed).toFixed(1)} ms on average`
  lines.push(['calls', `${ended} since the phase began, ${threw} of them threw${took}`])
  if (records !== undefined) lines.push(['records', `${records.passed} passed; still to be made: ${leftOf(records.left)}`])
  return lines
}

/** The collections, and where each has come to. */
function leftOf(left: Readonly<Record<string, string>>): string {
  return Object.entries(left)
    .map(([name, next]) => (next === '' ? name : `${name} from ${JSON.stringify(next)} on`))
    .join(', ')
}
