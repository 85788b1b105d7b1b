/**
 * The requests of an operator to nodes: `natsctl rollout pause|resume|retry`,
 * `natsctl node hold|release|upgrade`.
 */
import type { Command } from 'commander'
import type { NodeRow, Operator, Version } from 'theseus-actors'
import { explainNoServer, withSigningOperator } from '../context/connection.js'
import { nameFlag, versionFlag } from '../context/flags.js'
import { asSignedOrder, dryRunField, type OrderFlags } from '../context/orders.js'
import { type KeyFlags, keyFlag } from '../context/upgraderSeed.js'
import { type ExitCode, exitCodes, Failure } from '../output/exitCodes.js'
import { show } from '../output/forms.js'
import { count, note, oneLine, print } from '../output/output.js'
import type { Program } from '../output/program.js'
import { findNode } from '../rollout/findNode.js'

interface ControlFlags extends OrderFlags, KeyFlags {}

interface Order<T> {
  readonly description: string
  /** The effect that it would have, after "would". */
  readonly would: (operator: Operator, of: T) => Promise<string>
  /** Does it, and says what is so afterwards. */
  readonly act: (operator: Operator, of: T, flags: ControlFlags) => Promise<string>
}

const versionOrders: Readonly<Record<'pause' | 'resume' | 'retry', Order<Version>>> = {
  pause: {
    description: 'no node goes to this version until it is resumed; those on their way arrive',
    would: async (_, version) => `pause version ${version}`,
    act: async (operator, version, flags) => {
      await operator.pause(version, flags.reason ?? '')
      return `version ${version} is paused`
    },
  },
  resume: {
    description: 'end a pause',
    would: async ({ database }, version) => {
      const controls = await database.controls()
      if (!controls.some((control) => control.kind === 'pause' && control.version === version))
        note(`version ${version} is not paused`)
      return `let version ${version} go on`
    },
    act: async (operator, version, { reason }) => {
      if (!(await operator.resume(version, reason))) note(`version ${version} was not paused`)
      return `version ${version} goes on`
    },
  },
  retry: {
    description: 'let nodes try again that are stalled or rejected on their way to this version',
    would: async ({ database }, version) => {
      const waiting = (await database.nodes()).filter(({ phase }) => phase === 'stalled' || phase === 'rejected')
      const nodes = waiting.filter(({ target }) => target === version)
      return `let ${count(nodes.length, 'node')} try version ${version} again`
    },
    act: async (operator, version, { reason }) => {
      await operator.retry(version, reason)
      return `version ${version} is tried again where it is stalled or rejected`
    },
  },
}

const nodeOrders: Readonly<Record<'hold' | 'release' | 'upgrade', Order<NodeRow>>> = {
  hold: {
    description: 'this node goes to no version until it is released',
    would: async (_, { nodeId }) => `hold node ${nodeId}`,
    act: async (operator, { nodeId }, flags) => {
      await operator.hold(nodeId, flags.reason ?? '')
      return `node ${nodeId} is held`
    },
  },
  release: {
    description: 'end a hold',
    would: async ({ database }, { nodeId }) => {
      const controls = await database.controls()
      if (!controls.some((control) => control.kind === 'hold' && control.nodeId === nodeId)) note(`node ${nodeId} is not held`)
      return `release node ${nodeId}`
    },
    act: async (operator, { nodeId }, { reason }) => {
      if (!(await operator.release(nodeId, reason))) note(`node ${nodeId} was not held`)
      return `node ${nodeId} is released`
    },
  },
  upgrade: {
    description: 'this node goes to its next version now, whatever its schedule or a pause say',
    would: async (_, { nodeId, version }) => `let node ${nodeId} go to version ${version + 1} now`,
    act: async (operator, { nodeId }, { reason }) =>
      `node ${nodeId} goes to version ${await operator.upgradeNow(nodeId, reason)} now`,
  },
}

export function addRolloutControls(rollout: Command, program: Program): void {
  for (const [name, order] of Object.entries(versionOrders)) {
    const command = rollout
      .command(name)
      .description(order.description)
      .argument('[version]', 'the version; by default the newest', versionFlag)
      .option(...keyFlag)
      .action(
        program.action((version: Version | undefined, _: unknown, command: Command) =>
          onVersion(order, version, command.optsWithGlobals<ControlFlags>()),
        ),
      )
    if (name === 'pause') command.option('--reason <text>', 'why; nodes that wait say it')
    asSignedOrder(command)
  }
}

export function addNodeControls(node: Command, program: Program): void {
  for (const [name, order] of Object.entries(nodeOrders)) {
    const command = node
      .command(name)
      .description(order.description)
      .argument('<node>', 'its id', nameFlag)
      .option(...keyFlag)
      .action(
        program.action((nodeId: string, _: unknown, command: Command) =>
          onNode(order, nodeId, command.optsWithGlobals<ControlFlags>()),
        ),
      )
    if (name === 'hold') command.option('--reason <text>', 'why; the node says it')
    asSignedOrder(command)
  }
}

function onVersion(order: Order<Version>, version: Version | undefined, flags: ControlFlags): Promise<ExitCode> {
  return withSigningOperator(flags, async (operator, system) => {
    const { version: newest } = await explainNoServer(system, operator.database.head())
    const chosen = version ?? newest
    if (chosen === 0) throw new Failure(exitCodes.error, `error: system ${system} runs version 0: there is no rollout`)
    if (chosen > newest) note(`version ${chosen} is not installed yet: the newest of system ${system} is ${newest}`)
    return carryOut(order, operator, chosen, flags, { version: chosen }, `version/${chosen}`)
  })
}

function onNode(order: Order<NodeRow>, nodeId: string, flags: ControlFlags): Promise<ExitCode> {
  return withSigningOperator(flags, async (operator, system) => {
    const row = findNode(nodeId, await operator.database.nodes(), system)
    return carryOut(order, operator, row, flags, { node: nodeId }, `node/${nodeId}`)
  })
}

async function carryOut<T>(
  { would, act }: Order<T>,
  operator: Operator,
  of: T,
  flags: ControlFlags,
  json: object,
  name: string,
): Promise<ExitCode> {
  const what = flags.dryRun === true ? `would ${await would(operator, of)}` : await act(operator, of, flags)
  show(flags.output, {
    table: () => print(oneLine(what)),
    document: () => ({ ...json, ...dryRunField(flags) }),
    names: () => [name],
  })
  return exitCodes.done
}
