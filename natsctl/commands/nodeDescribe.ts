/** `natsctl node describe`: everything that the upgrade database knows of one node, and what it waits for. */
import type { Command } from 'commander'
import type { NodeRow, Operator } from 'theseus-actors'
import { type FieldsSeen, mayBeAsleep, neighbourUsesIn, type StateSeen } from 'theseus-actors/operator'
import { answerTimeoutMs } from '../context/answerTimeout.js'
import { type GlobalFlags, nameFlag } from '../context/flags.js'
import { withKnownSystem } from '../context/knownSystem.js'
import { type ExitCode, exitCodes } from '../output/exitCodes.js'
import { show } from '../output/forms.js'
import { age, note, oneLine, print } from '../output/output.js'
import type { Program } from '../output/program.js'
import { asTyped } from '../output/typed.js'
import { findNode } from '../rollout/findNode.js'
import { nodeJson, nodeName } from '../rollout/nodeFormat.js'
import { rewindText } from '../rollout/rewindState.js'
import { type WaitReason, waitReasonOf } from '../rollout/waitReason.js'
import { readKnownRollout } from './explain.js'

export function addDescribe(node: Command, program: Program): void {
  node
    .command('describe')
    .description('one node: its class and version, how its calls go, how far its lazy transform has come, and what it waits for')
    .argument('<id>', 'the node', nameFlag)
    .option('--state', 'also its state and memory, as far as its host tells them: asks the host')
    .action(program.action((id: string, _: unknown, command: Command) => describe(id, command.optsWithGlobals())))
}

interface DescribeFlags extends GlobalFlags {
  readonly state?: true
}

function describe(nodeId: string, flags: DescribeFlags): Promise<ExitCode> {
  return withKnownSystem(flags, async (operator, system, trust) => {
    const { database } = operator
    const row = findNode(nodeId, await database.nodes(), system)
    const waiting = waitReasonOf(row, await readKnownRollout(database, system, trust))
    const observed = flags.state === true ? await observedState(operator, nodeId) : undefined
    show(flags.output, {
      table: () => {
        const lines = [...describeLines(row, waiting, Date.now()), ...(observed === undefined ? [] : stateLines(observed))]
        for (const [title, text] of lines) print(`${title.padEnd(10)}${oneLine(text)}`)
        if (observed === null) note(notTold(row))
      },
      document: () => ({ ...nodeDocument(row, waiting), ...(observed === undefined ? {} : { observed }) }),
      names: () => [nodeName(row)],
    })
    return exitCodes.done
  })
}

/** A host waits for a second until its object is free to tell of its memory. */
const stateMsMax = 3_000

/** All of the node's state, as far as its host tells it; null if it tells nothing. */
async function observedState(operator: Operator, nodeId: string): Promise<ObservedNode | null> {
  const { promise, resolve } = Promise.withResolvers<ObservedNode | null>()
  const stop = operator.look(
    ({ seen }) => {
      const told = seen.find((one) => one.type === 'state' && one.nodeId === nodeId)
      if (told?.type === 'state') resolve({ states: told.states, memory: told.memory })
    },
    { types: ['state'], nodes: [nodeId], states: true },
  )
  const timer = setTimeout(() => resolve(null), answerTimeoutMs(stateMsMax))
  const observed = await promise
  clearTimeout(timer)
  stop()
  return observed
}

type ObservedNode = Pick<StateSeen, 'states' | 'memory'>

function notTold({ nodeId, hostId, alive }: NodeRow): string {
  if (!alive) return `host ${oneLine(hostId)} is not heard of: nobody can tell the state of ${nodeId}`
  return `host ${oneLine(hostId)} does not tell the state of ${nodeId}: it may be of an older release, or "observedState" of its settings forbids it`
}

export function stateLines(observed: ObservedNode | null): readonly (readonly [string, string])[] {
  if (observed === null) return []
  const { states, memory } = observed
  const lines = states.map(({ version, className, isObject, collections, ...root }): readonly [string, string] => {
    const holds = collections.length === 0 ? '' : `; collections ${collections.join(', ')}`
    return [isObject ? 'object' : 'SO', `${className} at version ${version}: ${fieldsText(root)}${holds}`]
  })
  return memory === null ? lines : [...lines, ['memory', fieldsText(memory)]]
}

function fieldsText({ fields, values }: FieldsSeen): string {
  if (fields.length === 0) return 'nothing'
  if (values === null) return fields.join(', ')
  return fields.map((name, i) => `${name} ${JSON.stringify(values[i])}`).join(', ')
}

export function nodeDocument(row: NodeRow, { waitsFor, movedBy }: WaitReason) {
  const { figures, uses = [], directoryId, rewind } = row
  const { records = null, ...calls } = figures ?? {}
  return {
    ...nodeJson(row),
    directory: directoryId,
    uses,
    rewind: rewind === undefined ? null : 'ended' in rewind ? rewind : { until: new Date(rewind.untilMs).toISOString() },
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
    group,
    rewind,
    shard,
  } = row
  const towards = target === null ? '' : `, on its way to version ${target}`
  const lines: (readonly [string, string])[] = [
    ['node', `${nodeId}, of service ${service}`],
    ['runs', `${className} at version ${version}`],
    ['phase', `${phase} for ${age(now - since)}${towards}`],
    [
      'host',
      asleepText(row) ??
        `${hostId}, ${alive ? 'alive' : 'not heard of'}${directoryId === null ? ', without persistent state' : ''}`,
    ],
  ]
  if (shard !== undefined) lines.push(['shard', `${shard} of ${service}: its owner runs the node`])
  if (group !== undefined) lines.push(['group', `${group}: it goes through every version with the other members`])
  if (reason !== null) lines.push(['because', reason])
  if (waitsFor !== null) lines.push(['waits for', waitsFor])
  for (const way of movedBy) lines.push(['moved by', asTyped(way)])
  if (uses.length > 0) lines.push(['uses', uses.map(useText).join(', ')])
  if (rewind !== undefined) lines.push(['rewind', rewindText(rewind, now)])
  if (figures === undefined) return lines
  const { ended, threw, timed, tookMs, records } = figures
  const took = timed === 0 ? '' : `, ${(tookMs / timed).toFixed(1)} ms on average`
  lines.push(['calls', `${ended} since the phase began, ${threw} of them threw${took}`])
  if (records !== undefined) lines.push(['records', `${records.passed} passed; still to be made: ${leftOf(records.left)}`])
  return lines
}

/** The host that told of it last need not have its shard now. */
function asleepText(row: NodeRow): string | undefined {
  return mayBeAsleep(row) ? `asleep, last heard of at ${row.hostId}` : undefined
}

/** A neighbour's class, or what it is. */
function useText(used: string): string {
  const [use] = neighbourUsesIn([used])
  return use === undefined ? used : `${use.className} of ${use.system}`
}

/** The collections, and where each has come to. */
function leftOf(left: Readonly<Record<string, string>>): string {
  return Object.entries(left)
    .map(([name, next]) => (next === '' ? name : `${name} from ${JSON.stringify(next)} on`))
    .join(', ')
}
