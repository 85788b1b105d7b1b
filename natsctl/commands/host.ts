/** `natsctl host ls`: the processes of a system, with the release of each and the formats that it reads. */
import type { Command } from 'commander'
import { clientService, type Reader, readersOf } from 'theseus-actors/operator'
import type { GlobalFlags } from '../context/flags.js'
import { withKnownSystem } from '../context/knownSystem.js'
import { type ExitCode, exitCodes } from '../output/exitCodes.js'
import { showList } from '../output/forms.js'
import { byName } from '../output/naturalOrder.js'
import { age } from '../output/output.js'
import type { Program } from '../output/program.js'

interface HostJson {
  readonly host: string
  readonly role: Reader['role']
  readonly release: string
  /** By format; null for release 0.1.0, which says nothing of itself. */
  readonly reads: Readonly<Record<string, number>> | null
  /** RFC 3339, by its own clock; null for release 0.1.0. */
  readonly since: string | null
  readonly nodes: number
  /** Whether one of its leases runs. */
  readonly alive: boolean
}

export function addHost(program: Program): void {
  const host = program.command.command('host').description('the hosts and upgrade servers of a system')
  host
    .command('ls')
    .description('list them with their releases, the formats that they read, and since when they run')
    .action(program.action((_: unknown, command: Command) => list(command.optsWithGlobals())))
}

/** Asks the database alone: it works while no upgrade server runs. */
function list(flags: GlobalFlags): Promise<ExitCode> {
  return withKnownSystem(flags, async ({ database }) => {
    const [rows, servers] = await Promise.all([database.nodes(), database.servers()])
    const alive = new Set(rows.filter((row) => row.alive).map(({ nodeId }) => nodeId))
    const clients = new Set(rows.filter(({ service }) => service === clientService).map(({ nodeId }) => nodeId))
    const hosts = [...readersOf(rows, servers)].sort(byName(({ id }) => id)).map(
      ({ role, id, release, software, nodes }): HostJson => ({
        ...{ host: id, role, release, reads: software?.reads ?? null },
        since: software === undefined ? null : new Date(software.since).toISOString(),
        nodes: nodes.filter((nodeId) => !clients.has(nodeId)).length,
        alive: role === 'server' || nodes.some((nodeId) => alive.has(nodeId)),
      }),
    )
    const now = Date.now()
    showList(flags.output, hosts, {
      columns: [
        { title: 'HOST', cell: ({ host }) => host },
        { title: 'ROLE', cell: ({ role }) => role },
        { title: 'RELEASE', cell: ({ release }) => release },
        { title: 'SINCE', cell: ({ since }) => (since === null ? '-' : age(now - Date.parse(since))) },
        { title: 'NODES', cell: ({ nodes }) => nodes },
        { title: 'ALIVE', cell: ({ alive: isAlive }) => (isAlive ? 'yes' : { text: 'no', style: 'yellow' }) },
        { title: 'READS', cell: ({ reads }) => readsText(reads) },
        { title: 'STARTED', cell: ({ since }) => since ?? '-', isWide: true },
      ],
      document: (row) => row,
      name: ({ host }) => `host/${host}`,
    })
    return exitCodes.done
  })
}

function readsText(reads: Readonly<Record<string, number>> | null): string {
  return reads === null
    ? '-'
    : Object.entries(reads)
        .map(([name, number]) => `${name} ${number}`)
        .join(', ')
}
