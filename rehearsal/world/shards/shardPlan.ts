/**
 * Which services of a plan are sharded, and what befalls their shards, from chance of its own. All else in
 * the plan stays as it is, but for what no sharded service has: a node is made by its first command, wherever
 * its shard is.
 */
import { seededRandom } from 'theseus-actors/memory'
import type { CrashMoment, NodePlan, Plan, ServiceName, Step } from '../plan.js'
import { PlanRandom } from '../planRandom.js'

/** How the sharded services of a plan are kept. */
export interface ShardsPlan {
  readonly counts: Readonly<Partial<Record<ServiceName, number>>>
  /** Larger commits are written in parts. */
  readonly entryBytesMax: number
  readonly snapshotBytesMin: number
  readonly sleepAfterMs: number
}

/**
 * - `gone`: the copies of shards on a host's disk are lost, while the host is down
 * - `old`: they are as they were once
 */
export type CacheLoss = 'gone' | 'old'

export type ShardStep =
  | {
      readonly kind: 'cacheLost'
      readonly host: string
      readonly how: CacheLoss
      /** The host is killed so much later: what is written meanwhile is not in old copies. */
      readonly inMs: number
      readonly forMs: number
    }
  /** A host does not reach the logs, and everybody else does; null: nobody does. */
  | { readonly kind: 'logsCut'; readonly host: string | null; readonly forMs: number }
  /** The logs lose appends and answers, or are late; `isFull`: they take nothing now and then. */
  | { readonly kind: 'logsFlaky'; readonly isFull: boolean; readonly forMs: number }

export function shardText(step: ShardStep): string {
  switch (step.kind) {
    case 'cacheLost': {
      const copies = step.how === 'gone' ? 'without its copies of shards' : 'with its copies of shards as they are now'
      return `${step.host} is killed in ${step.inMs} ms, for ${step.forMs} ms, and comes back ${copies}`
    }
    case 'logsCut':
      return `${step.host ?? 'nobody'} ${step.host === null ? 'reaches' : 'does not reach'} the logs of shards for ${step.forMs} ms`
    case 'logsFlaky':
      return `the logs of shards are flaky${step.isFull ? ', and full' : ''}, for ${step.forMs} ms`
  }
}

/** Longer than a lease; the plan ends its troubles soon after. */
const lastsMs = 5_000
/** Where fewer are drawn: a shard that is lost has another host to go to. */
const hostsMin = 2

/** The plan with sharded services. */
export function withShards(plan: Plan): Plan {
  const random = new PlanRandom(seededRandom(plan.seed * 2 ** 20 + 900))
  const names = random.oneOf<readonly ServiceName[]>([['ledger'], ['teller'], ['ledger', 'teller'], ['ledger', 'teller']])
  const counts = Object.fromEntries(names.map((name) => [name, random.between(1, 3)]))
  const shards: ShardsPlan = {
    counts,
    entryBytesMax: random.oneOf([400, 1_000_000]),
    snapshotBytesMin: random.oneOf([300, 2_000]),
    sleepAfterMs: random.oneOf([100, 300, 1_500]),
  }
  const hosts = plan.hosts.length >= hostsMin ? plan.hosts : [...plan.hosts, 'h2']
  const isSharded = (nodeId: string) => names.some((name) => nodeId.startsWith(name))
  const all = [...plan.nodes, ...plan.steps.flatMap((step) => (step.kind === 'join' ? [step.node] : []))]
  const steps = plan.steps.flatMap((step) => sharded(step, random, isSharded, all))
  const own = Array.from({ length: random.between(2, 6) }, () => shardStep(random, hosts, plan))
  // The first call of a node makes it, when that comes.
  const born = all.filter((node) => isSharded(node.nodeId) && !plan.nodes.includes(node))
  return { ...plan, shards, hosts, nodes: [...plan.nodes, ...born], steps: [...steps, ...own].sort((a, b) => a.atMs - b.atMs) }
}

export function isShardedService({ shards }: Pick<Plan, 'shards'>, service: ServiceName): boolean {
  return shards?.counts[service] !== undefined
}

/** A call of a sharded service names its node; and nobody starts or stops such a node by itself. */
function sharded(
  step: Step,
  random: PlanRandom,
  isSharded: (nodeId: string) => boolean,
  nodes: readonly NodePlan[],
): readonly Step[] {
  switch (step.kind) {
    case 'call': {
      if (step.node !== null || !isSharded(step.service)) return [step]
      const among = nodes.filter(({ service }) => service === step.service)
      return [{ ...step, node: random.oneOf(among).nodeId }]
    }
    case 'join':
      return isSharded(step.node.nodeId) ? [] : [step]
    case 'duplicateNode':
    case 'stopNode':
    case 'retry':
      return isSharded(step.nodeId) ? [] : [step]
    default:
      return [step]
  }
}

function shardStep(random: PlanRandom, hosts: readonly string[], plan: Plan): Step {
  const published = plan.steps.flatMap((step) => (step.kind === 'publish' ? [step.atMs] : []))
  // Half of them around a publication: a shard is taken over in every phase of an upgrade.
  const atMs = random.chance(0.5) ? random.between(200, lastsMs - 300) : random.oneOf(published) + random.between(0, 600)
  const host = random.oneOf(hosts)
  const forMs = random.oneOf([50, 400, 1_500, 3_000])
  switch (random.between(0, 9)) {
    case 0:
    case 1:
      return { atMs, kind: 'crash', host, moment: shardMoment(random), forMs }
    case 2:
      return { atMs, kind: 'stop', host, afterStartMs: null, forMs }
    case 3:
    case 4:
      return { atMs, kind: 'freeze', process: host, forMs: random.oneOf([300, 800, 1_200, 2_500]) }
    case 5:
      return { atMs, kind: 'logsCut', host: random.chance(0.8) ? host : null, forMs }
    case 6:
      return { atMs, kind: 'cutOff', host, forMs }
    case 7:
      return { atMs, kind: 'logsFlaky', isFull: random.chance(0.3), forMs }
    case 8:
      return { atMs, kind: 'cacheLost', host, how: 'gone', inMs: 0, forMs }
    default:
      return { atMs, kind: 'cacheLost', host, how: 'old', inMs: random.oneOf([100, 600, 1_500]), forMs }
  }
}

function shardMoment(random: PlanRandom): CrashMoment {
  const at = random.oneOf(['once', 'append', 'appended', 'phase', 'phase'] as const)
  switch (at) {
    case 'once':
      return { at }
    case 'append':
    case 'appended':
      return { at, count: random.between(1, 12) }
    case 'phase': {
      const phase = random.oneOf(['transforming', 'recovering', 'draining', 'current', 'scheduled'] as const)
      return { at, phase, count: random.between(1, 2) }
    }
  }
}
