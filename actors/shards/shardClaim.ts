/**
 * Becoming the owner of a shard.
 *
 * H5. A shard may be claimed when its log ends with a `release`, or when the claimer has watched its end for
 *     a whole lease of its owner, by its own clock and with the log answering, without a new entry. The claim
 *     is an append that expects exactly that end. Once it is accepted, no append of the old owner can be.
 */
import { isFault } from '../../core/base/fault.js'
import type { HostObserver } from '../../core/inspection/hostEvents.js'
import { nextEntry } from '../../core/model/logChain.js'
import type { Clock } from '../../core/ports/clock.js'
import type { ShardLog } from '../../core/ports/log.js'
import { type Random, randomName } from '../../core/ports/random.js'
import type { LogMark } from '../../core/store/logCache.js'
import { LogWriter, type Moment } from '../../core/store/logWriter.js'
import { Signal } from '../base/signal.js'
import { sleep } from '../base/timeouts.js'
import { LogTail } from './logTail.js'
import type { ShardCopy } from './shardCopy.js'

export interface ClaimSettings {
  readonly shardLeaseMs: number
  /** How long a shard that was left to another is left to it. */
  readonly shardSuccessorMs: number
  readonly backoffMs: number
}

export interface ClaimServices {
  readonly clock: Clock
  readonly random: Random
  readonly observe: HostObserver
  readonly settings: ClaimSettings
}

export interface Claimer {
  /** This start of this host, as no other is called. */
  readonly owner: string
  /** As a release names it. */
  readonly hostId: string
  /** Whether that owner has ended for certain: an earlier start on this host's directory. */
  hasEnded(owner: string): boolean
  /** Whether this host is to have the shard, if nobody has it. Asked at each look. */
  isWanted(): boolean
  /** Whether this host will have it next: then its copy follows the log already. Asked at each look. */
  isNext(): boolean
}

/** The log as its new owner has found it, up to its own claim. */
export interface Claimed {
  readonly tail: LogTail
  /** As far as it has followed the log. */
  readonly copy: ShardCopy
  /** The claim. */
  readonly mark: LogMark
  /** When the claim was sent: the lease runs from then. */
  readonly sent: Moment
  /** The owner before it has not released it. */
  readonly isTakeOver: boolean
}

/** Looks in one lease. */
const looksPerLease = 10
/** The copy of the next owner follows the log in steps of this length. */
const followMs = 100
/** It is ready when one step takes no longer. Callers wait for the last one. */
const readyMs = 25

/** So often in a row a log is read anew that was trimmed while it was read: then it can't be read at all. */
const lostLooksMax = 3

/** The lease of an owner that no kept entry tells of: more than anybody may have. */
export const leaseMsMax = 60_000

export class ShardClaim {
  #tail: LogTail
  #sinceMs: number
  #lostLooks = 0
  #isStopped = false
  #tries = 0
  #poked: () => void = () => {}
  /** Of a claim that is under way. */
  #writer: LogWriter | undefined
  readonly #stopped = Promise.withResolvers<undefined>()
  #isReady = false
  #isPreparing = false
  /** The copy here has come to the end of the log, or is no longer there. */
  readonly turned = new Signal()

  constructor(
    private readonly log: ShardLog,
    private readonly name: string,
    private readonly claimer: Claimer,
    readonly copy: ShardCopy,
    private readonly services: ClaimServices,
  ) {
    this.#tail = this.#newTail()
    this.#sinceMs = this.services.clock.monotonicMs()
  }

  /**
   * Resolves with undefined when it was stopped before. A claim that was under way then may be accepted, and
   * is to be released, or others would wait for its lease. It is waited for as long as that. Throws
   * `config.*` for a log that can't be read.
   */
  run(): Promise<Claimed | undefined> {
    return Promise.race([this.#run(), this.#stopped.promise])
  }

  async #run(): Promise<Claimed | undefined> {
    const { settings } = this.services
    while (!this.#isStopped) {
      const isAnswered = await this.#look()
      if (isAnswered && !this.#isStopped && this.claimer.isWanted() && this.#isFree()) {
        const claimed = await this.#claim()
        if (claimed !== undefined) return claimed
      }
      const isNext = this.claimer.isNext()
      if (isNext && isAnswered) void this.#prepare()
      const pauseMs = Math.min(settings.shardLeaseMs / looksPerLease, Math.max(1, this.#leftMs))
      await this.#pause(isNext ? Math.min(pauseMs, followMs) : pauseMs)
    }
    return undefined
  }

  /** Something may have come to the log: it is looked at now. */
  poke(): void {
    this.#poked()
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.services.clock.after(ms, resolve)
      this.#poked = () => {
        cancel()
        resolve()
      }
    })
  }

  /** Whether the copy here is as far as the log was when it was looked at last, or nearly. */
  get isReady(): boolean {
    return this.#isReady
  }

  /** The owner goes on meanwhile, and so does the watch of the log. */
  async #prepare(): Promise<void> {
    if (this.#isPreparing || this.#isStopped) return
    this.#isPreparing = true
    const { clock } = this.services
    const beganMs = clock.monotonicMs()
    const isThere = await this.copy.prepare(this.#tail)
    const isReady = isThere && clock.monotonicMs() - beganMs <= readyMs
    this.#isPreparing = false
    // Entries have come while it read.
    if (isThere && !isReady) this.poke()
    if (isReady === this.#isReady || this.#isStopped) return
    this.#isReady = isReady
    this.turned.emit()
  }

  /** The log as far as it is read: it tells who has the shard now. */
  get tail(): LogTail {
    return this.#tail
  }

  stop(): void {
    this.#isStopped = true
    const writer = this.#writer
    if (writer === undefined) this.#stopped.resolve(undefined)
    else
      this.services.clock.after(this.services.settings.shardLeaseMs, () => {
        writer.abandon()
        this.#stopped.resolve(undefined)
      })
  }

  /** Reads on. False if nobody answers: the time of watching begins anew. */
  async #look(): Promise<boolean> {
    const { clock } = this.services
    const before = this.#tail.end.last
    try {
      await this.#tail.advance()
    } catch (error) {
      const isLost = isFault(error) && error.code === 'config.log-lost'
      if (isLost && this.#tail.end.last > 0 && ++this.#lostLooks <= lostLooksMax) this.#tail = this.#newTail()
      else if (!isFault(error) || error.code.startsWith('config.')) throw error
      this.#sinceMs = clock.monotonicMs()
      return false
    }
    this.#lostLooks = 0
    if (this.#tail.end.last !== before) this.#sinceMs = clock.monotonicMs()
    return true
  }

  get #watchedMs(): number {
    return this.services.clock.monotonicMs() - this.#sinceMs
  }

  /** How long it must be watched still, if nothing comes. */
  get #leftMs(): number {
    const { end, owner } = this.#tail
    const { shardSuccessorMs, shardLeaseMs } = this.services.settings
    const wholeMs = end.kind === 'release' ? shardSuccessorMs : (owner?.leaseMs ?? leaseMsMax)
    const leftMs = wholeMs - this.#watchedMs
    return leftMs > 0 ? leftMs : shardLeaseMs
  }

  #isFree(): boolean {
    const { end, owner, successor } = this.#tail
    const { settings } = this.services
    const watchedMs = this.#watchedMs
    if (end.kind === undefined) return true
    if (end.kind === 'release')
      return successor === undefined || successor === this.claimer.hostId || watchedMs >= settings.shardSuccessorMs
    // Its own claim, which it gave up before it knew that it was accepted.
    const start = owner === undefined ? undefined : startOf(owner.owner)
    if (start !== undefined && (start === this.claimer.owner || this.claimer.hasEnded(start))) return true
    return watchedMs >= (owner?.leaseMs ?? leaseMsMax)
  }

  async #claim(): Promise<Claimed | undefined> {
    const { clock, settings } = this.services
    // Each try is another one, also where this host begins to claim the shard anew. The lease of an older
    // one, which was given up and accepted, runs since then.
    const owner = `${this.claimer.owner}/${++this.#tries}-${randomName(this.services.random)}`
    const sent = { ms: clock.monotonicMs(), wallMs: clock.now() }
    const { end } = this.#tail
    const isTakeOver = end.kind !== undefined && end.kind !== 'release'
    const writer = new LogWriter(this.log, clock, { position: end.last, end })
    this.#writer = writer
    const mark = await new Promise<LogMark | undefined>((resolve) => {
      writer.append({
        make: (after) => [nextEntry(after, { kind: 'claim', owner, leaseMs: settings.shardLeaseMs })],
        counted: resolve,
        // Another was first, or the log takes nothing now.
        lost: () => resolve(undefined),
      })
    })
    this.#writer = undefined
    if (mark === undefined) {
      if (this.#isStopped) this.#stopped.resolve(undefined)
      this.#sinceMs = clock.monotonicMs()
      return undefined
    }
    // Up to the claim: the one who answers reads may be behind the one who took it.
    while (!this.#isStopped && this.#tail.end.number < mark.end.number)
      if (!(await this.#look())) await sleep(clock, settings.backoffMs)
    return { tail: this.#tail, copy: this.copy, mark, sent, isTakeOver }
  }

  #newTail(): LogTail {
    return new LogTail(this.log, this.name, this.services.observe)
  }
}

/** The start of a host that has made this claim. */
function startOf(owner: string): string {
  return owner.slice(0, owner.lastIndexOf('/'))
}
