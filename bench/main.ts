/**
 * npm run bench: which benches run, and where their results go. README.md says what is
 * measured, and what is not.
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { bundle } from './bundle/bundle.js'
import { drawKept, keepResults } from './charts/charts.js'
import { logs } from './logs/logs.js'
import { calls } from './match/calls.js'
import { hops } from './match/hops.js'
import { memory } from './memory/memory.js'
import { type Bench, type Options, progress, UsageError } from './options.js'
import { pause } from './pause/pause.js'
import { planBench } from './plan/plan.js'
import { rewind } from './rewind/rewind.js'
import { rollout } from './rollout/rollout.js'
import { scale } from './scale/scale.js'
import { shardsBench } from './shards/shards.js'
import { state } from './state/state.js'

const benches: readonly Bench<any>[] = [
  calls,
  hops,
  rollout,
  pause,
  rewind,
  state,
  scale,
  memory,
  bundle,
  logs,
  shardsBench,
  planBench,
]

const usage = `npm run bench [-- <bench>… | all | charts] [options]

${benches.map(({ name, about }) => `  ${name.padEnd(18)}${about}`).join('\n')}
  all               one after the other
  charts            draws docs/*.svg and README.md's figures of what --charts has kept

  --quick           fewer and shorter rounds, for a look: under a minute each
  --json <file>     writes the numbers as JSON too, with those of every round
  --charts          keeps the numbers in docs/bench.json, and draws docs/*.svg and README.md's figures of what is there
  --rounds <n>      rounds over all contenders
  --duration <ms>   calls, hops: of one contender at one load in one round
  --only <text>     calls, hops: the reference, and contenders whose name contains it; may be given again
  --alone           with --only: without the reference, for profiles
  --beside <release>  calls, hops, memory: an earlier release in the same run, such as 0.1.0
  --load <name>     calls, hops: only this load: 1, 64, 256, '256 paced', '256, 1 KB' or sends; may be given again
  --nodes <n>       scale, plan: only so many nodes; may be given again. bundle: so many hosts
  --profile <dir>   scale, memory: a CPU profile of the measured process goes here
  --help
`

async function main(): Promise<void> {
  const { values, positionals } = commandLine()
  if (values.help) {
    process.stdout.write(usage)
    return
  }
  if (positionals.includes('charts')) {
    for (const name of drawKept()) progress(name)
    return
  }
  const names = positionals.length === 0 ? ['calls'] : positionals
  const unknown = names.find((name) => name !== 'all' && !benches.some((bench) => bench.name === name))
  if (unknown !== undefined) throw new UsageError(`there is no bench "${unknown}"`)
  const options: Options = {
    quick: values.quick,
    rounds: count(values.rounds, '--rounds'),
    durationMs: count(values.duration, '--duration'),
    only: values.only,
    alone: values.alone,
    beside: values.beside,
    loads: values.load,
    nodes: values.nodes?.map((text) => count(text, '--nodes')!),
    profile: values.profile,
  }
  const results: Record<string, unknown> = {}
  for (const bench of benches.filter(({ name }) => names.includes('all') || names.includes(name))) {
    const result = await bench.run(options)
    results[bench.name] = result
    process.stdout.write(`${bench.name}: ${bench.text(result)}\n\n`)
    // After each: a long run that is ended keeps what it has.
    if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`)
    if (values.charts) for (const name of keepResults(results)) progress(name)
  }
}

function commandLine() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        quick: { type: 'boolean', default: false },
        json: { type: 'string' },
        charts: { type: 'boolean', default: false },
        rounds: { type: 'string' },
        duration: { type: 'string' },
        only: { type: 'string', multiple: true },
        alone: { type: 'boolean', default: false },
        beside: { type: 'string' },
        load: { type: 'string', multiple: true },
        nodes: { type: 'string', multiple: true },
        profile: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

function count(text: string | undefined, option: string): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new UsageError(`${option}: ${text} is not a number above zero`)
  return value
}

// The servers and the directories are removed on 'exit', which a signal alone does not bring about.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(signal === 'SIGINT' ? 130 : 143))
try {
  await main()
} catch (error) {
  const isUsage = error instanceof UsageError
  process.stderr.write(`${isUsage ? `${error.message}\n\n${usage}` : ((error as Error).stack ?? error)}\n`)
  process.exit(isUsage ? 2 : 1)
}
