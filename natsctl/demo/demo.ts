/**
 * `natsctl demo`: a live upgrade to look at, in one process, without any server; and the commands of natsctl
 * in front of it. An embedded system lives in the process that has it, so it is the commands that come to it.
 */
import type { Command } from 'commander'
import { withEmbeddedSystem } from '../context/connection.js'
import type { GlobalFlags } from '../context/flags.js'
import { type ExitCode, exitCodes, usageFailure } from '../output/exitCodes.js'
import { Interruption } from '../output/interruption.js'
import { note, oneLine, printJson } from '../output/output.js'
import type { Program } from '../output/program.js'
import type { EmbeddedDemo } from './embedded.js'

/** Carries out one command of natsctl. */
export type RunCommand = (args: readonly string[]) => Promise<ExitCode>

export function addDemo(program: Program, perform: RunCommand): void {
  program.command
    .command('demo')
    .description('a live upgrade under load, in this process, without any server; or a command in front of it')
    .argument(
      '[command...]',
      'after --: a natsctl command to carry out there; several, one after the other, with -- between them',
    )
    .action(
      program.action((words: string[], _: unknown, command: Command) => {
        const commands = commandsIn(words)
        return commands.length === 0 ? show(command.optsWithGlobals()) : performAll(commands, perform)
      }),
    )
}

const strangers: ReadonlyMap<string, string> = new Map([
  ['demo', 'runs a system of its own'],
  ['up', 'runs a system of its own'],
  ['doctor', 'looks at servers, of which there are none here'],
])

/** Between two `--` is one command. */
export function commandsIn(words: readonly string[]): readonly (readonly string[])[] {
  const commands: string[][] = [[]]
  for (const word of words) {
    if (word === '--') commands.push([])
    else commands.at(-1)!.push(word)
  }
  const found = commands.filter((command) => command.length > 0)
  const stranger = found.find(([name]) => strangers.has(name!))
  if (stranger !== undefined)
    throw usageFailure(`"${stranger[0]}" ${strangers.get(stranger[0]!)}; name a command that looks at one`)
  return found
}

function show({ output }: GlobalFlags): Promise<ExitCode> {
  return withDemo(async (demo) => {
    const [{ playDemo }, { Screen }, { summary, sumsOf }] = await Promise.all([
      import('./playDemo.js'),
      import('./screen.js'),
      import('./summary.js'),
    ])
    const { tallies, lost } = await playDemo(demo, output === 'json' ? undefined : new Screen())
    if (output !== 'json') {
      const code = summary(tallies, lost)
      note('commands in front of it: natsctl demo -- rollout watch')
      return code
    }
    const sums = sumsOf(tallies, lost)
    printJson(sums)
    return sums.failed + sums.wrong + sums.lost === 0 ? exitCodes.done : exitCodes.error
  })
}

/** In front of the system while version 1 rolls out. Ends with the first command that does not end well. */
function performAll(commands: readonly (readonly string[])[], perform: RunCommand): Promise<ExitCode> {
  return withDemo(async (demo) => {
    const { demoSystem } = await import('./embedded.js')
    const { summaryLines } = await import('./summary.js')
    note(`system ${demoSystem}: ${demo.nodes.length} nodes and two clients under load, in this process; version 1 is rolling out`)
    await demo.comments()
    // So that there is something to see: one node there, the others on their way.
    await Promise.race(demo.nodes.map((node) => node.reached(1)))
    let code: ExitCode = exitCodes.done
    await withEmbeddedSystem(demoSystem, async () => {
      for (const command of commands) {
        if (commands.length > 1) note(`$ natsctl ${command.join(' ')}`)
        code = await perform(command)
        if (code !== exitCodes.done) return
      }
    })
    const { tallies, lost } = await demo.account(1)
    for (const line of summaryLines(tallies, lost)) note(oneLine(line))
    return code
  })
}

/** Nothing is left whatever happens: no process, no file. */
async function withDemo(use: (demo: EmbeddedDemo) => Promise<ExitCode>): Promise<ExitCode> {
  // A command that hears a signal too ends in its own way.
  const interruption = new Interruption((signal) => process.listenerCount(signal) === 1)
  const interrupted = interruption.asked.then((): ExitCode => exitCodes.interrupted)
  try {
    const { EmbeddedDemo } = await import('./embedded.js')
    const demo = await EmbeddedDemo.start()
    try {
      return await Promise.race([interrupted, use(demo)])
    } finally {
      await demo.close()
    }
  } finally {
    interruption.close()
  }
}
