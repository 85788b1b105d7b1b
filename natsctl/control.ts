/** What an operator asks of nodes: `natsctl rollout pause|resume|retry`, `natsctl node hold|release|upgrade`. */
import type { Command } from 'commander'
import type { Operator, Version } from 'theseus'
import type { Program } from './commands.js'
import { asking, signed } from './connection.js'
import { type ExitCode, exitCodes, Failure } from './exitCodes.js'
import { type GlobalFlags, nameFlag, versionFlag } from './flags.js'
import { show } from './forms.js'
import { note, oneLine, print } from './output.js'
import { type KeyFlags, keyFlag } from './upgraderSeed.js'

interface ControlFlags extends GlobalFlags, KeyFlags {
  readonly reason?: string
}

export function addRolloutControls(rollout: Command, program: Program): void {
  const onVersion = (
    name: string,
    description: string,
    act: (operator: Operator, version: Version, flags: ControlFlags) => Promise<string>,
  ) =>
    rollout
      .command(name)
      .description(description)
      .argument('[version]', 'the version; by default the newest', versionFlag)
      .option(...keyFlag)
      .action(
        program.action((version: Version | undefined, _: unknown, command: Command) =>
          withVersion(version, command.optsWithGlobals<ControlFlags>(), act),
        ),
      )
  onVersion(
    'pause',
    'no node goes to this version until it is resumed; those on their way arrive',
    async (operator, version, flags) => {
      await operator.pause(version, flags.reason ?? '')
      return `version ${version} is paused`
    },
  ).option('--reason <text>', 'why; nodes that wait say it')
  onVersion('resume', 'end a pause', async (operator, version) => {
    if (!(await operator.resume(version))) note(`version ${version} was not paused`)
    return `version ${version} goes on`
  })
  onVersion(
    'retry',
    'let nodes try again that are stalled or rejected on their way to this version',
    async (operator, version) => {
      await operator.retry(version)
      return `version ${version} is tried again where it is stalled or rejected`
    },
  )
}

export function addNodeControls(node: Command, program: Program): void {
  const onNode = (
    name: string,
    description: string,
    act: (operator: Operator, nodeId: string, flags: ControlFlags) => Promise<string>,
  ) =>
    node
      .command(name)
      .description(description)
      .argument('<node>', 'its id', nameFlag)
      .option(...keyFlag)
      .action(
        program.action((nodeId: string, _: unknown, command: Command) =>
          withNode(nodeId, command.optsWithGlobals<ControlFlags>(), act),
        ),
      )
  onNode('hold', 'this node goes to no version until it is released', async (operator, nodeId, flags) => {
    await operator.hold(nodeId, flags.reason ?? '')
    return `node ${nodeId} is held`
  }).option('--reason <text>', 'why; the node says it')
  onNode('release', 'end a hold', async (operator, nodeId) => {
    if (!(await operator.release(nodeId))) note(`node ${nodeId} was not held`)
    return `node ${nodeId} is released`
  })
  onNode('upgrade', 'this node goes to its next version now, whatever its schedule or a pause say', async (operator, nodeId) => {
    const version = await operator.upgradeNow(nodeId)
    return `node ${nodeId} goes to version ${version} now`
  })
}

function withVersion(
  version: Version | undefined,
  flags: ControlFlags,
  act: (operator: Operator, version: Version, flags: ControlFlags) => Promise<string>,
): Promise<ExitCode> {
  return signed(flags, async (operator, system) => {
    const { version: newest } = await asking(system, operator.database.head())
    const chosen = version ?? newest
    if (chosen === 0) throw new Failure(exitCodes.error, `error: system ${system} runs version 0: there is no rollout`)
    if (chosen > newest) note(`version ${chosen} is not installed yet: the newest of system ${system} is ${newest}`)
    return done(flags, await act(operator, chosen, flags), { version: chosen }, `version/${chosen}`)
  })
}

function withNode(
  nodeId: string,
  flags: ControlFlags,
  act: (operator: Operator, nodeId: string, flags: ControlFlags) => Promise<string>,
): Promise<ExitCode> {
  return signed(flags, async (operator, system) => {
    const isKnown = (await operator.database.nodes()).some((row) => row.nodeId === nodeId)
    if (!isKnown) throw new Failure(exitCodes.noResponder, `error: system ${system} has no node ${nodeId} registered`)
    return done(flags, await act(operator, nodeId, flags), { node: nodeId }, `node/${nodeId}`)
  })
}

function done(flags: GlobalFlags, what: string, json: object, name: string): ExitCode {
  show(flags.output, { table: () => print(oneLine(what)), document: () => json, names: () => [name] })
  return exitCodes.done
}
