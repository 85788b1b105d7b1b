/**
 * The price of keeping state: commands to nodes of hosts with each durability, beside a query, beside each
 * other, and beside Redis that syncs each write.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import { createHost } from 'theseus-actors'
import { memoryStore } from 'theseus-actors/memory'
import { nats } from 'theseus-actors/nats'
import { redis } from 'theseus-actors/redis'
import { startRedisServer } from '../../test/support/servers.js'
import { type Bench, progress } from '../options.js'
import { machineLine } from '../processes/machine.js'
import { withServers } from '../processes/servers.js'
import { median } from '../statistics.js'
import { brief, table, whole } from '../table.js'
import { Entries } from './entries.js'
import { type Durability, nodesOf, system } from './loads.js'

const contenders = ['query', 'none', 'process', 'disk', 'redis'] as const
type Contender = (typeof contenders)[number]
const inFlights = [1, 64] as const
const keys = 1_000
const value = 'x'.repeat(100)

interface Measured {
  readonly perSecond: number
  readonly p50Ms: number
}

interface Round {
  readonly inFlight: number
  readonly of: Readonly<Record<Contender, Measured>>
}

export interface StateReport {
  readonly machine: string
  readonly rounds: readonly Round[]
  /** Medians of the ratios within a round. */
  readonly ratios: {
    readonly processCommandToQueryP50: number
    readonly processToNoneAt64: number
    readonly diskToRedisAt64: number
  }
}

export const state: Bench<StateReport> = {
  name: 'state',
  about: 'commands with each durability, beside a query and beside Redis that syncs each write: under a minute',
  run: (options) =>
    withServers(async ({ nats: natsServer, redis: redisServer, directory }) => {
      const synced = await startRedisServer({ appendonly: true })
      const answering = fork(fileURLToPath(new URL('stateHosts.js', import.meta.url)), [
        natsServer.url,
        redisServer.url,
        directory,
      ])
      await once(answering, 'message')
      const ways = { system, transport: nats(natsServer.url), udb: redis(redisServer.url) }
      const host = await createHost({ ...ways, state: memoryStore(), bundles: `${directory}/bundles` })
      const client = new Redis(synced.url)
      try {
        const refs = (durability: Durability) => nodesOf(durability).map((nodeId) => host.ref(Entries, nodeId))
        const [none, process, disk] = [refs('none'), refs('process'), refs('disk')]
        const of = (all: typeof none, n: number) => all[n % all.length]!
        const calls: Record<Contender, (n: number) => Promise<unknown>> = {
          query: (n) => of(process, n).get(`k${n % keys}`),
          none: (n) => of(none, n).put(`k${n % keys}`, value),
          process: (n) => of(process, n).put(`k${n % keys}`, value),
          disk: (n) => of(disk, n).put(`k${n % keys}`, value),
          redis: (n) => client.set(`k${n % keys}`, value),
        }
        const wanted = options.rounds ?? (options.quick ? 2 : 7)
        const durationMs = options.durationMs ?? (options.quick ? 400 : 1_000)
        for (const name of contenders) await measure(calls[name], 64, durationMs)
        const rounds: Round[] = []
        for (let round = 1; round <= wanted; round++)
          for (const inFlight of inFlights) {
            progress(`round ${round} of ${wanted}: ${inFlight} in flight`)
            const found: Partial<Record<Contender, Measured>> = {}
            // Each comes first in another round.
            const order = contenders.map((_, i) => contenders[(i + round) % contenders.length]!)
            for (const name of order) found[name] = await measure(calls[name], inFlight, durationMs)
            rounds.push({ inFlight, of: found as Round['of'] })
          }
        const ratio = (inFlight: number, of: (round: Round['of']) => number) =>
          median(rounds.filter((round) => round.inFlight === inFlight).map((round) => of(round.of)))
        return {
          machine: machineLine(),
          rounds,
          ratios: {
            processCommandToQueryP50: ratio(1, (round) => round.process.p50Ms / round.query.p50Ms),
            processToNoneAt64: ratio(64, (round) => round.process.perSecond / round.none.perSecond),
            diskToRedisAt64: ratio(64, (round) => round.disk.perSecond / round.redis.perSecond),
          },
        }
      } finally {
        client.disconnect()
        await host.stop()
        answering.send('stop')
        await once(answering, 'exit')
        await synced.stop()
      }
    }),
  text: stateText,
}

async function measure(call: (n: number) => Promise<unknown>, inFlight: number, durationMs: number): Promise<Measured> {
  const fromMs = performance.now()
  const endsAt = fromMs + durationMs
  const tookMs: number[] = []
  let next = 0
  const one = async () => {
    for (let beganMs = performance.now(); beganMs < endsAt; beganMs = performance.now()) {
      await call(next++)
      tookMs.push(performance.now() - beganMs)
    }
  }
  await Promise.all(Array.from({ length: inFlight }, one))
  return { perSecond: tookMs.length / ((performance.now() - fromMs) / 1000), p50Ms: median(tookMs) }
}

const titles: Readonly<Record<Contender, string>> = {
  query: 'a query of the same nodes',
  none: 'a command, durability none',
  process: 'a command, durability process',
  disk: 'a command, durability disk',
  redis: 'Redis SET, appendfsync always',
}

function stateText({ machine, rounds, ratios }: StateReport): string {
  const all = (name: Contender, inFlight: number, of: (measured: Measured) => number) =>
    median(rounds.filter((round) => round.inFlight === inFlight).map((round) => of(round.of[name])))
  const rows = contenders.map((name) => [
    titles[name],
    brief(all(name, 1, ({ p50Ms }) => p50Ms)),
    whole(all(name, 64, ({ perSecond }) => perSecond)),
  ])
  return [
    machine,
    `Medians of ${rounds.length / inFlights.length} rounds. A command writes a record of 100 bytes, to 16 nodes of one host in turn.`,
    '',
    table(
      ['', 'one at a time, p50 ms', '64 in flight, per second'].map((title, i) => ({ title, isText: i === 0 })),
      rows,
    ),
    '',
    `Ratios within a round: process beside a query, one at a time, p50 ${brief(ratios.processCommandToQueryP50)} × (goal 1.4 at most); process beside none at 64 ${brief(ratios.processToNoneAt64)} × (goal 0.9 at least); disk beside Redis at 64 ${brief(ratios.diskToRedisAt64)} × (goal 0.8 at least).`,
  ].join('\n')
}
