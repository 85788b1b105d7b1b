/**
 * A rollout under load: 32 nodes in two host processes go one after the other while one process calls them,
 * beside the minute before and the time after.
 */
import { startUpgradeServer } from 'theseus-actors'
import { nats } from 'theseus-actors/nats'
import { redis } from 'theseus-actors/redis'
import { type Bench, progress } from '../options.js'
import { machineLine } from '../processes/machine.js'
import { BenchProcess } from '../processes/parentProcess.js'
import { type Servers, withServers } from '../processes/servers.js'
import { median } from '../statistics.js'
import { brief, table, whole } from '../table.js'
import { type RolloutHostOrder, type RolloutOrder, type RolloutResult, type SpanFigures, spans } from './rolloutOrder.js'

const system = 'rollout'
const hostIds = ['host-1', 'host-2']
const readings = 200
const timeoutMs = 240_000

interface Scope {
  readonly nodesPerHost: number
  readonly schedule: RolloutOrder['schedule']
  readonly warmUpMs: number
  readonly beforeMs: number
  readonly afterMs: number
}

const scopes: Record<'quick' | 'whole', Scope> = {
  quick: { nodesPerHost: 8, schedule: 'quickly', warmUpMs: 1_000, beforeMs: 1_000, afterMs: 1_000 },
  whole: { nodesPerHost: 16, schedule: 'gradually', warmUpMs: 5_000, beforeMs: 60_000, afterMs: 10_000 },
}

export interface RolloutReport {
  readonly machine: string
  readonly nodes: number
  readonly rounds: readonly RolloutResult[]
  /** During the rollout, by what it was before; medians of the rounds. */
  readonly throughputRatio: number
  readonly p99Ratio: number
  readonly failed: number
}

export const rollout: Bench<RolloutReport> = {
  name: 'rollout',
  about: 'a rollout under load, beside the minute before: some seven minutes',
  run: async (options) => {
    const machine = machineLine()
    const scope = options.quick ? scopes.quick : scopes.whole
    const rounds: RolloutResult[] = []
    const wanted = options.rounds ?? (options.quick ? 1 : 3)
    for (let round = 1; round <= wanted; round++) {
      progress(`rollout ${round} of ${wanted}`)
      rounds.push(await withServers((servers) => measure(servers, scope)))
    }
    const ratio = (of: (figures: SpanFigures) => number) =>
      median(rounds.map(({ spans: { before, during } }) => of(during) / of(before)))
    return {
      machine,
      nodes: scope.nodesPerHost * hostIds.length,
      rounds,
      throughputRatio: ratio(({ callsPerSecond }) => callsPerSecond),
      p99Ratio: ratio(({ p99Ms }) => p99Ms),
      failed: rounds.reduce((sum, { spans: each }) => sum + each.before.failed + each.during.failed + each.after.failed, 0),
    }
  },
  text: rolloutText,
}

async function measure({ nats: natsServer, redis: redisServer, directory }: Servers, scope: Scope): Promise<RolloutResult> {
  const { nodesPerHost, ...times } = scope
  const urls = { natsUrl: natsServer.url, redisUrl: redisServer.url }
  const server = await startUpgradeServer({ system, transport: nats(urls.natsUrl), udb: redis(urls.redisUrl) })
  const nodesOf = (hostId: string) => Array.from({ length: nodesPerHost }, (_, i) => `${hostId}-meter-${i}`)
  const hosts: BenchProcess[] = []
  try {
    for (const hostId of hostIds) {
      const order: RolloutHostOrder = { system, hostId, ...urls, directory, nodeIds: nodesOf(hostId), readings }
      hosts.push(await BenchProcess.begin('../rollout/rolloutHost.js', order))
    }
    const order: RolloutOrder = { system, ...urls, directory, nodeIds: hostIds.flatMap(nodesOf), ...times, timeoutMs }
    return await BenchProcess.result<RolloutResult>('rollout/rolloutCaller.js', order)
  } finally {
    for (const host of hosts) await host.stop()
    await server.stop()
  }
}

function rolloutText({ machine, nodes, rounds, throughputRatio, p99Ratio, failed }: RolloutReport): string {
  const columns = ['round', 'when', 's', 'calls', 'failed', 'calls/s', 'p50 ms', 'p99 ms', 'longest ms'].map((title, i) => ({
    title,
    isText: i < 2,
  }))
  const rows = rounds.flatMap(({ spans: figures }, i) =>
    spans.map((span) => {
      const { tookMs, calls, failed: failures, callsPerSecond, p50Ms, p99Ms, longestMs } = figures[span]
      const counts = [calls, failures, callsPerSecond].map(whole)
      return [String(i + 1), span, brief(tookMs / 1000), ...counts, ...[p50Ms, p99Ms, longestMs].map(brief)]
    }),
  )
  const warnings = rounds.flatMap(({ left, failures }, i) => [
    ...(left > 0 ? [`! round ${i + 1}: ${left} nodes were not there in time`] : []),
    ...Object.entries(failures).map(([code, count]) => `! round ${i + 1}: ${whole(count)} calls failed with ${code}`),
  ])
  return [
    machine,
    `${nodes} nodes in ${hostIds.length} processes with ${readings} readings each; 64 calls in flight at version 0, one in four a command.`,
    '',
    table(columns, rows, { grouped: true }),
    '',
    `During the rollout ${throughputRatio.toFixed(2)} × the calls of before, p99 ${p99Ratio.toFixed(2)} ×; ${whole(failed)} calls failed.`,
    ...warnings,
  ].join('\n')
}
