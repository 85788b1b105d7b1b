/** `natsctl up`: a whole system on this machine, out of one small config, for as long as the command runs. */
import { type Command, Option } from 'commander'
import type { GlobalFlags } from '../context/flags.js'
import { systemInEnvironment } from '../context/target.js'
import { refuseSeeds } from '../context/upgraderSeed.js'
import { type ExitCode, exitCodes, usageFailure } from '../output/exitCodes.js'
import { restrictForms } from '../output/forms.js'
import type { Program } from '../output/program.js'
import type { LogForm } from './hostMessages.js'
import { jsonLines, LocalSystem, textLines } from './localSystem.js'
import { readUpConfig } from './upConfig.js'

interface UpFlags extends GlobalFlags {
  readonly config: string
  readonly log: LogForm
  readonly production?: boolean
}

export function addUp(program: Program): void {
  const command = program.command
    .command('up')
    .description('run a local system until Ctrl-C: servers, an upgrade server, and hosts')
    .option('--config <file>', 'the system to run', 'theseus.json')
    .option('--production', 'refuse to start unsigned, without TLS, as root, or with keys that everybody may read')
    .addOption(new Option('--log <form>', 'the form of the log on stderr').choices(['text', 'json']).default('text'))
    .action(
      program.action((_: unknown, command: Command) => {
        for (const flag of ['nats', 'redis', 'context', 'trust'] as const) {
          if (command.optsWithGlobals<UpFlags>()[flag] !== undefined)
            throw usageFailure(
              flag === 'context'
                ? '"up" has its servers in the config, and no context'
                : `for "up", --${flag} is said in the config, as "${flag}"`,
            )
        }
        return up(command.optsWithGlobals())
      }),
    )
  restrictForms(command, 'table', 'json')
}

async function up(flags: UpFlags): Promise<ExitCode> {
  refuseSeeds('the code of hosts')
  const config = await readUpConfig(flags.config, flags.system ?? systemInEnvironment())
  const { production = false } = flags
  if (production && ('port' in config.nats || 'port' in config.redis))
    throw usageFailure(
      'with --production "nats" and "redis" are said in the config: servers that "up" starts are for development',
    )
  const system = new LocalSystem({ ...config, production }, flags.output === 'json' ? jsonLines : textLines, flags.log)
  let inAHurry = false
  const asked = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        if (system.isStopping) {
          inAHurry = true
          system.kill()
        } else system.report('ending the system; the same again kills it')
        resolve()
      })
    }
  })
  try {
    await Promise.race([system.start().then(() => asked), asked])
  } finally {
    await system.stop()
  }
  return inAHurry ? exitCodes.error : exitCodes.done
}
