/** The commands, put together; and the one place where a command's end becomes an exit code. */
import { createRequire } from 'node:module'
import { Command } from 'commander'
import { addAudit } from './commands/audit.js'
import { addBackup } from './commands/backup.js'
import { addCall } from './commands/call.js'
import { addContext } from './commands/context.js'
import { addExplain } from './commands/explain.js'
import { addHistory } from './commands/history.js'
import { addHost } from './commands/host.js'
import { addKey } from './commands/key.js'
import { addNode } from './commands/node.js'
import { addOrder } from './commands/order.js'
import { addRestore } from './commands/restore.js'
import { addRollout } from './commands/rollout.js'
import { addSystem } from './commands/system.js'
import { addTable } from './commands/table.js'
import { addTrust } from './commands/trustRoot.js'
import { addUpgrade } from './commands/upgrade.js'
import { addUpgrader } from './commands/upgrader.js'
import { addVersion } from './commands/version.js'
import { complete } from './completion/completeCommand.js'
import { addCompletion } from './completion/completionScript.js'
import { addGlobalFlags } from './context/flags.js'
import { printTarget } from './context/orders.js'
import { withOneTrust } from './context/trust.js'
import { hideSeed } from './context/upgraderSeed.js'
import { addDemo } from './demo/demo.js'
import { addDoctor } from './doctor/doctor.js'
import { addInspect } from './inspect/inspect.js'
import { addNew } from './new/new.js'
import { addEvents } from './orders/events.js'
import { addOrders } from './orders/orders.js'
import { type ExitCode, exitCodeOf, exitCodes, explain, usageFailure } from './output/exitCodes.js'
import { checkForm } from './output/forms.js'
import type { Program } from './output/program.js'
import { adviseUsage } from './output/usageAdvice.js'
import { addRecord } from './record/record.js'
import { addService } from './shards/service.js'
import { addShard } from './shards/shard.js'
import { addUp } from './up/up.js'

/** A forgotten timer or socket must not hold a terminal that waits for its prompt. */
const lingerMs = 500
/** Not among the commands: only scripts of shells call it, with words that are no whole command yet. */
const completeCommand = '__complete'

export async function run(argv: readonly string[]): Promise<ExitCode> {
  process.stdout.on('error', brokenPipe)
  hideSeed()
  const exitCode = await perform(argv.slice(2))
  setTimeout(() => process.exit(), lingerMs).unref()
  return exitCode
}

/** One command, with the words after `natsctl`. Ends no process. */
export async function perform(words: readonly string[]): Promise<ExitCode> {
  let exitCode: ExitCode = exitCodes.done
  const program: Program = {
    command: root(),
    action:
      (act) =>
      async (...args) => {
        exitCode = await act(...args)
      },
  }
  addUp(program)
  addDemo(program, perform)
  addNew(program)
  addUpgrade(program)
  addKey(program)
  addUpgrader(program)
  addTrust(program)
  addOrder(program)
  addHistory(program)
  addOrders(program)
  addEvents(program)
  addAudit(program)
  addBackup(program)
  addRestore(program)
  addRollout(program)
  addExplain(program)
  addInspect(program)
  addRecord(program)
  addNode(program)
  addHost(program)
  addService(program)
  addShard(program)
  addVersion(program)
  addSystem(program)
  addTable(program)
  addCall(program)
  addContext(program)
  addDoctor(program)
  addCompletion(program)
  refuseTwice(program.command)
  adviseUsage(program.command)
  try {
    if (words[0] === completeCommand) await complete(program.command, words.slice(1))
    else await program.command.parseAsync(withOneTrust(words), { from: 'user' })
  } catch (error) {
    exitCode = exitCodeOf(error)
    process.stderr.write(explain(error))
  }
  return exitCode
}

/** Of a flag that takes one value, commander would take the last and drop the others without a word. */
function refuseTwice(command: Command): void {
  for (const option of command.options) {
    if (!(option.required || option.optional) || option.variadic) continue
    let given = 0
    command.on(`option:${option.name()}`, () => {
      if (++given > 1) throw usageFailure(`${option.long ?? option.short} is given twice: it takes one value`)
    })
  }
  command.commands.forEach(refuseTwice)
}

/** Its settings are inherited by commands that are made with `command()`, so they come first. */
function root(): Command {
  const { version } = createRequire(import.meta.url)('../../package.json') as { readonly version: string }
  const program = new Command('natsctl')
    .description('Runs, upgrades and looks at a system of Theseus.')
    .version(version)
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .hook('preAction', async (_, command) => {
      checkForm(command)
      await printTarget(command)
    })
  return addGlobalFlags(program)
}

/** `natsctl node ls | head -1`: who reads has had enough. */
function brokenPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error
  process.exit(exitCodes.done)
}
