/** From the rounds' samples to the numbers that are shown: medians over rounds, and ratios taken within a round. */
import { spawnSync } from 'node:child_process'
import { cpus, loadavg } from 'node:os'
import { references } from './contenders.js'
import { median } from './statistics.js'

/** One contender at one load in one round. */
export interface Sample {
  readonly contender: string
  readonly load: string
  readonly round: number
  readonly callsPerSecond: number
  /** Of one call, where one is in flight. */
  readonly p50Ms: number | null
  readonly p99Ms: number | null
  readonly cpuUsPerCall: { readonly caller: number; readonly callee: number; readonly natsServer: number }
}

export interface Line {
  readonly contender: string
  readonly load: string
  readonly callsPerSecond: { readonly median: number; readonly min: number; readonly max: number }
  /** The median of the rounds' ratios: contenders of one round had the same machine. */
  readonly ratio: number | null
  readonly p50Ms: number | null
  readonly p99Ms: number | null
  readonly cpuUsPerCall: Sample['cpuUsPerCall']
}

export interface Report {
  readonly machine: string
  readonly rounds: number
  readonly durationMs: number
  readonly lines: readonly Line[]
}

export function linesOf(samples: readonly Sample[]): readonly Line[] {
  const groups = Map.groupBy(samples, ({ contender, load }) => `${load}\n${contender}`)
  return [...groups.values()].map((group) => {
    const { contender, load } = group[0]!
    const rates = group.map((sample) => sample.callsPerSecond)
    const ratios = group.flatMap((sample) => {
      const reference = samples.find(
        (other) => references.includes(other.contender) && other.load === load && other.round === sample.round,
      )
      return reference === undefined ? [] : [sample.callsPerSecond / reference.callsPerSecond]
    })
    const cpu = (who: keyof Sample['cpuUsPerCall']): number => median(group.map((sample) => sample.cpuUsPerCall[who]))
    return {
      contender,
      load,
      callsPerSecond: { median: median(rates), min: Math.min(...rates), max: Math.max(...rates) },
      ratio: ratios.length === 0 ? null : median(ratios),
      p50Ms: medianOrNull(group.map((sample) => sample.p50Ms)),
      p99Ms: medianOrNull(group.map((sample) => sample.p99Ms)),
      cpuUsPerCall: { caller: cpu('caller'), callee: cpu('callee'), natsServer: cpu('natsServer') },
    }
  })
}

/** Cores, versions, and how busy the machine was with other things. Call it before the first call. */
export function machineLine(): string {
  const [cpu] = cpus()
  const server = spawnSync('nats-server', ['--version'], { encoding: 'utf8' }).stdout?.trim().replace(': ', ' ')
  const load = loadavg()[0]!.toFixed(1)
  return [
    `${cpus().length} cores (${cpu?.model ?? 'unknown'})`,
    `Node.js ${process.version}`,
    server ?? 'nats-server',
    `load before ${load}`,
  ].join(', ')
}

const columns = [
  'in flight',
  'contender',
  'calls/s',
  'min',
  'max',
  '×',
  'p50 ms',
  'p99 ms',
  'CPU µs: caller',
  'callee',
  'nats',
] as const

export function table({ machine, rounds, durationMs, lines }: Report): string {
  const rows = lines.map((line) => [
    line.load,
    line.contender,
    whole(line.callsPerSecond.median),
    whole(line.callsPerSecond.min),
    whole(line.callsPerSecond.max),
    line.ratio?.toFixed(2) ?? '',
    line.p50Ms?.toFixed(3) ?? '',
    line.p99Ms?.toFixed(3) ?? '',
    line.cpuUsPerCall.caller.toFixed(1),
    line.cpuUsPerCall.callee.toFixed(1),
    line.cpuUsPerCall.natsServer.toFixed(1),
  ])
  const widths = columns.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)))
  const text = (cells: readonly string[]): string =>
    cells.map((cell, i) => (i < 2 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ')
  const body: string[] = []
  rows.forEach((row, i) => {
    if (i > 0 && rows[i - 1]![0] !== row[0]) body.push('')
    body.push(text(row))
  })
  const about = `Medians of ${rounds} rounds of ${durationMs} ms each; × is the ratio to ${references.join(' or ')} with msgpackr at the same load.`
  return [machine, about, '', text(columns), ...body].join('\n')
}

function medianOrNull(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null)
  return known.length === 0 ? null : median(known)
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en')
}
