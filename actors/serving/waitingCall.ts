/**
 * A call that a node received, as long as it waits: its caller, its share of all that waits at the host, and
 * how long it may be held.
 *
 * C4. A call that is held too long hears in time that it was not executed.
 */
import { Fault } from '../../core/base/fault.js'
import { type CallerInfo, callerInfo } from '../../core/wire/callerInfo.js'
import { type CallEnvelope, callId, markedEntry, type NodeInPaths, outerAt } from '../../core/wire/envelope.js'
import { WheelEntry } from '../timerWheel.js'
import type { Answers } from './answers.js'
import type { Backlog } from './backlog.js'
import type { Callee } from './callee.js'
import type { DueTimer } from './objectTimers.js'

export abstract class WaitingCall extends WheelEntry {
  /** Undefined until it makes a call. */
  #entryInPaths: string | undefined
  #isTaken = false
  #backlog: Backlog | undefined
  #weight = 0
  /** Why it is refused if it waits too long; `refused` once it has been. */
  #waiting: 'unavailable.upgrading' | 'unavailable.fetching' | 'refused' | undefined

  constructor(
    protected readonly callee: Callee,
    readonly envelope: CallEnvelope,
    /** Undefined if nobody waits for an answer. */
    protected readonly answers: Answers | undefined,
    /** By the clock that never goes back. */
    readonly deadline: number,
    /** Of a timer's call: the timer. */
    protected readonly timer?: DueTimer,
    /** The name that the transport vouches for. */
    private readonly callerName?: string,
  ) {
    super()
  }

  get id(): string {
    return callId(this.envelope)
  }

  /** The entries of the calls that this one is made for, itself the last. */
  get path(): readonly string[] {
    this.#entryInPaths ??= markedEntry(this.envelope, this.callee.random)
    return [...(this.envelope.path ?? []), this.#entryInPaths]
  }

  /** Whether this call is made for the one with this entry, directly or not. */
  isMadeFor(entry: string | undefined): boolean {
    return entry !== undefined && (this.envelope.path?.includes(entry) ?? false)
  }

  /** Its own entry in the paths of calls that its method has made; undefined if it has made none. */
  get entryInPaths(): string | undefined {
    return this.#entryInPaths
  }

  /** Its caller waits outside any node: whoever refuses it stops nobody in the middle of something. */
  get isFromOutside(): boolean {
    return this.answers !== undefined && this.envelope.path === null
  }

  get isOfTimer(): boolean {
    return this.timer !== undefined
  }

  get trace(): string | null {
    return this.envelope.trace
  }

  get caller(): CallerInfo {
    return callerInfo(this.envelope, this.callerName)
  }

  /** The entry of the call to the node that waits for this one, if any. */
  outerAt(node: NodeInPaths): string | undefined {
    return outerAt(node, this.envelope)
  }

  /** The call is held. If that lasts too long, its caller hears in time that it was not executed (C4). */
  holdFor(reason: 'unavailable.upgrading' | 'unavailable.fetching'): void {
    // A timer waits for as long as it takes.
    if (this.#waiting === 'refused' || this.isOfTimer) return
    this.#waiting = reason
    const { wheel, heldAnswerMs } = this.callee
    wheel.set(this, this.deadline - Math.min(heldAnswerMs, this.envelope.deadlineMs / 4))
  }

  override due(): void {
    const reason = this.#waiting
    if (reason === undefined || reason === 'refused') return
    this.refuse(new Fault(reason, `${this.callee.replier.node} could not answer version ${this.envelope.label} in time`))
  }

  /** Whether it has been answered while it was held. */
  get isRefused(): boolean {
    return this.#waiting === 'refused'
  }

  /** Neither has it begun, nor has it been refused. */
  get isWaiting(): boolean {
    return !this.#isTaken
  }

  /** It counts as so much of what waits at the host, until it begins or is refused. */
  weigh(backlog: Backlog, bytes: number): void {
    this.#backlog = backlog
    this.#weight = bytes
    backlog.add(this.callerName, bytes)
  }

  /** It waits no more, be it that nobody hears of it. */
  take(): void {
    if (this.#isTaken) return
    this.#isTaken = true
    this.#backlog?.remove(this.callerName, this.#weight)
  }

  /** It waits once more, and counts again. */
  protected giveBack(): void {
    this.#isTaken = false
    this.#backlog?.add(this.callerName, this.#weight)
  }

  /** It waits no more, and nobody answers for it (C4). False if it has been answered already. */
  protected isHeldNoLonger(): boolean {
    if (this.#waiting === undefined) return true
    if (this.#waiting === 'refused') return false
    this.#waiting = undefined
    this.callee.wheel.clear(this)
    return true
  }

  /** It is answered with this fault, and does not run. */
  abstract refuse(fault: Fault): void

  /** It has been refused: if it was held, it is held no more, and must not run. */
  protected refused(): void {
    if (this.#waiting === undefined) return
    this.callee.wheel.clear(this)
    this.#waiting = 'refused'
  }
}
