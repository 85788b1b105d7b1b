/** `natsctl version`: which versions live, and who keeps them alive (DESIGN §1, "dead version"). */
import type { Command } from 'commander'
import type { NodeRow, Version } from 'theseus-actors'
import { clientService, type Death, oldestPossible } from 'theseus-actors/operator'
import { withOperator, withSigningOperator } from '../context/connection.js'
import { type GlobalFlags, versionFlag } from '../context/flags.js'
import { withKnownSystem } from '../context/knownSystem.js'
import { asSignedOrder, dryRunField, type OrderFlags } from '../context/orders.js'
import { type KeyFlags, keyFlag } from '../context/upgraderSeed.js'
import { readHistory } from '../history/knownHistory.js'
import { requireConfirmation } from '../output/confirm.js'
import { type ExitCode, exitCodes, Failure } from '../output/exitCodes.js'
import { type Column, show, showList } from '../output/forms.js'
import { nearestVersion } from '../output/nearest.js'
import { age, type Cell, count, print } from '../output/output.js'
import type { Program } from '../output/program.js'
import { isPartOfRollout } from '../rollout/rolloutSummary.js'

/** One version as `-o json` shows it. */
export interface VersionJson {
  readonly version: Version
  /** Null for version 0. */
  readonly title: string | null
  /** Registered nodes that run it. */
  readonly nodes: number
  /** Callers outside any object that are pinned to it. */
  readonly clients: number
  /**
   * The nodes and clients that run it or an older one, alive or not: while there are any, it does not die.
   */
  readonly neededBy: {
    readonly nodes: number
    readonly clients: number
    /** The first `neededByIdsMax` of them, the oldest version first. */
    readonly ids: readonly string[]
  }
  /** `dying`: it is declared dead, and lives until that takes effect. */
  readonly life: 'alive' | 'dying' | 'dead'
  /**
   * RFC 3339, by the database's clock, possibly still to come. Null for a version that lives, and for one
   * that was dead before a death that is still to come: its own time is kept in the audit only.
   */
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
  const finalizing = version
    .command('finalize')
    .description('nobody goes back from this version any more: nodes drop the states that they keep for that')
    .argument('[version]', 'the version; by default the newest', versionFlag)
    .option(...keyFlag)
    .option('--yes', 'do not ask')
    .action(
      program.action((chosen: Version | undefined, _: unknown, command: Command) => finalize(chosen, command.optsWithGlobals())),
    )
  asSignedOrder(finalizing)
}

interface FinalizeFlags extends OrderFlags, KeyFlags {
  readonly yes?: true
}

/** On purpose, and for good. */
async function finalize(version: Version | undefined, flags: FinalizeFlags): Promise<ExitCode> {
  const found = await withOperator(flags, async ({ database }, system) => {
    const { version: newest } = await database.head()
    return { system, chosen: version ?? newest, newest, final: await database.finalized(), rows: await database.nodes() }
  })
  const { system, chosen, newest, final, rows } = found
  if (chosen === 0 || chosen > newest)
    throw new Failure(
      exitCodes.error,
      `error: system ${system} has no version ${chosen} to make final: the newest is ${newest}${nearestVersion(chosen, newest)}`,
    )
  if (chosen <= final) {
    show(flags.output, {
      table: () => print(`version ${chosen} of system ${system} is final already`),
      document: () => ({ final }),
      names: () => [`version/${final}`],
    })
    return exitCodes.done
  }
  const behind = rows.filter((row) => row.service !== clientService && oldestPossible(row) < chosen)
  if (behind.length > 0) {
    const who = behind.slice(0, idsShownMax).map(({ nodeId }) => nodeId)
    throw new Failure(exitCodes.error, `error: ${count(behind.length, 'node')} not at version ${chosen} yet: ${who.join(', ')}`)
  }
  const what = `version ${chosen} of system ${system} final: it can't be undone any more, and nodes drop what they kept for that`
  if (flags.dryRun === true) {
    show(flags.output, {
      table: () => print(`would make ${what}`),
      document: () => ({ final: chosen, ...dryRunField(flags) }),
      names: () => [`version/${chosen}`],
    })
    return exitCodes.done
  }
  const ended = await requireConfirmation(flags, {
    does: `makes ${what}`,
    question: `Make ${what}?`,
    refused: `version ${chosen} was not made final`,
  })
  if (ended !== undefined) return ended
  return withSigningOperator(flags, async (operator) => {
    const now = await operator.finalize(chosen, flags.reason)
    if (now < chosen) throw new Failure(exitCodes.error, `error: a node that is not at version ${chosen} has come meanwhile`)
    show(flags.output, {
      table: () => print(`version ${chosen} of system ${system} is final`),
      document: () => ({ final: now }),
      names: () => [`version/${now}`],
    })
    return exitCodes.done
  })
}

/** Asks the database alone: it works while no upgrade server runs. */
function list(flags: GlobalFlags): Promise<ExitCode> {
  return withKnownSystem(flags, async ({ database }, system, trust) => {
    const [rows, death] = await Promise.all([database.nodes(), database.dead()])
    // After the nodes: none of them runs a version that is newer.
    const { newest, history } = await readHistory(database, system, trust)
    const titles = new Map(history.manifests.map(({ version, title }) => [version, title]))
    const versions = summarizeVersions(newest, titles, rows, death)
    showList(flags.output, versions, {
      columns: versionColumns(Date.now()),
      document: (version) => version,
      name: ({ version }) => `version/${version}`,
    })
    return exitCodes.done
  })
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
      ...lifeOf(version, death, deadSince),
    }
  })
}

function lifeOf(version: Version, { below, inForce }: Death, at: string): Pick<VersionJson, 'life' | 'deadSince'> {
  if (version >= below) return { life: 'alive', deadSince: null }
  if (version >= inForce) return { life: 'dying', deadSince: at }
  return { life: 'dead', deadSince: inForce === below ? at : null }
}

function counts(rows: readonly NodeRow[]): { readonly nodes: number; readonly clients: number } {
  const nodes = rows.filter(isPartOfRollout).length
  return { nodes, clients: rows.length - nodes }
}

function versionColumns(now: number): readonly Column<VersionJson>[] {
  return [
    { title: 'VERSION', cell: ({ version }) => version },
    { title: 'TITLE', cell: ({ title }) => title ?? '-' },
    { title: 'NODES', cell: ({ nodes }) => nodes },
    { title: 'CLIENTS', cell: ({ clients }) => clients },
    { title: 'NEEDED BY', cell: ({ neededBy }) => neededByCell(neededBy) },
    { title: 'DEAD', cell: (version) => deadCell(version, now) },
    { title: 'DEAD SINCE', cell: ({ deadSince }) => deadSince ?? '-', isWide: true },
    { title: 'IDS', cell: ({ neededBy }) => neededBy.ids.join(', '), isWide: true },
  ]
}

function neededByCell({ nodes, clients, ids }: VersionJson['neededBy']): string {
  if (nodes + clients === 0) return '-'
  const who = [...(nodes > 0 ? [count(nodes, 'node')] : []), ...(clients > 0 ? [count(clients, 'client')] : [])].join(', ')
  const more = nodes + clients > idsShownMax ? ', …' : ''
  return `${who}: ${ids.slice(0, idsShownMax).join(', ')}${more}`
}

export function deadCell({ life, deadSince }: Pick<VersionJson, 'life' | 'deadSince'>, now: number): Cell {
  const inMs = deadSince === null ? 0 : Date.parse(deadSince) - now
  switch (life) {
    case 'alive':
      return ''
    case 'dying':
      return { text: inMs > 0 ? `in ${age(inMs)}` : 'due', style: 'yellow' }
    case 'dead':
      return { text: deadSince === null ? 'yes' : `for ${age(Math.max(0, -inMs))}`, style: 'dim' }
  }
}
