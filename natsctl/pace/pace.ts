/**
 * `natsctl rollout promote|pace`: a rollout goes faster or slower than its schedules say, without another
 * bundle.
 */
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { NodeRow, Operator, Version } from 'theseus-actors'
import { isPercent, isProbability, type Manifest, type Pace, promotedNodes } from 'theseus-actors/operator'
import { explainNoServer, withSigningOperator } from '../context/connection.js'
import { durationFlag, versionFlag } from '../context/flags.js'
import { asSignedOrder, dryRunField, type OrderFlags } from '../context/orders.js'
import { type KeyFlags, keyFlag } from '../context/upgraderSeed.js'
import { type ExitCode, exitCodes, Failure, usageFailure } from '../output/exitCodes.js'
import { show } from '../output/forms.js'
import { nearestVersion } from '../output/nearest.js'
import { note, oneLine, print } from '../output/output.js'
import type { Program } from '../output/program.js'
import { paceText } from '../rollout/paceText.js'
import { hasArrived } from '../rollout/rolloutSummary.js'

interface AnyFlags extends OrderFlags, KeyFlags {
  readonly for?: Version
}

interface PromoteFlags extends AnyFlags {
  readonly all?: true
}

interface PaceFlags extends AnyFlags {
  readonly probability?: number
  readonly every?: number
  readonly bake?: number
  readonly reset?: true
}

/** The hosts of a note; more are counted. */
const hostsShownMax = 5

export function addPace(rollout: Command, program: Program): void {
  const promoting = rollout
    .command('promote')
    .description("let nodes go now, whatever their schedules say: so many of each service's, or those of the next step")
    .argument('[share]', 'how many of the nodes of each service have gone then, such as 25%; the first by id', shareArgument)
    .option('--all', 'all of them: the same as 100%')
    .option('--for <version>', 'the version that they go to, instead of the newest', versionFlag)
    .option('--reason <text>', 'why; "natsctl orders" shows it')
    .option(...keyFlag)
    .action(
      program.action((share: number | undefined, _: unknown, command: Command) =>
        promote(share, command.optsWithGlobals<PromoteFlags>()),
      ),
    )
  const pacing = rollout
    .command('pace')
    .description('other figures than those of the schedules, for the nodes that have not gone')
    .addOption(
      new Option('--probability <p>', 'of a coin of "gradually": above 0, at most 1').argParser((text) => {
        const value = Number(text)
        if (text.trim() !== '' && isProbability(value)) return value
        throw new InvalidArgumentError('Use a number above 0, at most 1, such as 0.5.')
      }),
    )
    .addOption(new Option('--every <duration>', 'between two coins of "gradually"').argParser(durationFlag))
    .addOption(new Option('--bake <duration>', 'between two "steps"').argParser(durationFlag))
    .option('--reset', 'the figures of the schedules again')
    .option('--for <version>', 'the version that they go to, instead of the newest', versionFlag)
    .option('--reason <text>', 'why; "natsctl orders" shows it')
    .option(...keyFlag)
    .action(program.action((_: unknown, command: Command) => pace(command.optsWithGlobals<PaceFlags>())))
  for (const command of [promoting, pacing]) asSignedOrder(command)
}

function shareArgument(text: string): number {
  const percent = /^\d+%$/.test(text) ? Number(text.slice(0, -1)) : Number.NaN
  if (isPercent(percent)) return percent
  throw new InvalidArgumentError('Use a share from 1% to 100%.')
}

interface Asked {
  readonly version: Version
  readonly manifest: Manifest
  readonly rows: readonly NodeRow[]
}

async function askedVersion(operator: Operator, system: string, chosen: Version | undefined): Promise<Asked> {
  const history = await explainNoServer(system, operator.history())
  const newest = history.length
  const version = chosen ?? newest
  const manifest = history[version - 1]
  if (newest === 0) throw new Failure(exitCodes.error, `error: system ${system} runs version 0: there is no rollout`)
  if (manifest === undefined) {
    const message = `error: version ${version} is not installed: the newest of system ${system} is ${newest}`
    throw new Failure(exitCodes.error, `${message}${nearestVersion(version, newest)}`)
  }
  const services = new Set(manifest.classUpgrades.map(({ service }) => service))
  return { version, manifest, rows: (await operator.database.nodes()).filter(({ service }) => services.has(service)) }
}

function promote(share: number | undefined, flags: PromoteFlags): Promise<ExitCode> {
  if (share !== undefined && flags.all === true) throw usageFailure('give a share or --all, not both')
  const percent = flags.all === true ? 100 : (share ?? null)
  return withSigningOperator(flags, async (operator, system) => {
    const asked = await askedVersion(operator, system, flags.for)
    const { version, manifest, rows } = asked
    if (percent === null && !schedules(manifest, 'steps(')) {
      const why = 'none of its schedules has steps, so there is no next one: give a share, such as 25%, or --all'
      throw new Failure(exitCodes.error, `error: version ${version}: ${why}`)
    }
    const isPaused = (await operator.database.controls()).some((one) => one.kind === 'pause' && one.version === version)
    if (flags.dryRun !== true) await operator.promote(version, percent, flags.reason ?? '')
    const services = percent === null ? [] : sharesOf(asked, percent)
    const would = flags.dryRun === true ? 'would let ' : ''
    show(flags.output, {
      table: () => {
        if (percent === null) print(`${would === '' ? 'ended' : 'would end'} the bakes under way of version ${version}`)
        for (const { service, nodes, promoted, there } of services) {
          const how = `${promoted} of ${nodes} nodes of ${service} go to version ${version} now, ${there} of them ${there === 1 ? 'is' : 'are'} there`
          print(`${would}${how}`)
        }
        if (isPaused && percent !== null && percent < 100) note(`the pause of version ${version} holds the others`)
        if (isPaused && percent === null) note(`version ${version} is paused: nobody goes until it is resumed`)
      },
      document: () => ({ version, percent, isPaused, services, ...dryRunField(flags) }),
      names: () => [`version/${version}`],
    })
    tellOlder(rows)
    return exitCodes.done
  })
}

function sharesOf({ version, rows }: Asked, percent: number) {
  const byService = Map.groupBy(
    rows.filter((row) => row.alive || hasArrived(row, version)),
    ({ service }) => service,
  )
  return [...byService].map(([service, of]) => {
    const promoted = Math.min(of.length, promotedNodes(percent, of.length))
    const first = of.toSorted((a, b) => (a.nodeId < b.nodeId ? -1 : 1)).slice(0, promoted)
    return { service, nodes: of.length, promoted, there: first.filter((row) => hasArrived(row, version)).length }
  })
}

function pace(flags: PaceFlags): Promise<ExitCode> {
  const { probability, every, bake, reset } = flags
  const wanted: Pace = { probability: probability ?? null, everyMs: every ?? null, bakeMs: bake ?? null }
  const isNone = probability === undefined && every === undefined && bake === undefined
  if (isNone !== (reset === true))
    throw usageFailure(isNone ? 'give --probability, --every or --bake, or --reset' : '--reset takes no figures')
  return withSigningOperator(flags, async (operator, system) => {
    const { version, manifest, rows } = await askedVersion(operator, system, flags.for)
    const heeds = (schedule: string, flag: string) => {
      if (schedules(manifest, schedule)) return
      throw new Failure(exitCodes.error, `error: ${flag} changes nothing: no schedule of version ${version} is ${schedule}…)`)
    }
    if (probability !== undefined) heeds('gradually(', '--probability')
    if (every !== undefined) heeds('gradually(', '--every')
    if (bake !== undefined) heeds('steps(', '--bake')
    if (flags.dryRun !== true) await operator.changePace(version, wanted, flags.reason ?? '')
    const would = flags.dryRun === true ? 'would go' : 'goes'
    show(flags.output, {
      table: () => print(oneLine(`version ${version} ${would} on with ${reset === true ? 'its own figures' : paceText(wanted)}`)),
      document: () => ({ version, ...wanted, ...dryRunField(flags) }),
      names: () => [`version/${version}`],
    })
    tellOlder(rows)
    return exitCodes.done
  })
}

function schedules({ classUpgrades }: Manifest, schedule: string): boolean {
  return classUpgrades.some((entry) => entry.schedule.includes(schedule))
}

/** Their nodes go as their schedules say, and a pause holds them all the same. */
function tellOlder(rows: readonly NodeRow[]): void {
  const hosts = [...new Set(rows.filter(({ software }) => software?.reads.pace === undefined).map(({ hostId }) => hostId))]
  if (hosts.length === 0) return
  const more = hosts.length > hostsShownMax ? ', …' : ''
  note(
    `hosts of an older release pass this over, their nodes go as scheduled: ${hosts.slice(0, hostsShownMax).join(', ')}${more}`,
  )
}
