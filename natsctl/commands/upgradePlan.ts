/**
 * `natsctl upgrade plan`: what an upgrade would do to the running system, rehearsed before it
 * is published. Nothing is written.
 */
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Operator, ServiceLimit, Upgrade, Version } from 'theseus-actors'
import type { Verified } from 'theseus-actors/nkeys'
import { checkNeeds, formatOf, instantMs, reasonOf, usesBrought } from 'theseus-actors/operator'
import { installedUpgrades, planRollout, type RolloutPlan, type Situation } from 'theseus-actors/rollout'
import { verifiedBundle, withBundles } from '../build/runnableBundle.js'
import { loadUpgrade } from '../build/upgradeSource.js'
import { withOperator } from '../context/connection.js'
import { durationFlag, type GlobalFlags } from '../context/flags.js'
import type { Trust } from '../context/trust.js'
import { HistoryReader, type KnownHistory } from '../history/knownHistory.js'
import { findNeighbours, needsOf } from '../history/neighbours.js'
import { type ExitCode, exitCodes } from '../output/exitCodes.js'
import { note } from '../output/output.js'
import type { Program } from '../output/program.js'
import { isPartOfRollout } from '../rollout/rolloutSummary.js'
import { showPlan } from './planFormat.js'

interface PlanFlags extends GlobalFlags {
  readonly drain: number
  readonly transform: number
  readonly limit: ServiceLimit
  readonly within: number
  readonly seed: number
  readonly runs?: number
  readonly seeds?: number
  readonly failures: number
  readonly at?: number
}

type VerifiedHistory = ReturnType<KnownHistory['needed']>

const hourMs = 3_600_000
const runsMax = 100
const seedsMax = 1_000_000
const failuresMax = 1_000

export function addPlan(upgrade: Command, program: Program): void {
  const duration = (flags: string, description: string, ms: number, shown: string) =>
    new Option(flags, description).argParser(durationFlag).default(ms, shown)
  upgrade
    .command('plan')
    .description('rehearse an upgrade against the running system: who goes, when, in which order, and what is refused meanwhile')
    .argument('<file|module>', 'a file that "upgrade build" made, or a module, which is built first; its code is run')
    .addOption(duration('--drain <duration>', 'how long a node drains, as far as you know', 1_000, '1s'))
    .addOption(duration('--transform <duration>', 'how long it is away after that', 2_000, '2s'))
    .addOption(
      new Option('--limit <n|n%>', 'the limit in the settings of the hosts').argParser(limitFlag).default({ percent: 25 }, '25%'),
    )
    .addOption(
      duration('--within <duration>', 'a node that has not come after so long is taken not to come', 7 * 24 * hourMs, '168h'),
    )
    .addOption(
      new Option('--seed <number>', 'begins the chance of the rehearsals')
        .argParser(wholeFlag(0, Number.MAX_SAFE_INTEGER))
        .default(1),
    )
    .addOption(
      new Option('--runs <number>', 'rehearsals, where schedules draw lots: 5, or 3 of 50,000 nodes and more').argParser(
        wholeFlag(1, runsMax),
      ),
    )
    .addOption(
      new Option('--seeds <number>', 'stories that are told for promises, each of the next seed').argParser(
        wholeFlag(1, seedsMax),
      ),
    )
    .addOption(
      new Option('--failures <number>', 'hosts that fail in each story; transforms are slow and operators pause as well')
        .argParser(wholeFlag(0, failuresMax))
        .default(0),
    )
    .addOption(
      new Option('--at <time>', 'the time of day at which it is published, in RFC 3339: now by default').argParser(instantFlag),
    )
    .action(program.action((source: string, _: unknown, command: Command) => plan(source, command.optsWithGlobals())))
}

async function plan(source: string, flags: PlanFlags): Promise<ExitCode> {
  const { built, upgrade } = await loadUpgrade(source)
  const { drain, transform, limit, within, seed, runs, seeds: stories, failures, at = Date.now() } = flags
  const assumed = { drainMs: drain, transformMs: transform, limit, withinMs: within }
  return withOperator(flags, async ({ database }, system, trust) => {
    const { situation, history } = await situationOf(database, system, trust, at)
    const version = situation.manifests.length + 1
    const upgrades = new Map([...(await upgradesAhead(database, situation, history)), [version, upgrade] as const])
    const found = await planRollout(
      { situation, draft: built.manifest, upgrades, assumed },
      {
        seed,
        failures,
        ...(runs !== undefined && { runs }),
        ...(stories !== undefined && { stories }),
      },
    )
    const brought = usesBrought(built.manifest.classUpgrades)
    const neighbours = await findNeighbours(
      brought.map((use) => use.system),
      system,
    )
    const needs = needsOf(brought, neighbours)
    showPlan({ ...found, needs, at }, system, flags)
    const above = aboveLevel({ runtime: built.manifest.runtime, format: formatOf(built.manifest), version }, history.level)
    if (above !== undefined) note(above)
    const isRefused = above !== undefined || needs.some(({ trouble }) => trouble !== null)
    return isRefused || isInTrouble(found) ? exitCodes.degraded : exitCodes.done
  })
}

/** Why the upgrade server would refuse it until the system's level is raised. */
function aboveLevel(upgrade: Parameters<typeof checkNeeds>[0], level: VerifiedHistory['level']): string | undefined {
  try {
    checkNeeds(upgrade, level)
    return undefined
  } catch (error) {
    return reasonOf(error)
  }
}

function isInTrouble({ absent, paused, promises }: RolloutPlan): boolean {
  return paused !== null || (promises?.broken ?? 0) > 0 || absent.some(({ obstacle }) => obstacle.kind === 'threw')
}

/** Asks the database alone: a plan is made also while no upgrade server runs. */
async function situationOf(database: Operator['database'], system: string, trust: Trust | undefined, nowMs: number) {
  const rows = await database.nodes()
  const { history: known } = await new HistoryReader(database, system, trust).read()
  const history = known.needed('upgrade plan')
  const by = known.by.at(-1) ?? []
  if (by.length > 0) note(`version ${known.by.length} is signed by ${by.join(' and ')}`)
  const k = history.trust?.need.upgrade ?? 1
  if (k > 1) note(`${k} of the trusted keys have to sign this one: "natsctl upgrade sign" adds a signature to its file`)
  const names = await database.tables()
  const tables = await Promise.all(names.map(async (name) => [name, await database.table(name)] as const))
  const { inForce: dead } = await database.dead()
  const controls = await database.controls()
  const { manifests } = history
  const situation: Situation = { rows, controls, tables: new Map(tables), manifests, dead, nowMs }
  return { situation, history }
}

/**
 * The installed upgrades that nodes which are behind go through first. Without one of them they
 * are taken to stay before it.
 */
async function upgradesAhead(
  database: Operator['database'],
  { rows, manifests }: Situation,
  history: VerifiedHistory,
): Promise<ReadonlyMap<Version, Upgrade>> {
  const going = rows.filter((row) => isPartOfRollout(row) && row.alive)
  const oldest = going.reduce((least, { version }) => Math.min(least, version), manifests.length)
  const ahead = manifests.slice(oldest).filter(({ classUpgrades }) => classUpgrades.length > 0)
  const found = new Map<Version, Upgrade>()
  await withBundles(async (load) => {
    const loaded = async (verified: Verified) => load(await verifiedBundle(database, verified))
    for (const { version } of ahead) {
      try {
        for (const [each, upgrade] of await installedUpgrades(history, [version], loaded)) found.set(each, upgrade)
      } catch (error) {
        note(`version ${version} can't be rehearsed: ${reasonOf(error)}`)
      }
    }
  })
  return found
}

function limitFlag(text: string): ServiceLimit {
  const [, digits, share] = /^(\d+)(%?)$/.exec(text) ?? []
  const amount = Number(digits)
  if (digits === undefined || amount < 1 || (share === '%' && amount > 100))
    throw new InvalidArgumentError('Use a number of nodes, such as 2, or a share, such as 10%.')
  return share === '%' ? { percent: amount } : { nodes: amount }
}

function wholeFlag(least: number, most: number): (text: string) => number {
  return (text) => {
    const number = /^\d+$/.test(text) ? Number(text) : Number.NaN
    if (number >= least && number <= most) return number
    throw new InvalidArgumentError(`Use a whole number from ${least} to ${most}.`)
  }
}

function instantFlag(text: string): number {
  const ms = instantMs(text)
  if (ms !== undefined) return ms
  throw new InvalidArgumentError('Use a time such as 2026-03-01T02:00:00Z.')
}
