/** `natsctl rollout`: how far the nodes have come with the versions that are installed. */
import { type Command, Option } from 'commander'
import type { NodeRow, Operator, Version } from 'theseus-actors'
import { withOperator } from '../context/connection.js'
import { durationFlag, type GlobalFlags, nameFlag, versionFlag } from '../context/flags.js'
import { withKnownSystem } from '../context/knownSystem.js'
import { asSignedOrder } from '../context/orders.js'
import type { Trust } from '../context/trust.js'
import { keyFlag } from '../context/upgraderSeed.js'
import { DoubtNotice, HistoryReader } from '../history/knownHistory.js'
import { type ExitCode, exitCodes, Failure, usageFailure } from '../output/exitCodes.js'
import { type Column, printColumns, restrictForms, show } from '../output/forms.js'
import { nearestVersion } from '../output/nearest.js'
import { age, count, note, oneLine, print, printTable } from '../output/output.js'
import type { Program } from '../output/program.js'
import { addPace } from '../pace/pace.js'
import { nodeJson, noNodesText, phaseCell } from '../rollout/nodeFormat.js'
import { paceLines } from '../rollout/paceText.js'
import { promiseLine } from '../rollout/promiseState.js'
import { rewindableJson, rewindableText } from '../rollout/rewindState.js'
import { rolloutExitCode } from '../rollout/rolloutExitCode.js'
import { pollUntilAborted } from '../rollout/rolloutPoll.js'
import { type RolloutFacts, type RolloutState, rolloutStateOf, undoOf } from '../rollout/rolloutState.js'
import { abort } from '../undo/rolloutAbort.js'
import { rewind } from '../undo/rolloutRewind.js'
import { type RewoundFlags, rewound } from '../undo/rolloutRewound.js'
import { type UndoFlags, undo } from '../undo/rolloutUndo.js'
import { type WatchFlags, watch, watchLines } from '../watch/watch.js'
import { addRolloutControls } from './control.js'

const defaultTimeoutMs = 60_000
/** Nodes in trouble that the table names; all other forms have all of them. */
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
    .option('--wait', 'wait until every node is there, or one is in trouble, or a pause holds the others')
    .option('--watch', 'tell each change, until Ctrl-C; with --wait, until it is over')
    .addOption(new Option('--timeout <duration>', 'how long to wait; implies --wait (default: 60s)').argParser(durationFlag))
    .action(program.action((_: unknown, command: Command) => status(command.optsWithGlobals())))
  const watching = rollout
    .command('watch')
    .description('a live screen: how far, how fast, which node and why; with keys to pause and hold')
    .option('--until-done', 'end when every node is at the newest version, or in trouble')
    .option(...keyFlag)
    .action(program.action((_: unknown, command: Command) => watch(command.optsWithGlobals<WatchFlags>())))
  // A stream of changes: one document a line, or lines for people.
  restrictForms(watching, 'table', 'json')
  addRolloutControls(rollout, program)
  addUndo(rollout, program)
  addAbort(rollout, program)
  addRewind(rollout, program)
  addPace(rollout, program)
}

function addUndo(rollout: Command, program: Program): void {
  const command = rollout
    .command('undo')
    .description('install the upgrade that undoes another one: nodes go back, and lose nothing that was written meanwhile')
    .argument('[version]', 'the version to undo (default: the newest); one that is undone already is left as it is', versionFlag)
    .option('--reason <text>', 'why; kept in the history')
    .option(...keyFlag)
    .option('--yes', 'do not ask')
    .action(
      program.action((version: Version | undefined, _: unknown, command: Command) =>
        undo(version, command.optsWithGlobals<UndoFlags>()),
      ),
    )
  asSignedOrder(command)
}

function addAbort(rollout: Command, program: Program): void {
  const command = rollout
    .command('abort')
    .description('stop an upgrade and go back: an undo that pauses the version in the same order')
    .argument('[version]', 'the version to abort (default: the newest); one that is undone already is left as it is', versionFlag)
    .option('--reason <text>', 'why; kept in the history, and nodes that wait say it')
    .option(...keyFlag)
    .option('--yes', 'do not ask')
    .action(
      program.action((version: Version | undefined, _: unknown, command: Command) =>
        abort(version, command.optsWithGlobals<UndoFlags>()),
      ),
    )
  asSignedOrder(command)
}

function addRewind(rollout: Command, program: Program): void {
  const command = rollout
    .command('rewind')
    .description('undo the newest upgrade with the state of before it, and do once more what was done since')
    .argument('[version]', 'the version to rewind; one that is rewound already is left as it is', versionFlag)
    .option('--reason <text>', 'why; kept in the history')
    .option(...keyFlag)
    .option('--yes', 'do not ask')
    .action(
      program.action((version: Version | undefined, _: unknown, command: Command) =>
        rewind(version, command.optsWithGlobals<UndoFlags>()),
      ),
    )
  asSignedOrder(command)
  rollout
    .command('rewound')
    .description('the report of the newest rewind: the operations that got another answer, were refused, or diverged')
    .option('--node <id>', 'of this node alone', nameFlag)
    .action(program.action((_: unknown, command: Command) => rewound(command.optsWithGlobals<RewoundFlags>())))
}

function status(flags: StatusFlags): Promise<ExitCode> {
  const waits = flags.wait === true || flags.timeout !== undefined
  // A reader that waits may wait for a system that has not begun.
  const using = waits ? withOperator : withKnownSystem
  return using(flags, async (operator, system, trust) => {
    const see = seer(operator, system, trust)
    const first = await see()
    const asked = flags.for ?? first.newest
    if (asked > first.newest) {
      throw new Failure(
        exitCodes.error,
        `error: version ${asked} is not installed: the newest of system ${system} is ${first.newest}${nearestVersion(asked, first.newest)}`,
      )
    }
    if (flags.watch) {
      if (flags.output !== 'table' && flags.output !== 'json')
        throw usageFailure(`a stream of changes has no -o ${flags.output}: use table or json`)
      const isOver = waits ? ({ isAtRest }: RolloutState) => isAtRest : undefined
      const timeoutMs = waits ? (flags.timeout ?? defaultTimeoutMs) : undefined
      return watchLines(operator, system, flags, { goal: flags.for, isOver, timeoutMs }, trust)
    }
    // The version that is waited for moves on with the newest one, unless that takes back what was asked for.
    const state = (seen: RolloutFacts): RolloutState =>
      rolloutStateOf(seen, flags.for ?? (undoOf(asked, seen.manifests) === null ? seen.newest : asked))
    const rollout = waits ? await waitFor(see, state, flags.timeout ?? defaultTimeoutMs) : state(first)
    showRollout(rollout, system, flags)
    return rolloutExitCode(rollout, waits)
  })
}

/** Looks at the database again and again, and tells each doubt about the history once. */
function seer({ database }: Operator, system: string, trust: Trust | undefined): () => Promise<RolloutFacts> {
  const reader = new HistoryReader(database, system, trust)
  const telling = new DoubtNotice()
  return async () => {
    const [{ newest, history }, rows, controls] = await Promise.all([reader.read(), database.nodes(), database.controls()])
    telling.tell(history)
    return { newest, rows, controls, manifests: history.manifests, nowMs: Date.now() }
  }
}

/**
 * Returns when nothing changes any more by itself (nobody should wait for somebody who is in trouble, or for
 * a pause), or when the time is up.
 */
async function waitFor(
  see: () => Promise<RolloutFacts>,
  stateOfSeen: (seen: RolloutFacts) => RolloutState,
  timeoutMs: number,
): Promise<RolloutState> {
  const signal = AbortSignal.timeout(timeoutMs)
  let rollout: RolloutState | undefined
  for await (const seen of pollUntilAborted(see, signal)) {
    rollout = stateOfSeen(seen)
    if (rollout.isAtRest) return rollout
  }
  if (rollout !== undefined) return rollout
  throw new Failure(exitCodes.timedOut, 'timeout.deadline: the upgrade database did not answer in time')
}

function showRollout(rollout: RolloutState, system: string, flags: StatusFlags): void {
  show(flags.output, {
    table: (isWide) => showTable(rollout, system, isWide),
    document: () => rolloutJson(rollout),
    names: () => rollout.services.map(({ service }) => `service/${service}`),
  })
  if (rollout.nodes === 0) note(noNodesText(system))
}

function showTable(rollout: RolloutState, system: string, isWide: boolean): void {
  const { goal, state, nodes, there, services, paused, undoneBy, promises } = rollout
  print(`version ${goal} of system ${system}: ${there} of ${count(nodes, 'node')} there, ${state}`)
  if (undoneBy !== null) print(`version ${undoneBy} undoes it`)
  for (const { version, since, reason } of paused)
    print(oneLine(`version ${version} is paused for ${age(Date.now() - since)}${reason === '' ? '' : `: ${reason}`}`))
  const words = paceLines(rollout)
  for (const line of words) print(oneLine(line))
  for (const promise of promises) print(oneLine(promiseLine(promise)))
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
  for (const { service, rewind } of services) if (rewind !== null) print(`${service}: ${rewindableText(rewind, Date.now())}`)
  const rows = services.flatMap(({ troubled, away }) => [...troubled, ...away])
  if (rows.length > 0) showNodes(rows, isWide)
}

function showNodes(rows: readonly NodeRow[], isWide: boolean): void {
  const now = Date.now()
  const columns: readonly Column<NodeRow>[] = [
    { title: 'NODE', cell: ({ nodeId }) => nodeId },
    { title: 'SERVICE', cell: ({ service }) => service },
    { title: 'CLASS', cell: ({ className }) => className },
    { title: 'VERSION', cell: ({ version }) => version },
    { title: 'PHASE', cell: ({ phase }) => phaseCell(phase) },
    { title: 'FOR', cell: ({ since }) => age(now - since) },
    { title: 'HOST', cell: ({ hostId }) => hostId, isWide: true },
    { title: 'BECAUSE', cell: ({ reason, alive, hostId }) => reason ?? (alive ? '' : `host ${hostId} is not heard of`) },
  ]
  print('')
  const shown = isWide ? rows : rows.slice(0, troubledShownMax)
  printColumns(columns, shown, isWide)
  if (rows.length > shown.length) print(`… and ${rows.length - shown.length} more (-o wide has them all)`)
}

function rolloutJson({ newest, goal, state, nodes, there, services, paused, promotion, pace, undoneBy, promises }: RolloutState) {
  return {
    newest,
    goal,
    state,
    nodes,
    there,
    paused: paused.map(({ version, reason, since }) => ({ version, reason, since: new Date(since).toISOString() })),
    promotion: promotion === null ? null : { percent: promotion.percent, ...orderJson(promotion) },
    pace:
      pace === null ? null : { probability: pace.probability, everyMs: pace.everyMs, bakeMs: pace.bakeMs, ...orderJson(pace) },
    undoneBy,
    promises,
    services: services.map(({ troubled, away, rewind, ...service }) => ({
      ...service,
      rewind: rewindableJson(rewind),
      troubled: troubled.map(nodeJson),
      away: away.map(nodeJson),
    })),
  }
}

function orderJson({ reason, since }: { readonly reason: string; readonly since: number }) {
  return { reason, since: new Date(since).toISOString() }
}
