/**
 * Calls per second between two processes over a real nats-server: Theseus beside the bare wire. Starts everything it needs on free ports of
 * the loopback interface, in a temporary directory. README.md says what is measured, and what is not.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startNatsServer, startRedisServer, type TestServer } from '../test/support/servers.js'
import type { CpuAnswer, DriveAnswer, Role } from './agreed.js'
import { Asked } from './asking.js'
import { type Contender, contenders, references, type Side } from './contenders.js'
import { cpuTimeUs } from './cpuTime.js'
import { type Load, loads } from './load.js'
import { linesOf, machineLine, type Report, type Sample, table } from './report.js'

const usage = `npm run bench [-- options]
  --quick             fewer and shorter rounds, with 1 and 256 in flight only: under 20 seconds
  --rounds <n>        rounds over all contenders (5)
  --duration <ms>     of one contender at one load in one round (700)
  --only <text>       ${references.join(' or ')} and contenders whose name contains it; may be given again
  --alone             with --only: without ${references.join(' or ')}, for profiles
  --load <name>       only this load: 1, 64, 256, '256 paced' or sends; may be given again
  --json <file>       writes the numbers as JSON too
`

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    duration: { type: 'string' },
    only: { type: 'string', multiple: true },
    alone: { type: 'boolean', default: false },
    load: { type: 'string', multiple: true },
    json: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})
const rounds = Number(options.rounds ?? (options.quick ? 3 : 5))
const durationMs = Number(options.duration ?? (options.quick ? 250 : 700))
/** Compiled code is what is measured: at first a call takes several times as long. */
const warmUpMs = options.quick ? 400 : 700

/** One contender at one load. */
interface Cell {
  readonly contender: Contender
  readonly load: Load
  readonly caller: Asked
  readonly callee: Asked
}

async function main(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'theseus-bench-'))
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }))
  const machine = machineLine()
  const natsServer = await startNatsServer()
  const redisServer = await startRedisServer()
  const started: Asked[] = []
  const start = async (file: 'caller.js' | 'server.js', name: string): Promise<Asked> => {
    const asked = await Asked.start(file, { natsUrl: natsServer.url, redisUrl: redisServer.url, directory, name } satisfies Role)
    started.push(asked)
    return asked
  }
  const samples = await measure(await cellsOf(start), natsServer)
  // Whoever was started last is ended first: callees after their callers.
  for (const asked of started.reverse()) await asked.stop()
  await natsServer.stop()
  await redisServer.stop()
  const report: Report = { machine, rounds, durationMs, lines: linesOf(samples) }
  process.stdout.write(`${table(report)}\n`)
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify({ ...report, samples }, null, 2)}\n`)
}

/** Which contenders run, at which loads. */
function wanted(): readonly { readonly contender: Contender; readonly loads: readonly Load[] }[] {
  const { only, alone } = options
  const loadNames = options.load ?? (options.quick ? ['1', '256'] : undefined)
  return contenders
    .filter(({ name }) => only === undefined || (references.includes(name) && !alone) || only.some((text) => name.includes(text)))
    .map((contender) => ({ contender, loads: contender.loads.filter(({ name }) => loadNames?.includes(name) ?? true) }))
    .filter(({ loads }) => loads.length > 0)
}

/** Starts who is needed. By load, so that the contenders of one load follow each other closely. */
async function cellsOf(start: (file: 'caller.js' | 'server.js', name: string) => Promise<Asked>): Promise<readonly Cell[]> {
  const callees = new Map<Side, Asked>()
  const cells: Cell[] = []
  for (const { contender, loads } of wanted()) {
    const { name, side } = contender
    const callee = callees.get(side) ?? (await start('server.js', side))
    callees.set(side, callee)
    const caller = await start('caller.js', name)
    for (const load of loads) cells.push({ contender, load, caller, callee })
  }
  const order: readonly Load[] = Object.values(loads).flat()
  return cells.sort((a, b) => order.indexOf(a.load) - order.indexOf(b.load))
}

async function measure(cells: readonly Cell[], natsServer: TestServer): Promise<readonly Sample[]> {
  for (const { caller, load } of cells) await caller.ask({ ask: 'drive', load, durationMs: warmUpMs })
  const samples: Sample[] = []
  for (let round = 1; round <= rounds; round++) {
    process.stderr.write(`· round ${round} of ${rounds}\n`)
    for (const cell of cells) samples.push(await sample(cell, round, natsServer.pid))
  }
  return samples
}

async function sample({ contender, load, caller, callee }: Cell, round: number, natsServerPid: number): Promise<Sample> {
  const cpuTimes = async () => ({
    caller: (await caller.ask<CpuAnswer>({ ask: 'cpu' })).cpuUs,
    callee: (await callee.ask<CpuAnswer>({ ask: 'cpu' })).cpuUs,
    natsServer: cpuTimeUs(natsServerPid),
  })
  const before = await cpuTimes()
  const { calls, tookMs, p50Ms, p99Ms } = await caller.ask<DriveAnswer>({ ask: 'drive', load, durationMs })
  const after = await cpuTimes()
  return {
    contender: contender.name,
    load: load.name,
    round,
    callsPerSecond: calls / (tookMs / 1000),
    p50Ms,
    p99Ms,
    cpuUsPerCall: {
      caller: (after.caller - before.caller) / calls,
      callee: (after.callee - before.callee) / calls,
      natsServer: (after.natsServer - before.natsServer) / calls,
    },
  }
}

if (options.help) process.stdout.write(usage)
else if (!(rounds >= 1 && durationMs >= 1 && wanted().length > 0)) {
  process.stderr.write(usage)
  process.exitCode = 1
} else {
  // The servers and the directory are removed on 'exit', which a signal alone does not bring about.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(signal === 'SIGINT' ? 130 : 143))
  await main()
}
