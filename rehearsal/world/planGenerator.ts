/**
 * Makes a plan from a seed: 2–6 nodes on 1–3 hosts, 1–4 chained upgrades, clients at old and new versions,
 * joins and departures, and troubles.
 */
import type { Phase, Version } from 'theseus-actors'
import { seededRandom } from 'theseus-actors/memory'
import { phases, stageOf } from '../../core/base/phases.js'
import type { Random } from '../../core/ports/random.js'
import { lineageOf } from './classSpecs.js'
import { withHabits } from './code/codeGenerator.js'
import { type Habit, usualHabits } from './code/habits.js'
import { always, type Dimension } from './operations/dimensions.js'
import { withGroup } from './operations/groupPlan.js'
import { dimensionsDrawn, operationSteps, stepsPlayed, upgradesPlayed } from './operations/operationGenerator.js'
import { withRewinds } from './operations/rewinds.js'
import type { Asked, CrashMoment, Manner, NodePlan, Plan, ServiceName, Step, UpgradePlan, Weather } from './plan.js'
import { PlanRandom } from './planRandom.js'
import { withShards } from './shards/shardPlan.js'
import { upgradesOf } from './upgradeGenerator.js'

const lastsMs = 5_000
const clients = ['desk1', 'desk2']
const servers = ['us1', 'us2']
/**
 * Those in which a node does not serve come and go quickly: most of the crashes that wait for a
 * phase wait for one of these.
 */
const away = phases.filter((phase) => stageOf(phase) === 'changing')
const crashPhases: readonly Phase[] = [...away, ...away, 'fetching', 'verifying', 'scheduled', 'current', 'stalled']

/**
 * @param asked what it may go through
 * @param among the habits that its code may have
 */
export function planOf(seed: number, asked: ReadonlySet<Dimension> = always, among: readonly Habit[] = usualHabits): Plan {
  const random = new PlanRandom(chanceOf(seed))
  const drawn = dimensionsDrawn(seed, asked)
  const hosts = ['h1', 'h2', 'h3'].slice(0, random.between(1, 3))
  const registers = {
    ledger: [{ name: 'main', kept: random.oneOf(['root', 'collection'] as const), mirrored: false, form: 0 }],
    teller: [{ name: 'main', kept: random.oneOf(['root', 'collection'] as const), mirrored: false, form: 0 }],
  }
  const nodes = nodesOf(random, hosts)
  const joins = joinsOf(random, hosts)
  const all = [...nodes, ...joins.map(({ node }) => node)]
  const nodeIds = all.map(({ nodeId }) => nodeId)
  const later = drawn.includes('laterUndos') ? new PlanRandom(seededRandom(seed * 2 ** 20 + 800)) : undefined
  const upgrades = upgradesPlayed(seed, drawn, upgradesOf(random, registers, nodeIds, later))
  const healAtMs = lastsMs + random.between(0, 1_000)
  // Later than the longest deadline.
  const dying = () => ({ roundMs: random.between(300, 900), delayMs: 2_100 })
  const deaths = random.chance(0.3) || drawn.includes('pins') ? dying() : null
  const backup = random.chance(0.15) ? { host: random.oneOf(hosts), atMs: random.between(200, lastsMs) } : null
  const base = {
    seed,
    dimensions: drawn,
    habits: [],
    hosts,
    servers,
    clients,
    registers,
    nodes,
    upgrades,
    deaths,
    backup,
    healAtMs,
  }
  const limit = random.oneOf([{ nodes: 1 }, { nodes: 1 }, { nodes: 2 }, { percent: 25 }, { percent: 50 }])
  const publishedAtMs = publicationsOf(random, upgrades)
  const steps: Step[] = publishedAtMs.map((atMs, i) => ({
    atMs,
    kind: 'publish',
    version: i + 1,
    // The second to come may find it published and undone, and would publish it once more.
    publishers: (upgrades[i + 1]?.undoes ?? null) === null && random.chance(0.2) ? 2 : 1,
  }))
  steps.push(...joins, ...callsOf(random, { ...base, limit, steps: [] }, all, publishedAtMs))
  // One plan in five has no troubles beside those of its upgrades.
  const troubles = random.chance(0.2) ? 0 : random.between(1, 9)
  for (let i = 0; i < troubles; i++) steps.push(troubleOf(random, hosts, all, publishedAtMs))
  if (deaths !== null && random.chance(0.5)) steps.push(oblivionOf(random, hosts))
  steps.push(...operationsOf(random, upgrades, all, publishedAtMs))
  const calls = steps.filter((step) => step.kind === 'call')
  const operated = { hosts, clients, servers, nodes: all, upgrades, publishedAtMs, calls, lastsMs }
  const played = stepsPlayed(drawn, steps, operationSteps(seed, drawn, operated), clients)
  const plan = withHabits({ ...base, limit, steps: [...played].sort((a, b) => a.atMs - b.atMs) }, among)
  const whole = withRewinds(drawn.includes('groups') ? withGroup(plan) : plan)
  return drawn.includes('shards') ? withShards(whole) : whole
}

/** Apart from what the running world draws from the same seed. */
function chanceOf(seed: number): Random {
  return seededRandom(seed * 2 ** 20 + 77)
}

function nodesOf(random: PlanRandom, hosts: readonly string[]): readonly NodePlan[] {
  const ledgers = random.between(1, 4)
  const tellers = random.between(ledgers === 1 ? 1 : 0, Math.min(6 - ledgers, 2))
  const make = (service: ServiceName, count: number): NodePlan[] =>
    Array.from({ length: count }, (_, i) => ({ nodeId: `${service}${i + 1}`, service, host: random.oneOf(hosts) }))
  return [...make('ledger', ledgers), ...make('teller', tellers)]
}

/** An undo comes when those before it have hardly begun, or when all is over; upgrades at any time. */
function publicationsOf(random: PlanRandom, upgrades: readonly UpgradePlan[]): readonly number[] {
  const forward = upgrades.map(() => random.between(100, 3_500)).sort((a, b) => a - b)
  const published: number[] = []
  upgrades.forEach(({ undoes }, i) => {
    const before = published.at(-1) ?? 0
    const after = before + random.between(0, random.oneOf([60, 400, 1_500]))
    published.push(Math.min(undoes !== null ? after : Math.max(before, forward[i]!), lastsMs - 300))
  })
  return published
}

type JoinStep = Extract<Step, { kind: 'join' }>

function joinsOf(random: PlanRandom, hosts: readonly string[]): readonly JoinStep[] {
  return Array.from({ length: random.oneOf([0, 0, 1, 2]) }, (_, i): JoinStep => {
    const service = random.oneOf(['ledger', 'teller'] as const)
    const node = { nodeId: `${service}${i + 7}`, service, host: random.oneOf(hosts) }
    return { atMs: random.between(200, 4_500), kind: 'join', node }
  })
}

function callsOf(random: PlanRandom, plan: Plan, nodes: readonly NodePlan[], publishedAtMs: readonly number[]): readonly Step[] {
  const draw = callsDrawn(random, plan, nodes)
  return Array.from({ length: random.between(20, 70) }, () => {
    const atMs = random.between(0, lastsMs)
    return draw(atMs, publishedAtMs.filter((at) => at <= atMs).length)
  })
}

/** Draws one call after the other, each for its time and for so many versions that are published then. */
export function callsDrawn(
  random: PlanRandom,
  plan: Plan,
  nodes: readonly NodePlan[],
): (atMs: number, published: Version) => Extract<Step, { kind: 'call' }> {
  const lines = { ledger: lineageOf(plan, 'ledger'), teller: lineageOf(plan, 'teller') }
  const ledgers = nodes.filter(({ service }) => service === 'ledger').map(({ nodeId }) => nodeId)
  return (atMs, published) => {
    const node = random.oneOf(nodes)
    // Now and then a version that nobody has installed yet.
    const newest = Math.min(plan.upgrades.length, random.chance(0.05) ? published + 1 : published)
    const version = random.chance(0.4) ? newest : random.between(0, newest)
    // Where versions are to die, few clients are registered at old ones.
    const isRegistered = plan.deaths === null || random.chance(version === newest ? 0.5 : 0.02)
    return {
      atMs,
      kind: 'call',
      client: random.oneOf(clients),
      service: node.service,
      node: random.chance(0.1) ? null : node.nodeId,
      version,
      isPinned: isRegistered && random.chance(0.15),
      isRegistered,
      deadlineMs: random.oneOf([300, 1_000, 2_000]),
      asked: askedOf(random, lines[node.service][version]!, ledgers),
    }
  }
}

function askedOf(random: PlanRandom, spec: ReturnType<typeof lineageOf>[number], ledgers: readonly string[]): Asked {
  if (spec.service === 'teller' && ledgers.length > 0 && random.chance(0.5)) {
    const what = random.oneOf(['forward', 'tell', 'ask', 'later', 'announce', 'announce'] as const)
    const ledger = random.oneOf(ledgers)
    switch (what) {
      case 'forward':
      case 'ask':
        return { what, ledger }
      case 'tell':
        return { what, ledger, manner: mannerOf(random) }
      case 'announce':
        return { what, manner: mannerOf(random) }
      case 'later':
        return { what, ms: random.oneOf([5, 20, 100, 400]), manner: mannerOf(random) }
    }
  }
  if (spec.strikes && random.chance(0.15)) return { what: 'strike' }
  const register = random.oneOf(spec.registers).name
  if (random.chance(0.35)) return { what: 'read', register }
  return { what: 'add', register, manner: mannerOf(random) }
}

function mannerOf(random: PlanRandom): Manner {
  return random.chance(0.03) ? 'lingering' : random.oneOf(['plainly', 'plainly', 'plainly', 'slowly', 'failing', 'slowlyFailing'])
}

function troubleOf(
  random: PlanRandom,
  hosts: readonly string[],
  nodes: readonly NodePlan[],
  publishedAtMs: readonly number[],
): Step {
  // Half of them around a publication: what is learned then is not on disk yet.
  const atMs = random.chance(0.5) ? random.between(50, lastsMs - 200) : random.oneOf(publishedAtMs) + random.between(-100, 300)
  const host = random.oneOf(hosts)
  const forMs = random.between(50, 1_500)
  const everybody = [...hosts, ...clients, ...servers]
  switch (random.between(0, 17)) {
    case 0:
    case 1:
    case 2:
    case 3:
      return { atMs, kind: 'crash', host, moment: momentOf(random), forMs }
    case 4:
      return { atMs, kind: 'serverCrash', server: random.oneOf(servers), messages: random.between(0, 12), forMs }
    case 5:
      return { atMs, kind: 'cutOff', host: random.oneOf([...hosts, ...clients]), forMs }
    case 6:
      return { atMs, kind: 'partition', from: random.oneOf(everybody), to: random.oneOf(everybody), forMs }
    case 7:
    case 8:
      return { atMs, kind: 'weather', forMs, weather: weatherOf(random) }
    case 9:
    case 10:
      return { atMs, kind: 'diskFull', host, forMs: random.between(5, 600) }
    case 11:
      return { atMs, kind: 'diskSlow', host, forMs }
    case 12:
      return { atMs, kind: 'databaseAway', forMs }
    case 13:
      return { atMs, kind: 'databaseFlaky', forMs }
    case 14:
      // A client's calls end with it; a publication may be half done.
      return { atMs, kind: 'crash', host: random.oneOf(clients), moment: momentOf(random), forMs }
    case 15:
      return { atMs, kind: 'duplicateNode', nodeId: random.oneOf(nodes).nodeId, host }
    case 16:
      return { atMs, kind: 'retry', nodeId: random.oneOf(nodes).nodeId }
    default:
      return leaveOf(random, hosts, atMs)
  }
}

/** For a while, for good, or for so long that nobody expects it back. */
function leaveOf(random: PlanRandom, hosts: readonly string[], atMs: number): Step {
  const host = random.oneOf(hosts)
  const isForgotten = random.chance(0.4)
  const isForGood = !isForgotten && hosts.length > 1 && random.chance(0.4)
  const forMs = isForGood ? null : isForgotten && random.chance(0.6) ? 2 * lastsMs : random.between(50, 1_500)
  return { atMs, kind: 'leave', host, forMs, isForgotten }
}

/** A host that is away so long that versions die meanwhile, and its nodes count for nobody, or do. */
function oblivionOf(random: PlanRandom, hosts: readonly string[]): Step {
  const host = random.oneOf(hosts)
  return { atMs: random.between(100, 1_500), kind: 'leave', host, forMs: 2 * lastsMs, isForgotten: random.chance(0.7) }
}

/** The requests of operators. */
function operationsOf(
  random: PlanRandom,
  upgrades: readonly UpgradePlan[],
  nodes: readonly NodePlan[],
  publishedAtMs: readonly number[],
): readonly Step[] {
  return Array.from({ length: random.oneOf([0, 0, 1, 2, 3]) }, (): Step => {
    const version = random.between(1, upgrades.length)
    const atMs = Math.max(0, publishedAtMs[version - 1]! + random.between(-200, 600))
    const { nodeId } = random.oneOf(nodes)
    const forMs = random.between(100, 2_500)
    switch (random.between(0, 6)) {
      case 0:
      case 1:
        return { atMs, kind: 'pause', version, forMs }
      case 2:
        return { atMs, kind: 'hold', nodeId, forMs }
      case 3:
      case 4:
        return { atMs, kind: 'now', nodeId }
      case 5:
        return { atMs, kind: 'retryVersion', version }
      default: {
        // Nobody makes final what is to be undone.
        const isUndone = upgrades.slice(version).some(({ undoes }) => undoes !== null && undoes <= version)
        if (isUndone) return { atMs, kind: 'now', nodeId }
        return { atMs: atMs + 500, kind: 'finalize', version }
      }
    }
  })
}

function momentOf(random: PlanRandom): CrashMoment {
  const at = random.oneOf(['once', 'beforeCommit', 'afterCommit', 'message', 'phase', 'phase'] as const)
  switch (at) {
    case 'once':
      return { at }
    case 'beforeCommit':
    case 'afterCommit':
      return { at, count: random.between(1, 8) }
    case 'message':
      return { at, count: random.between(1, 30) }
    case 'phase':
      return { at, phase: random.oneOf(crashPhases), count: random.between(1, 2) }
  }
}

function weatherOf(random: PlanRandom): Weather {
  const share = () => random.oneOf([0, 0, 0.02, 0.1, 0.3])
  return { delayMs: random.oneOf([0, 5, 40, 200]), lost: share(), duplicated: share(), late: share() }
}
