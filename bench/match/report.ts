/**
 * From the rounds' samples of a match to the numbers that are shown: medians over rounds, and
 * ratios taken within a round.
 */
import { median } from '../statistics.js'
import { table, whole } from '../table.js'

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

export interface MatchReport {
  readonly machine: string
  readonly rounds: number
  readonly durationMs: number
  /** Peers that were not there, or failed. */
  readonly missing: readonly string[]
  readonly references: readonly string[]
  readonly lines: readonly Line[]
  readonly samples: readonly Sample[]
}

export function linesOf(samples: readonly Sample[], references: readonly string[]): readonly Line[] {
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

const columns = [
  { title: 'in flight', isText: true },
  { title: 'contender', isText: true },
  ...['calls/s', 'min', 'max', '×', 'p50 ms', 'p99 ms', 'CPU µs: caller', 'callee', 'nats'].map((title) => ({ title })),
]

export function matchText({ machine, rounds, durationMs, missing, references, lines }: MatchReport): string {
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
  const about = `Medians of ${rounds} rounds of ${durationMs} ms each; × is the ratio to ${references.join(' or ')} at the same load.`
  const without = missing.length === 0 ? [] : [`Without ${missing.join(', ')}.`]
  return [machine, about, ...without, '', table(columns, rows, { grouped: true })].join('\n')
}

function medianOrNull(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null)
  return known.length === 0 ? null : median(known)
}
