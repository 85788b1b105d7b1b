/**
 * How the cost of a rollout grows from 10 to 10,000 nodes of one process: eager, over real NATS
 * and Redis, with LMDB.
 */
import { startUpgradeServer } from 'theseus-actors'
import { nats } from 'theseus-actors/nats'
import { redis } from 'theseus-actors/redis'
import { type Bench, type Options, profiling, progress } from '../options.js'
import { machineLine } from '../processes/machine.js'
import { BenchProcess } from '../processes/parentProcess.js'
import { type Servers, withServers } from '../processes/servers.js'
import { brief, table, whole } from '../table.js'
import type { ScaleOrder, ScaleResult } from './scaleHost.js'

const sizes = { quick: [10, 100, 1_000], whole: [10, 30, 100, 300, 1_000, 3_000, 10_000] }
/** Starts or a rollout that take longer are given up, and said to be. */
const timeoutMs = 45_000
/** The default of a host, and no limit: what is waited for is another thing than what is done. */
const limits = [25, 100]

export interface ScaleReport {
  readonly machine: string
  readonly results: readonly ScaleResult[]
  /** Sizes at which the process failed, and how. */
  readonly failed: readonly { readonly nodes: number; readonly limitPercent: number; readonly why: string }[]
}

export const scale: Bench<ScaleReport> = {
  name: 'scale',
  about: 'a rollout from 10 to 10,000 nodes in one process: under three minutes',
  run: async (options) => {
    const machine = machineLine()
    const results: ScaleResult[] = []
    const failed: ScaleReport['failed'][number][] = []
    for (const nodes of options.nodes ?? (options.quick ? sizes.quick : sizes.whole)) {
      for (const limitPercent of limits) {
        progress(`${whole(nodes)} nodes, ${limitPercent} % of them away at once`)
        try {
          results.push(await withServers((servers) => measure(servers, nodes, limitPercent, options)))
        } catch (error) {
          progress(`${whole(nodes)} nodes: ${error}`)
          failed.push({ nodes, limitPercent, why: String(error) })
        }
      }
    }
    return { machine, results, failed }
  },
  text: scaleText,
}

async function measure(
  { nats: natsServer, redis: redisServer, directory }: Servers,
  nodes: number,
  limitPercent: number,
  options: Options,
): Promise<ScaleResult> {
  const system = `scale-${nodes}`
  const [natsUrl, redisUrl] = [natsServer.url, redisServer.url]
  const server = await startUpgradeServer({ system, transport: nats(natsUrl), udb: redis(redisUrl) })
  const order: ScaleOrder = {
    system,
    natsUrl,
    redisUrl,
    redisPid: redisServer.pid,
    natsPid: natsServer.pid,
    directory,
    nodes,
    limitPercent,
    timeoutMs,
  }
  try {
    return await BenchProcess.result<ScaleResult>('scale/scaleHost.js', order, profiling(options))
  } finally {
    await server.stop()
  }
}

function scaleText({ machine, results, failed }: ScaleReport): string {
  const columns = [
    'nodes',
    'limit',
    'start s',
    'rollout s',
    'ms/node',
    'in the UDB s',
    'block ms',
    'busy',
    'CPU s',
    'Redis CPU s',
    'nats CPU s',
    'start block ms',
  ]
  const rows = results.map((result) => {
    const { nodes, limitPercent, startMs, rolloutMs, there, knownMs, rollout, start } = result
    return [
      whole(nodes),
      `${limitPercent} %`,
      brief(startMs / 1000),
      rolloutMs === null ? `${whole(there)} there` : brief(rolloutMs / 1000),
      rolloutMs === null ? '' : brief(rolloutMs / nodes),
      knownMs === null ? '' : brief(knownMs / 1000),
      whole(rollout.longestBlockMs),
      `${Math.round(rollout.busy * 100)} %`,
      brief(rollout.cpuMs / 1000),
      brief(rollout.redisCpuMs / 1000),
      brief(rollout.natsCpuMs / 1000),
      whole(start.longestBlockMs),
    ]
  })
  const perNode = results.map(({ nodes, limitPercent, counts }) => {
    const { commits, writes, messages, subscriptions, timers, database } = counts
    const { claimPermit = 0, releasePermit = 0, report = 0, ...others } = database
    const rest = Object.values(others).reduce((sum, count) => sum + count, 0)
    const each = [writes, claimPermit, releasePermit, subscriptions, timers].map((count) => brief(count / nodes))
    return [whole(nodes), `${limitPercent} %`, ...each, ...[commits, report, rest, messages].map(whole)]
  })
  const perNodeColumns = [
    'nodes',
    'limit',
    'writes',
    'claims',
    'releases',
    'subscriptions',
    'timers',
    'commits',
    'reports',
    'other requests',
    'messages',
  ]
  const titled = (titles: readonly string[]) => titles.map((title) => ({ title }))
  const warnings = new Set(
    results.flatMap(({ nodes, warnings: said }) => said.map((warning) => `${whole(nodes)} nodes: ${warning}`)),
  )
  return [
    machine,
    'One rollout for each row: eager, a root of one number, all nodes in one process. "limit" is how many nodes may be away at once.',
    '',
    table(titled(columns), rows),
    '',
    'The requests of the host meanwhile: for each node up to the timers, then in all.',
    table(titled(perNodeColumns), perNode),
    ...[...warnings].map((warning) => `! ${warning}`),
    ...failed.map(({ nodes, limitPercent, why }) => `! ${whole(nodes)} nodes, limit ${limitPercent} %: ${why}`),
  ].join('\n')
}
