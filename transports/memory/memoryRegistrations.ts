/**
 * The software that each node of one system runs, by the upgrade database in memory, and how far that can be
 * believed (core/control/standing.ts).
 */
import type { Version } from '../../core/base/ids.js'
import { type Level, readsOf, type Software, unreadOf } from '../../core/base/level.js'
import {
  type Attendance,
  type Doubt,
  doubted,
  doubtNow,
  nextEpoch,
  type Session,
  type Standing,
  stampKeptMs,
  visited,
} from '../../core/control/standing.js'
import type { Elsewhere, Heard, RegisterAnswer, ServerRow, StoredLevel } from '../../core/control/upgradeDatabase.js'
import { clientService, hasMoved, type NodeRow, type NodeStatus, oldestPossible } from '../../core/model/nodeRow.js'
import { forgottenKeptMs, lapsedKeptMs, serverKeptMs } from '../udbFactory.js'

/** Plain data, so that a backup can be a copy. */
export interface RegistrationTables {
  readonly nodes: Map<string, Registration>
  /**
   * Nodes that an operator has forgotten, and when: not before the newest stamp of the start
   * that had registered them.
   */
  readonly forgotten: Map<string, number>
  /** The newest stamp of each session. */
  readonly stamps: Map<string, number>
  /** The upgrade servers that were heard, and until when that counts. */
  readonly servers: Map<string, { readonly software: Software; readonly untilMs: number }>
  attendance: Attendance | undefined
}

interface Registration {
  readonly status: NodeStatus
  readonly leaseEndsMs: number
  readonly start: Start | undefined
  readonly predecessor: (Start & { readonly leaseEndsMs: number }) | undefined
}

/** Empty for one who does not say who it is. */
interface Told {
  readonly standing?: Standing
}

interface Start {
  readonly session: string
  /** Empty when it has ended. */
  readonly hostId: string
  readonly startedMs: number
}

export function noRegistrations(): RegistrationTables {
  return { nodes: new Map(), forgotten: new Map(), stamps: new Map(), servers: new Map(), attendance: undefined }
}

export class MemoryRegistrations {
  constructor(
    private readonly tables: RegistrationTables,
    private readonly nowMs: number,
    private readonly run: string,
    private readonly level: StoredLevel | null,
  ) {}

  register(status: NodeStatus, leaseMs: number, session: Session | undefined): RegisterAnswer & { readonly left?: string } {
    const { nodes } = this.tables
    let standing = this.#heard(session, leaseMs)
    const { level } = this
    // T3.
    if (level !== null && unreadOf(level.numbers as Level, readsOf(status.software)).length > 0)
      return { registered: false, level, ...standing }
    const { nodeId, directoryId, service } = status
    const known = nodes.get(nodeId)
    // M3. It has left that directory, whose start serves it no more.
    const found = known !== undefined && hasMoved(status, known.status) ? undefined : known
    const isOwned = found !== undefined && found.status.directoryId !== null
    const elsewhere = (): RegisterAnswer => ({
      registered: false,
      directoryId: found!.status.directoryId!,
      ...(found!.start === undefined || found!.start.hostId === '' ? {} : { hostId: found!.start.hostId }),
      ...standing,
    })
    if (isOwned && found.status.directoryId !== directoryId) return elsewhere()
    let mine = this.#start(session, directoryId)
    const other = isOwned && mine !== undefined && found.start?.session !== mine.session ? found.start : undefined
    const isOver = other !== undefined && session?.ended?.includes(other.session) === true
    if (other !== undefined && other.startedMs > mine!.startedMs) {
      if (!isOver) return elsewhere()
      mine = { ...mine!, startedMs: other.startedMs + 1 }
    }
    standing = this.#unforget(nodeId, session, standing)
    let predecessor = found?.predecessor
    if (other !== undefined && !isOver && other.hostId !== '' && found!.leaseEndsMs > this.nowMs) {
      const leaseEndsMs = Math.max(found!.leaseEndsMs, predecessor?.leaseEndsMs ?? 0)
      predecessor = { ...other, leaseEndsMs }
    }
    if (predecessor !== undefined && predecessor.leaseEndsMs <= this.nowMs) predecessor = undefined
    this.#store(status, leaseMs, mine ?? (isOwned ? found.start : undefined), predecessor)
    return {
      registered: true,
      ...(predecessor === undefined
        ? {}
        : {
            predecessor: {
              session: predecessor.session,
              hostId: predecessor.hostId,
              leftMs: predecessor.leaseEndsMs - this.nowMs,
            },
          }),
      ...standing,
      ...(known !== undefined && known.status.service !== service ? { left: known.status.service } : {}),
    }
  }

  report(statuses: readonly NodeStatus[], leaseMs: number, session: Session | undefined): Heard {
    return this.#each(statuses, leaseMs, session, (status) => status)
  }

  renew(nodeIds: readonly string[], leaseMs: number, session: Session | undefined): Heard {
    const places = nodeIds.map((nodeId) => ({ nodeId, directoryId: session?.directoryId, service: undefined }))
    return this.#each(places, leaseMs, session, (_, { status }) => status)
  }

  #each<
    T extends { readonly nodeId: string; readonly directoryId: string | null | undefined; readonly service: string | undefined },
  >(
    all: readonly T[],
    leaseMs: number,
    session: Session | undefined,
    rowOf: (each: T, found: Registration) => NodeStatus,
  ): Heard {
    const standing = this.#heard(session, leaseMs)
    const unknown: string[] = []
    const forgotten: string[] = []
    const elsewhere: Elsewhere[] = []
    for (const each of all) {
      const found = this.tables.nodes.get(each.nodeId)
      if (found === undefined) {
        if (this.#isForgotten(each.nodeId, session)) forgotten.push(each.nodeId)
        else unknown.push(each.nodeId)
        continue
      }
      const { status, start, predecessor } = found
      const mine = this.#start(session, status.directoryId)
      const isSamePlace = each.directoryId === undefined || status.directoryId === null || status.directoryId === each.directoryId
      const isOlder = mine !== undefined && isNewer(start, mine)
      const isOver = start !== undefined && session?.ended?.includes(start.session) === true
      if (!isSamePlace || (isOlder && !isOver)) {
        const waits = predecessor !== undefined && predecessor.session === session?.id && predecessor.leaseEndsMs > this.nowMs
        elsewhere.push({ nodeId: each.nodeId, hostId: start?.hostId || null, ...(waits ? { waits } : {}) })
      }
      // An older copy has an earlier start, which is newer by the clocks alone: with its
      // registration this one is.
      else if (isOlder) unknown.push(each.nodeId)
      // Of another service, or without a directory: to be registered anew.
      else if (each.service !== undefined && (status.service !== each.service || status.directoryId !== each.directoryId))
        unknown.push(each.nodeId)
      else this.#store(rowOf(each, found), leaseMs, mine ?? start, found.predecessor)
    }
    return { unknown, forgotten, elsewhere, ...standing }
  }

  gone(nodeIds: readonly string[], session: Session): void {
    for (const nodeId of nodeIds) {
      const found = this.tables.nodes.get(nodeId)
      if (found?.predecessor?.session === session.id) this.tables.nodes.set(nodeId, { ...found, predecessor: undefined })
      else if (found?.start?.session === session.id) this.#end(nodeId, found, found.start)
    }
  }

  /** One that has not served yet leaves the node to the start before. */
  #end(nodeId: string, found: Registration, start: Start): void {
    const { predecessor } = found
    const isServedBefore = predecessor !== undefined && predecessor.leaseEndsMs > this.nowMs
    const next = isServedBefore
      ? { session: predecessor.session, hostId: predecessor.hostId, startedMs: start.startedMs - 1 }
      : { ...start, hostId: '' }
    this.tables.nodes.set(nodeId, { ...found, start: next, predecessor: undefined })
  }

  forget(nodeId: string): void {
    const { nodes, forgotten, stamps } = this.tables
    const session = nodes.get(nodeId)?.start?.session
    nodes.delete(nodeId)
    forgotten.set(nodeId, Math.max(this.nowMs, (session && stamps.get(session)) || 0))
  }

  /** A mark that is older than the registration has come back with an older copy of the database. */
  #isForgotten(nodeId: string, session: Session | undefined): boolean {
    const sinceMs = this.tables.forgotten.get(nodeId)
    return sinceMs !== undefined && sinceMs >= (session?.registeredMs?.get(nodeId) ?? 0)
  }

  /** With a stamp that is newer than the mark. */
  #unforget(nodeId: string, session: Session | undefined, heard: Told): Told {
    const { forgotten, stamps } = this.tables
    const sinceMs = forgotten.get(nodeId)
    forgotten.delete(nodeId)
    const { standing } = heard
    if (session === undefined || standing === undefined || sinceMs === undefined || standing.stampMs > sinceMs) return heard
    stamps.set(session.id, sinceMs + 1)
    return { standing: { ...standing, stampMs: sinceMs + 1 } }
  }

  rows(service: string | undefined): readonly NodeRow[] {
    const { nodes, forgotten, stamps } = this.tables
    for (const [nodeId, { status, leaseEndsMs }] of nodes)
      if (status.directoryId === null && leaseEndsMs <= this.nowMs - lapsedKeptMs) nodes.delete(nodeId)
    for (const [nodeId, sinceMs] of forgotten) if (sinceMs <= this.nowMs - forgottenKeptMs) forgotten.delete(nodeId)
    for (const [session, stampMs] of stamps) if (stampMs <= this.nowMs - stampKeptMs) stamps.delete(session)
    return this.registered(service)
      .map(({ status, leaseEndsMs }) => ({ ...status, alive: leaseEndsMs > this.nowMs }))
      .sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1))
  }

  /**
   * Nodes without a directory count as registered no longer than their lease, which does not
   * run on probation.
   */
  registered(service: string | undefined): readonly Registration[] {
    const isDoubted = this.doubt !== null
    return [...this.tables.nodes.values()].filter(
      ({ status, leaseEndsMs }) =>
        (service === undefined || status.service === service) &&
        (status.directoryId !== null || isDoubted || leaseEndsMs > this.nowMs),
    )
  }

  /**
   * Whether a registered node may run a version before this one; clients that are pinned to one that is
   * `dead` don't matter.
   */
  mayRunOlder(below: Version, dead: Version): boolean {
    return this.registered(undefined).some(
      ({ status }) => oldestPossible(status) < below && (status.service !== clientService || status.version >= dead),
    )
  }

  /**
   * Whether a newer start has the node, as far as is known: nothing is known of those who don't
   * say who they are.
   */
  isOfNewer(nodeId: string, by: Session | undefined): boolean {
    const found = this.tables.nodes.get(nodeId)
    const mine = found && this.#start(by, found.status.directoryId)
    return mine !== undefined && isNewer(found!.start, mine) && !by!.ended?.includes(found!.start!.session)
  }

  /** The asker has been heard, before the database lost that. */
  isLostOf(by: Session | undefined): boolean {
    return this.isLossy || (by !== undefined && !this.tables.stamps.has(by.id))
  }

  get doubt(): Doubt | null {
    const { attendance } = this.tables
    return attendance === undefined ? null : doubtNow(attendance, this.nowMs, this.run)
  }

  /** Something may be missing. */
  get isLossy(): boolean {
    return this.doubt !== null && this.doubt !== 'silent'
  }

  standing(): Standing | undefined {
    const { attendance } = this.tables
    if (attendance === undefined) return undefined
    const { epoch, leaseMs, untilMs } = attendance
    const { doubt } = this
    const leftMs = Math.max(untilMs - this.nowMs, 0)
    return { epoch, leaseMs, stampMs: this.nowMs, probation: doubt === null ? null : { doubt, leftMs } }
  }

  attend(session: Session): Standing {
    const { servers } = this.tables
    const { software } = session
    const standing = this.#heard(session, null).standing!
    for (const [id, { untilMs }] of servers) if (untilMs <= this.nowMs) servers.delete(id)
    if (software !== undefined) servers.set(session.id, { software, untilMs: this.nowMs + serverKeptMs })
    return standing
  }

  servers(): readonly ServerRow[] {
    return [...this.tables.servers]
      .filter(([, { untilMs }]) => untilMs > this.nowMs)
      .map(([id, { software }]) => ({ id, software }))
      .sort((a, b) => (a.id < b.id ? -1 : 1))
  }

  markLost(session: Session): void {
    this.#heard(session, null)
    const { attendance } = this.tables
    if (!this.isLossy)
      this.tables.attendance = doubted(attendance!, 'lost', this.nowMs, nextEpoch(attendance, this.nowMs, session))
  }

  #heard(session: Session | undefined, leaseMs: number | null): Told {
    if (session === undefined) return {}
    const { stamps } = this.tables
    const { nowMs, run } = this
    this.tables.attendance = visited(this.tables.attendance, { nowMs, run, session, stampMs: stamps.get(session.id), leaseMs })
    const stampMs = Math.max(nowMs, session.stampMs)
    stamps.set(session.id, stampMs)
    return { standing: { ...this.standing()!, stampMs } }
  }

  /**
   * Nodes without a directory are not fenced: they are clients, whose rows say no more than
   * that a version is called.
   */
  #start(session: Session | undefined, directoryId: string | null): Start | undefined {
    if (session === undefined || directoryId === null) return undefined
    return { session: session.id, hostId: session.hostId, startedMs: this.nowMs - session.ageMs }
  }

  #store(status: NodeStatus, leaseMs: number, start: Registration['start'], predecessor: Registration['predecessor']): void {
    this.tables.nodes.set(status.nodeId, { status: { ...status }, leaseEndsMs: this.nowMs + leaseMs, start, predecessor })
  }
}

function isNewer(start: Start | undefined, mine: Start): boolean {
  return start !== undefined && start.session !== mine.session && start.startedMs >= mine.startedMs
}
