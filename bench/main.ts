/** npm run bench: which benches run, and where their results go. README.md says what is measured, and what is not. */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { calls } from './match/calls.js'
import { hops } from './match/hops.js'
import { bundle } from './bundle/bundle.js'
import { memory } from './memory/memory.js'
import type { Bench, Options } from './options.js'
import { pause } from './pause/pause.js'
import { rollout } from './rollout/rollout.js'
import { scale } from './scale/scale.js'

const benches: readonly Bench<any>[] = [calls, hops, rollout, pause, scale, memory, bundle]

const usage = `npm run bench [-- <bench>… | all] [options]

${benches.map(({ name, about }) => `  ${name.padEnd(18)}${about}`).join('\n')}
  all               one after the other

  --quick           fewer and shorter rounds, for a look: under a minute each
  --json <file>     writes the numbers as JSON too, with those of every round
  --charts          keeps the numbers in docs/bench.json, and draws docs/*.svg of what is there
  --rounds <n>      rounds over all contenders
  --duration <ms>   calls, hops: of one contender at one load in one round
  --only <text>     calls, hops: the reference and contenders whose name contains it; may be given again
  --alone           with --only: without the reference, for profiles
  --load <name>     calls, hops: only this load: 1, 64, 256, '256 paced', '256, 1 KB' or sends; may be given again
  --nodes <n>       scale: only so many nodes; may be given again
  --profile <dir>   scale: CPU profiles of the measured process go here
`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
    charts: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    duration: { type: 'string' },
    only: { type: 'string', multiple: true },
    alone: { type: 'boolean', default: false },
    load: { type: 'string', multiple: true },
    nodes: { type: 'string', multiple: true },
    profile: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})

const numberOf = (text: string | undefined): number | undefined => (text === undefined ? undefined : Number(text))

const options: Options = {
  quick: values.quick,
  rounds: numberOf(values.rounds),
  durationMs: numberOf(values.duration),
  only: values.only,
  alone: values.alone,
  loads: values.load,
  nodes: values.nodes?.map(Number),
  profile: values.profile,
}

async function main(chosen: readonly Bench[]): Promise<void> {
  const results: Record<string, unknown> = {}
  for (const bench of chosen) {
    const result = await bench.run(options)
    results[bench.name] = result
    process.stdout.write(`${bench.name}: ${bench.text(result)}\n\n`)
    // After each: a long run that is ended keeps what it has.
    if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`)
  }
}

await main(benches.filter(({ name }) => positionals.includes(name) || (positionals.length === 0 && name === 'calls')))
