/** Makes the steps of a plan's dimensions, each from chance of its own. */
import { seededRandom } from 'theseus-actors/memory'
import type { NodePlan, Step, UpgradePlan } from '../plan.js'
import { PlanRandom } from '../planRandom.js'
import { type Dimension, dimensions } from './dimensions.js'
import { midwayLossSteps, withMidsts } from './midwayLosses.js'
import { pinSteps, withoutOtherPins } from './pins.js'

/** The things that can be operated. */
export interface Operated {
  readonly hosts: readonly string[]
  readonly clients: readonly string[]
  readonly servers: readonly string[]
  readonly nodes: readonly NodePlan[]
  readonly upgrades: readonly UpgradePlan[]
  readonly publishedAtMs: readonly number[]
  /** When which client calls. */
  readonly calls: readonly { readonly atMs: number; readonly client: string }[]
  readonly lastsMs: number
}

/** The share of plans that go through a dimension. */
const share = 0.25
/** Of those added late: the plans of most seeds are as before. Half of them have an undo to be a rewind. */
const shares: Partial<Record<Dimension, number>> = {
  lostMoves: 0.04,
  groups: 0.12,
  rewinds: 0.9,
  midwayLosses: 0.04,
  laterUndos: 0.12,
  shards: 0.04,
}
const hourMs = 3_600_000
const names = Object.keys(dimensions) as Dimension[]

/** Which of the dimensions asked for a plan goes through. */
export function dimensionsDrawn(seed: number, asked: ReadonlySet<Dimension>): readonly Dimension[] {
  const shareOf = (dimension: Dimension) => shares[dimension] ?? share
  const drawn = names.filter((dimension) => asked.has(dimension) && randomOf(seed, dimension, 6_000).chance(shareOf(dimension)))
  // A database that loses who was forgotten lets the node go on where it was: an operator would have to
  // forget it once more.
  const isLossy = drawn.some((dimension) => lossy.has(dimension))
  // A group that has not gone to the undone version keeps everybody from going back past its other members.
  const isGrouped = drawn.includes('groups')
  const played = drawn.filter((dimension) =>
    dimension === 'moves' || dimension === 'hotCopies' ? !isLossy : dimension !== 'laterUndos' || !isGrouped,
  )
  return played.includes('shards') ? played.filter((dimension) => !ofLocalNodes.has(dimension)) : played
}

/** Those that are about nodes whose state is on one host's disk. */
const ofLocalNodes: ReadonlySet<Dimension> = new Set<Dimension>(['moves', 'hotCopies', 'lostMoves', 'groups', 'refusals'])

const away: ReadonlySet<Step['kind']> = new Set<Step['kind']>(['databaseAway', 'databaseFlaky', 'awayWhenLeft'])

/** The steps of a plan that go with what it goes through. */
export function stepsPlayed(
  drawn: readonly Dimension[],
  basic: readonly Step[],
  own: readonly Step[],
  clients: readonly string[],
): readonly Step[] {
  const played = drawn.includes('pins') ? withoutOtherPins(basic, own, clients) : [...basic, ...own]
  return played.filter((step) => isPlayedWith(drawn, step))
}

const lossy: ReadonlySet<Dimension> = new Set<Dimension>(['databaseLosses', 'lostMoves', 'midwayLosses'])
const fenced: ReadonlySet<Dimension> = new Set<Dimension>(['moves', 'hotCopies', 'lostMoves'])

/**
 * A host that starts while the database does not answer serves without its word, a copy as any other: where
 * there are copies it answers. And a node that its newest host has stopped tells nobody of itself, so a
 * database that loses it meanwhile believes the original (docs/redis.md).
 */
function isPlayedWith(drawn: readonly Dimension[], { kind }: Step): boolean {
  if (kind === 'stopNode' && drawn.includes('lostMoves')) return false
  return !drawn.some((dimension) => fenced.has(dimension)) || !away.has(kind)
}

/** The upgrades, as the dimensions want them. */
export function upgradesPlayed(
  seed: number,
  drawn: readonly Dimension[],
  upgrades: readonly UpgradePlan[],
): readonly UpgradePlan[] {
  return drawn.includes('midwayLosses') ? withMidsts(randomOf(seed, 'midwayLosses', 7_000), upgrades) : upgrades
}

export function operationSteps(seed: number, drawn: readonly Dimension[], operated: Operated): readonly Step[] {
  return drawn.flatMap((dimension) => {
    // They change who is there (groupPlan.ts, shardPlan.ts), and what is published (upgradeGenerator.ts).
    if (dimension === 'groups' || dimension === 'laterUndos' || dimension === 'shards') return []
    const random = randomOf(seed, dimension, 5_000)
    return Array.from({ length: random.between(1, 3) }, () => stepsOf(dimension, random, operated)).flat()
  })
}

function randomOf(seed: number, dimension: Dimension, salt: number): PlanRandom {
  return new PlanRandom(seededRandom(seed * 2 ** 20 + salt + names.indexOf(dimension)))
}

function stepsOf(
  dimension: Exclude<Dimension, 'groups' | 'laterUndos' | 'shards'>,
  random: PlanRandom,
  operated: Operated,
): readonly Step[] {
  const { hosts, clients, servers, nodes, publishedAtMs, calls, lastsMs } = operated
  // Half of them around a publication.
  const atMs = random.chance(0.5) ? random.between(100, lastsMs - 300) : random.oneOf(publishedAtMs) + random.between(0, 500)
  switch (dimension) {
    case 'stops': {
      const forMs = random.between(50, 1_500)
      if (random.chance(0.25)) return [{ atMs, kind: 'stopNode', nodeId: random.oneOf(nodes).nodeId, forMs }]
      const call = random.oneOf(calls)
      // While its call is under way.
      if (random.chance(0.5))
        return [{ atMs: call.atMs + random.between(1, 30), kind: 'stop', host: call.client, afterStartMs: null, forMs }]
      const host = random.chance(0.2) ? random.oneOf(clients) : random.oneOf(hosts)
      return [{ atMs, kind: 'stop', host, afterStartMs: random.chance(0.5) ? random.between(0, 12) : null, forMs }]
    }
    case 'clocks': {
      const byMs = random.oneOf([-1, -1, 1]) * random.oneOf([2_000, hourMs, 12 * hourMs])
      return [{ atMs, kind: 'clock', process: random.oneOf([...hosts, ...hosts, ...clients, ...servers]), byMs }]
    }
    case 'databaseLosses': {
      const how = random.oneOf(['emptied', 'restored', 'restored', 'failedOver', 'failedOver', 'restarted'] as const)
      const inMs = random.oneOf([20, 100, 400, 1_500])
      const replay: Step = { atMs: atMs + inMs + random.between(1, 300), kind: 'replay' }
      return [{ atMs, kind: 'databaseLost', how, inMs }, ...(random.chance(0.3) ? [replay] : [])]
    }
    case 'restarts': {
      const version = random.between(1, publishedAtMs.length)
      const at = Math.min(lastsMs - 1_500, publishedAtMs[version - 1]! + random.between(300, 1_500))
      const host = random.oneOf(hosts)
      const asked: Step = random.oneOf([
        { atMs: at, kind: 'retryVersion', version },
        { atMs: at, kind: 'retryVersion', version },
        { atMs: at, kind: 'pause', version, forMs: 1_500 },
        { atMs: at, kind: 'hold', nodeId: random.oneOf(nodes).nodeId, forMs: 1_500 },
      ] as const)
      const restart = (afterMs: number): Step => ({ atMs: at + afterMs, kind: 'crash', host, moment: { at: 'once' }, forMs: 30 })
      return [asked, restart(random.between(200, 500)), restart(random.between(700, 1_200))]
    }
    case 'orders': {
      const version = random.between(1, publishedAtMs.length)
      const order: Step = random.oneOf([
        { atMs, kind: 'retryVersion', version },
        { atMs, kind: 'pause', version, forMs: 300 },
        { atMs, kind: 'hold', nodeId: random.oneOf(nodes).nodeId, forMs: 300 },
        { atMs, kind: 'now', nodeId: random.oneOf(nodes).nodeId },
      ] as const)
      if (random.chance(0.4)) return [order, { atMs: atMs + random.between(50, 1_500), kind: 'replay' }]
      const dies = (server: string): Step => ({ atMs, kind: 'serverDies', server, requests: random.between(1, 20), forMs: 50 })
      return [order, ...servers.map(dies)]
    }
    case 'moves':
    case 'hotCopies': {
      const host = random.oneOf(hosts)
      const how = dimension === 'hotCopies' ? 'hotCopied' : random.oneOf(['copied', 'copied', 'bornAnew'] as const)
      if (how !== 'bornAnew') {
        return [{ atMs, kind: 'move', host, to: `${host}b`, how, forMs: random.oneOf([100, 900, 2_500, 4_000]) }]
      }
      // An operator who forgets the nodes of a host that lives has two of each, until that host
      // hears of it: at its next report, or when it asks after a gap of more than a lease. So
      // much is left until the troubles end.
      const forMs = 4_000
      return [{ atMs: Math.min(atMs, lastsMs - forMs), kind: 'move', host, to: `${host}b`, how, forMs }]
    }
    case 'lostMoves':
      return lostMoveSteps(random, hosts, atMs, lastsMs)
    case 'midwayLosses':
      return midwayLossSteps(random, operated)
    case 'rewinds':
      return []
    case 'pins':
      return pinSteps(random, clients, nodes)
    case 'refusals': {
      const refused: Step = { atMs, kind: 'refused', host: random.oneOf(hosts), forMs: random.oneOf([100, 800, 2_500]) }
      const restart: Step = {
        atMs: atMs + random.between(1, 60),
        kind: 'crash',
        host: refused.host,
        moment: { at: 'once' },
        forMs: 30,
      }
      return random.chance(0.6) ? [refused, restart] : [refused]
    }
    case 'freezes':
      return [
        {
          atMs,
          kind: 'freeze',
          process: random.oneOf([...hosts, ...hosts, ...clients, ...servers]),
          forMs: random.oneOf([50, 300, 1_200, 4_000]),
        },
      ]
  }
}

function lostMoveSteps(random: PlanRandom, hosts: readonly string[], atMs: number, lastsMs: number): readonly Step[] {
  const host = random.oneOf(hosts)
  const how = random.oneOf(['copied', 'hotCopied'] as const)
  const loss = random.oneOf(['emptied', 'restored', 'failedOver', 'restarted'] as const)
  const inMs = random.oneOf([20, 400, 1_500, 3_000])
  const lostAt = (lostAtMs: number): Step => ({ atMs: Math.max(0, lostAtMs - inMs), kind: 'databaseLost', how: loss, inMs })
  const moved = (movedAtMs: number, forMs: number): Step => ({ atMs: movedAtMs, kind: 'move', host, to: `${host}b`, how, forMs })
  // Before a lease has passed the original goes on: the database may have lost that there is one, or that its
  // copy waits for it. After more than a lease it asks: the database may not have heard of the copy again.
  // Then both are called.
  const isShort = random.chance(0.5)
  const forMs = isShort ? random.oneOf([900, 1_800]) : 3_200
  const movedAtMs = Math.min(atMs, lastsMs - forMs - 1_000)
  return [
    moved(movedAtMs, forMs),
    lostAt(isShort ? movedAtMs + random.between(-300, 400) : movedAtMs + forMs - random.between(0, 400)),
  ]
}
