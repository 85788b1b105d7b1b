/**
 * Whether this host may answer. One that did not run for a while, a process that was stopped or a machine
 * that was suspended, does not know what has become of its nodes meanwhile, and what arrives has waited.
 *
 * F1. After a gap of more than a lease by either of its clocks it asks the upgrade database before it carries
 *     out anything: what arrives, what has waited in mailboxes, and timers. Calls that ran meanwhile are not
 *     acknowledged before that. Without an answer from there it goes on: nodes serve without the database. An
 *     answer of a database that has lost something says nothing before all hosts have told of themselves: it
 *     is asked again, for one lease at most. So is one whose answer is older than a lease: the host has stood
 *     still once more meanwhile.
 * F2. A message that arrives after a gap may be as old as the gap: a call's deadline is counted from its
 *     beginning, until all that waited has arrived.
 */
import { inject, injectable } from 'tsyringe'
import type { HostObserver } from '../../core/inspection/hostEvents.js'
import type { Clock } from '../../core/ports/clock.js'
import type { Transport } from '../../core/ports/transport.js'
import type { HostSettings } from '../base/settings.js'
import { tokens } from '../base/tokens.js'
import type { Fence } from './fence.js'

/** Asks the database for all nodes of this host, and stops those that run elsewhere. Never rejects. */
export type AskForAll = () => Promise<void>

@injectable()
export class HostFence implements Fence {
  /** A gap after which a lease may be over is always noticed: leases are renewed after each third. */
  readonly #stallMs: number
  #beatMs: number
  #askedMs: number
  #askedWallMs: number
  #lateMs = 0
  #gaps = 0
  #waiting: (() => void)[] = []
  #isAsking = false
  #cancel: () => void = () => {}
  /** Undefined while gaps are not noticed. */
  #ask: AskForAll | undefined

  constructor(
    @inject(tokens.clock) private readonly clock: Clock,
    @inject(tokens.settings) private readonly settings: HostSettings,
    @inject(tokens.observer) private readonly observe: HostObserver,
    @inject(tokens.transport) private readonly transport: Transport,
  ) {
    this.#stallMs = Math.min(settings.stallMs, settings.leaseMs / 2)
    this.#beatMs = this.#askedMs = clock.monotonicMs()
    this.#askedWallMs = clock.now()
  }

  /** From now on gaps are noticed. */
  start(ask: AskForAll): void {
    if (this.#ask !== undefined) return
    this.#ask = ask
    this.asked(this.moment())
    this.#beatMs = this.clock.monotonicMs()
    this.#beatLater()
  }

  /**
   * A call that waits for an answer waits for ever: a refusal would have its caller make a call once more
   * that another host has carried out.
   */
  stop(): void {
    this.#ask = undefined
    this.#cancel()
    this.#waiting = []
    this.#isAsking = false
  }

  /** How much of its time a message that arrives now may have spent waiting for this host to go on. */
  get lateMs(): number {
    return this.#lateMs
  }

  /** Whether nothing may be carried out now; then `whenOpen` says when. To be asked for each message. */
  isClosed(nowMs: number): boolean {
    if (this.#ask === undefined) return false
    if (nowMs - this.#beatMs > this.#stallMs) this.#notice()
    return this.#isAsking
  }

  /** Resolves when it is open: the database has been asked, if it has to be. */
  opened(): Promise<void> {
    return this.isClosed(this.clock.monotonicMs()) ? new Promise((resolve) => this.whenOpen(resolve)) : Promise.resolve()
  }

  whenOpen(action: () => void): void {
    this.#waiting.push(action)
  }

  /** As `isClosed`; then `action` is called when it is open. */
  holds(action: () => void): boolean {
    if (!this.isClosed(this.clock.monotonicMs())) return false
    this.whenOpen(action)
    return true
  }

  get waiting(): number {
    return this.#waiting.length
  }

  moment(): { readonly ms: number; readonly wallMs: number } {
    return { ms: this.clock.monotonicMs(), wallMs: this.clock.now() }
  }

  /** The database was asked for all nodes at that moment, whether it answered or not. */
  asked({ ms, wallMs }: { readonly ms: number; readonly wallMs: number }): void {
    // One that took long may have ended with a later one.
    if (ms < this.#askedMs) return
    this.#askedMs = ms
    this.#askedWallMs = wallMs
  }

  #beatLater(): void {
    this.#cancel = this.clock.after(this.#stallMs / 4, () => {
      this.#notice()
      if (this.#ask !== undefined) this.#beatLater()
    })
  }

  #notice(): void {
    const { leaseMs } = this.settings
    const { ms, wallMs } = this.moment()
    const gapMs = ms - this.#beatMs
    const unaskedMs = this.#unaskedMs({ ms, wallMs })
    this.#beatMs = ms
    if (gapMs > this.#stallMs) this.#arriving(gapMs)
    if (unaskedMs > leaseMs && !this.#isAsking) void this.#askForAll(unaskedMs)
  }

  /** The time of day may only have been set: then it was asked for nothing. */
  #unaskedMs({ ms, wallMs } = this.moment()): number {
    return Math.max(ms - this.#askedMs, wallMs - this.#askedWallMs)
  }

  /** F2. All messages that were sent before the flush have arrived when it is answered. */
  #arriving(gapMs: number): void {
    this.#lateMs = Math.max(this.#lateMs, gapMs)
    const arriving = ++this.#gaps
    this.transport
      .flush()
      .catch(() => {})
      .then(() => {
        if (arriving === this.#gaps) this.#lateMs = 0
      })
  }

  async #askForAll(gapMs: number): Promise<void> {
    const ask = this.#ask
    if (ask === undefined) return
    this.#isAsking = true
    const message = `this host has stood still for ${Math.round(gapMs / 1000)} s: it asks the upgrade database before it goes on`
    this.observe({ type: 'warning', message, error: undefined })
    do {
      const moment = this.moment()
      await ask()
      this.asked(moment)
    } while (this.#isAsking && this.#unaskedMs() > this.settings.leaseMs)
    if (this.#isAsking) this.#open()
  }

  #open(): void {
    this.#isAsking = false
    for (const action of this.#waiting.splice(0)) action()
  }
}
