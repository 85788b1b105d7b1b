/**
 * The figures of README.md, of what docs/bench.json keeps: `npm run bench -- charts` writes
 * them between two marks.
 */
import type { MatchReport } from '../match/report.js'
import type { MemoryReport } from '../memory/memory.js'
import type { PauseReport } from '../pause/pause.js'
import type { RolloutReport } from '../rollout/rollout.js'
import type { ScaleReport } from '../scale/scale.js'
import { whole } from '../table.js'
import { isPeer } from './callsChart.js'

export interface KeptResults {
  readonly calls: MatchReport
  readonly pause: PauseReport
  readonly scale: ScaleReport
  readonly memory: MemoryReport
  readonly rollout: RolloutReport
}

const begin = '<!-- figures of docs/bench.json, written by "npm run bench -- charts" -->\n'
const end = '<!-- end of figures -->\n'

const loads: readonly (readonly [load: string, title: string])[] = [
  ['256', '256 in flight'],
  ['256 paced', '256 in flight, at most 16 new in a turn'],
  ['64', '64 in flight'],
  ['256, 1 KB', '256 in flight, answers of 1 KB'],
  ['1', 'one at a time'],
]

/** The page with today's figures in place of those that it has. */
export function withFigures(page: string, results: KeptResults): string {
  const [from, to] = [page.indexOf(begin), page.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`the page has no line ${begin.trim()}, or no ${end.trim()} after it`)
  return `${page.slice(0, from + begin.length)}\n${figures(results)}\n${page.slice(to)}`
}

function figures({ calls, pause, scale, memory, rollout }: KeptResults): string {
  const ended = scale.results.flatMap(({ nodes, limitPercent, rolloutMs }) =>
    rolloutMs === null ? [] : [{ nodes, limitPercent, rolloutMs }],
  )
  const most = ended.filter(({ nodes }) => nodes === Math.max(...ended.map((each) => each.nodes)))
  const big = (way: string) => pause.lines.filter((line) => line.way === way).at(-1)!
  const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`
  const sends = calls.lines.find(({ contender, load }) => load === 'sends' && contender.startsWith('Theseus'))
  return [
    'Calls a second over one nats-server, as multiples of `nc.request()`:',
    '',
    '| | 1 node | 64 nodes | commands to disk, 16 nodes | best of the peers |',
    '|---|---|---|---|---|',
    ...loads.map(([load, title]) => `| ${[title, ...ratios(calls, load)].join(' | ')} |`),
    '',
    `- One-way sends: ${ratio(sends?.ratio)} times as many as those of \`nc.publish()\`.`,
    `- ${rollout.nodes} nodes upgraded under load: ${rollout.failed} calls failed. Throughput was ${rollout.throughputRatio.toFixed(2)} of that before,`,
    `  p99 latency ${rollout.p99Ratio.toFixed(2)}.`,
    `- ${whole(most[0]!.nodes)} nodes in one process, upgraded: ${most.map((each) => `${seconds(each.rolloutMs)} with ${each.limitPercent} %`).join(', ')} away at once.`,
    `- One node with ${whole(big('lazy').records)} records, upgraded: away for ${whole(big('lazy').pauseMs)} ms with a lazy transform,`,
    `  ${seconds(big('eager').pauseMs)} with an eager one.`,
    `- An idle node: ${memory.heapKb.toFixed(1)} KB of heap.`,
    '',
    `Medians on ${calls.machine.replace(/, load before .*/, '')}.`,
    '',
  ].join('\n')
}

function ratios({ lines }: MatchReport, load: string): readonly string[] {
  const of = (contender: string) => lines.find((line) => line.load === load && line.contender === contender)?.ratio
  const peers = lines.filter((line) => line.load === load && isPeer(line.contender))
  const best = peers.toSorted((a, b) => (b.ratio ?? 0) - (a.ratio ?? 0))[0]
  return [
    ratio(of('Theseus query, 1 node')),
    ratio(of('Theseus query, 64 nodes')),
    ratio(of('Theseus command, 16 nodes')),
    best === undefined ? '' : `${ratio(best.ratio)} (${best.contender})`,
  ]
}

function ratio(value: number | null | undefined): string {
  return value === null || value === undefined ? '' : value.toFixed(1)
}
