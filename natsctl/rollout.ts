/** `natsctl rollout`: how far the nodes have come with the versions that are installed. */
import { type Command, Option } from 'commander'
import type { NodeRow, Operator, Version } from 'theseus'
import type { Program } from './commands.js'
import { withOperator } from './connection.js'
import { addRolloutControls } from './control.js'
import { type ExitCode, exitCodes, Failure } from './exitCodes.js'
import { durationFlag, type GlobalFlags, versionFlag } from './flags.js'
import { nodeJson, noNodes, phaseCell } from './node.js'
import { age, count, note, print, printJson, printTable } from './output.js'
import { look, looks, type Snapshot } from './rolloutPoll.js'
import { type Rollout, summarize } from './rolloutSummary.js'
import { type UndoFlags, undo } from './rolloutUndo.js'
import { keyFlag } from './upgraderSeed.js'
import { type WatchFlags, watch, watchLines } from './watch/watch.js'

const defaultTimeoutMs = 60_000
/** Nodes in trouble that the table names; JSON has all of them. */
const troubledShownMax = 50

interface StatusFlags extends GlobalFlags {
  readonly for?: Version
  readonly wait?: true
  readonly watch?: true
  readonly timeout?: number
}

export function addRollout(program: Program): void {
  const rollout = program.command.command('rollout').description('how far an upgrade has come, and back')
  rollout
    .command('status')
    .description('how many nodes of each service are at the newest version, and who is in trouble')
    .option('--for <version>', 'the version to reach, instead of the newest', versionFlag)
    .option('--wait', 'wait until every node is there, or one is in trouble')
    .option('--watch', 'tell each change, until Ctrl-C; with --wait, until it is over')
    .addOption(new Option('--timeout <duration>', 'how long to wait; implies --wait (default: 60s)').argParser(durationFlag))
    .action(program.action((_: unknown, command: Command) => status(command.optsWithGlobals())))
  rollout
    .command('watch')
    .description('a live screen: how far, how fast, which node and why; with keys to pause and hold')
    .option('--until-done', 'end when every node is at the newest version, or in trouble')
    .option(...keyFlag)
    .action(program.action((_: unknown, command: Command) => watch(command.optsWithGlobals<WatchFlags>())))
  addRolloutControls(rollout, program)
  addUndo(rollout, program)
}

function addUndo(rollout: Command, program: Program): void {
  rollout
    .command('undo')
    .description('install the upgrade that undoes the newest one: nodes go back, and lose nothing that was written meanwhile')
    .option('--reason <text>', 'why; kept in the history')
    .option(...keyFlag)
    .option('--dry-run', 'say what it would do, and do nothing')
    .option('--yes', 'do not ask')
    .action(program.action((_: unknown, command: Command) => undo(command.optsWithGlobals<UndoFlags>())))
}

function status(flags: StatusFlags): Promise<ExitCode> {
  return withOperator(flags, async (operator, system) => {
    const waits = flags.wait === true || flags.timeout !== undefined
    const first = await look(operator)
    const goal = flags.for ?? first.newest
    if (goal > first.newest) {
      throw new Failure(
        exitCodes.error,
        `error: version ${goal} is not installed: the newest of system ${system} is ${first.newest}`,
      )
    }
    if (flags.watch) {
      const isOver = waits ? ({ state }: Rollout) => state !== 'moving' : undefined
      const timeoutMs = waits ? (flags.timeout ?? defaultTimeoutMs) : undefined
      return watchLines(operator, system, flags, { goal: flags.for, isOver, timeoutMs })
    }
    const summary = (snapshot: Snapshot) => summarize(snapshot.rows, snapshot.newest, flags.for ?? snapshot.newest)
    const rollout = waits ? await waitFor(operator, summary, flags.timeout ?? defaultTimeoutMs) : summary(first)
    show(rollout, system, flags)
    if (rollout.state === 'degraded') return exitCodes.degraded
    return waits && rollout.state !== 'done' ? exitCodes.timedOut : exitCodes.done
  })
}

/** Returns when every node is there, when one is in trouble (nobody should wait for that), or when the time is up. */
async function waitFor(operator: Operator, summary: (snapshot: Snapshot) => Rollout, timeoutMs: number): Promise<Rollout> {
  const signal = AbortSignal.timeout(timeoutMs)
  let rollout: Rollout | undefined
  for await (const snapshot of looks(signal, note, () => look(operator))) {
    rollout = summary(snapshot)
    if (rollout.state !== 'moving') return rollout
  }
  if (rollout !== undefined) return rollout
  throw new Failure(exitCodes.timedOut, 'timeout.deadline: the upgrade database did not answer in time')
}

function show(rollout: Rollout, system: string, flags: StatusFlags): void {
  if (flags.output === 'json') printJson(rolloutJson(rollout))
  else showTable(rollout, system)
  if (rollout.nodes === 0) note(noNodes(system))
}

function showTable({ goal, state, nodes, there, services }: Rollout, system: string): void {
  print(`version ${goal} of system ${system}: ${there} of ${count(nodes, 'node')} there, ${state}`)
  if (services.length === 0) return
  printTable(
    ['SERVICE', 'THERE', 'VERSIONS', 'IN TROUBLE', 'AWAY'],
    services.map((service) => [
      service.service,
      `${service.there} of ${service.nodes}`,
      service.versions.map(({ version, nodes: n }) => `${version}: ${count(n, 'node')}`).join(', '),
      service.troubled.length === 0 ? '-' : { text: String(service.troubled.length), style: 'red' },
      service.away.length === 0 ? '-' : { text: String(service.away.length), style: 'yellow' },
    ]),
  )
  showNodes(services.flatMap(({ troubled, away }) => [...troubled, ...away]))
}

function showNodes(rows: readonly NodeRow[]): void {
  if (rows.length === 0) return
  print('')
  printTable(
    ['NODE', 'SERVICE', 'CLASS', 'VERSION', 'PHASE', 'FOR', 'BECAUSE'],
    rows
      .slice(0, troubledShownMax)
      .map((row) => [
        row.nodeId,
        row.service,
        row.className,
        row.version,
        phaseCell(row.phase),
        age(Date.now() - row.since),
        row.reason ?? (row.alive ? '' : `host ${row.hostId} is not heard of`),
      ]),
  )
  if (rows.length > troubledShownMax) print(`… and ${rows.length - troubledShownMax} more (-o json has them all)`)
}

function rolloutJson({ newest, goal, state, nodes, there, services }: Rollout) {
  return {
    newest,
    goal,
    state,
    nodes,
    there,
    services: services.map(({ troubled, away, ...service }) => ({
      ...service,
      troubled: troubled.map(nodeJson),
      away: away.map(nodeJson),
    })),
  }
}
