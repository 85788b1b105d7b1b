/** The bench's use of its samples: medians over rounds, ratios within a round, tables, charts. */
import test from 'ava'
import { callsChart } from '../../bench/charts/callsChart.js'
import { planChart } from '../../bench/charts/planChart.js'
import { scaleChart } from '../../bench/charts/scaleChart.js'
import { linesOf, type MatchReport, matchText, type Sample } from '../../bench/match/report.js'
import type { ScaleReport } from '../../bench/scale/scale.js'
import { percentiles } from '../../bench/statistics.js'
import { brief, table } from '../../bench/table.js'

const reference = 'nc.request()'

function sample(contender: string, load: string, round: number, callsPerSecond: number): Sample {
  const p50Ms = load === '1' ? 0.2 : null
  return { contender, load, round, callsPerSecond, p50Ms, p99Ms: p50Ms, cpuUsPerCall: { caller: 3, callee: 2, natsServer: 1 } }
}

/** The machine is ten times slower in the second round, for all. */
const samples = [100, 10, 120].flatMap((rate, i) => [
  sample(reference, '256', i + 1, rate),
  sample('Theseus query, 1 node', '256', i + 1, rate * (i + 4)),
  sample('Theseus query, 1 node', '1', i + 1, rate),
])

const report: MatchReport = {
  machine: '2 cores (<quick> & old)',
  rounds: 3,
  durationMs: 500,
  missing: ['NestJS microservices'],
  references: [reference],
  lines: linesOf(samples, [reference]),
  samples,
}

test('a ratio is of two contenders of one round, so a slow round does not spoil it', (t) => {
  const [, line] = report.lines
  t.is(line!.contender, 'Theseus query, 1 node')
  t.is(line!.ratio, 5)
  t.deepEqual(line!.callsPerSecond, { median: 400, min: 50, max: 720 })
})

test('where the reference is not at a load there is no ratio', (t) => {
  const line = report.lines.find(({ load }) => load === '1')
  t.is(line!.ratio, null)
  t.is(line!.p50Ms, 0.2)
})

test('percentiles are values that occur, the largest at the end', (t) => {
  t.deepEqual(percentiles([5, 1, 4, 2, 3], [0.5, 0.99, 1]), [3, 5, 5])
  t.deepEqual(percentiles([], [0.5]), [0])
})

test('a report says who was left out', (t) => {
  t.regex(matchText(report), /^Without NestJS microservices\.$/m)
})

test('a table keeps its columns below each other', (t) => {
  const text = table(
    [{ title: 'name', isText: true }, { title: 'figure' }],
    [
      ['long name', '1'],
      ['x', brief(1_234.5)],
    ],
  )
  t.is(text, ['name       figure', 'long name       1', 'x           1,235'].join('\n'))
})

test('the chart of calls has a bar for each contender at each load, and colours for light and dark', (t) => {
  const chart = callsChart(report)
  const legend = 4
  t.is([...chart.matchAll(/<rect [^>]*class="(?:own|peer|bare|floor)"/g)].length, report.lines.length + legend)
  t.true(chart.includes('prefers-color-scheme:dark'))
  t.true(chart.includes('2 cores (&lt;quick&gt; &amp; old)'))
  t.false(/NaN|undefined/.test(chart))
})

test('the chart of a rollout’s growth leaves out what was given up', (t) => {
  const loop = { longestBlockMs: 20, busy: 0.5, cpuMs: 100 }
  const result = (nodes: number, rolloutMs: number | null): ScaleReport['results'][number] => ({
    nodes,
    limitPercent: 25,
    startMs: 10,
    start: loop,
    rolloutMs,
    there: nodes,
    knownMs: rolloutMs,
    rollout: { ...loop, redisCpuMs: 10, natsCpuMs: 0 },
    counts: { messages: 1, subscriptions: 1, commits: 1, writes: 8, timers: 4, database: {} },
    warnings: [],
  })
  const chart = scaleChart({ machine: 'here', results: [result(10, 50), result(100, 500), result(1_000, null)], failed: [] })
  t.is([...chart.matchAll(/<circle [^>]*class="own"/g)].length, 2)
  t.is([...chart.matchAll(/<circle [^>]*class="peer"/g)].length, 3)
  t.false(/NaN|undefined/.test(chart))
})

test('the chart of plans has a curve for each schedule', (t) => {
  const of = (schedule: string) =>
    [10, 100].map((nodes) => ({ nodes, schedule, ms: nodes, cpuMs: nodes, arrived: nodes, runs: 1, rolloutMs: 1 }))
  const chart = planChart({
    machine: 'here',
    results: ['eagerly', 'gradually({ every: 10s })', 'steps(all; bake: 1m)', 'oneReplicaAtATime'].flatMap(of),
  })
  for (const ink of ['own', 'peer', 'bare', 'floor'])
    t.is([...chart.matchAll(new RegExp(`<circle [^>]*class="${ink}"`, 'g'))].length, 2)
  t.false(/NaN|undefined/.test(chart))
})
