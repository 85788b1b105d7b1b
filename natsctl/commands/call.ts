/** `natsctl call`: one call to a node or a service, by name. */
import type { Command } from 'commander'
import type { NodeRow, RunningHost, Version } from 'theseus-actors'
import { clientService, isName, type ShardSeen } from 'theseus-actors/operator'
import { withOperator } from '../context/connection.js'
import { durationFlag, type GlobalFlags, versionFlag } from '../context/flags.js'
import { type ExitCode, exitCodes, Failure, usageFailure } from '../output/exitCodes.js'
import { restrictForms, show } from '../output/forms.js'
import { didYouMean } from '../output/nearest.js'
import { print, toJson } from '../output/output.js'
import type { Program } from '../output/program.js'

interface CallFlags extends GlobalFlags {
  readonly atVersion?: Version
  readonly node?: true
  readonly service?: true
  readonly query?: true
  readonly deadline: number
}

export function addCall(program: Program): void {
  const command = program.command
    .command('call')
    .description('call a method of a node, or of any node of a service')
    .argument('<target>', 'a node if one has this id, else a service')
    .argument('<method>')
    .argument('[args...]', 'JSON where it is JSON, else text; after -- also what looks like a flag')
    .option('--at-version <n>', 'the version to call at (default: the newest)', versionFlag)
    .option('--node', 'the target is a node')
    .option('--service', 'the target is a service')
    .option('--query', 'the method only observes: ask again when the answer is lost')
    .option('--deadline <duration>', 'how long the call may take', durationFlag, durationFlag('5s'))
    .action(
      program.action((target: string, method: string, args: string[], _: unknown, command: Command) =>
        call(target, method, args.map(argument), command.optsWithGlobals()),
      ),
    )
  restrictForms(command, 'table', 'json', 'yaml')
}

async function call(name: string, method: string, args: readonly unknown[], flags: CallFlags): Promise<ExitCode> {
  if (flags.node && flags.service) throw usageFailure('--node or --service, not both')
  if (!isName(name)) throw usageFailure(`"${name}" is no name of a node or service`)
  return withOperator(flags, async (operator, system) => {
    const found = await targetOf(name, flags, system, () => operator.database.nodes())
    const target = 'node' in found ? await inItsShard(operator, found.node) : found
    const version = flags.atVersion ?? (await operator.database.head()).version
    const kind = flags.query ? 'query' : 'command'
    const answered = operator.call(target, method, args, { version, deadlineMs: flags.deadline, kind })
    const result = await untilInterrupted(
      answered,
      kind === 'query' ? '' : `: ${name}.${method} was sent, and may be carried out or have been`,
    )
    show(flags.output, { table: () => print(toJson(result, 2)), document: () => result })
    return exitCodes.done
  })
}

/** Ctrl-C while a call is under way: what was sent can't be called back, and whoever asked must know. */
async function untilInterrupted<T>(answered: Promise<T>, what: string): Promise<T> {
  let interrupt!: () => void
  const interrupted = new Promise<never>((_, reject) => {
    interrupt = () => reject(new Failure(exitCodes.interrupted, `interrupted${what}`))
  })
  process.once('SIGINT', interrupt)
  try {
    return await Promise.race([answered, interrupted])
  } finally {
    process.off('SIGINT', interrupt)
  }
}

/** JSON where it parses, else the text as it is: `12` is a number, `'"12"'` is text. */
export function argument(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** A node of a sharded service is called by its shard. */
async function inItsShard(operator: RunningHost['operator'], node: string): Promise<Target> {
  const row = (await operator.database.nodes()).find(({ nodeId }) => nodeId === node)
  if (row?.directoryId?.startsWith(`shard-${row.service}-`) !== true) return { node }
  const shard = (await operator.shards()).find(({ service }) => service === row.service)
  return shard === undefined ? { node } : { node, shardOf: shard }
}

type Target = { readonly node: string; readonly shardOf?: ShardSeen } | { readonly service: string }

async function targetOf(
  name: string,
  flags: CallFlags,
  system: string,
  read: () => Promise<readonly NodeRow[]>,
): Promise<Target> {
  if (flags.node) return { node: name }
  if (flags.service) return { service: name }
  const rows = (await read()).filter(({ service }) => service !== clientService)
  if (rows.some(({ nodeId }) => nodeId === name)) return { node: name }
  if (rows.some(({ service }) => service === name)) return { service: name }
  // Nobody to wait for: not sent at all, so it ends at once and not at its deadline.
  const near = didYouMean(
    name,
    rows.flatMap(({ nodeId, service }) => [nodeId, service]),
  )
  const message = `unavailable.no-responders: system ${system} has no node and no service "${name}" registered${near}`
  throw new Failure(exitCodes.noResponder, message)
}
