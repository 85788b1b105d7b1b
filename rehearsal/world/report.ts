/**
 * A plan and its outcome as a person reads them: who is there, what the upgrades do, what
 * happens when, and what went wrong.
 */

import { callText } from './calls.js'
import { opOf } from './code/operationIds.js'
import { operationText } from './operations/operationPlan.js'
import type { ClassUpgradePlan, Plan, Step } from './plan.js'
import type { Result } from './world.js'

/** The whole plan as a story. */
export function storyOf(plan: Plan): string {
  const { hosts, nodes, upgrades, steps, limit, healAtMs, registers, deaths, backup, shards } = plan
  const kept = (service: 'ledger' | 'teller') =>
    registers[service].map((register) => `${register.name} in ${register.kept}`).join(', ')
  return [
    `Plan of seed ${plan.seed}`,
    `  hosts ${hosts.join(', ')}; at most ${limit.nodes ?? `${limit.percent} %`} nodes of a service away at once`,
    `  ledgers keep ${kept('ledger')}; tellers keep ${kept('teller')}`,
    ...(plan.habits.length === 0 ? [] : [`  habits: ${plan.habits.join(', ')}`]),
    ...Object.entries(shards?.counts ?? {}).map(([service, count]) => `  ${service} has ${count} shards`),
    ...nodes.map(({ nodeId, service, host, group }) => {
      return `  ${nodeId}, a ${service}, on ${host}${group === undefined ? '' : `, of group ${group}`}`
    }),
    ...(deaths === null
      ? []
      : [`  versions that nobody runs die ${deaths.delayMs} ms after that is seen, every ${deaths.roundMs} ms`]),
    ...upgrades.flatMap(({ classUpgrades, bundle, undoes, isGated }, i) => [
      `  upgrade ${i + 1}${undoes !== null ? `, the undo of ${undoes}` : isGated ? ', gated' : ''}${bundle === 'good' ? '' : `, its bundle ${bundle}`}`,
      ...classUpgrades.map((upgrade) => `    ${upgradeText(upgrade)}`),
    ]),
    ...steps.map((step, i) => `  ${String(step.atMs).padStart(5)} ms  ${opOf(i)}  ${stepText(step)}`),
    `  ${String(healAtMs).padStart(5)} ms  the troubles end`,
    ...(backup === null ? [] : [`  At rest ${backup.host} gets its disk as it was at ${backup.atMs} ms`]),
  ].join('\n')
}

/**
 * The report of a failing seed among others: what was violated, the plan, and how to see it again.
 *
 * @param flags those that belong to the plan, with a space before each
 */
export function failureOf(plan: Plan, result: Result, flags = ''): string {
  return [
    violationsOf(plan, result),
    storyOf(plan),
    `Again, with everything that happened: npm run rehearse -- --seed ${plan.seed}${flags}`,
  ].join('\n')
}

/** The rules that a run broke, with the virtual time. */
export function violationsOf(plan: Plan, result: Result): string {
  if (result.violations.length === 0) return `Seed ${plan.seed} breaks no rule`
  const violations = result.violations.map(({ rule, what, atMs }) => `  ${rule} at ${Math.round(atMs)} ms: ${what}`)
  return [`Seed ${plan.seed} fails`, ...violations].join('\n')
}

function upgradeText({
  service,
  change,
  futureSO,
  pastSO,
  schedule,
  troubles,
  only,
  isLazy,
  isWatched,
}: ClassUpgradePlan): string {
  const told = Object.entries(troubles).flatMap(([what, trouble]) => (trouble === 'none' ? [] : [`its ${what} ${trouble}`]))
  const changes = `${change.kind}${'register' in change ? ` ${typeof change.register === 'string' ? change.register : registerText(change.register)}` : ''}`
  const whom = only === null ? service : only.join(', ')
  return [
    `${whom}: ${changes}${isLazy ? ', lazily' : ''}${isWatched ? ', watched by its schedule' : ''}`,
    `future-SO ${futureSO}`,
    `past-SO ${pastSO}`,
    scheduleText(schedule),
    ...told,
  ].join('; ')
}

function registerText({ name, kept, mirrored }: { name: string; kept: string; mirrored: boolean }): string {
  return `${name} in ${kept}${mirrored ? ', mirrored in main' : ''}`
}

function scheduleText({ kind, ...rest }: ClassUpgradePlan['schedule']): string {
  const values = Object.entries(rest).map(([name, value]) => `${name} ${value}`)
  return values.length === 0 ? kind : `${kind} (${values.join(', ')})`
}

function stepText(step: Step): string {
  switch (step.kind) {
    case 'call':
      return `${callText(step)}, within ${step.deadlineMs} ms`
    case 'publish':
      return `upgrade ${step.version} is published${step.publishers > 1 ? ' by two at once' : ''}`
    case 'pinDead':
      return `${step.client} pins itself to version ${step.version} as soon as that is dead`
    case 'join':
      return `${step.node.nodeId} is born on ${step.node.host}`
    case 'leave':
      if (step.forMs === null) return `${step.host} leaves for good`
      return `${step.host} stops for ${step.forMs} ms${step.isForgotten ? ', and its nodes are forgotten' : ''}`
    case 'crash': {
      const { moment } = step
      const at = moment.at === 'phase' ? `when a node is ${moment.phase}` : moment.at
      const when = moment.at === 'once' ? 'at once' : `${at}, number ${moment.count}`
      return `${step.host} is killed, ${when}, for ${step.forMs} ms`
    }
    case 'serverCrash':
      return `upgrade server ${step.server} is killed after ${step.messages} messages, for ${step.forMs} ms`
    case 'cutOff':
      return `${step.host} is cut off for ${step.forMs} ms`
    case 'partition':
      return `what ${step.from} sends to ${step.to} is lost for ${step.forMs} ms`
    case 'weather': {
      const { delayMs, lost, duplicated, late } = step.weather
      return `messages take up to ${delayMs} ms; lost ${lost}, duplicated ${duplicated}, overtaken ${late}; for ${step.forMs} ms`
    }
    case 'diskFull':
      return `the disk of ${step.host} is full for ${step.forMs} ms`
    case 'diskSlow':
      return `the disk of ${step.host} is slow for ${step.forMs} ms`
    case 'databaseAway':
      return `the upgrade database is away for ${step.forMs} ms`
    case 'awayWhenLeft':
      return `as soon as no node needs version ${step.version} any more, the upgrade database is away for ${step.forMs} ms`
    case 'databaseFlaky':
      return `the upgrade database is flaky for ${step.forMs} ms`
    case 'duplicateNode':
      return `${step.host} tries to start ${step.nodeId}, whose state is elsewhere`
    case 'unannounced':
      return `no announcement reaches ${step.host} for ${step.forMs} ms`
    case 'permit':
      return `an operator permits ${step.nodeId} to upgrade`
    case 'retry':
      return `an operator asks ${step.nodeId} to try again`
    case 'pause':
      return `an operator pauses version ${step.version} for ${step.forMs} ms`
    case 'hold':
      return `an operator holds ${step.nodeId} for ${step.forMs} ms`
    case 'now':
      return `an operator has ${step.nodeId} upgrade now`
    case 'retryVersion':
      return `an operator asks those that version ${step.version} has stalled to try again`
    case 'finalize':
      return `an operator makes version ${step.version} final`
    default:
      return operationText(step)
  }
}
