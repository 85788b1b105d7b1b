/** `natsctl version`: which versions live, and who keeps them alive (DESIGN §1, "dead version"). */
import type { Command } from 'commander'
import { type Death, decodeManifest, type NodeRow, type Operator, oldestPossible, type Version } from 'theseus'
import { withOperator } from './connection.js'
import { type ExitCode, exitCodes } from './exitCodes.js'
import type { GlobalFlags } from './flags.js'
import { age, type Cell, count, printJson, printTable } from './output.js'
import type { Program } from './program.js'
import { isPartOfRollout } from './rolloutSummary.js'

/** One version as `-o json` shows it. */
export interface VersionJson {
  readonly version: Version
  /** Null for version 0. */
  readonly title: string | null
  /** Registered nodes that run it. */
  readonly nodes: number
  /** Callers outside any object that are pinned to it. */
  readonly clients: number
  /** Who runs it or an older one, alive or not: while there are any, it does not die. */
  readonly neededBy: {
    readonly nodes: number
    readonly clients: number
    /** The first `neededByIdsMax` of them, the oldest version first. */
    readonly ids: readonly string[]
  }
  /** RFC 3339, by the database's clock, possibly still to come; null for a version that lives. */
  readonly deadSince: string | null
}

/** All ten thousand nodes need the newest version: nobody reads so many names for each version. */
export const neededByIdsMax = 50
const idsShownMax = 3

export function addVersion(program: Program): void {
  const version = program.command.command('version').description('which versions live, and who needs them')
  version
    .command('ls')
    .description('list the versions with who runs them, who still needs them, and which are dead')
    .action(program.action((_: unknown, command: Command) => list(command.optsWithGlobals())))
}

/** Asks the database alone: it works while no upgrade server runs. */
function list(flags: GlobalFlags): Promise<ExitCode> {
  return withOperator(flags, async ({ database }) => {
    const [rows, death] = await Promise.all([database.nodes(), database.dead()])
    // After the nodes: none of them runs a version that is newer.
    const { version: newest } = await database.head()
    const versions = summarizeVersions(newest, await titlesOf(database, newest), rows, death)
    if (flags.output === 'json') printJson(versions)
    else
      printTable(
        ['VERSION', 'TITLE', 'NODES', 'CLIENTS', 'NEEDED BY', 'DEAD'],
        versions.map((version) => versionCells(version, Date.now())),
      )
    return exitCodes.done
  })
}

async function titlesOf(database: Operator['database'], newest: Version): Promise<ReadonlyMap<Version, string>> {
  const manifests = (await database.manifests(1, newest)).map(({ bytes }) => decodeManifest(bytes))
  return new Map(manifests.map(({ version, title }) => [version, title]))
}

export function summarizeVersions(
  newest: Version,
  titles: ReadonlyMap<Version, string>,
  rows: readonly NodeRow[],
  death: Death,
): VersionJson[] {
  const deadSince = new Date(death.sinceMs).toISOString()
  const oldestFirst = rows.toSorted((a, b) => oldestPossible(a) - oldestPossible(b))
  return Array.from({ length: newest + 1 }, (_, version) => {
    const running = counts(rows.filter((row) => row.version === version))
    const needing = oldestFirst.filter((row) => oldestPossible(row) <= version)
    return {
      version,
      title: titles.get(version) ?? null,
      ...running,
      neededBy: { ...counts(needing), ids: needing.slice(0, neededByIdsMax).map(({ nodeId }) => nodeId) },
      deadSince: version < death.below ? deadSince : null,
    }
  })
}

function counts(rows: readonly NodeRow[]): { readonly nodes: number; readonly clients: number } {
  const nodes = rows.filter(isPartOfRollout).length
  return { nodes, clients: rows.length - nodes }
}

function versionCells({ version, title, nodes, clients, neededBy, deadSince }: VersionJson, now: number): readonly Cell[] {
  return [
    version,
    title ?? '-',
    nodes,
    clients,
    neededByCell(neededBy),
    deadSince === null ? '' : deadCell(Date.parse(deadSince) - now),
  ]
}

function neededByCell({ nodes, clients, ids }: VersionJson['neededBy']): string {
  if (nodes + clients === 0) return '-'
  const who = [...(nodes > 0 ? [count(nodes, 'node')] : []), ...(clients > 0 ? [count(clients, 'client')] : [])].join(', ')
  const more = nodes + clients > idsShownMax ? ', …' : ''
  return `${who}: ${ids.slice(0, idsShownMax).join(', ')}${more}`
}

function deadCell(inMs: number): Cell {
  return inMs > 0 ? { text: `in ${age(inMs)}`, style: 'yellow' } : { text: `for ${age(-inMs)}`, style: 'dim' }
}
