/** `natsctl shard`: the shards of sharded services, and the hosts that have them, or are to have them. */
import type { Command } from 'commander'
import { type HostOffer, type Placement, type ShardSeen, shardsOf } from 'theseus-actors/operator'
import type { GlobalFlags } from '../context/flags.js'
import { withKnownSystem } from '../context/knownSystem.js'
import { type ExitCode, exitCodes, Failure } from '../output/exitCodes.js'
import { showList } from '../output/forms.js'
import { didYouMean } from '../output/nearest.js'
import type { Cell } from '../output/output.js'
import type { Program } from '../output/program.js'
import { addShardOrders } from './shardOrders.js'

interface ShardFlags extends GlobalFlags {
  readonly service?: string
}

export function addShard(program: Program): void {
  const shard = program.command.command('shard').description('the shards of sharded services')
  shard
    .command('ls')
    .description('list them with the hosts that have them')
    .option('--service <name>', 'only the shards of this service')
    .action(program.action((_: unknown, command: Command) => list(command.optsWithGlobals())))
  addShardOrders(shard, program)
}

interface ShardJson extends ShardSeen {
  /** The host at which an operator has placed it; null where none has. */
  readonly placed: { readonly host: string; readonly isThere: boolean; readonly reason: string; readonly since: string } | null
}

/** `hosts`: those that were heard. One that has stopped since takes nothing. */
function placedAt(placement: Placement | undefined, hosts: readonly HostOffer[]): ShardJson['placed'] {
  if (placement === undefined) return null
  const { hostId, start, service, reason, since } = placement
  const host = hosts.find((each) => each.hostId === hostId && each.start === start && !each.isLeaving)
  const isThere = host?.services.some((each) => each.service === service) === true
  return { host: hostId, isThere, reason, since: new Date(since).toISOString() }
}

/** Listens to the hosts for about a second: no server knows it. */
function list(flags: ShardFlags): Promise<ExitCode> {
  return withKnownSystem(flags, async (operator, system) => {
    const [hosts, controls] = await Promise.all([operator.shardHosts(), operator.database.controls()])
    const placements = controls.filter((control) => control.kind === 'place')
    const all = shardsOf(hosts).map((seen): ShardJson => {
      const placement = placements.find(({ service, shard }) => service === seen.service && shard === seen.shard)
      return { ...seen, placed: placedAt(placement, hosts) }
    })
    const shards = flags.service === undefined ? all : all.filter(({ service }) => service === flags.service)
    if (shards.length === 0 && flags.service !== undefined) {
      const services = [...new Set(all.map(({ service }) => service))]
      throw new Failure(
        exitCodes.error,
        `no host of system ${system} offers a sharded service "${flags.service}"${didYouMean(flags.service, services)}`,
      )
    }
    showList(flags.output, shards, {
      columns: [
        { title: 'SERVICE', cell: ({ service }) => service },
        { title: 'SHARD', cell: ({ shard }) => shard },
        { title: 'OF', cell: ({ of }) => of },
        { title: 'HOST', cell: ({ host }) => host ?? { text: 'nobody', style: 'yellow' } },
        { title: 'PLACED', cell: ({ placed }) => placedCell(placed) },
        { title: 'REASON', cell: ({ placed }) => placed?.reason ?? '', isWide: true },
      ],
      document: (row) => row,
      name: ({ service, shard }) => `shard/${service}/${shard}`,
    })
    return exitCodes.done
  })
}

/** An order to a host that is gone is no longer in force. */
function placedCell(placed: ShardJson['placed']): Cell {
  if (placed === null) return '-'
  return placed.isThere ? placed.host : { text: `${placed.host}, which is gone`, style: 'yellow' }
}
