/** `natsctl new`: a tested start in the reader's own repository, which is theirs from then on. */
import type { Command } from 'commander'
import type { Program } from '../commands.js'
import type { GlobalFlags } from '../flags.js'

export interface NewFlags extends GlobalFlags {
  readonly dir?: string
  readonly dryRun?: true
}

export function addNew(program: Program): void {
  const fresh = program.command.command('new').description('a start for a service, or for an upgrade, in this repository')
  fresh
    .command('service')
    .description('write a class, its test, and what "natsctl up" needs; nothing that is there is written over')
    .argument('<name>', 'what callers will use, such as orders or order-lines')
    .option('--dir <directory>', 'where the sources go (default: src)')
    .option('--dry-run', 'print what would be written, and write nothing')
    .addHelpText('after', '\nExample: natsctl new service orders')
    .action(
      program.action(async (name: string, _: unknown, command: Command) => {
        const { newService } = await import('./newService.js')
        return newService(name, command.optsWithGlobals<NewFlags>())
      }),
    )
}
