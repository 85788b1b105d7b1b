/**
 * How long `natsctl upgrade plan` takes for a population of nodes, by its schedule. Nothing runs but the
 * rehearsal: there is no server and no database.
 */
import { eagerly, gradually, oneReplicaAtATime, type Schedule, steps } from 'theseus-actors'
import { planRollout } from 'theseus-actors/rollout'
import { ids, proposal, row, shops, upgradeOf } from '../../test/rehearsal/proposals.js'
import { type Bench, progress } from '../options.js'
import { machineLine } from '../processes/machine.js'
import { brief, table, whole } from '../table.js'

const sizes = { quick: [10, 100, 1_000, 10_000], whole: [10, 100, 1_000, 10_000, 100_000] }

const schedules: readonly Schedule[] = [
  eagerly(),
  gradually({ every: '10s', probability: 0.2 }),
  steps(['1 node', '10%', '50%', 'all'], { bake: '10m' }),
  oneReplicaAtATime(),
]

export interface PlanResult {
  readonly nodes: number
  readonly schedule: string
  readonly ms: number
  readonly cpuMs: number
  /** How many get there in the plan. */
  readonly arrived: number
  /** A schedule that draws lots is rehearsed several times. */
  readonly runs: number
  /** Virtual time, to the last arrival. */
  readonly rolloutMs: number | null
}

export interface PlanReport {
  readonly machine: string
  readonly results: readonly PlanResult[]
}

export const planBench: Bench<PlanReport> = {
  name: 'plan',
  about: 'natsctl upgrade plan for 10 to 100,000 nodes: under three minutes',
  run: async (options) => {
    const machine = machineLine()
    const results: PlanResult[] = []
    for (const nodes of options.nodes ?? (options.quick ? sizes.quick : sizes.whole)) {
      for (const schedule of schedules) {
        progress(`${whole(nodes)} nodes, ${schedule.describe}`)
        results.push(await measure(nodes, schedule))
      }
    }
    return { machine, results }
  },
  text: ({ machine, results }) =>
    [
      machine,
      'One plan for each row, of a system that exists as rows only. A schedule that draws lots is rehearsed five times, or three times for 100,000 nodes.',
      '',
      table(
        [
          { title: 'schedule', isText: true },
          ...['nodes', 'arrive', 'rollout', 'rehearsals', 's', 'CPU s', 'µs/node'].map((title) => ({ title })),
        ],
        results.map(({ schedule, nodes, arrived, rolloutMs, runs, ms, cpuMs }) => [
          schedule,
          ...[nodes, arrived].map(whole),
          rolloutMs === null ? '' : `${brief(rolloutMs / 60_000)} min`,
          whole(runs),
          ...[ms / 1_000, cpuMs / 1_000].map(brief),
          whole((ms * 1_000) / nodes / runs),
        ]),
      ),
    ].join('\n'),
}

async function measure(nodes: number, schedule: Schedule): Promise<PlanResult> {
  const rows = ids(nodes).map((id) => row(id))
  const tried = proposal(upgradeOf([shops(schedule)]), rows, { assumed: { withinMs: 10 * 365 * 24 * 3_600_000 } })
  const before = process.cpuUsage()
  const begun = performance.now()
  const { services, runs, duration } = await planRollout(tried, { seed: 1 })
  const ms = performance.now() - begun
  const { user, system } = process.cpuUsage(before)
  const arrived = services[0]!.goes.filter(({ arrivesMs }) => arrivesMs !== null).length
  const rolloutMs = duration?.longestMs ?? null
  return { nodes, schedule: schedule.describe, ms, cpuMs: (user + system) / 1_000, arrived, runs, rolloutMs }
}
