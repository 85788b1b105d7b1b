/**
 * How an upgrade server writes the audit (core/control/audit.ts): what it was asked to change,
 * by whom, and what came of it.
 *
 * W1. A change that was carried out is answered as done, whether or not its entry could be written. The
 *     latter is a warning.
 * W2. Of several upgrade servers that have done the same in the same moment, a death or a pause
 *     of the gate, one writes it.
 * W3. Refusals cost the one who is refused nothing, so they have a budget of entries. Those beyond it are
 *     counted, and told of together.
 */

import { digestOf } from '../../core/base/digest.js'
import { Fault, toFault } from '../../core/base/fault.js'
import { rfc3339 } from '../../core/base/instant.js'
import {
  type AuditEntry,
  type Audited,
  type AuditFrom,
  type AuditHead,
  type AuditPlace,
  type AuditRecord,
  auditFormat,
  decodeAuditEntry,
  encodeAuditEntry,
  isSameDeed,
} from '../../core/control/audit.js'
import { readDeniedReport } from '../../core/control/deniedCalls.js'
import { type DirectiveLog, decodeDirective, describeOrder, orderReason } from '../../core/control/directive.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import type { HostObserver } from '../../core/inspection/hostEvents.js'
import type { Clock } from '../../core/ports/clock.js'
import { decodeManifest } from '../../core/upgrade/manifest.js'
import type { CallEnvelope } from '../../core/wire/envelope.js'
import { AuditedDenials } from './auditedDenials.js'

/** Entries that wait to be written; one more is not written, with a warning. */
export const auditWaitingMax = 1_000
/** An answer, or the end of the server, waits so long for an entry that is being written. */
export const auditWaitMs = 250
/** Of several upgrade servers, one at a time adds an entry; the others try again. */
const appendTriesMax = 50
/** So many of the newest entries are looked at for one that another server has written of the same. */
const sameSoughtMax = 200
/** Refusals of one kind and caller within this time have one entry. */
export const refusalsMs = 1_000
/** Kinds of refusals that are counted apart; all further ones are counted together. */
export const refusalKindsMax = 8
/**
 * Entries for refusals at once, and how long until there may be another: of 100,000 entries a flood fills
 * less than a tenth in a month.
 */
export const refusalEntriesMax = 100
export const refusalEntryMs = 10 * 60_000

export interface AuditOptions {
  readonly database: UpgradeDatabase
  readonly clock: Clock
  readonly observe?: HostObserver
}

/** The facts about a change while it is carried out. */
export interface Change {
  /** Whose signatures counted. */
  by: readonly string[]
  /** Left false by what changes nothing: the same again. */
  isDone: boolean
}

interface Counted {
  readonly record: AuditRecord
  /** Refusals without an entry yet. */
  times: number
}

export class Audit {
  #writing: Promise<void> = Promise.resolve()
  #waiting = 0
  /** The newest entry that this server has written. */
  #seen: AuditPlace | undefined
  #logId: string | undefined
  readonly #refusals = new Map<string, Counted>()
  readonly #denials: AuditedDenials
  #others = 0
  #entriesLeft = refusalEntriesMax
  #filledMs: number
  #cancel: (() => void) | undefined

  constructor(
    private readonly options: AuditOptions,
    private readonly log: () => Promise<DirectiveLog>,
  ) {
    this.#filledMs = options.clock.monotonicMs()
    this.#denials = new AuditedDenials(options.clock, (record) => void this.#write(record))
  }

  /**
   * Carries out what was asked for, and writes what came of it. `name`: the caller's, that the
   * transport vouches for.
   */
  async of(call: CallEnvelope, name: string | undefined, carryOut: (change: Change) => Promise<unknown>): Promise<unknown> {
    const change: Change = { by: [], isDone: false }
    const from = { name: name ?? null, id: call.caller }
    try {
      const answer = await carryOut(change)
      if (change.isDone)
        await this.#briefly(this.#write({ what: auditedIn(call), outcome: 'done', times: 1, by: change.by, from }))
      return answer
    } catch (thrown) {
      const fault = toFault(thrown, 'upgrade.fetch')
      // An order that is asked for twice was not refused: its first answer was lost.
      if (auditedMethods.has(call.method) && !('earlier' in fault.details)) this.#refused(call, from, change.by, fault)
      throw thrown
    }
  }

  /**
   * The report of a host about calls that it has denied. `name`: the host's, that the transport vouches for.
   */
  denied(call: CallEnvelope, name: string | undefined): null {
    const denied = readDeniedReport(call.args[0])
    if (denied === undefined) throw new Fault('protocol.bad-arguments', 'expected teachDenials(calls)')
    this.#denials.reported({ name: name ?? null, id: call.caller }, denied)
    return null
  }

  /** An act of the server by itself. */
  own(what: Audited): void {
    void this.#write({ what, outcome: 'done', times: 1, by: [], from: null })
  }

  /** Looks whether the database has lost something, at another log of directives. */
  noticed({ id }: DirectiveLog): void {
    if (id === this.#logId) return
    this.#logId = id
    void this.#write(undefined)
  }

  /** Writes what is still to be written. */
  async stop(): Promise<void> {
    this.#cancel?.()
    this.#tellRefusals(() => true)
    this.#denials.stop()
    await this.#briefly(this.#writing)
  }

  /** W1. A database that does not answer holds up no answer to what is done. */
  #briefly(written: Promise<void>): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.options.clock.after(auditWaitMs, resolve)
      void written.then(() => {
        cancel()
        resolve()
      })
    })
  }

  #refused(call: CallEnvelope, from: AuditFrom, by: readonly string[], { code }: Fault): void {
    // Not the caller's id, which is its own word: each time another one would be a kind of its own.
    const kind = JSON.stringify([call.method, code, from.name])
    const known = this.#refusals.get(kind)
    if (known !== undefined) known.times++
    else if (this.#refusals.size >= refusalKindsMax) this.#others++
    else {
      const record = { what: auditedIn(call), outcome: code, times: 1, by, from }
      const isTold = this.#takeEntry()
      if (isTold) void this.#write(record)
      this.#refusals.set(kind, { record, times: isTold ? 0 : 1 })
    }
    this.#cancel ??= this.options.clock.after(refusalsMs, () => this.#tellLater())
  }

  /**
   * Those that could not be told of yet, and were counted meanwhile, come when there may be another entry.
   */
  #tellLater(): void {
    this.#tellRefusals(() => this.#takeEntry())
    const isNothingLeft = this.#refusals.size === 0 && this.#others === 0
    this.#cancel = isNothingLeft ? undefined : this.options.clock.after(refusalEntryMs, () => this.#tellLater())
  }

  #tellRefusals(mayTell: () => boolean): void {
    for (const [kind, { record, times }] of this.#refusals) {
      if (times > 0 && !mayTell()) continue
      if (times > 0) void this.#write({ ...record, times })
      this.#refusals.delete(kind)
    }
    if (this.#others === 0 || !mayTell()) return
    void this.#write({ what: { act: 'more' }, outcome: 'refused', times: this.#others, by: [], from: null })
    this.#others = 0
  }

  #takeEntry(): boolean {
    const now = this.options.clock.monotonicMs()
    const more = Math.floor((now - this.#filledMs) / refusalEntryMs)
    this.#entriesLeft = Math.min(refusalEntriesMax, this.#entriesLeft + more)
    this.#filledMs += more * refusalEntryMs
    if (this.#entriesLeft === 0) return false
    this.#entriesLeft--
    return true
  }

  /** Undefined: only that something was lost, if so. Never rejects (W1). */
  #write(record: AuditRecord | undefined): Promise<void> {
    const at = rfc3339(this.options.clock.now())
    if (this.#waiting >= auditWaitingMax) {
      this.#failed(new Fault('unavailable.overloaded', `${auditWaitingMax} entries wait already`))
      return Promise.resolve()
    }
    this.#waiting++
    this.#writing = this.#writing
      .then(() => this.#append(record, at))
      .catch((error: unknown) => this.#failed(error))
      .finally(() => {
        this.#waiting--
      })
    return this.#writing
  }

  async #append(record: AuditRecord | undefined, at: string): Promise<void> {
    const { database } = this.options
    for (let tries = 0; tries < appendTriesMax; tries++) {
      const [newest, { id: log }, head] = [await database.auditHead(), await this.log(), await database.head()]
      const gap = this.#gap(newest, log)
      const written = gap ?? record
      if (written === undefined || (gap === undefined && (await this.#isWritten(written, newest)))) return
      const number = newest.number + 1
      const entry: AuditEntry = { format: auditFormat, number, at, ...written, head, log, previous: newest.hash }
      const bytes = encodeAuditEntry(entry)
      const hash = digestOf(bytes)
      if (!(await database.appendAudit(newest, bytes, { hash, log }))) continue
      this.#seen = { number, hash }
      if (gap === undefined) return
    }
    throw new Fault('upgrade.conflict', `other upgrade servers were faster ${appendTriesMax} times`)
  }

  /**
   * W2. Another server that does so after this look makes the entry of this one the second after `newest`,
   *     which is not added.
   */
  async #isWritten({ what }: AuditRecord, { number }: AuditHead): Promise<boolean> {
    if (what.act !== 'death' && what.act !== 'gate') return false
    // An entry too many says more than one too few: a login that may not read the audit writes
    // it all the same.
    const found = await this.options.database.audit(Math.max(1, number - sameSoughtMax + 1), number).catch(() => [])
    return found.some((bytes) => isSameDeed(what, readWhat(bytes)))
  }

  /** A3. The chain is shorter than it was, or the database's log of directives another one. */
  #gap(newest: AuditHead, log: string): AuditRecord | undefined {
    const seen = this.#seen
    const isShorter =
      seen !== undefined && (newest.number < seen.number || (newest.number === seen.number && newest.hash !== seen.hash))
    if (!isShorter && (newest.log === null || newest.log === log)) return undefined
    return { what: { act: 'lost', known: isShorter ? seen : null }, outcome: 'done', times: 1, by: [], from: null }
  }

  #failed(error: unknown): void {
    this.options.observe?.({ type: 'warning', message: 'an entry of the audit was not written', error })
  }
}

function readWhat(bytes: Uint8Array): Audited {
  try {
    return decodeAuditEntry(bytes).what
  } catch {
    return { act: 'more' }
  }
}

const auditedMethods: ReadonlySet<string> = new Set(['install', 'direct', 'teach'])

/** The request of a call, as far as it can be read. */
function auditedIn({ method, args: [bytes] }: CallEnvelope): Audited {
  const unreadable: Audited = { act: 'unreadable', method }
  if (!(bytes instanceof Uint8Array)) return unreadable
  const digest = digestOf(bytes)
  try {
    if (method === 'direct') {
      const directive = decodeDirective(bytes)
      const { number, what } = directive
      const reason = orderReason(directive)
      return { act: 'order', number, words: describeOrder(what), digest, ...(reason === null ? {} : { reason }) }
    }
    const { version, undoes } = decodeManifest(bytes)
    if (method === 'teach') return { act: 'teach', version, digest }
    return undoes === null ? { act: 'install', version, digest } : { act: 'undo', version, undoes, digest }
  } catch {
    return unreadable
  }
}
