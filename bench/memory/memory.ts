/** The memory of an idle node above its state, which is a record of one number here. */
import { startUpgradeServer } from 'theseus-actors'
import { nats } from 'theseus-actors/nats'
import { redis } from 'theseus-actors/redis'
import { type Bench, profiling, progress } from '../options.js'
import { machineLine } from '../processes/machine.js'
import { BenchProcess } from '../processes/parentProcess.js'
import { type Servers, withServers } from '../processes/servers.js'
import { median } from '../statistics.js'
import { brief, table, whole } from '../table.js'
import type { MemoryOrder, MemoryResult } from './memoryHost.js'

const system = 'memory'
const sizes = { quick: { first: 50, nodes: 300 }, whole: { first: 1_000, nodes: 4_000 } }

export interface MemoryReport extends MemoryResult {
  readonly machine: string
  readonly nodes: number
  readonly rounds: readonly MemoryResult[]
}

export const memory: Bench<MemoryReport> = {
  name: 'memory',
  about: 'the memory of an idle node above its state: half a minute',
  run: async (options) => {
    const machine = machineLine()
    const size = options.quick ? sizes.quick : sizes.whole
    const rounds: MemoryResult[] = []
    const wanted = options.rounds ?? (options.quick ? 1 : 3)
    for (let round = 1; round <= wanted; round++) {
      progress(`memory ${round} of ${wanted}`)
      const order = ({ nats: natsServer, redis: redisServer, directory }: Servers): MemoryOrder => {
        return { system, natsUrl: natsServer.url, redisUrl: redisServer.url, directory, ...size }
      }
      rounds.push(
        await withServers(async (servers) => {
          const server = await startUpgradeServer({ system, transport: nats(servers.nats.url), udb: redis(servers.redis.url) })
          try {
            return await BenchProcess.result<MemoryResult>('../memory/memoryHost.js', order(servers), [
              '--expose-gc',
              ...profiling(options),
            ])
          } finally {
            await server.stop()
          }
        }),
      )
    }
    const of = (name: keyof MemoryResult) => median(rounds.map((round) => round[name]))
    const medians = { heapKb: of('heapKb'), rssKb: of('rssKb'), upgradedHeapKb: of('upgradedHeapKb') }
    return { machine, nodes: size.nodes, ...medians, rounds }
  },
  text: ({ machine, nodes, rounds, ...medians }) => {
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
        [...rounds.map((round, i) => row(`round ${i + 1}`, round)), row('median', medians)],
      ),
    ].join('\n')
  },
}
