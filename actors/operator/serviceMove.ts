/** An order that moves the nodes of a service, and how far it has come. */
import { Fault } from '../../core/base/fault.js'
import { firstRelease } from '../../core/base/formats.js'
import { releaseOf } from '../../core/base/level.js'
import type { Home, HomeOrder } from '../../core/control/control.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import type { NodeRow } from '../../core/model/nodeRow.js'
import type { HostOffer } from '../../core/model/shardOffer.js'
import type { Clock } from '../../core/ports/clock.js'
import type { Directives } from './directives.js'

interface OperatorOfMoves {
  readonly database: Pick<UpgradeDatabase, 'nodes'>
  shardHosts(): Promise<readonly HostOffer[]>
}

/** The orders that move nodes between hosts and shards. */
export class ServiceMoves {
  constructor(
    private readonly operator: OperatorOfMoves,
    private readonly directives: Pick<Directives, 'set' | 'remove'>,
    private readonly clock: Clock,
  ) {}

  /** The order, for `order`: nothing is changed. Throws `config.invalid` where the nodes can't go there. */
  async plan(service: string, to: Home, reason = ''): Promise<HomeOrder> {
    checkServiceMove(service, to, await this.operator.database.nodes(service), await this.operator.shardHosts())
    return { kind: 'home', service, to, reason, since: this.clock.now() }
  }

  /** Hosts move the nodes, one after the other. Resolves when the order is given. */
  order(order: HomeOrder): Promise<void> {
    return this.directives.set(order)
  }

  /** Nodes of the service stay where they are from now on. False if no order moved them. */
  release(service: string, reason = ''): Promise<boolean> {
    return this.directives.remove({ kind: 'home', service }, reason)
  }
}

/** Nodes, or hosts, that a message names. */
const namedMax = 5

/**
 * Throws `config.invalid` where the nodes can't go there: no host offers the service, a host with nodes of it
 * does not, a node is a member of a group, or a host runs release 0.1.0.
 */
export function checkServiceMove(service: string, to: Home, rows: readonly NodeRow[], offers: readonly HostOffer[]): void {
  const offering = new Set(
    offers
      .filter(({ isLeaving, services }) => !isLeaving && services.some((each) => each.service === service))
      .map(({ hostId }) => hostId),
  )
  if (offering.size === 0)
    throw new Fault(
      'config.invalid',
      `no host offers a sharded service ${service}: hosts do with host.offer(), once its class has shards`,
    )
  if (to.kind === 'local' && !offering.has(to.hostId))
    throw new Fault('config.invalid', `host ${to.hostId} does not offer service ${service}: ${named([...offering])} do`)
  const members = rows.filter(({ group }) => group !== undefined)
  if (members.length > 0)
    throw new Fault('config.invalid', `groups do not move: ${named(members.map(({ nodeId }) => nodeId))} are members of groups`)
  const old = rows.filter(({ alive, software }) => alive && releaseOf(software) === firstRelease)
  if (old.length > 0)
    throw new Fault(
      'config.invalid',
      `release ${firstRelease} moves no nodes, and runs on ${named(old.map(({ hostId }) => hostId))}`,
    )
  const silent = to.kind === 'local' ? [] : rows.filter((row) => isLocal(row) && row.alive && !offering.has(row.hostId))
  if (silent.length > 0)
    throw new Fault(
      'config.invalid',
      `${named(silent.map(({ hostId }) => hostId))} must offer service ${service} too, with host.offer()`,
    )
}

export interface MoveProgress {
  readonly moved: number
  readonly left: readonly NodeRow[]
}

export function moveProgress(rows: readonly NodeRow[], to: Home): MoveProgress {
  const isThere = ({ shard, hostId }: NodeRow) =>
    to.kind === 'sharded' ? shard !== undefined : shard === undefined && hostId === to.hostId
  const left = rows.filter((row) => row.directoryId !== null && !isThere(row))
  return { moved: rows.length - left.length, left }
}

function isLocal({ shard, directoryId }: NodeRow): boolean {
  return shard === undefined && directoryId !== null
}

function named(names: readonly string[]): string {
  const all = [...new Set(names)].sort()
  const more = all.length > namedMax ? `, and ${all.length - namedMax} more` : ''
  return `${all.slice(0, namedMax).join(', ')}${more}`
}
