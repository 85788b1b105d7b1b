/**
 * The caller of the rollout bench: calls at version 0 without a break, before an upgrade, while it rolls out,
 * and after it. Each job on a reading works on it alone, so that what is read must be what was written.
 */
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { createHost, isFault } from 'theseus-actors'
import { memoryStore } from 'theseus-actors/memory'
import { nats } from 'theseus-actors/nats'
import { redis } from 'theseus-actors/redis'
import { MeterV1 } from '../meters.js'
import { giveResult } from '../processes/childProcess.js'
import { percentiles } from '../statistics.js'
import { buildCall, meters } from '../upgrades.js'
import type { RolloutOrder, RolloutResult, SpanFigures } from './rolloutOrder.js'

const workers = 64
/** Between two looks at how far the rollout is, which take time from the calls. */
const pollMs = 1_000
/** One call in so many is a command. */
const commandEvery = 4

interface Tally {
  readonly latenciesMs: number[]
  failed: number
}

interface Spanned {
  readonly tally: Tally
  readonly tookMs: number
}

await giveResult(async (order: RolloutOrder): Promise<RolloutResult> => {
  const { system, natsUrl, redisUrl, directory, nodeIds, schedule } = order
  const host = await createHost({
    system,
    transport: nats(natsUrl),
    udb: redis(redisUrl),
    state: memoryStore(),
    bundles: join(directory, 'caller'),
  })
  const upgrade = await buildCall(directory, meters, 'metersMeasureInKelvin', schedule)
  const failures: Record<string, number> = {}
  let tally: Tally = { latenciesMs: [], failed: 0 }
  let isOver = false

  const timed = async <T>(call: () => Promise<T>): Promise<T | undefined> => {
    const begunAt = performance.now()
    try {
      return await call()
    } catch (error) {
      if (!isFault(error)) throw error
      tally.failed++
      failures[error.code] = (failures[error.code] ?? 0) + 1
      return undefined
    } finally {
      tally.latenciesMs.push(performance.now() - begunAt)
    }
  }
  const work = async (worker: number): Promise<void> => {
    const nodeId = nodeIds[worker % nodeIds.length]!
    const meter = host.ref(MeterV1, nodeId, { version: 0, deadline: '10s' })
    const key = `worker-${worker}`
    let known: number | undefined
    for (let turn = 0; !isOver; turn++) {
      if (turn % commandEvery === 0) {
        const celsius = turn % 40
        const isDone = await timed(() => meter.measuredAt(key, celsius).then(() => true))
        known = isDone ? celsius : undefined
      } else {
        const celsius = await timed(() => meter.celsiusAt(key))
        if (celsius !== undefined && known !== undefined && celsius !== known)
          throw new Error(`${key} of ${nodeId} is ${celsius} °C, and was acknowledged as ${known} °C`)
      }
    }
  }
  const span = async (during: () => Promise<unknown>): Promise<Spanned> => {
    const own: Tally = { latenciesMs: [], failed: 0 }
    tally = own
    const begunAt = performance.now()
    await during()
    return { tally: own, tookMs: performance.now() - begunAt }
  }

  const working = Promise.all(Array.from({ length: workers }, (_, worker) => work(worker)))
  // A wrong answer ends the bench at once.
  const or = <T>(wanted: Promise<T>): Promise<T> => Promise.race([wanted, working.then(() => wanted)])
  await or(pause(order.warmUpMs))
  const before = await or(span(() => pause(order.beforeMs)))
  let left = nodeIds.length
  const during = await or(
    span(async () => {
      await host.publish(upgrade)
      for (const end = performance.now() + order.timeoutMs; left > 0 && performance.now() < end; await pause(pollMs)) {
        const rows = await host.operator.database.nodes('meter')
        left = rows.filter(({ version, phase }) => version < 1 || phase !== 'current').length
      }
    }),
  )
  const after = await or(span(() => pause(order.afterMs)))
  isOver = true
  await working
  // Only now: to sort millions of latencies takes so long that the next span would have it among its own.
  return { spans: { before: figuresOf(before), during: figuresOf(during), after: figuresOf(after) }, left, failures }
})

function figuresOf({ tally: { latenciesMs, failed }, tookMs }: Spanned): SpanFigures {
  const calls = latenciesMs.length
  const [p50Ms, p99Ms, longestMs] = percentiles(latenciesMs, [0.5, 0.99, 1]) as [number, number, number]
  return { tookMs, calls, failed, callsPerSecond: calls / (tookMs / 1000), p50Ms, p99Ms, longestMs }
}
