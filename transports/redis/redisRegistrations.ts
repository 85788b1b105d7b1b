/**
 * The registered nodes in Redis, their leases, and how far these can be believed
 * (core/control/standing.ts).
 */
import { isSoftware } from '../../core/base/level.js'
import type { Doubt, Session, Standing } from '../../core/control/standing.js'
import type { Heard, RegisterAnswer, ServerRow, StoredLevel } from '../../core/control/upgradeDatabase.js'
import type { NodeRow, NodeStatus } from '../../core/model/nodeRow.js'
import type { RedisConnection } from './redisConnection.js'
import type { RedisKeys } from './redisKeys.js'
import { levelFrom, levelText, numbersText } from './redisLevel.js'
import { decodeRow, encodeRow } from './redisRows.js'

/**
 * Nodes that one script treats: 10,000 nodes are twenty short scripts, and other hosts'
 * commands get in between.
 */
const nodesPerScript = 500

type StandingAnswer = readonly [] | readonly [epoch: string, stampMs: number, leaseMs: number, doubt: string, leftMs: number]
type HeardAnswer = readonly [
  unknown: readonly string[],
  forgotten: readonly string[],
  elsewhere: readonly string[],
  standing: StandingAnswer,
]

export class RedisRegistrations {
  constructor(
    private readonly redis: RedisConnection,
    private readonly keys: Pick<RedisKeys, 'nodes' | 'controls'>,
  ) {}

  async register(status: NodeStatus, leaseMs: number, session?: Session): Promise<RegisterAnswer> {
    const { nodeId, service, directoryId } = status
    const row = encodeRow(status)
    const args = [nodeId, service, directoryId ?? '', row, leaseMs, ...argumentsOf(session)]
    const answer = await this.redis.run('theseusRegister', this.keys.nodes, ...args)
    const [registered, first, hostId, leftMs, standing] = answer as [number, string, string, number, StandingAnswer]
    const rest = standingOf(standing)
    if (registered === 2) return { registered: false, level: levelFrom(first) ?? { release: '', numbers: {} }, ...rest }
    if (registered === 0) return { registered: false, directoryId: first, ...(hostId === '' ? {} : { hostId }), ...rest }
    return { registered: true, ...(first === '' ? {} : { predecessor: { session: first, hostId, leftMs } }), ...rest }
  }

  async report(statuses: readonly NodeStatus[], leaseMs: number, session?: Session): Promise<Heard> {
    const answers = await inParts(statuses, (part) => {
      const rows = part.flatMap((status) => {
        const { nodeId, service, directoryId } = status
        return [nodeId, registeredMs(nodeId, session), `${service}/${directoryId ?? ''}`, encodeRow(status)]
      })
      return this.redis.run('theseusReport', this.keys.nodes, leaseMs, ...argumentsOf(session), ...rows)
    })
    return heardOf(answers as readonly HeardAnswer[])
  }

  async renew(nodeIds: readonly string[], leaseMs: number, session?: Session): Promise<Heard> {
    const answers = await inParts(nodeIds, (part) => {
      const nodes = part.flatMap((nodeId) => [nodeId, registeredMs(nodeId, session)])
      return this.redis.run('theseusRenew', this.keys.nodes, leaseMs, ...argumentsOf(session), ...nodes)
    })
    return heardOf(answers as readonly HeardAnswer[])
  }

  async gone(nodeIds: readonly string[], { id }: Session): Promise<void> {
    await inParts(nodeIds, (part) => this.redis.run('theseusGone', this.keys.nodes, id, ...part))
  }

  async standing(): Promise<Standing | undefined> {
    const answer = await this.redis.read(['theseusStanding', 'theseusStanding'], this.keys.nodes)
    return standingOf(answer as StandingAnswer).standing
  }

  async attend(session: Session): Promise<Standing> {
    const answer = await this.redis.run('theseusAttend', this.keys.nodes, ...argumentsOf(session), softwareText(session))
    return standingOf(answer as StandingAnswer).standing!
  }

  async readers(): Promise<{ readonly level: StoredLevel | null; readonly servers: readonly ServerRow[] }> {
    const answer = await this.redis.read(['theseusReaders', 'theseusReaders'], this.keys.nodes)
    const [level = '', ...pairs] = answer as readonly string[]
    const servers = pairs.flatMap((id, i) => (i % 2 === 0 ? serverFrom(id, pairs[i + 1]!) : []))
    return { level: levelFrom(level), servers: servers.sort((a, b) => (a.id < b.id ? -1 : 1)) }
  }

  async restoreLevel(level: StoredLevel, wrong?: StoredLevel): Promise<void> {
    await this.redis.run(
      'theseusRestoreLevel',
      this.keys.nodes,
      levelText(level),
      wrong === undefined ? '' : numbersText(wrong.numbers),
    )
  }

  async doubt(session: Session): Promise<void> {
    await this.redis.run('theseusDoubt', this.keys.nodes, ...argumentsOf(session))
  }

  async forget(nodeId: string): Promise<void> {
    await this.redis.run('theseusForget', this.keys.nodes, nodeId, this.keys.controls)
  }

  async nodes(service?: string): Promise<readonly NodeRow[]> {
    const answer = (await this.redis.read(['theseusNodes', 'theseusReadNodes'], this.keys.nodes, [service ?? ''])) as (
      | string
      | number
    )[]
    const rows: NodeRow[] = []
    for (let i = 0; i < answer.length; i += 2) {
      const status = decodeRow(String(answer[i]))
      if (status !== undefined) rows.push({ ...status, alive: answer[i + 1] === 1 })
    }
    return rows.sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1))
  }
}

/** The arguments that `sessionFrom` reads in the scripts; empty for an asker that does not say who it is. */
export function argumentsOf(session: Session | undefined): readonly (string | number)[] {
  if (session === undefined) return ['', '', '', 0, 0, '', '']
  const { id, hostId, directoryId, ageMs, stampMs, epoch, ended = [] } = session
  return [id, hostId, directoryId ?? '', Math.max(0, Math.floor(ageMs)), stampMs, epoch ?? '', ` ${ended.join(' ')} `]
}

function softwareText({ software }: Session): string {
  return software === undefined ? '' : JSON.stringify(software)
}

/** None for what can't be read: it counts until its time is over, and reads nothing. */
function serverFrom(id: string, text: string): readonly ServerRow[] {
  let software: unknown
  try {
    software = JSON.parse(text)
  } catch {}
  return [{ id, software: isSoftware(software) ? software : { release: '?', reads: {}, since: 0 } }]
}

/** The parts are sent together, one after the other on the wire; fails with the first that fails. */
function inParts<T>(all: readonly T[], send: (part: readonly T[]) => Promise<unknown>): Promise<readonly unknown[]> {
  const sent: Promise<unknown>[] = []
  for (let first = 0; first < all.length; first += nodesPerScript) sent.push(send(all.slice(first, first + nodesPerScript)))
  return Promise.all(sent)
}

function standingOf([epoch, stampMs, leaseMs, doubt, leftMs]: StandingAnswer): { readonly standing?: Standing } {
  if (epoch === undefined) return {}
  const probation = doubt === '-' ? null : { doubt: doubt as Doubt, leftMs: leftMs! }
  return { standing: { epoch, stampMs: stampMs!, leaseMs: leaseMs!, probation } }
}

function heardOf(answers: readonly HeardAnswer[]): Heard {
  return {
    unknown: answers.flatMap(([unknown]) => unknown),
    forgotten: answers.flatMap(([, forgotten]) => forgotten),
    elsewhere: answers.flatMap(([, , triples]) =>
      triples.flatMap((nodeId, i) =>
        i % 3 === 0
          ? [{ nodeId, hostId: triples[i + 1] || null, ...(triples[i + 2] === 'waits' ? { waits: true as const } : {}) }]
          : [],
      ),
    ),
    ...(answers.length === 0 ? {} : standingOf(answers.at(-1)![3])),
  }
}

/** 0 where that is not known: then an order to forget it is always newer. */
function registeredMs(nodeId: string, session: Session | undefined): number {
  return session?.registeredMs?.get(nodeId) ?? 0
}
