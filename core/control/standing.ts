/**
 * How far the upgrade database can be believed about who runs what. It may be emptied, restored from an older
 * copy, or fail over to a replica that has missed the last writes, while hosts run. Then its rows are not
 * all, and it is *on probation* until they are.
 *
 * P1. On probation nothing is installed, no version dies or becomes final, no permit is given out, no node is
 *     born at the newest version, and no scheduling function sees the rows.
 * P2. Each who writes is a witness: it sends back the newest stamp that it had, and a database
 *     without that stamp has gone back. So is the first one whom an empty database hears, if
 *     its state directory has served before.
 * P3. It ends one lease after it began, and not before one lease has passed since the last word of a host
 *     that has not told of all its nodes.
 * P4. Leases do not run while nobody could reach the database. After such a silence every node has a whole
 *     lease to be heard, and no version dies meanwhile.
 */

import type { Software } from '../base/level.js'

/** One start of a host or of an upgrade server, as the database tells it from others. */
export interface Session {
  /** Different for every start. */
  readonly id: string
  readonly hostId: string
  /** The state directory of its nodes. */
  readonly directoryId: string | null
  /** How long ago it started, by its own clocks. The database counts back by its own. */
  readonly ageMs: number
  /** The newest stamp that it had; 0 at first. */
  readonly stampMs: number
  /** The epoch in which it has told of all its nodes; null at first. */
  readonly epoch: string | null
  /** Earlier starts that have surely ended: none of them is newer than this one, whatever the clocks say. */
  readonly ended?: readonly string[]
  /**
   * The stamp that came when each of its nodes was registered last. An order to forget the node that is older
   * than this is obsolete.
   */
  readonly registeredMs?: ReadonlyMap<string, number>
  /** T1. Of an upgrade server, which has no row. */
  readonly software?: Software
}

/**
 * `restarted`: another process answers. `lost`: somebody has seen more than is here. `silent`: nobody was
 * heard for long, but nothing is lost.
 */
export type Doubt = 'restarted' | 'lost' | 'silent'

/** The database's word about itself with its answers. */
export interface Standing {
  /** Another one after each loss or restart. */
  readonly epoch: string
  /** By the database's clock. It comes back with the next request. */
  readonly stampMs: number
  /** The hosts' lease; 0 before any host was heard. */
  readonly leaseMs: number
  readonly probation: Probation | null
}

export interface Probation {
  readonly doubt: Doubt
  /** How long it lasts at least. */
  readonly leftMs: number
}

/** The database's notes about itself. */
export interface Attendance {
  readonly epoch: string
  /** The process that answered. */
  readonly run: string
  /** When somebody was heard last. */
  readonly heardMs: number
  readonly leaseMs: number
  readonly doubt: Doubt | null
  readonly untilMs: number
}

export interface Visit {
  readonly nowMs: number
  readonly run: string
  readonly session: Session
  /** The newest stamp of the session that the database has. */
  readonly stampMs: number | undefined
  /** Null for one without nodes. */
  readonly leaseMs: number | null
}

/** The lease that is believed in before a host has named its own. */
export const unknownLeaseMs = 15_000
/** A stamp that is older has been dropped in order. */
export const stampKeptMs = 24 * 3_600_000

/** Why the rows can't be believed now. */
export function doubtNow(attendance: Attendance, nowMs: number, run: string): Doubt | null {
  if (attendance.run !== run) return 'restarted'
  return isInForce(attendance, nowMs) ? attendance.doubt : isSilent(attendance, nowMs) ? 'silent' : null
}

function isInForce({ doubt, untilMs }: Attendance, nowMs: number): boolean {
  return doubt !== null && nowMs < untilMs
}

/**
 * Hosts renew a lease after each third of it, so that of some a third may have run before
 * nobody was heard any more.
 */
function isSilent({ leaseMs, heardMs }: Attendance, nowMs: number): boolean {
  return leaseMs > 0 && nowMs - heardMs > leaseMs / 2
}

/** Somebody is heard. */
export function visited(before: Attendance | undefined, visit: Visit): Attendance {
  const { nowMs, run, session, leaseMs } = visit
  const lease = leaseMs ?? before?.leaseMs ?? 0
  const epoch = nextEpoch(before, nowMs, session)
  if (before === undefined) {
    const now = { epoch, run, heardMs: nowMs, leaseMs: lease, doubt: null, untilMs: 0 }
    return isWitness(visit) || hasServedBefore(session) ? doubted(now, 'lost', nowMs, epoch) : now
  }
  const now = { ...before, run, heardMs: nowMs, leaseMs: lease }
  if (before.run !== run) return doubted(now, 'restarted', nowMs, epoch)
  const isDoubted = isInForce(before, nowMs)
  if (isDoubted && before.doubt !== 'silent') {
    // One epoch for all who witness the same loss.
    const hasToTell = leaseMs !== null && session.stampMs > 0 && session.epoch !== before.epoch
    return hasToTell ? doubted(now, before.doubt!, nowMs, before.epoch) : capped(now, nowMs)
  }
  if (isWitness(visit)) return doubted(now, 'lost', nowMs, epoch)
  if (isSilent(before, nowMs)) return doubted(now, 'silent', nowMs, before.epoch)
  return isDoubted ? capped(now, nowMs) : { ...now, doubt: null, untilMs: 0 }
}

/** Another one, also within the same millisecond. */
export function nextEpoch(before: Attendance | undefined, nowMs: number, { id }: Session): string {
  const epoch = `${nowMs}-${id}`
  return epoch === before?.epoch ? `${epoch}+` : epoch
}

/** Whether the epoch began with this session's visit: the database knows of nobody who was there before. */
export function isBegunBy(epoch: string, { id }: Pick<Session, 'id'>): boolean {
  return epoch.endsWith(`-${id}`) || epoch.endsWith(`-${id}+`)
}

/** P2. */
function isWitness({ nowMs, session, stampMs = 0 }: Visit): boolean {
  return session.stampMs > Math.max(0, stampMs) && session.stampMs > nowMs - stampKeptMs
}

/** Its directory remembers earlier starts: some database has known them. */
function hasServedBefore({ ended = [] }: Session): boolean {
  return ended.length > 0
}

export function doubted(now: Attendance, doubt: Doubt, nowMs: number, epoch: string): Attendance {
  return { ...now, epoch, doubt, untilMs: nowMs + (now.leaseMs || unknownLeaseMs) }
}

/** A clock that was set back makes nothing longer. */
function capped(now: Attendance, nowMs: number): Attendance {
  return { ...now, untilMs: Math.min(now.untilMs, nowMs + (now.leaseMs || unknownLeaseMs)) }
}
