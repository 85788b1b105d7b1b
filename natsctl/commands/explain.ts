/** `natsctl explain`: why a node, or a rollout, is where it is. */
import type { Command } from 'commander'
import type { NodeRow, Operator } from 'theseus-actors'
import { type NeighbourUse, neighboursNeeded, neighbourUsesIn } from 'theseus-actors/operator'
import type { GlobalFlags } from '../context/flags.js'
import { withKnownSystem } from '../context/knownSystem.js'
import type { Trust } from '../context/trust.js'
import { readHistory } from '../history/knownHistory.js'
import { findNeighbours, type NeighbourNeed, needJson, needsOf, needText, pinsAmong } from '../history/neighbours.js'
import { type ExitCode, exitCodes } from '../output/exitCodes.js'
import { show as showForm } from '../output/forms.js'
import { byName } from '../output/naturalOrder.js'
import { age, count, note, oneLine, print } from '../output/output.js'
import type { Program } from '../output/program.js'
import { asTyped } from '../output/typed.js'
import { findNode } from '../rollout/findNode.js'
import { nodeName, noNodesText } from '../rollout/nodeFormat.js'
import { promiseLine, promiseStates } from '../rollout/promiseState.js'
import { isPartOfRollout } from '../rollout/rolloutSummary.js'
import { type KnownRollout, type WaitReason, waitReasonOf } from '../rollout/waitReason.js'

export function addExplain(program: Program): void {
  program.command
    .command('explain')
    .description('the reason why a node, or the whole rollout, waits: on whom, since when, and what would move it')
    .argument('[node]', 'a node’s id; without one, the newest rollout')
    .action(
      program.action((nodeId: string | undefined, _: unknown, command: Command) =>
        explain(nodeId === 'rollout' ? undefined : nodeId, command.optsWithGlobals()),
      ),
    )
}

function explain(nodeId: string | undefined, flags: GlobalFlags): Promise<ExitCode> {
  return withKnownSystem(flags, async ({ database }, system, trust) => {
    const all = await database.nodes()
    const rows = all.filter(isPartOfRollout).sort(byName(({ nodeId }) => nodeId))
    const known = { ...(await readKnownRollout(database, system, trust)), rows }
    if (nodeId === undefined) {
      const [{ inForce: dead }, final] = await Promise.all([database.dead(), database.finalized()])
      const uses = neighboursNeeded(known.manifests, rows, { dead, final })
      show(rows, known, system, flags, { needs: await findNeeds(uses, system), pins: pinsAmong(all) })
      if (rows.length > 0) return exitCodes.done
      note(noNodesText(system))
      return exitCodes.noResponder
    }
    const row = findNode(nodeId, rows, system)
    const waiting = waitReasonOf(row, known)
    const uses = neighbourUsesIn(row.uses ?? []).map((use) => ({ ...use, by: row.className }))
    const needs = await findNeeds(uses, system)
    showForm(flags.output, {
      table: () => {
        const place = row.shard === undefined ? '' : `, of shard ${row.shard},`
        print(`${row.nodeId} of ${row.service}${place} runs ${row.className} at version ${row.version} and is ${row.phase}`)
        printWaiting(waiting)
        for (const need of needs) print(`  ${oneLine(needText(need))}`)
      },
      document: () => ({ ...waitingJson(waiting), neighbours: needs.map(needJson) }),
      names: () => [nodeName(row)],
    })
    return exitCodes.done
  })
}

/** Asks the database alone: it explains also while no upgrade server runs. */
export async function readKnownRollout(
  database: Operator['database'],
  system: string,
  trust: Trust | undefined,
): Promise<KnownRollout> {
  const { newest, history } = await readHistory(database, system, trust)
  return { newest, manifests: history.manifests, controls: await database.controls() }
}

/** Asks nobody where nothing is needed. */
async function findNeeds(
  uses: readonly (NeighbourUse & { readonly by?: string })[],
  system: string,
): Promise<readonly NeighbourNeed[]> {
  const neighbours = await findNeighbours(
    uses.map((use) => use.system),
    system,
  )
  return needsOf(uses, neighbours)
}

interface Around {
  readonly needs: readonly NeighbourNeed[]
  /** Of the systems that call this one. */
  readonly pins: ReturnType<typeof pinsAmong>
}

/** Nodes that wait for the same are one entry: ten thousand have few reasons. */
function show(rows: readonly NodeRow[], known: KnownRollout, system: string, flags: GlobalFlags, { needs, pins }: Around): void {
  const { newest, manifests, controls } = known
  const groups = new Map<string, WaitReason[]>()
  for (const row of rows) {
    const waiting = waitReasonOf(row, known)
    if (waiting.waitsFor === null) continue
    const key = `${waiting.waitsFor}\n${waiting.movedBy.map((way) => way.replaceAll(row.nodeId, '…')).join('\n')}`
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [waiting])
    else group.push(waiting)
  }
  const sorted = [...groups.values()].toSorted((a, b) => b.length - a.length)
  const there = rows.filter((row) => row.version >= newest && row.phase === 'current').length
  const isPaused = controls.some((control) => control.kind === 'pause' && control.version === newest)
  const promises = promiseStates(manifests, newest, rows, Date.now())
  const waiting = sorted.map((group) => ({ ...waitingJson(group[0]!), node: undefined, nodes: group.map(({ node }) => node) }))
  showForm(flags.output, {
    table: (isWide) => {
      const title = newest === 0 ? 'nothing is published' : oneLine(manifests[newest - 1]?.title ?? '')
      const paused = isPaused ? ', paused' : ''
      print(`version ${newest} of system ${system}, ${title}: ${there} of ${count(rows.length, 'node')} there${paused}`)
      for (const promise of promises) print(oneLine(promiseLine(promise)))
      for (const group of sorted) printGroup(group, isWide ? group.length : namesShownMax)
      if (needs.length + pins.length > 0) print('')
      for (const need of needs) print(oneLine(needText(need)))
      for (const pin of pins)
        print(`system ${pin.system} calls this one: version ${pin.version} and later ones stay alive for it`)
    },
    document: () => ({
      ...{ version: newest, nodes: rows.length, there, isPaused, promises, waiting },
      neighbours: needs.map(needJson),
      pins,
    }),
    names: () => sorted.flat().map(({ node }) => nodeName({ nodeId: node })),
  })
}

function printGroup(group: readonly WaitReason[], namesMax: number): void {
  print('')
  const names = group.slice(0, namesMax).map(({ node }) => node)
  print(`${names.join(', ')}${group.length > names.length ? ` and ${group.length - names.length} more` : ''}`)
  const oldest = group.toSorted((a, b) => a.since - b.since)[0]!
  printWaiting(oldest)
}

const namesShownMax = 5

function printWaiting({ waitsFor, since, movedBy }: WaitReason): void {
  if (waitsFor === null) {
    print('  waits for nothing')
    return
  }
  print(`  waits for ${oneLine(waitsFor)}`)
  print(`  for ${age(Date.now() - since)}`)
  for (const [i, way] of movedBy.entries()) print(`  ${i === 0 ? 'moved by' : '      or'} ${asTyped(oneLine(way))}`)
}

function waitingJson({ node, waitsFor, on, since, movedBy }: WaitReason) {
  return { node, waitsFor, on, since: new Date(since).toISOString(), movedBy }
}
