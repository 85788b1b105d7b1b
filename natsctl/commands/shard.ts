/** `natsctl shard ls`: the shards of sharded services, and the hosts that have them. */
import type { Command } from 'commander'
import { withOperator } from '../context/connection.js'
import type { GlobalFlags } from '../context/flags.js'
import { type ExitCode, exitCodes, Failure } from '../output/exitCodes.js'
import { showList } from '../output/forms.js'
import { didYouMean } from '../output/nearest.js'
import type { Program } from '../output/program.js'

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
}

/** Listens to the hosts for about a second: no server knows it. */
function list(flags: ShardFlags): Promise<ExitCode> {
  return withOperator(flags, async (operator, system) => {
    const all = await operator.shards()
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
      ],
      document: (row) => row,
      name: ({ service, shard }) => `shard/${service}/${shard}`,
    })
    return exitCodes.done
  })
}
