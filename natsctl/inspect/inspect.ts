/** `natsctl inspect`: a local page that shows a whole rollout, live or from a recording, until Ctrl-C. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { upgradeStatechartDescription } from 'theseus-actors/operator'
import { withOperator } from '../context/connection.js'
import type { GlobalFlags } from '../context/flags.js'
import { type ExitCode, exitCodes } from '../output/exitCodes.js'
import { restrictForms } from '../output/forms.js'
import { Interruption } from '../output/interruption.js'
import { oneLine, print, printJson } from '../output/output.js'
import type { Program } from '../output/program.js'
import { openBrowser } from './browser.js'
import { followRollout } from './liveSource.js'
import { Recording } from './recording.js'
import { recordingFormat } from './recordingEntry.js'
import { openRecording, RecordingFile } from './recordingFile.js'

interface InspectFlags extends GlobalFlags {
  readonly port: number
  readonly listen: string
  readonly open?: string
  readonly record?: string
  readonly stately?: true
  readonly browser: boolean
}

export function addInspect(program: Program): void {
  const command = program.command
    .command('inspect')
    .description('a local page that shows the whole rollout: lanes, statecharts, chains, calls per version')
    .addOption(
      new Option('--port <number>', 'where the page is served (default: any free one)').argParser(portFlag).default(0, ''),
    )
    .option('--listen <address>', 'the address to listen on: by default this machine alone can reach it', '127.0.0.1')
    .option('--record <file>', 'keep all that is seen')
    .addOption(new Option('--open <file>', 'show a recording instead of a running system').conflicts('record'))
    .option('--stately', "serve Stately's inspector too, in its own protocol")
    .option('--no-browser', 'do not open the page')
    .action(program.action((_: unknown, command: Command) => inspect(command.optsWithGlobals<InspectFlags>())))
  restrictForms(command, 'table', 'json')
}

async function inspect(flags: InspectFlags): Promise<ExitCode> {
  const interruption = new Interruption()
  try {
    return flags.open === undefined ? await inspectLive(flags, interruption) : await serveFile(flags.open, flags, interruption)
  } finally {
    interruption.close()
  }
}

async function serveFile(path: string, flags: InspectFlags, interruption: Interruption): Promise<ExitCode> {
  return serve(await openRecording(path), flags, false, interruption)
}

async function inspectLive(flags: InspectFlags, interruption: Interruption): Promise<ExitCode> {
  return withOperator(flags, async (operator, system, trust) => {
    const recording = new Recording({
      format: recordingFormat,
      system,
      startedAt: Date.now(),
      statechart: upgradeStatechartDescription,
    })
    const file = flags.record === undefined ? undefined : await RecordingFile.create(flags.record, recording.header)
    if (file !== undefined) recording.follow((entries) => file.add(entries))
    const stop = followRollout(operator, system, trust, (entries) => recording.add(entries))
    try {
      return await serve(recording, flags, true, interruption)
    } finally {
      stop()
      await file?.close()
    }
  })
}

/** Until somebody ends it, which is its ordinary end. */
async function serve(recording: Recording, flags: InspectFlags, isLive: boolean, interruption: Interruption): Promise<ExitCode> {
  // Loaded where it is used: `node:http` as a module brings a whole client of HTTP with it, a tenth of what
  // natsctl takes to start.
  const [{ servePage }, { serveStately }] = await Promise.all([import('./pageServer.js'), import('./statelyServer.js')])
  const server = await servePage(recording, { listen: flags.listen, port: flags.port, isLive })
  const stately = flags.stately === true ? serveStately(server, recording) : undefined
  const { url } = server
  if (flags.output === 'json') printJson({ type: 'inspect', url, stately: stately?.url ?? null })
  else {
    print(`system ${oneLine(recording.header.system)}: ${url}`)
    if (stately !== undefined)
      print(`for Stately's inspector: ${stately.url}\n  in a browser, with the internet: ${url}stately.html`)
  }
  const opener = flags.browser && flags.output !== 'json' ? await openBrowser(url) : undefined
  await interruption.asked
  await opener?.close()
  stately?.close()
  await server.close()
  return exitCodes.done
}

function portFlag(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
  if (port <= 65_535) return port
  throw new InvalidArgumentError('Use a port from 0 to 65535; 0 is any free one.')
}
