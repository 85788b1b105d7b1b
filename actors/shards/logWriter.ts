/**
 * The owner's hand in its log: one append after the other, each until its end is known.
 *
 * H2. A commit counts when its append is acknowledged.
 * H3. An append whose acknowledgement is lost is repeated unchanged until it is acknowledged or refused. If
 *     it is refused, the entry behind its predecessor is read: its own means committed, another's that the
 *     log has another owner, none that it is repeated. The absence of an entry decides nothing: a stale
 *     server may answer a read.
 */
import { Fault } from '../../core/base/fault.js'
import { type ChainEnd, commitEntries, nextEntry, type ReadyEntry } from '../../core/model/logChain.js'
import type { EntryContent } from '../../core/model/logEntry.js'
import type { Clock } from '../../core/ports/clock.js'
import type { Log, Position } from '../../core/ports/log.js'
import type { Random } from '../../core/ports/random.js'
import type { Write } from '../../core/ports/stateStore.js'
import { backoffMs, sleep } from '../base/timeouts.js'
import type { Moment } from './shardLease.js'

export interface WriterServices {
  readonly clock: Clock
  readonly random: Random
  readonly settings: { readonly backoffMs: number; readonly backoffMsMax: number }
}

/** News of the writer for the owner of the shard. */
export interface WriterOwner {
  /** An append that was first sent at that moment is in the log. */
  appended(sent: Moment): void
  /** Another has written: nothing more is appended. Called before anybody else hears of it. */
  fenced(): void
}

/** Behind its last entry the next one is appended. */
export interface WriterEnd extends ChainEnd {
  readonly last: Position
}

export class LogWriter {
  #end: WriterEnd
  /** When something was sent for the place behind the end first. */
  #sent: Moment | undefined
  #isFenced = false
  #isClosed = false
  #newest: Promise<unknown> = Promise.resolve()
  #waiting = 0

  constructor(
    private readonly log: Log,
    end: WriterEnd,
    private readonly name: string,
    private readonly owner: WriterOwner,
    private readonly services: WriterServices,
  ) {
    this.#end = end
  }

  get end(): WriterEnd {
    return this.#end
  }

  get isFenced(): boolean {
    return this.#isFenced
  }

  /** Whether something is being appended. */
  get isBusy(): boolean {
    return this.#waiting > 0
  }

  /**
   * Appends one commit, in parts where it is large. Rejects with `unavailable.storage` when it does not
   * count, and never will.
   */
  commit(writes: readonly Write[]): Promise<WriterEnd> {
    return this.#inTurn(() => this.#appendAll(commitEntries(this.#end, writes, this.log.entryBytesMax)))
  }

  append(content: EntryContent): Promise<WriterEnd> {
    return this.#inTurn(() => this.#appendAll([nextEntry(this.#end, content)]))
  }

  /**
   * Nothing is appended any more. An append whose end is not known then has none: nobody may hear that it was
   * not written.
   */
  close(): void {
    this.#isClosed = true
  }

  #inTurn(append: () => Promise<WriterEnd>): Promise<WriterEnd> {
    this.#waiting++
    const done = this.#newest
      .catch(() => {})
      .then(append)
      .finally(() => this.#waiting--)
    this.#newest = done
    return done
  }

  async #appendAll(entries: readonly ReadyEntry[]): Promise<WriterEnd> {
    for (const entry of entries) await this.#append(entry)
    return this.#end
  }

  async #append({ bytes, end }: ReadyEntry): Promise<void> {
    const { clock, random, settings } = this.services
    this.#check()
    const after = this.#end.last
    // An earlier entry that was refused may have been the same, and a copy of it on its way for long.
    this.#sent ??= { ms: clock.monotonicMs(), wallMs: clock.now() }
    const sent = this.#sent
    for (let failures = 0; ; failures++) {
      const appended = await this.log.append(bytes, after)
      let outcome: 'appended' | 'fenced' | 'unknown'
      if (appended.kind === 'refused') throw this.#refused(appended.fault)
      if (appended.kind === 'conflict') outcome = await this.#behind(after, bytes)
      else outcome = appended.kind
      // Its owner may have been stopped or fenced meanwhile.
      if (this.#isFenced) throw this.#lost()
      if (outcome === 'fenced') {
        this.#isFenced = true
        this.owner.fenced()
        throw this.#lost()
      }
      if (outcome === 'appended') {
        this.#end = { ...end, last: after + 1 }
        this.#sent = undefined
        this.owner.appended(sent)
        return
      }
      if (this.#isClosed) return await new Promise<never>(() => {})
      await sleep(clock, backoffMs(failures, settings.backoffMs, settings.backoffMsMax, random.next()))
      if (this.#isClosed) return await new Promise<never>(() => {})
    }
  }

  /** Whose entry is behind that position. */
  async #behind(after: Position, mine: Uint8Array): Promise<'appended' | 'fenced' | 'unknown'> {
    try {
      for await (const { bytes } of this.log.read(after)) return Buffer.compare(bytes, mine) === 0 ? 'appended' : 'fenced'
    } catch (error) {
      // Its own may be there, but trimmed by a successor only: then others have followed.
      if (error instanceof Fault && error.code === 'config.log-lost') return 'fenced'
    }
    return 'unknown'
  }

  #check(): void {
    if (this.#isFenced) throw this.#lost()
    if (this.#isClosed) throw new Fault('unavailable.storage', `${this.name} is not run here any more: the state was not written`)
  }

  #lost(): Fault {
    return new Fault('unavailable.storage', `${this.name} has another owner: the state was not written here`)
  }

  #refused(fault: Fault): Fault {
    return new Fault(
      'unavailable.storage',
      `the state was not written to the log of ${this.name}: ${fault.message}`,
      fault.details,
      {
        cause: fault,
      },
    )
  }
}
