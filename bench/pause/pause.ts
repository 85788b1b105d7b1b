/**
 * How long one node is away for its upgrade, by how many records the transform rewrites; and what a caller
 * and the node's neighbour notice.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { createHost, isFault, startUpgradeServer } from 'theseus-actors'
import { memoryStore } from 'theseus-actors/memory'
import { nats } from 'theseus-actors/nats'
import { redis } from 'theseus-actors/redis'
import { MeterV1, type Way, ways } from '../meters.js'
import { type Bench, progress } from '../options.js'
import { machineLine } from '../processes/machine.js'
import { BenchProcess } from '../processes/parentProcess.js'
import { type Servers, withServers } from '../processes/servers.js'
import { median } from '../statistics.js'
import { brief, table, whole } from '../table.js'
import { Neighbour, neighbour, type PauseOrder, type PauseResult, pausedNode } from './pauseOrder.js'

const system = 'pause'
const sizes: Readonly<Record<Way, { readonly quick: readonly number[]; readonly whole: readonly number[] }>> = {
  eager: { quick: [1, 10_000], whole: [1, 1_000, 10_000, 100_000, 1_000_000] },
  lazy: { quick: [1, 10_000], whole: [1_000, 100_000, 1_000_000] },
}
/** Between two questions of one who waits. */
const probeEveryMs = 1

interface Round {
  readonly way: Way
  readonly records: number
  readonly pauseMs: number
  readonly transformMs: number
  readonly longestBlockMs: number
  /**
   * The longest that a call to the node took, and one to its neighbour in the same process,
   * while it was away.
   */
  readonly callerMs: number
  readonly neighbourMs: number
}

export interface PauseReport {
  readonly machine: string
  /** Medians of the rounds. */
  readonly lines: readonly (Round & { readonly recordsPerSecond: number | null })[]
  readonly rounds: readonly Round[]
}

export const pause: Bench<PauseReport> = {
  name: 'pause',
  about: 'how long one node is away, by what it has to transform: some four minutes',
  run: async (options) => {
    const machine = machineLine()
    const rounds: Round[] = []
    const wanted = options.rounds ?? (options.quick ? 1 : 3)
    for (let round = 1; round <= wanted; round++) {
      for (const way of ways) {
        for (const records of options.quick ? sizes[way].quick : sizes[way].whole) {
          progress(`round ${round} of ${wanted}: ${whole(records)} records, ${way}`)
          rounds.push(await withServers((servers) => measure(servers, way, records)))
        }
      }
    }
    return { machine, lines: linesOf(rounds), rounds }
  },
  text: pauseText,
}

async function measure({ nats: natsServer, redis: redisServer, directory }: Servers, way: Way, records: number): Promise<Round> {
  const urls = { natsUrl: natsServer.url, redisUrl: redisServer.url }
  const reach = { system, transport: nats(urls.natsUrl), udb: redis(urls.redisUrl) }
  const server = await startUpgradeServer(reach)
  const host = await createHost({ ...reach, state: memoryStore(), bundles: `${directory}/caller` })
  const order: PauseOrder = { system, ...urls, directory, records, way }
  const asked = await BenchProcess.begin('../pause/pauseHost.js', order)
  try {
    const meter = host.ref(MeterV1, pausedNode, { version: 0, deadline: '120s' })
    const other = host.ref(Neighbour, neighbour, { version: 0, deadline: '120s' })
    const probes = [new Probe(() => meter.celsius()), new Probe(() => other.count())]
    const { fromMs, toMs, transformMs, longestBlockMs } = await asked.told<PauseResult>()
    const [callerMs, neighbourMs] = (await Promise.all(probes.map((probe) => probe.longest(fromMs, toMs)))) as [number, number]
    return { way, records, pauseMs: toMs - fromMs, transformMs, longestBlockMs, callerMs, neighbourMs }
  } finally {
    await asked.stop()
    await host.stop()
    await server.stop()
  }
}

/** Asks again and again, and remembers how long each answer took. */
class Probe {
  readonly #answers: { readonly fromMs: number; readonly toMs: number }[] = []
  readonly #asking: Promise<void>
  #isOver = false

  constructor(ask: () => Promise<unknown>) {
    this.#asking = this.#ask(ask)
  }

  /** Of the answers that were waited for at some moment between. */
  async longest(fromMs: number, toMs: number): Promise<number> {
    this.#isOver = true
    await this.#asking
    const within = this.#answers.filter((answer) => answer.toMs >= fromMs && answer.fromMs <= toMs)
    return Math.max(0, ...within.map((answer) => answer.toMs - answer.fromMs))
  }

  async #ask(ask: () => Promise<unknown>): Promise<void> {
    while (!this.#isOver) {
      const fromMs = performance.timeOrigin + performance.now()
      await ask().catch((error) => {
        if (!isFault(error)) throw error
      })
      this.#answers.push({ fromMs, toMs: performance.timeOrigin + performance.now() })
      await sleep(probeEveryMs)
    }
  }
}

function linesOf(rounds: readonly Round[]): PauseReport['lines'] {
  return [...Map.groupBy(rounds, ({ way, records }) => `${way} ${records}`).values()].map((group) => {
    const { way, records } = group[0]!
    const of = (name: 'pauseMs' | 'transformMs' | 'longestBlockMs' | 'callerMs' | 'neighbourMs') =>
      median(group.map((round) => round[name]))
    const transformMs = of('transformMs')
    return {
      way,
      records,
      pauseMs: of('pauseMs'),
      transformMs,
      // Of a handful of records it would be the cost of the beginning and the end.
      recordsPerSecond: records < 1_000 || way === 'lazy' ? null : records / (transformMs / 1000),
      longestBlockMs: of('longestBlockMs'),
      callerMs: of('callerMs'),
      neighbourMs: of('neighbourMs'),
    }
  })
}

function pauseText({ machine, lines, rounds }: PauseReport): string {
  const titles = [
    'transform',
    'records',
    'away ms',
    'of it transform ms',
    'records/s',
    'longest call ms',
    'neighbour’s ms',
    'block ms',
  ]
  const rows = lines.map((line) => [
    line.way,
    whole(line.records),
    brief(line.pauseMs),
    brief(line.transformMs),
    line.recordsPerSecond === null ? '' : whole(line.recordsPerSecond),
    brief(line.callerMs),
    brief(line.neighbourMs),
    brief(line.longestBlockMs),
  ])
  return [
    machine,
    `Medians of ${rounds.length / lines.length} rounds. A record is a small map of three fields, of which the transform makes another.`,
    '',
    table(
      titles.map((title, i) => ({ title, isText: i === 0 })),
      rows,
    ),
  ].join('\n')
}
