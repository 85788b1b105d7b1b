/**
 * A match: contenders in two processes each, over one nats-server, take their turns in every round. A ratio
 * is of two contenders of the same round. Starts everything it needs, and ends it.
 */

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Options, progress, UsageError } from '../options.js'
import { isInstalled } from '../peers/packages.js'
import { cpuTimeUs } from '../processes/cpuTime.js'
import { machineLine } from '../processes/machine.js'
import { BenchProcess } from '../processes/parentProcess.js'
import type { CpuAnswer, DriveAnswer, Role } from '../processes/processMessages.js'
import { releaseTree } from '../processes/releaseTree.js'
import { type Servers, withServers } from '../processes/servers.js'
import type { Contender, Release } from './contenders/contender.js'
import { type Match, ofRelease } from './contenders.js'
import { type Load, loads } from './load.js'
import { linesOf, type MatchReport, type Sample } from './report.js'

/** Compiled code is what is measured: at first a call takes several times as long. */
const warmUpMs = { quick: 300, whole: 700 }

/** One contender at one load. */
interface Cell {
  readonly contender: Contender
  readonly load: Load
  readonly caller: BenchProcess
  readonly callee: BenchProcess
}

export async function runMatch(alone: Match, options: Options): Promise<MatchReport> {
  const match = withRelease(alone, options)
  const rounds = options.rounds ?? (options.quick ? 3 : 5)
  const durationMs = options.durationMs ?? (options.quick ? 200 : 500)
  if (wanted(match, options).length === 0) throw new UsageError('no contender has such a name and such a load')
  const machine = machineLine()
  const missing = new Set<string>()
  const samples = await withServers(async (servers) => {
    const started: BenchProcess[] = []
    const cells = await cellsOf(match, options, servers, started, missing)
    const measured = await measure(cells, rounds, durationMs, options, servers, missing)
    // The process that was started last is ended first: callees after their callers.
    for (const asked of started.reverse()) await asked.stop()
    return measured
  })
  return {
    machine,
    rounds,
    durationMs,
    missing: [...missing],
    references: match.references,
    lines: linesOf(samples, match.references),
    samples,
  }
}

/** With each contender of Theseus as the release has it that runs beside, right after today's. */
function withRelease({ contenders, references }: Match, { beside }: Options): Match {
  if (beside === undefined) return { contenders, references }
  const release = { name: beside, tree: releaseTree(beside) }
  const isOurs = ({ callee }: Contender) => callee === 'theseus' || callee === 'hops'
  return { references, contenders: contenders.flatMap((each) => (isOurs(each) ? [each, ofRelease(each, release)] : each)) }
}

/** Which contenders run, at which loads. */
export function wanted({ contenders, references }: Match, { only, alone, loads: loadNames, quick }: Options) {
  const names = loadNames ?? (quick ? ['1', '256', '256, 1 KB'] : undefined)
  return contenders
    .filter(({ name }) => only === undefined || (references.includes(name) && !alone) || only.some((text) => name.includes(text)))
    .map((contender) => ({ contender, loads: contender.loads.filter(({ name }) => names?.includes(name) ?? true) }))
    .filter(({ loads }) => loads.length > 0)
}

/** Starts who is needed. By load, so that the contenders of one load follow each other closely. */
async function cellsOf(
  match: Match,
  options: Options,
  { nats, redis, directory }: Servers,
  started: BenchProcess[],
  missing: Set<string>,
): Promise<readonly Cell[]> {
  const start = async (
    file: 'caller.js' | 'callee.js',
    name: string,
    address: string | null,
    release: Release | undefined,
  ): Promise<BenchProcess> => {
    const role: Role = {
      // Two releases beside each other are two systems.
      system: release === undefined ? 'bench' : 'bench-release',
      natsUrl: nats.url,
      redisUrl: redis.url,
      directory: release === undefined ? directory : join(directory, release.name),
      name,
      address,
    }
    mkdirSync(role.directory, { recursive: true })
    const asked = await BenchProcess.start(file, role, release?.tree)
    started.push(asked)
    return asked
  }
  const callees = new Map<string, BenchProcess>()
  const cells: Cell[] = []
  for (const { contender, loads } of wanted(match, options)) {
    const { name, callee: calleeName, packages = [], release } = contender
    const absent = packages.filter((each) => !isInstalled(each))
    if (absent.length > 0) {
      leaveOut(contender, missing, `${absent.join(', ')} can't be found: "npm ci" in bench/peers installs it`)
      continue
    }
    try {
      const place = `${release?.name ?? ''} ${calleeName}`
      const callee = callees.get(place) ?? (await start('callee.js', calleeName, null, release))
      callees.set(place, callee)
      const ownName = release === undefined ? name : name.slice(`${release.name}: `.length)
      const caller = await start('caller.js', ownName, callee.address, release)
      for (const load of loads) cells.push({ contender, load, caller, callee })
    } catch (error) {
      leaveOut(contender, missing, error)
    }
  }
  const order: readonly Load[] = Object.values(loads).flat()
  return cells.sort((a, b) => order.indexOf(a.load) - order.indexOf(b.load))
}

/** A peer that fails is left out; what fails of our own is an error. */
function leaveOut({ name, packages }: Contender, missing: Set<string>, why: unknown): void {
  if (packages === undefined) throw why
  missing.add(name)
  progress(`without ${name}: ${why}`)
}

async function measure(
  cells: readonly Cell[],
  rounds: number,
  durationMs: number,
  { quick }: Options,
  { nats }: Servers,
  missing: Set<string>,
): Promise<readonly Sample[]> {
  const samples: Sample[] = []
  const each = async (act: (cell: Cell) => Promise<void>): Promise<void> => {
    for (const cell of cells) {
      const { contender } = cell
      if (!missing.has(contender.name)) await act(cell).catch((error) => leaveOut(contender, missing, error))
    }
  }
  progress('warming up')
  await each(async ({ caller, load }) => {
    await caller.ask({ ask: 'drive', load, durationMs: quick ? warmUpMs.quick : warmUpMs.whole })
  })
  for (let round = 1; round <= rounds; round++) {
    progress(`round ${round} of ${rounds}`)
    await each(async (cell) => {
      samples.push(await sample(cell, round, durationMs, nats.pid))
    })
  }
  return samples.filter(({ contender }) => !missing.has(contender))
}

async function sample(
  { contender, load, caller, callee }: Cell,
  round: number,
  durationMs: number,
  natsServerPid: number,
): Promise<Sample> {
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
