/** The results that are kept in docs/: of each bench the last run that was kept, and the charts that are drawn of them. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { MatchReport } from '../match/report.js'
import type { PauseReport } from '../pause/pause.js'
import type { ScaleReport } from '../scale/scale.js'
import { callsChart } from './callsChart.js'
import { pauseChart } from './pauseChart.js'
import { scaleChart } from './scaleChart.js'

/** Compiled, this file is in dist/bench/charts. */
const docs = fileURLToPath(new URL('../../../docs/', import.meta.url))
const kept = `${docs}bench.json`

interface Results {
  readonly calls?: MatchReport
  readonly pause?: PauseReport
  readonly scale?: ScaleReport
}

/** Puts these results in the place of older ones of the same benches, and draws again. Returns what was written. */
export function keep(results: Readonly<Record<string, unknown>>): readonly string[] {
  const before = existsSync(kept) ? (JSON.parse(readFileSync(kept, 'utf8')) as Record<string, unknown>) : {}
  const all = { ...before, ...results }
  // Single rounds are for `--json`.
  const text = JSON.stringify(all, (key, value) => (key === 'samples' ? undefined : value), 1)
  writeFileSync(kept, `${text}\n`)
  return ['bench.json', ...draw(all)].map((name) => `docs/${name}`)
}

/** Draws what is kept. */
export function drawKept(): readonly string[] {
  if (!existsSync(kept)) throw new Error('there is no docs/bench.json yet: run a bench with --charts first')
  return draw(JSON.parse(readFileSync(kept, 'utf8')) as Results).map((name) => `docs/${name}`)
}

function draw({ calls, pause, scale }: Results): readonly string[] {
  const charts = {
    ...(calls === undefined ? {} : { 'bench.svg': callsChart(calls) }),
    ...(pause === undefined ? {} : { 'bench-pause.svg': pauseChart(pause) }),
    ...(scale === undefined || scale.results.length === 0 ? {} : { 'bench-scale.svg': scaleChart(scale) }),
  }
  for (const [name, chart] of Object.entries(charts)) writeFileSync(`${docs}${name}`, chart)
  return Object.keys(charts)
}
