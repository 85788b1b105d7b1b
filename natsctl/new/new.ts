/** `natsctl new`: a tested start in the reader's own repository, which is theirs from then on. */
import type { Command } from 'commander'
import type { Program } from '../output/program.js'
import type { NewFlags } from './newReport.js'
import type { NewUpgradeFlags } from './newUpgrade.js'

export function addNew(program: Program): void {
  const fresh = program.command.command('new').description('a start for a service, or for an upgrade, in this repository')
  fresh
    .command('service')
    .description('write a class, its test, and what "natsctl up" needs; nothing that is there is written over')
    .argument('<name>', 'the name that callers will use, such as orders or order-lines')
    .option('--dir <directory>', 'where the sources go (default: src)')
    .option('--dry-run', 'print what would be written, and write nothing')
    .action(
      program.action(async (name: string, _: unknown, command: Command) => {
        const { newService } = await import('./newService.js')
        return newService(name, command.optsWithGlobals<NewFlags>())
      }),
    )
  fresh
    .command('upgrade')
    .description('write an upgrade between two classes, as far as it follows from them; the rest are compile errors')
    .argument('<title>', 'the change, in a sentence')
    .requiredOption('--from <class>', 'the old class, as ./pages.v1.ts#PagesV1; after # its name, where there are several')
    .option(
      '--to <class>',
      'the new class (default: PagesV2 in pages.v2.ts; where that is not there, a copy of the old one is written first, and nothing else)',
    )
    .option('--dir <directory>', 'where the upgrade goes (default: upgrades, beside the old class)')
    .option('--dry-run', 'print what would be written, and write nothing')
    .action(
      program.action(async (title: string, _: unknown, command: Command) => {
        const { newUpgrade } = await import('./newUpgrade.js')
        return newUpgrade(title, command.optsWithGlobals<NewUpgradeFlags>())
      }),
    )
}
