/**
 * `natsctl doctor`: servers, permissions, clocks, versions and nodes, each in one line that says what to do.
 */
import type { Command } from 'commander'
import { redisFrom } from '../context/connection.js'
import type { GlobalFlags } from '../context/flags.js'
import { systemIn, targetLine, targetOf } from '../context/target.js'
import { type ExitCode, exitCodes } from '../output/exitCodes.js'
import { type Column, printColumns, restrictForms, show } from '../output/forms.js'
import { note } from '../output/output.js'
import type { Program } from '../output/program.js'
import { asTyped } from '../output/typed.js'
import type { Check } from './doctorCheck.js'
import { checksOf, doctorExitCode } from './doctorChecks.js'
import { factsOf } from './doctorFacts.js'

export function addDoctor(program: Program): void {
  const command = program.command
    .command('doctor')
    .description('check servers, permissions, clocks, versions and nodes, and say what to do')
    .action(program.action((_: unknown, command: Command) => doctor(command.optsWithGlobals())))
  restrictForms(command, 'table', 'wide', 'json', 'yaml')
}

async function doctor(flags: GlobalFlags): Promise<ExitCode> {
  const target = await targetOf(flags)
  const system = systemIn(target)
  redisFrom(target.redis)
  note(targetLine(target))
  const checks = checksOf(await factsOf(target))
  const exitCode = doctorExitCode(checks)
  const status = exitCode === exitCodes.done ? 'ok' : exitCode === exitCodes.degraded ? 'degraded' : 'failed'
  show(flags.output, {
    table: (isWide) => printColumns(columns, checks, isWide),
    document: () => ({ system, status, checks }),
  })
  return exitCode
}

const styles = { ok: 'green', warning: 'yellow', failure: 'red' } as const

const columns: readonly Column<Check>[] = [
  { title: 'CHECK', cell: ({ check }) => check },
  { title: 'STATUS', cell: ({ status }) => ({ text: status, style: styles[status] }) },
  { title: 'NODES', cell: ({ nodes }) => nodes.join(', ') || '-', isWide: true },
  { title: 'FOUND', cell: ({ found }) => found },
  { title: 'WHAT TO DO', cell: ({ advice }) => asTyped(advice ?? '') },
]
