/**
 * The commands, put together; and the one place where a command's end becomes an exit code. Of the commands
 * only the one that is typed is loaded (commandTable.ts): everything of Theseus comes with it.
 */
import { createRequire } from 'node:module'
import { Command, CommanderError } from 'commander'
import { type CommandEntry, commandTable } from './commandTable.js'
import { addGlobalFlags } from './context/globalFlags.js'
import { helpText } from './output/helpText.js'
import type { Program } from './output/program.js'
import { adviseUsage } from './output/usageAdvice.js'

/** A forgotten timer or socket must not hold a terminal that waits for its prompt. */
const lingerMs = 500
/** Not among the commands: only scripts of shells call it, with words that are no whole command yet. */
const completeCommand = '__complete'

const done = 0
const usage = 2

export async function run(argv: readonly string[]): Promise<number> {
  process.stdout.on('error', brokenPipe)
  const exitCode = await perform(argv.slice(2))
  setTimeout(() => process.exit(), lingerMs).unref()
  return exitCode
}

/** One command, with the words after `natsctl`. Ends no process. */
export async function perform(words: readonly string[]): Promise<number> {
  // A value may be named as a command is: then one module too many is loaded.
  const typed = new Set(words)
  const named = commandTable.filter(({ name }) => typed.has(name))
  try {
    if (named.length > 0 || words[0] === completeCommand) return await performLoaded(words, named)
    const program = root()
    for (const { name, description, group } of commandTable) program.command(name).description(description).helpGroup(group)
    adviseUsage(program)
    await program.parseAsync(words, { from: 'user' })
    return done
  } catch (error) {
    // Commander throws for --help and --version too, once they are printed.
    if (error instanceof CommanderError) return error.exitCode === 0 ? done : usage
    const { exitCodeOf, explain } = await import('./output/exitCodes.js')
    process.stderr.write(explain(error))
    return exitCodeOf(error)
  }
}

async function performLoaded(words: readonly string[], named: readonly CommandEntry[]): Promise<number> {
  const [{ flagReaders }, { printTarget }, { withOneTrust }, { hideSeed }, { checkForm }, { usageFailure }] = await Promise.all([
    import('./context/flags.js'),
    import('./context/orders.js'),
    import('./context/trust.js'),
    import('./context/upgraderSeed.js'),
    import('./output/forms.js'),
    import('./output/exitCodes.js'),
  ])
  hideSeed()
  let exitCode: number = done
  const command = root(flagReaders).hook('preAction', async (_, acting) => {
    checkForm(acting)
    await printTarget(acting)
  })
  const program: Program = {
    command,
    action:
      (act) =>
      async (...args) => {
        exitCode = await act(...args)
      },
  }
  // In the order of the table, as help lists them.
  for (const entry of commandTable) {
    if (named.includes(entry)) (await entry.load())(program, perform)
    else command.command(entry.name).description(entry.description)
    command.commands.at(-1)!.helpGroup(entry.group)
  }
  refuseTwice(command, usageFailure)
  adviseUsage(command)
  if (words[0] === completeCommand) {
    const { complete } = await import('./completion/completeCommand.js')
    await complete(command, words.slice(1))
  } else await command.parseAsync(withOneTrust(words), { from: 'user' })
  return exitCode
}

/** Of a flag that takes one value, commander would take the last and drop the others without a word. */
function refuseTwice(command: Command, usageFailure: (message: string) => Error): void {
  for (const option of command.options) {
    if (!(option.required || option.optional) || option.variadic) continue
    let given = 0
    command.on(`option:${option.name()}`, () => {
      if (++given > 1) throw usageFailure(`${option.long ?? option.short} is given twice: it takes one value`)
    })
  }
  for (const each of command.commands) refuseTwice(each, usageFailure)
}

/** Its settings are inherited by commands that are made with `command()`, so they come first. */
function root(readers?: Parameters<typeof addGlobalFlags>[1]): Command {
  const { version } = createRequire(import.meta.url)('../../package.json') as { readonly version: string }
  const program = new Command('natsctl')
    .description('Runs, upgrades and looks at a system of Theseus.')
    .version(version)
    .exitOverride()
    .configureHelp(helpText)
    .helpCommand('help [command]', 'the help of a command')
  return addGlobalFlags(program, readers)
}

/** `natsctl node ls | head -1`: who reads has had enough. */
function brokenPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error
  process.exit(done)
}
