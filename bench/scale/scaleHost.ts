/**
 * One host with many nodes, in a process of its own: starts them, publishes an upgrade, and
 * tells how that went.
 */
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { createHost, type HostEvent, type RunningHost } from 'theseus-actors'
import { MeterV1, MeterV2 } from '../meters.js'
import { giveResult } from '../processes/childProcess.js'
import { cpuTimeUs } from '../processes/cpuTime.js'
import { type LoopFigures, LoopWatch } from '../processes/loopWatch.js'
import { buildCall, meters } from '../upgrades.js'
import { type Counts, countedConnections, noCounts, since } from './countedConnections.js'

export interface ScaleOrder {
  readonly system: string
  readonly natsUrl: string
  readonly redisUrl: string
  readonly redisPid: number
  readonly natsPid: number
  readonly directory: string
  readonly nodes: number
  /** How many of a hundred nodes may be away at once. */
  readonly limitPercent: number
  /** For the starts, and for the rollout: what takes longer is given up. */
  readonly timeoutMs: number
}

/** How many nodes start at a time. */
const startsAtOnce = 64
/** Nodes whose answers are looked at afterwards. */
const askedMax = 100

export interface ScaleResult {
  readonly nodes: number
  readonly limitPercent: number
  readonly startMs: number
  readonly start: LoopFigures
  /**
   * From the order to publish until the last node serves at the new version; null where that took too long.
   */
  readonly rolloutMs: number | null
  /** Nodes that were there then. */
  readonly there: number
  /** Until the upgrade database has it of every node. */
  readonly knownMs: number | null
  readonly rollout: LoopFigures & { readonly redisCpuMs: number; readonly natsCpuMs: number }
  readonly counts: Counts
  readonly warnings: readonly string[]
}

await giveResult(async (order: ScaleOrder): Promise<ScaleResult> => {
  const { nodes, directory, limitPercent } = order
  const counts = noCounts()
  const warnings = new Map<string, number>()
  let there = 0
  let arrived = () => {}
  const observe = (event: HostEvent): void => {
    if (event.type === 'phase' && event.phase === 'current' && event.version === 1 && ++there === nodes) arrived()
    if (event.type === 'warning') warnings.set(event.message, (warnings.get(event.message) ?? 0) + 1)
    if (event.type === 'phase' && event.phase === 'stalled') warnings.set(`stalled: ${event.reason}`, 1)
  }
  const host = await createHost({
    system: order.system,
    hostId: 'host',
    ...countedConnections(order, join(directory, 'state'), counts),
    bundles: join(directory, 'bundles'),
    settings: { limit: { percent: limitPercent } },
    observe,
  })
  const watch = new LoopWatch()
  watch.begin()
  const startedAt = performance.now()
  await startNodes(host, nodes, startedAt + order.timeoutMs)
  const startMs = performance.now() - startedAt
  const start = await watch.end()
  const upgrade = await buildCall(directory, meters, 'metersMeasureInKelvin', 'eagerly')

  const before = structuredClone(counts)
  const servers = () => ({ redis: cpuTimeUs(order.redisPid), nats: cpuTimeUs(order.natsPid) })
  const serversBefore = servers()
  const late = new AbortController()
  const all = new Promise<boolean>((resolve) => {
    arrived = () => resolve(true)
  })
  watch.begin()
  const publishedAt = performance.now()
  await host.publish(upgrade)
  const inTime = await Promise.race([all, pause(order.timeoutMs, false, { signal: late.signal }).catch(() => false)])
  late.abort()
  const rolloutMs = inTime ? performance.now() - publishedAt : null
  const rollout = await watch.end()
  const rolloutCounts = since(before, counts)
  const serversAfter = servers()
  const known = inTime && (await isKnown(host, nodes, order.timeoutMs))
  const knownMs = known ? performance.now() - publishedAt : null
  if (inTime) await checkAnswers(host, nodes)
  return {
    nodes,
    limitPercent,
    startMs,
    start,
    rolloutMs,
    there,
    knownMs,
    rollout: {
      ...rollout,
      redisCpuMs: (serversAfter.redis - serversBefore.redis) / 1000,
      natsCpuMs: (serversAfter.nats - serversBefore.nats) / 1000,
    },
    counts: rolloutCounts,
    warnings: [...warnings].map(([message, times]) => `${message} (${times})`),
  }
})

function nodeId(n: number): string {
  return `m${n}`
}

async function startNodes(host: RunningHost, nodes: number, endMs: number): Promise<void> {
  let next = 0
  const one = async (): Promise<void> => {
    while (next < nodes) {
      if (performance.now() > endMs) throw new Error(`only ${next} nodes have started in time`)
      await host.node(MeterV1, nodeId(next++))
    }
  }
  await Promise.all(Array.from({ length: startsAtOnce }, one))
}

async function isKnown(host: RunningHost, nodes: number, timeoutMs: number): Promise<boolean> {
  for (const end = performance.now() + timeoutMs; performance.now() < end; ) {
    const rows = await host.operator.database.nodes('meter').catch(() => [])
    if (rows.filter(({ version, phase }) => version === 1 && phase === 'current').length === nodes) return true
    await pause(50)
  }
  return false
}

/** Both versions answer, of nodes spread over all. */
async function checkAnswers(host: RunningHost, nodes: number): Promise<void> {
  const every = Math.max(1, Math.floor(nodes / askedMax))
  for (let n = 0; n < nodes; n += every) {
    const kelvin = await host.ref(MeterV2, nodeId(n), { version: 1, deadline: '20s' }).kelvin()
    const celsius = await host.ref(MeterV1, nodeId(n), { version: 0, deadline: '20s' }).celsius()
    if (kelvin !== 293.15 || celsius !== 20) throw new Error(`${nodeId(n)} measures ${kelvin} K, ${celsius} °C`)
  }
}
