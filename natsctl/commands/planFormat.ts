/** How a plan is told: to people, and as JSON (docs/natsctl.md has its form). */
import type { Absence, Obstacle, Refusals, RolloutPlan, ServicePlan } from 'theseus-actors/rollout'
import type { GlobalFlags } from '../context/flags.js'
import { type NeighbourNeed, needJson, needText } from '../history/neighbours.js'
import { show } from '../output/forms.js'
import { age, count, note, oneLine, print, printTable } from '../output/output.js'

/** Rows of a service that the table has; JSON has them all. */
const rowsShownMax = 20
const namesShownMax = 5

/** The plan, and what the new classes need of other systems. */
interface ShownPlan extends RolloutPlan {
  readonly needs: readonly NeighbourNeed[]
  /** When it would be published, milliseconds since 1970. */
  readonly at: number
}

export function showPlan(plan: ShownPlan, system: string, { output }: GlobalFlags): void {
  show(output, {
    table: () => printPlan(plan, system),
    document: () => planJson(plan, system),
    names: () => plan.services.flatMap(({ goes }) => goes.map(({ nodeId }) => `node/${nodeId}`)),
  })
}

function printPlan(plan: ShownPlan, system: string): void {
  print(`system ${system} would go to version ${plan.version}: ${oneLine(plan.title)}`)
  print(lengthText(plan))
  for (const service of plan.services) showService(service, plan)
  showAbsent(plan)
  showPromises(plan)
  showRefusals(plan)
  for (const { className, method, reason } of plan.meant) print(oneLine(`meant: ${className}.${method}: ${reason}`))
  showNeeds(plan)
  print('')
  print(wayBackText(plan))
  print('assumed:')
  for (const assumption of plan.assumptions) print(`  ${oneLine(assumption)}`)
  for (const warning of plan.warnings) note(warning)
}

function planJson(plan: ShownPlan, system: string) {
  const { version, title, seed, runs, lots, duration, mostAway, paused, gaveUp, promises, assumptions, warnings } = plan
  return {
    system,
    version,
    title,
    seed,
    runs,
    lots,
    duration: duration && { medianMs: Math.round(duration.medianMs), longestMs: Math.round(duration.longestMs) },
    mostAway,
    services: plan.services.map(serviceJson),
    absent: plan.absent.map(({ nodes, obstacle }) => ({ nodes, kind: obstacle.kind, waitsFor: obstacleText(obstacle) })),
    refusals: plan.refusals,
    meant: plan.meant,
    callers: plan.callers,
    neighbours: plan.needs.map(needJson),
    undoable: plan.noWayBack.length === 0,
    noWayBack: plan.noWayBack,
    paused,
    gaveUp,
    at: new Date(plan.at).toISOString(),
    promises: promises && { ...promises, worst: promises.worst && storyJson(promises.worst) },
    assumptions,
    warnings,
  }
}

function serviceJson({ service, registered, affected, classUpgrades, mostAway, limit, goes }: ServicePlan) {
  return {
    service,
    registered,
    affected,
    classUpgrades: classUpgrades.map(({ oldClass, newClass, schedule, inverse, rewind }) => ({
      ...{ oldClass, newClass, schedule, inverse },
      ...(rewind === undefined ? {} : { rewind }),
    })),
    mostAway,
    limit,
    nodes: goes.map(({ nodeId, goesMs, arrivesMs }) => ({
      node: nodeId,
      goesMs: Math.round(goesMs),
      arrivesMs: arrivesMs === null ? null : Math.round(arrivesMs),
    })),
  }
}

function lengthText({ duration, runs, mostAway, services, absent }: RolloutPlan): string {
  const affected = services.reduce((sum, service) => sum + service.affected, 0)
  if (affected === 0) return 'no node is affected: all advance at once'
  if (duration === null) return `${count(affected, 'node')} affected, and none of them gets there`
  const { medianMs, longestMs } = duration
  const longest = runs > 1 ? `, ${length(longestMs)} in the longest of ${runs} rehearsals` : ''
  const missing = absent.reduce((sum, { nodes }) => sum + nodes.length, 0)
  const whose = missing > 0 ? ` for the ${affected - missing} that get there` : ''
  return `${count(affected, 'node')} affected; it takes ${length(medianMs)}${longest}${whose}; at most ${mostAway} away at once`
}

function showService(
  { service, registered, affected, classUpgrades, mostAway, limit, goes }: ServicePlan,
  { lots }: RolloutPlan,
): void {
  print('')
  for (const { oldClass, newClass, schedule, rewind } of classUpgrades) {
    print(`${service}: ${oldClass} → ${newClass}, ${oneLine(schedule)}`)
    if (rewind !== undefined) for (const line of rewindLines(rewind)) print(`  ${line}`)
  }
  const whose = limit.of === 'hosts' ? 'the limit of the hosts' : `its schedule, ${oneLine(limit.of)},`
  print(`  ${affected} of ${count(registered, 'node')} affected; at most ${mostAway} away at once: ${whose} lets ${limit.nodes}`)
  if (goes.length === 0) return
  if (lots !== 'none') print(`  chance has a part in their order: this is one of many`)
  printTable(
    ['NODE', 'GOES AFTER', 'SERVES AGAIN AFTER'],
    goes
      .slice(0, rowsShownMax)
      .map(({ nodeId, goesMs, arrivesMs }) => [nodeId, length(goesMs), arrivesMs === null ? '-' : length(arrivesMs)]),
  )
  if (goes.length > rowsShownMax) print(`… and ${goes.length - rowsShownMax} more (-o json has them all)`)
}

/** Its promise, and its price. */
function rewindLines({
  forMs,
  operations,
  bytes,
  queries,
}: NonNullable<ServicePlan['classUpgrades'][number]['rewind']>): readonly string[] {
  const room = `${operations.toLocaleString('en')} operations or ${Math.ceil(bytes / 2 ** 20).toLocaleString('en')} MiB`
  return [
    `can be rewound for ${age(forMs)}: each node keeps its old state, and records all commands${queries ? ' and queries' : ''}`,
    `  that takes twice the state and up to ${room} on disk; a node that records more can't be rewound`,
    ...(queries ? ['  a query waits for the disk, as a command does: "queries: false" leaves queries out'] : []),
  ]
}

function showAbsent({ absent, paused, gaveUp }: RolloutPlan): void {
  if (absent.length > 0) print('')
  for (const { nodes, obstacle } of absent) {
    print(`${count(nodes.length, 'node')} not there in the end: ${names(nodes)}`)
    print(`  waits for ${oneLine(obstacleText(obstacle))}`)
  }
  if (paused !== null) print(`the health gate would pause the rollout: ${oneLine(paused)}`)
  if (gaveUp !== null) print(`the rehearsal was given up: ${oneLine(gaveUp)}`)
}

type Findings = NonNullable<RolloutPlan['promises']>
type Story = NonNullable<Findings['worst']>

/** Lines of a story that people are shown: the last ones before it is broken. */
const storyLinesShownMax = 30

function showPromises({ promises, at }: ShownPlan): void {
  if (promises === null) return
  const { stories, failures, kept, paused, broken, worst } = promises
  print('')
  for (const promise of promises.promises) print(`promise: ${oneLine(promise)}`)
  const whose = failures === 0 ? '' : ` with ${count(failures, 'failing host')} each`
  print(
    `  in ${stories} ${stories === 1 ? 'story' : 'stories'}${whose}: holds in ${kept}, pauses the rollout in ${paused}, is broken in ${broken}`,
  )
  if (worst === null) return
  print(`  ${broken > 0 ? 'the worst' : 'the first that is paused'}: seed ${worst.seed}, after ${length(momentOf(worst))}`)
  print(`  again: --seed ${worst.seed} --seeds 1 --failures ${failures} --at ${new Date(at).toISOString()}`)
  for (const [atMs, what] of shownLines(worst)) print(`    ${length(atMs)}  ${oneLine(what)}`)
}

function momentOf({ broken, paused }: Story): number {
  return broken?.atMs ?? paused!.atMs
}

function shownLines(story: Story): Story['lines'] {
  const moment = momentOf(story)
  return story.lines.filter(([atMs]) => atMs <= moment).slice(-storyLinesShownMax)
}

function storyJson({ seed, broken, paused, lines }: Story) {
  const rounded = <T extends { readonly atMs: number }>(found: T | null) => found && { ...found, atMs: Math.round(found.atMs) }
  return {
    seed,
    broken: rounded(broken),
    paused: rounded(paused),
    lines: lines.map(([atMs, what]) => ({ atMs: Math.round(atMs), what })),
  }
}

/** A clause after "waits for". */
function obstacleText(obstacle: Absence['obstacle']): string {
  switch (obstacle.kind) {
    case 'host':
      return `host ${obstacle.hostId}, which is not heard of`
    case 'trouble':
      return `somebody: it is ${obstacle.phase}${withReason(obstacle.reason)}`
    case 'threw':
      return `somebody: its schedule throws${withReason(obstacle.reason)}`
    case 'schedule':
      return `its schedule for version ${obstacle.version}, ${obstacle.schedule}`
    case 'group':
      return `${obstacle.waitsFor.join(', ')} of its group, which ${obstacle.waitsFor.length === 1 ? 'has' : 'have'} not signalled for version ${obstacle.version}`
    case 'slot':
      return `a permit for version ${obstacle.version} under its service's limit, held by ${names(obstacle.heldBy)}`
    case 'control':
      return controlText(obstacle)
    case 'notLoaded':
      return `version ${obstacle.version} first, which can't be rehearsed here`
  }
}

function controlText({ control, version }: Obstacle & { readonly kind: 'control' }): string {
  const what = control.kind === 'hold' ? 'the end of its hold' : `the end of the pause of version ${version}`
  return `${what}${withReason('reason' in control ? control.reason : null)}`
}

function withReason(reason: string | null): string {
  return reason === null || reason === '' ? '' : `: ${reason}`
}

function showRefusals({ refusals, callers }: RolloutPlan): void {
  print('')
  if (refusals.length === 0) print('no call is refused meanwhile')
  else printTable(['CALLS AT', 'METHOD', 'NODES WITH', 'MEANWHILE'], refusals.flatMap(refusalRows))
  for (const { version, clients, refused } of callers) {
    const what = refused.length === 0 ? 'none of their calls is refused' : `upgraded nodes refuse ${refused.join(', ')}, or may`
    print(`${count(clients.length, 'caller')} pinned to version ${version}, ${names(clients)}: ${what}`)
  }
}

/** An upgrade server refuses the upgrade where there is trouble. */
function showNeeds({ needs }: ShownPlan): void {
  if (needs.length > 0) print('')
  for (const need of needs) print(`${need.trouble === null ? '' : 'refused: '}${oneLine(needText(need))}`)
}

function refusalRows({ role, simulates, over, version, refused, mayRefuse, cut }: Refusals) {
  const so = role === 'futureSO' ? 'future-SO' : 'past-SO'
  const rows = (methods: readonly string[], what: string) => methods.map((name) => [version, `${simulates}.${name}`, over, what])
  return [
    ...rows(refused, `refused by the ${so}`),
    ...rows(mayRefuse, `refused by the ${so} from case to case`),
    ...rows(cut, `not answered: there is no ${so}`),
  ]
}

function wayBackText({ noWayBack, services }: RolloutPlan): string {
  const isRecorded = (name: string) =>
    services.some(({ classUpgrades }) => classUpgrades.some(({ newClass, rewind }) => newClass === name && rewind !== undefined))
  if (noWayBack.length === 0) return 'it can be undone, until it is final'
  if (noWayBack.every(isRecorded))
    return `it can only be rewound, for as long as nodes record: ${noWayBack.join(', ')} ${noWayBack.length === 1 ? 'has' : 'have'} no inverse`
  return `a point of no return: ${noWayBack.join(', ')} ${noWayBack.length === 1 ? 'has' : 'have'} no inverse`
}

function names(all: readonly string[]): string {
  const shown = all.slice(0, namesShownMax).join(', ')
  return all.length > namesShownMax ? `${shown} and ${all.length - namesShownMax} more` : shown
}

/** Below a minute with one decimal. */
function length(ms: number): string {
  return ms < 59_950 ? `${(ms / 1000).toFixed(1)}s` : age(ms)
}
