/** `natsctl system level`: the formats that may be written, and the step that ends the way back. */
import type { Command } from 'commander'
import type { Operator } from 'theseus-actors'
import { type Reader, readersText } from 'theseus-actors/operator'
import { explainNoServer, withOperator, withSigningOperator } from '../context/connection.js'
import type { GlobalFlags } from '../context/flags.js'
import { asSignedOrder, dryRunField, type OrderFlags } from '../context/orders.js'
import { type KeyFlags, keyFlag } from '../context/upgraderSeed.js'
import { requireConfirmation } from '../output/confirm.js'
import { type ExitCode, exitCodes, Failure } from '../output/exitCodes.js'
import { printColumns, show } from '../output/forms.js'
import { note, print } from '../output/output.js'
import type { Program } from '../output/program.js'

interface LevelFlags extends OrderFlags, KeyFlags {
  readonly raise?: true
  readonly reason?: string
  readonly yes?: true
}

type SystemLevel = Awaited<ReturnType<Operator['systemLevel']>>

export function addSystem(program: Program): void {
  const system = program.command.command('system').description('the system as a whole: the formats that it writes')
  const level = system
    .command('level')
    .description('show the newest formats that may be written, and the hosts and servers that would be left behind by newer ones')
    .option('--raise', 'raise it: from then on no release that does not read the new formats can come back')
    .option('--reason <text>', 'why; kept in the history')
    .option(...keyFlag)
    .option('--yes', 'do not ask')
    .action(
      program.action((_: unknown, command: Command) => {
        const flags = command.optsWithGlobals<LevelFlags>()
        return flags.raise === true ? raise(flags) : withOperator(flags, (operator, name) => showLevel(flags, operator, name))
      }),
    )
  asSignedOrder(level)
}

async function showLevel(flags: GlobalFlags, operator: Operator, system: string): Promise<ExitCode> {
  const found = await explainNoServer(system, operator.systemLevel())
  const { level, newest, readers, behind } = found
  const rows = Object.keys(newest).map((name) => ({
    format: name,
    level: level[name] ?? 0,
    newest: newest[name]!,
    behind: behind.filter(({ software }) => (software?.reads[name] ?? level[name] ?? 0) < newest[name]!),
  }))
  show(flags.output, {
    table: (isWide) => {
      printColumns(
        [
          { title: 'FORMAT', cell: ({ format }) => format },
          { title: 'LEVEL', cell: ({ level: at }) => at },
          { title: 'NEWEST', cell: ({ newest: to }) => to },
          { title: 'LEFT BEHIND', cell: ({ behind: those }) => (those.length === 0 ? '-' : readersText(those)) },
        ],
        rows,
        isWide,
      )
    },
    document: () => ({
      level,
      newest,
      canBeRaised: canBeRaised(found),
      behind: behind.map(readerJson),
      readers: readers.map(readerJson),
    }),
    names: () => rows.map(({ format, level: at }) => `level/${format}/${at}`),
  })
  if (isNewest(found)) note('the level is the newest that this release writes')
  else if (behind.length === 0)
    note('everybody reads the newest: "natsctl system level --raise" ends the way back to older releases')
  else note('those who are left behind have to run this release, or to be forgotten, before the level can be raised')
  return exitCodes.done
}

async function raise(flags: LevelFlags): Promise<ExitCode> {
  const { found, system } = await withOperator(flags, async (operator, name) => ({
    found: await explainNoServer(name, operator.systemLevel()),
    system: name,
  }))
  if (isNewest(found)) {
    show(flags.output, {
      table: () => print(`the level of system ${system} is the newest that this release writes already`),
      document: () => ({ level: found.level, version: null }),
      names: () => [],
    })
    return exitCodes.done
  }
  const raised = Object.entries(found.newest).filter(([name, number]) => (found.level[name] ?? 0) < number)
  const to = raised.map(([name, number]) => `${name} ${number}`).join(', ')
  if (found.behind.length > 0)
    throw new Failure(
      exitCodes.error,
      `error: ${to} would not be read by ${readersText(found.behind)}: they have to run this release first`,
    )
  const what = `the level of system ${system} to ${to}: it is never lowered, and no release that does not read them can come back`
  if (flags.dryRun === true) {
    show(flags.output, {
      table: () => print(`would raise ${what}`),
      document: () => ({ level: found.newest, ...dryRunField(flags) }),
      names: () => [],
    })
    return exitCodes.done
  }
  const ended = await requireConfirmation(flags, {
    does: `raises ${what}`,
    question: `Raise ${what}?`,
    refused: 'the level was not raised',
  })
  if (ended !== undefined) return ended
  return withSigningOperator(flags, async (operator) => {
    const options = flags.reason === undefined ? {} : { reason: flags.reason }
    const version = await explainNoServer(system, operator.raiseLevel(options))
    show(flags.output, {
      table: () => print(`version ${version} of system ${system} raises the level to ${to}`),
      document: () => ({ level: found.newest, version }),
      names: () => [`version/${version}`],
    })
    return exitCodes.done
  })
}

function isNewest({ level, newest }: SystemLevel): boolean {
  return Object.entries(newest).every(([name, number]) => (level[name] ?? 0) >= number)
}

function canBeRaised(found: SystemLevel): boolean {
  return !isNewest(found) && found.behind.length === 0
}

function readerJson({ role, id, release, software, nodes }: Reader) {
  return { role, id, release, reads: software?.reads ?? null, nodes }
}
