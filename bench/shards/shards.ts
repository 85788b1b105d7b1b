/**
 * The price of outliving a machine: commands to nodes of a sharded service beside those of local ones, calls
 * of nodes that are asleep, and the longest wait of a call while a host hands its shards over, or is killed.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { createHost, type RunningHost } from 'theseus-actors'
import { memoryStore } from 'theseus-actors/memory'
import { nats } from 'theseus-actors/nats'
import { redis } from 'theseus-actors/redis'
import { until } from '../../test/support/eventually.js'
import { startNatsCluster } from '../../test/support/natsCluster.js'
import { type Bench, progress } from '../options.js'
import { machineLine } from '../processes/machine.js'
import { withServers } from '../processes/servers.js'
import { median } from '../statistics.js'
import { brief, table, whole } from '../table.js'
import { LocalCarts, nodes, ShardedCarts, sleepAfterMs, sleepers, system } from './carts.js'

const inFlight = 256
const keys = 1_000
const value = 'x'.repeat(100)
const shards = 16

export interface ShardsReport {
  readonly machine: string
  /** Commands a second, medians of the rounds. */
  readonly local: number
  readonly sharded: number
  /** The median of the ratios within a round. */
  readonly shardedToLocal: number
  readonly awakeMs: number
  readonly asleepMs: number
  readonly handOver: Waits
  readonly killed: Waits
}

interface Waits {
  readonly calls: number
  readonly failed: number
  readonly longestMs: number
}

export const shardsBench: Bench<ShardsReport> = {
  name: 'shards',
  about: 'sharded services beside local ones; sleeping nodes, hand over and take-over: about a minute',
  run: (options) =>
    withServers(async ({ redis: redisServer, directory }) => {
      const cluster = await startNatsCluster({ size: 1 })
      const natsUrl = cluster.urls[0]!
      const entry = fileURLToPath(new URL('shardHosts.js', import.meta.url))
      const start = async (hostId: string) => {
        const child = fork(entry, [natsUrl, redisServer.url, directory, hostId])
        await once(child, 'message')
        return child
      }
      const children = [await start('h1')]
      const ways = { system, transport: nats(natsUrl), udb: redis(redisServer.url) }
      const host = await createHost({ ...ways, hostId: 'caller', state: memoryStore(), bundles: `${directory}/caller` })
      try {
        await owned(children)
        const throughput = await commands(host, options)
        const sleeping = await asleep(host)
        children.push(await start('h2'), await start('h3'))
        await until(async () => (await count(children[1]!)) > 0 && (await count(children[2]!)) > 0, 'all have shards')
        const handOver = await waits(host, () => stop(children.splice(1, 1)[0]!))
        await owned(children)
        const killed = await waits(host, async () => {
          const [child] = children.splice(1, 1)
          const ended = once(child!, 'exit')
          child!.kill('SIGKILL')
          await ended
          await owned(children)
        })
        return { machine: machineLine(), ...throughput, ...sleeping, handOver, killed }
      } finally {
        await host.stop()
        await Promise.all(children.map(stop))
        await cluster.stop()
      }
    }),
  text: shardsText,
}

async function count(child: ChildProcess): Promise<number> {
  const answer = once(child, 'message')
  child.send('shards')
  return (await answer)[0]
}

async function owned(children: readonly ChildProcess[]): Promise<void> {
  await until(async () => {
    const counts = await Promise.all(children.map(count))
    return counts.reduce((sum, each) => sum + each, 0) === shards
  }, 'every shard has an owner')
}

async function stop(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit')
  child.send('stop')
  await ended
}

async function commands(
  host: RunningHost,
  options: { readonly rounds?: number; readonly durationMs?: number; readonly quick?: boolean },
) {
  const local = nodes.map((nodeId) => host.ref(LocalCarts, `local-${nodeId}`))
  const sharded = nodes.map((nodeId) => host.ref(ShardedCarts, nodeId))
  const wanted = options.rounds ?? (options.quick ? 2 : 7)
  const durationMs = options.durationMs ?? (options.quick ? 500 : 1_500)
  const measure = (all: typeof local) => perSecond((n) => all[n % all.length]!.put(`k${n % keys}`, value), durationMs)
  await measure(local)
  await measure(sharded as unknown as typeof local)
  const rounds: { readonly local: number; readonly sharded: number }[] = []
  for (let round = 1; round <= wanted; round++) {
    progress(`round ${round} of ${wanted}`)
    if (round % 2 === 0) rounds.push({ local: await measure(local), sharded: await measure(sharded as unknown as typeof local) })
    else {
      const second = await measure(sharded as unknown as typeof local)
      rounds.push({ local: await measure(local), sharded: second })
    }
  }
  return {
    local: median(rounds.map((round) => round.local)),
    sharded: median(rounds.map((round) => round.sharded)),
    shardedToLocal: median(rounds.map((round) => round.sharded / round.local)),
  }
}

async function perSecond(call: (n: number) => Promise<unknown>, durationMs: number): Promise<number> {
  const fromMs = performance.now()
  let next = 0
  const one = async () => {
    while (performance.now() < fromMs + durationMs) await call(next++)
  }
  await Promise.all(Array.from({ length: inFlight }, one))
  return next / ((performance.now() - fromMs) / 1000)
}

async function asleep(host: RunningHost) {
  progress('nodes that are asleep')
  const refs = sleepers.map((nodeId) => host.ref(ShardedCarts, nodeId))
  for (const ref of refs) await ref.put('k', 'x'.repeat(1_000))
  const timed = async () => {
    const tookMs: number[] = []
    for (const ref of refs) {
      const beganMs = performance.now()
      await ref.get('k')
      tookMs.push(performance.now() - beganMs)
    }
    return median(tookMs)
  }
  const awakeMs = await timed()
  await new Promise((resolve) => setTimeout(resolve, sleepAfterMs * 2))
  return { awakeMs, asleepMs: await timed() }
}

/** Calls of all nodes, one after the other each, while something happens. */
async function waits(host: RunningHost, happens: () => Promise<unknown>): Promise<Waits> {
  let isOver = false
  let [calls, failed, longestMs] = [0, 0, 0]
  const running = nodes.map(async (nodeId) => {
    const ref = host.ref(ShardedCarts, nodeId, { deadline: '30s' })
    while (!isOver) {
      const beganMs = performance.now()
      await ref.get('k').catch(() => failed++)
      calls++
      longestMs = Math.max(longestMs, performance.now() - beganMs)
    }
  })
  await new Promise((resolve) => setTimeout(resolve, 500))
  await happens()
  await new Promise((resolve) => setTimeout(resolve, 500))
  isOver = true
  await Promise.all(running)
  return { calls, failed, longestMs }
}

function shardsText(report: ShardsReport): string {
  const { machine, local, sharded, shardedToLocal, awakeMs, asleepMs, handOver, killed } = report
  return [
    machine,
    `Commands of 100 bytes, ${inFlight} in flight over ${nodes.length} nodes of one host; queries of nodes with 1 KB.`,
    '',
    table(
      ['', 'commands a second'].map((title, i) => ({ title, isText: i === 0 })),
      [
        ['local, LMDB, durability process', whole(local)],
        ['sharded, one nats-server, one replica', whole(sharded)],
      ],
    ),
    '',
    `Sharded beside local, within a round: ${brief(shardedToLocal)} × (goal 0.5 at least).`,
    `A query of a node that is awake takes ${brief(awakeMs)} ms, of one that is asleep ${brief(asleepMs)} ms (goal 3 ms more at most).`,
    `A host hands its shards over: ${whole(handOver.calls)} calls, ${handOver.failed} failed, longest wait ${whole(handOver.longestMs)} ms (goal 100 at most, 0 failed).`,
    `A host is killed: ${whole(killed.calls)} calls, ${killed.failed} failed, longest wait ${whole(killed.longestMs)} ms (goal: the lease of 10 s and 3 s at most).`,
  ].join('\n')
}
