/**
 * The price of a rewind: how much slower a node is that records, beside one that does not in the same rounds;
 * how much disk an operation takes; and how fast a replay is.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createHost, type RunningHost } from 'theseus-actors'
import { type Bench, progress } from '../options.js'
import { machineLine } from '../processes/machine.js'
import { median } from '../statistics.js'
import { brief, table, whole } from '../table.js'
import { buildCall } from '../upgrades.js'
import { PlainV1, RecordedV1 } from './shelves.js'

const [plain, recorded] = ['plain', 'recorded']
const inFlights = [1, 64] as const
const methods = ['put', 'get'] as const
const value = 'x'.repeat(100)
const keys = 1_000

interface Load {
  readonly method: (typeof methods)[number]
  readonly inFlight: number
}

/** Calls per second, of both nodes in one round. */
interface Round extends Load {
  readonly plain: number
  readonly recorded: number
}

export interface RewindReport {
  readonly machine: string
  readonly lines: readonly (Round & { readonly ratio: number })[]
  readonly operations: number
  readonly bytesPerOperation: number
  readonly replayedPerSecond: number
  readonly rounds: readonly Round[]
}

export const rewind: Bench<RewindReport> = {
  name: 'rewind',
  about: 'a node that records for a rewind beside one that does not, and the replay: under a minute',
  run: async (options) => {
    const directory = mkdtempSync(join(tmpdir(), 'theseus-bench-'))
    const remove = () => rmSync(directory, { recursive: true, force: true })
    process.once('exit', remove)
    const phases = new Map<string, number>()
    const host = await createHost({ system: 'rewind', directory: join(directory, 'host') })
    host.observe((event) => {
      if (event.type === 'phase' && event.nodeId === recorded && event.target === 2) phases.set(event.phase, performance.now())
    })
    try {
      const nodes = [await host.node(PlainV1, plain), await host.node(RecordedV1, recorded)]
      await host.publish(await buildCall(directory, new URL('shelves.js', import.meta.url), 'shelves', '24h'))
      await Promise.all(nodes.map((node) => node.reached(1)))
      const wanted = options.rounds ?? (options.quick ? 2 : 5)
      const durationMs = options.durationMs ?? (options.quick ? 300 : 1_000)
      await measure(host, recorded, { method: 'put', inFlight: 64 }, durationMs)
      await measure(host, plain, { method: 'put', inFlight: 64 }, durationMs)
      const rounds: Round[] = []
      for (let round = 1; round <= wanted; round++)
        for (const method of methods)
          for (const inFlight of inFlights) {
            progress(`round ${round} of ${wanted}: ${method}, ${inFlight} in flight`)
            const load = { method, inFlight }
            // Each comes first in every other round.
            const order = round % 2 === 0 ? [plain, recorded] : [recorded, plain]
            const rates = new Map<string, number>()
            for (const node of order) rates.set(node, (await measure(host, node, load, durationMs)).perSecond)
            rounds.push({ ...load, plain: rates.get(plain)!, recorded: rates.get(recorded)! })
          }
      const before = bytesIn(directory)
      const { calls } = await measure(host, recorded, { method: 'put', inFlight: 64 }, 2 * durationMs)
      const bytesPerOperation = (bytesIn(directory) - before) / calls
      progress('the replay')
      const replayed = new Promise<number>((resolve) => {
        host.observe((event) => {
          if (event.type === 'rewound') resolve(event.replayed)
        })
      })
      await host.operator.undo({ rewind: true })
      await nodes[1]!.reached(2, { timeout: '10m' })
      const tookMs = phases.get('checking')! - phases.get('transforming')!
      const operations = await replayed
      return {
        ...{ machine: machineLine(), lines: linesOf(rounds), operations, bytesPerOperation },
        ...{ replayedPerSecond: operations / (tookMs / 1000), rounds },
      }
    } finally {
      await host.stop()
      remove()
    }
  },
  text: rewindText,
}

async function measure(host: RunningHost, nodeId: string, { method, inFlight }: Load, durationMs: number) {
  const node = host.ref(nodeId === plain ? PlainV1 : RecordedV1, nodeId)
  const endsAt = performance.now() + durationMs
  let calls = 0
  const one = async () => {
    while (performance.now() < endsAt) {
      const key = `k${calls++ % keys}`
      await (method === 'put' ? node.put(key, value) : node.get(key))
    }
  }
  const fromMs = performance.now()
  await Promise.all(Array.from({ length: inFlight }, one))
  return { calls, perSecond: calls / ((performance.now() - fromMs) / 1000) }
}

function bytesIn(directory: string): number {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return files.reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0)
}

function linesOf(rounds: readonly Round[]): RewindReport['lines'] {
  return [...Map.groupBy(rounds, ({ method, inFlight }) => `${method} ${inFlight}`).values()].map((group) => ({
    ...group[0]!,
    plain: median(group.map((round) => round.plain)),
    recorded: median(group.map((round) => round.recorded)),
    ratio: median(group.map((round) => round.recorded / round.plain)),
  }))
}

function rewindText({ machine, lines, operations, bytesPerOperation, replayedPerSecond, rounds }: RewindReport): string {
  const titles = ['method', 'in flight', 'calls/s', 'recorded calls/s', 'ratio']
  const rows = lines.map((line) => [
    line.method,
    String(line.inFlight),
    whole(line.plain),
    whole(line.recorded),
    brief(line.ratio),
  ])
  return [
    machine,
    `Medians of ${rounds.length / lines.length} rounds. A put writes a record of 100 bytes, a get reads one; the caller is in the same process.`,
    '',
    table(
      titles.map((title, i) => ({ title, isText: i === 0 })),
      rows,
    ),
    '',
    `A recorded put takes ${whole(bytesPerOperation)} bytes on disk. A replay of ${whole(operations)} operations carries out ${whole(replayedPerSecond)} a second.`,
  ].join('\n')
}
