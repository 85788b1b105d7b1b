/**
 * The results that are kept in docs/: of each bench the last run that was kept, the charts that are drawn of
 * them, and the README's figures.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { PlanReport } from '../plan/plan.js'
import { callsChart } from './callsChart.js'
import { pauseChart } from './pauseChart.js'
import { planChart } from './planChart.js'
import { type KeptResults, withFigures } from './readmeFigures.js'
import { scaleChart } from './scaleChart.js'

/** Compiled, this file is in dist/bench/charts. */
const docs = fileURLToPath(new URL('../../../docs/', import.meta.url))
const kept = `${docs}bench.json`
const readme = `${docs}../README.md`

type Results = Partial<KeptResults> & { readonly plan?: PlanReport }

/**
 * Puts these results in the place of older ones of the same benches, and draws again. Returns
 * what was written.
 */
export function keepResults(results: Readonly<Record<string, unknown>>): readonly string[] {
  const before = existsSync(kept) ? (JSON.parse(readFileSync(kept, 'utf8')) as Record<string, unknown>) : {}
  const all = { ...before, ...results }
  // Single rounds are for `--json`.
  const text = JSON.stringify(all, (key, value) => (key === 'samples' ? undefined : value), 1)
  writeFileSync(kept, `${text}\n`)
  return ['docs/bench.json', ...draw(all)]
}

/** Draws what is kept. */
export function drawKept(): readonly string[] {
  if (!existsSync(kept)) throw new Error('there is no docs/bench.json yet: run a bench with --charts first')
  return draw(JSON.parse(readFileSync(kept, 'utf8')) as Results)
}

/** The charts that there are numbers for, and the figures of README.md, which need those of five benches. */
function draw({ calls, pause, scale, memory, rollout, plan }: Results): readonly string[] {
  const charts = {
    ...(calls === undefined ? {} : { 'bench.svg': callsChart(calls) }),
    ...(pause === undefined ? {} : { 'bench-pause.svg': pauseChart(pause) }),
    ...(plan === undefined ? {} : { 'bench-plan.svg': planChart(plan) }),
    ...(scale === undefined || scale.results.length === 0 ? {} : { 'bench-scale.svg': scaleChart(scale) }),
  }
  for (const [name, chart] of Object.entries(charts)) writeFileSync(`${docs}${name}`, chart)
  const written = Object.keys(charts).map((name) => `docs/${name}`)
  if (!calls || !pause || !scale || !memory || !rollout) return written
  writeFileSync(readme, withFigures(readFileSync(readme, 'utf8'), { calls, pause, scale, memory, rollout }))
  return [...written, 'README.md']
}
