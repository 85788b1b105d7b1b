/**
 * The flags that every command has, as help shows them. It imports nothing of Theseus: help is there before
 * anything else is loaded.
 */
import { type Command, Option } from 'commander'
import { outputForms } from '../output/outputForms.js'

export const trustFlagText =
  'the upgraders who are trusted at version 0, or the file of a trust root, or "nobody" where upgrades need no signature'

/** How values are read; without them a value is what was typed. */
export interface FlagReaders {
  readonly name: (text: string) => string
  readonly trust: (text: string, before: never) => unknown
}

export function addGlobalFlags(program: Command, read?: FlagReaders): Command {
  const reading = (option: Option, reader?: (text: string, before: never) => unknown) =>
    reader === undefined ? option : option.argParser(reader as (text: string, before: unknown) => unknown)
  return program
    .addOption(reading(new Option('--system <name>', 'the system to talk to (env: THESEUS_SYSTEM)'), read?.name))
    .option('--context <name>', 'the context of NATS to use (env: NATS_CONTEXT; default: the selected one)')
    .option('--nats <url>', 'where NATS is (env: NATS_URL; default: nats://127.0.0.1:4222)')
    .option('--creds <file>', 'credentials for NATS (env: NATS_CREDS)')
    .option('--nkey <file>', 'the seed of a login to NATS (env: NATS_NKEY)')
    .addOption(
      reading(new Option('--as <name>', 'the name to call under, where callers have names (env: THESEUS_AS)'), read?.name),
    )
    .option('--redis <url>', 'where the upgrade database is (env: THESEUS_REDIS; default: redis://127.0.0.1:6379)')
    .addOption(reading(new Option('--trust <keys>', `${trustFlagText} (env: THESEUS_TRUST)`), read?.trust))
    .option('--no-input', 'ask nothing, even at a terminal')
    .addOption(new Option('-o, --output <form>', 'how data is printed').choices(outputForms).default('table'))
}
