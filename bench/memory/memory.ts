/** The memory of an idle node above its state, which is a record of one number here. */
import { startUpgradeServer } from 'theseus-actors'
import { nats } from 'theseus-actors/nats'
import { redis } from 'theseus-actors/redis'
import { type Bench, type Options, profiling, progress } from '../options.js'
import { machineLine } from '../processes/machine.js'
import { BenchProcess } from '../processes/parentProcess.js'
import { releaseTree } from '../processes/releaseTree.js'
import { withServers } from '../processes/servers.js'
import { median } from '../statistics.js'
import { brief, table, whole } from '../table.js'
import type { MemoryOrder, MemoryResult } from './memoryHost.js'

const system = 'memory'
const sizes = { quick: { first: 50, nodes: 300 }, whole: { first: 1_000, nodes: 4_000 } }

export interface MemoryReport extends MemoryResult {
  readonly machine: string
  readonly nodes: number
  readonly rounds: readonly MemoryResult[]
  /** The medians of an earlier release in the same run; null: it was not asked for. */
  readonly beside: (MemoryResult & { readonly release: string }) | null
}

export const memory: Bench<MemoryReport> = {
  name: 'memory',
  about: 'the memory of an idle node above its state: half a minute',
  run: async (options) => {
    const machine = machineLine()
    const size = options.quick ? sizes.quick : sizes.whole
    const rounds: MemoryResult[] = []
    const besideRounds: MemoryResult[] = []
    const release = options.beside === undefined ? undefined : releaseTree(options.beside)
    const wanted = options.rounds ?? (options.quick ? 1 : 3)
    for (let round = 1; round <= wanted; round++) {
      progress(`memory ${round} of ${wanted}`)
      rounds.push(await measured(size, options))
      if (release !== undefined) besideRounds.push(await measured(size, options, release))
    }
    const beside = options.beside === undefined ? null : { release: options.beside, ...mediansOf(besideRounds) }
    return { machine, nodes: size.nodes, ...mediansOf(rounds), rounds, beside }
  },
  text: ({ machine, nodes, rounds, beside, ...medians }) => {
    const titles = ['KB a node', 'heap', 'process', 'heap after an upgrade']
    const row = (name: string, { heapKb, rssKb, upgradedHeapKb }: MemoryResult) => [
      name,
      ...[heapKb, rssKb, upgradedHeapKb].map(brief),
    ]
    return [
      machine,
      `Of ${whole(nodes)} idle nodes in one process, after garbage collection, by what came on top of the first ones.`,
      '',
      table(
        titles.map((title, i) => ({ title, isText: i === 0 })),
        [
          ...rounds.map((round, i) => row(`round ${i + 1}`, round)),
          row('median', medians),
          ...(beside === null ? [] : [row(`median of ${beside.release}`, beside)]),
        ],
      ),
    ].join('\n')
  },
}

function mediansOf(rounds: readonly MemoryResult[]): MemoryResult {
  const of = (name: keyof MemoryResult) => median(rounds.map((round) => round[name]))
  return { heapKb: of('heapKb'), rssKb: of('rssKb'), upgradedHeapKb: of('upgradedHeapKb') }
}

/** A host of this release, or of another one, beside servers and an upgrade server of its own. */
function measured(size: { readonly first: number; readonly nodes: number }, options: Options, tree?: URL): Promise<MemoryResult> {
  return withServers(async ({ nats: natsServer, redis: redisServer, directory }) => {
    const server = await startUpgradeServer({ system, transport: nats(natsServer.url), udb: redis(redisServer.url) })
    const order: MemoryOrder = { system, natsUrl: natsServer.url, redisUrl: redisServer.url, directory, ...size }
    try {
      const flags = ['--expose-gc', ...profiling(options)]
      return await BenchProcess.result<MemoryResult>('memory/memoryHost.js', order, flags, tree)
    } finally {
      await server.stop()
    }
  })
}
