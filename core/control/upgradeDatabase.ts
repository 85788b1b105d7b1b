/**
 * The upgrade database, UDB (§4): "a generic, central store" of who runs what, and the upgrade server's own
 * memory. Every method may reject with any error while the database is away; callers retry.
 */

import { Fault } from '../base/fault.js'
import { isVersion, nameLengthMax, type Version } from '../base/ids.js'
import type { Software } from '../base/level.js'
import type { NodeRow, NodeStatus } from '../model/nodeRow.js'
import type { TableEntries, TablesUndone } from '../model/tables.js'
import type { ServiceLimit } from '../schedules/serviceLimit.js'
import type { Signed } from '../trust/signed.js'
import type { SignedManifest } from '../upgrade/manifest.js'
import type { AuditHead } from './audit.js'
import type { Control, ControlName, Going } from './control.js'
import type { Directed, Directive, DirectiveLog } from './directive.js'
import type { Session, Standing } from './standing.js'

/** The newest version and the digest of its manifest; version 0 has none. */
export interface Head {
  readonly version: Version
  readonly digest: string | null
}

/**
 * Versions older than `below` are dead since `sinceMs`, by the database's clock; that may still be to come,
 * and then it is withdrawn if a node needs one of them after all. At first nothing is dead.
 */
export interface Death {
  readonly below: Version
  /** Milliseconds since 1970. */
  readonly sinceMs: number
  /**
   * Versions older than this one are dead now: `below` once its time has come, until then what
   * was dead before.
   */
  readonly inForce: Version
}

export const nothingDead: Death = { below: 0, sinceMs: 0, inForce: 0 }

export type PermitAnswer =
  | { readonly claimed: true }
  | { readonly claimed: false; readonly heldBy: readonly string[] }
  | { readonly claimed: false; readonly control: Control }
  /** P1 (core/control/standing.ts): it is not known who holds permits. */
  | { readonly claimed: false; readonly onProbation: true }
  /** A newer start of a host has the node. */
  | { readonly claimed: false; readonly isElsewhere: true }

export type RegisterAnswer =
  | {
      readonly registered: true
      /** The start before, if its lease runs: it may still serve the node. */
      readonly predecessor?: Predecessor
      readonly standing?: Standing
    }
  /** T3. The start does not read the system's level. */
  | { readonly registered: false; readonly level: StoredLevel; readonly standing?: Standing }
  | {
      readonly registered: false
      readonly level?: undefined
      /** The same directory for a start that is older than the registered one. */
      readonly directoryId: string
      readonly hostId?: string
      readonly standing?: Standing
    }

/** A level as the database keeps it, and the oldest release that reads it. */
export interface StoredLevel {
  readonly release: string
  readonly numbers: Readonly<Record<string, number>>
}

/** An upgrade server that was heard within its lease. Those of release 0.1.0 are not known. */
export interface ServerRow {
  readonly id: string
  readonly software: Software
}

/** T3. Asked of everybody who is registered before a version is installed, in the same decision. */
export interface AskedOfReaders {
  /** By format: everybody reads this number. */
  readonly reads: Readonly<Record<string, number>>
  /** Stored with the version; null: it stays. */
  readonly level: StoredLevel | null
  /** Given back by a host after a loss: nobody is asked. */
  readonly isTaught: boolean
}

export interface Predecessor {
  readonly session: string
  readonly hostId: string
  /** Until its lease runs out. */
  readonly leftMs: number
}

export interface Elsewhere {
  readonly nodeId: string
  readonly hostId: string | null
  /** It does not serve before this session has stopped the node. Left out where it may serve already. */
  readonly waits?: true
}

/** The database's answer to those who tell of their nodes. */
export interface Heard {
  /** Not registered: register them again. */
  readonly unknown: readonly string[]
  /** An operator has removed them: they are not registered again before they start anew. */
  readonly forgotten: readonly string[]
  /** Registered with another directory, or by a newer start of a host: they must not run here. */
  readonly elsewhere: readonly Elsewhere[]
  /** Left out for one who does not say who it is. */
  readonly standing?: Standing
}

export interface UpgradeDatabase {
  // The history: authority.
  head(): Promise<Head>
  /** Manifests of versions `from` to `to`, both included, as far as they exist, in order. */
  manifests(from: Version, to: Version): Promise<readonly SignedManifest[]>
  /**
   * One compare-and-set on ⟨version, digest of the head manifest⟩: false when `expected` is not the head any
   * more, or `undoes` is final. Sets the entries of `tables` with it, and keeps the bundle with this digest.
   * False also if that has been written since it had so many `writes`: what is kept is what was looked at.
   * `undone`: the entries are not set, but taken back or brought again. With `asked`, false also if somebody
   * registered, alive or not, does not read what is asked. Sets `control` with it.
   */
  install(
    expected: Head,
    digest: string,
    manifest: SignedManifest,
    tables?: TableEntries,
    undoes?: Version | null,
    bundle?: string | null,
    writes?: number | null,
    asked?: AskedOfReaders | null,
    undone?: TablesUndone | null,
    control?: Control | null,
  ): Promise<boolean>
  /** T2. As it was stored last; null: never. The signed history says what it is. */
  level(): Promise<StoredLevel | null>
  /**
   * From the history, after a loss. Each number stays where it is greater here. `wrong` was found here, and
   * no history says it: it goes, unless there is another one by now.
   */
  restoreLevel(level: StoredLevel, wrong?: StoredLevel): Promise<void>
  /**
   * A chunk of a bundle. `staged`: no installed manifest names the bundle yet, and it is gone some time after
   * its last chunk, unless one does then. Throws `unavailable.overloaded` where so many are staged already,
   * or so many bytes. A bundle that is kept stays kept. False, and nothing is written, if it has been written
   * or installed since it had so many `writes`.
   */
  putChunk(digest: string, index: number, bytes: Uint8Array, as?: 'staged' | 'kept', writes?: number | null): Promise<boolean>
  /** How many times chunks of this bundle were written and it was installed, while it has been there. */
  bundleWrites(digest: string): Promise<number>
  /** The stored chunks of this bundle stay: an installed manifest names it. */
  keepBundle(digest: string): Promise<void>
  getChunk(digest: string, index: number): Promise<Uint8Array | undefined>
  /**
   * Waits until as many replicas as are asked for have all that this one has written. Answers why they have
   * not, in words. Left out where there are none.
   */
  unreplicated?(): Promise<string | undefined>

  // Registered nodes and the software that each runs.
  /**
   * Registers the node with its directory and its host's start, or says which directory it is registered with
   * already. The newer start wins. Renews its lease.
   */
  register(status: NodeStatus, leaseMs: number, session?: Session): Promise<RegisterAnswer>
  /**
   * Stores rows of nodes that are registered by this session, and renews their leases. Says which are not.
   */
  report(statuses: readonly NodeStatus[], leaseMs: number, session?: Session): Promise<Heard>
  /** Renews leases without changing rows. Says which nodes are not registered by this session. */
  renew(nodeIds: readonly string[], leaseMs: number, session?: Session): Promise<Heard>
  /** The session has stopped these nodes: a newer start of theirs need not wait for it. */
  reportGone(nodeIds: readonly string[], session: Session): Promise<void>
  /** Removes a node that will not come back, with its permit. */
  forget(nodeId: string): Promise<void>
  /**
   * Registered nodes, of one service if given, by node id. Nodes without a directory are left
   * out once their lease has run out.
   */
  nodes(service?: string): Promise<readonly NodeRow[]>

  // Permits under a service's limit: authority.
  /**
   * Claims a permit atomically, or says who holds them, or which control holds the node back. A node that
   * holds one already has it. A permit is never freed by time.
   *
   * `by`, here and below, is the session that asks. One whose node a newer session has registered gets
   * nothing, and gives nothing back: what it asks may have waited for long. One that the database has never
   * heard of gets none: something was lost.
   */
  claimPermit(service: string, going: Going, limit: ServiceLimit, by?: Session): Promise<PermitAnswer>
  releasePermit(service: string, nodeId: string, by?: Session): Promise<void>
  /**
   * On probation: gives back a permit to a node that had it before the loss, whatever the limit
   * is. False at other times.
   */
  restorePermit(service: string, nodeId: string, by?: Session): Promise<boolean>

  // How far all this can be believed (core/control/standing.ts).
  /** Without saying who asks, and without changing anything. Undefined before anybody was heard. */
  standing(): Promise<Standing | undefined>
  /** Somebody without nodes is heard: an upgrade server. Leases run while there is one. */
  attend(session: Session): Promise<Standing>
  /** The upgrade servers that have been heard of late. */
  servers(): Promise<readonly ServerRow[]>
  /** Somebody knows more than the database has. */
  doubt(session: Session): Promise<void>

  // Controls: authority.
  controls(): Promise<readonly Control[]>
  /** Sets a control, in place of the one that has its key. Throws `config.invalid`. */
  setControl(control: Control): Promise<void>
  /** False when there was none. */
  removeControl(name: ControlName): Promise<boolean>

  // Directives: authority. The newest are kept for whoever looks back.
  /** How many there have been. */
  directives(): Promise<number>
  /**
   * The log that counts them. It begins anew, with another id, when the database is empty or has been
   * restarted, when `doubt`, as the caller has seen it before, is of the same log and counts more, and when
   * `doubt` says that something was lost.
   */
  directiveLog(doubt?: DirectiveLog | 'lost'): Promise<DirectiveLog>
  /**
   * Counts a directive and carries it out, if it is the next one of this log, and the history's head is still
   * the one for which its signature was checked, and which it names. One atomic decision. Of format 1, one
   * that is older than the last loss is refused.
   */
  direct(directive: Directive, signed: Signed, head: Head): Promise<Directed>
  /** The newest that are kept, oldest first. */
  recentDirectives(): Promise<readonly Signed[]>

  // The audit (core/control/audit.ts): only ever added to.
  auditHead(): Promise<AuditHead>
  /**
   * Adds an entry after the one that is the newest, in one atomic decision: false when it is
   * not any more. The oldest go when there are too many, or too many bytes. `entry`: its hash,
   * and the log of directives that it names.
   */
  appendAudit(newest: AuditHead, bytes: Uint8Array, entry: { readonly hash: string; readonly log: string }): Promise<boolean>
  /**
   * Entries of these numbers, both included, as far as they are kept, oldest first; at most `auditPageMax`.
   */
  audit(from: number, to: number): Promise<readonly Uint8Array[]>

  // Upgrade-specific tables (§4: "a list of nodes that are authorized to upgrade"): authority. A table is
  // there as long as it has entries.
  /** The whole table, in the order of its keys; empty if there is none. */
  table(name: string): Promise<ReadonlyMap<string, string>>
  setInTable(name: string, key: string, value: string): Promise<void>
  /** False when there was no such entry. */
  removeFromTable(name: string, key: string): Promise<boolean>
  /** The names of the tables that have entries, in order. */
  tables(): Promise<readonly string[]>

  // Deaths (C8): authority.
  /**
   * The moment a death comes due it is checked once more, and withdrawn if a node may run an older version
   * now. On probation it waits.
   */
  dead(): Promise<Death>
  /**
   * Moves `below` forward, to take effect `delayMs` from now, unless a registered node, alive or not, may
   * still run an older version (`oldestPossible`), or the death before is still to come; nodes without a
   * directory are asked no longer than their lease, and clients that are pinned to a dead version not at all.
   * One atomic decision. Answers the death as it is afterwards: the one before if this one was refused, or
   * was no step forward.
   */
  declareDead(below: Version, delayMs: number): Promise<Death>
  /**
   * On probation: what was dead and final before the loss, as hosts know it, as far as no
   * registered node speaks against it.
   */
  restoreEnded(ended: { readonly dead: Version; readonly final: Version }): Promise<void>

  /** The newest version from which nobody goes back any more, on purpose. */
  finalized(): Promise<Version>
  /**
   * Moves it forward to `version`, unless a registered node, alive or not, may still run an older one:
   * clients that are pinned don't matter. One atomic decision. Answers what is final afterwards.
   */
  finalize(version: Version): Promise<Version>

  close(): Promise<void>
}

/** Far beyond the longest deadline, and still a date. */
export const deathDelayMsMax = 2 ** 31 - 1

/** Throws `config.invalid`. */
export function checkDeath(below: Version, delayMs: number): void {
  if (!isVersion(below)) throw new Fault('config.invalid', `dead below ${shown(below)}: use a version number`)
  if (!Number.isInteger(delayMs) || delayMs < 0 || delayMs > deathDelayMsMax)
    throw new Fault('config.invalid', `a death in ${shown(delayMs)} ms: use whole milliseconds, from 0 to ${deathDelayMsMax}`)
}

/** Enough of a wrong value to find it by. */
function shown(value: unknown): string {
  return String(JSON.stringify(value)).slice(0, nameLengthMax)
}
