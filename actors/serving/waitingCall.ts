/**
 * A call that a node received, as long as it waits: its caller, its share of all that waits at the host, and
 * how long it may be held.
 *
 * C4. A call that is held too long hears in time that it was not executed.
 *
 * A copy that comes while it has no answer joins it: it is carried out once, and answered where the newest
 * copy asks for it. A refusal that says "not executed" goes to each copy, for its caller counts them.
 */
import { Fault } from '../../core/base/fault.js'
import { type CallerInfo, callerInfo } from '../../core/wire/callerInfo.js'
import { type CallEnvelope, callId, markedEntry, type NodeInPaths, outerAt } from '../../core/wire/envelope.js'
import { WheelEntry } from '../timerWheel.js'
import type { Answers } from './answers.js'
import type { Backlog } from './backlog.js'
import type { Callee } from './callee.js'
import type { DueTimer } from './objectTimers.js'
import { UnansweredCalls } from './unansweredCalls.js'

/** A call's place on the wheel while it is held. Most calls never are: it is no part of them. */
class HeldCall extends WheelEntry {
  constructor(
    private readonly call: WaitingCall,
    /** Why it is refused if it is held too long. */
    readonly reason: 'unavailable.upgrading' | 'unavailable.fetching',
  ) {
    super()
  }

  override due(): void {
    this.call.due()
  }
}

/** Beyond this, the newest copies alone are told of a refusal. A query is sent again once a second. */
export const copiesToldMax = 16

/** The part of all that waits at the host that one call is. */
interface Share {
  readonly backlog: Backlog
  readonly bytes: number
}

/**
 * There is one for each call, and all that it has costs each of them time: parts that few calls need are
 * objects of their own.
 */
export abstract class WaitingCall {
  /** Undefined until it makes a call. */
  #entryInPaths: string | undefined
  protected stage: 'waiting' | 'taken' | 'begun' | 'returned' = 'waiting'
  #share: Share | undefined
  /** `refused` once it has been. */
  #held: HeldCall | 'refused' | undefined
  /** Of a timer's call: the timer. Of another: the name that the transport vouches for. */
  readonly #from: DueTimer | string | undefined
  /** Where copies find it; `answered` once it has its answer. */
  #findable: UnansweredCalls<WaitingCall> | 'answered' | undefined
  /** Where its earlier copies are answered, the oldest first. */
  #earlier: Answers[] | undefined

  constructor(
    protected readonly callee: Callee,
    readonly envelope: CallEnvelope,
    /** Of its newest copy. Undefined if nobody waits for an answer. */
    protected answers: Answers | undefined,
    /** By the clock that never goes back: the latest of its copies. */
    public deadline: number,
    timer?: DueTimer,
    callerName?: string,
  ) {
    this.#from = timer ?? callerName
  }

  protected get timer(): DueTimer | undefined {
    return typeof this.#from === 'object' ? this.#from : undefined
  }

  get #callerName(): string | undefined {
    return typeof this.#from === 'string' ? this.#from : undefined
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
    return callerInfo(this.envelope, this.#callerName)
  }

  /** The entry of the call to the node that waits for this one, if any. */
  outerAt(node: NodeInPaths): string | undefined {
    return outerAt(node, this.envelope)
  }

  /** The call is held. If that lasts too long, its caller hears in time that it was not executed (C4). */
  holdFor(reason: 'unavailable.upgrading' | 'unavailable.fetching'): void {
    // A timer waits for as long as it takes.
    if (this.#held === 'refused' || this.isOfTimer) return
    const { wheel, heldAnswerMs } = this.callee
    if (this.#held !== undefined) wheel.clear(this.#held)
    this.#held = new HeldCall(this, reason)
    wheel.set(this.#held, this.deadline - Math.min(heldAnswerMs, this.envelope.deadlineMs / 4))
  }

  /** It has been held for too long. */
  due(): void {
    const held = this.#held
    if (held === undefined || held === 'refused') return
    this.refuse(new Fault(held.reason, `${this.callee.replier.node} could not answer version ${this.envelope.label} in time`))
  }

  /** Whether it has been answered while it was held. */
  get isRefused(): boolean {
    return this.#held === 'refused'
  }

  /** Neither has it begun, nor has it been refused. */
  get isWaiting(): boolean {
    return this.stage === 'waiting'
  }

  get isAnswered(): boolean {
    return this.#findable === 'answered'
  }

  /** Copies find it from now on. */
  becomeFindable(calls: UnansweredCalls<WaitingCall>): void {
    this.#findable = calls
    calls.add(this)
  }

  /** It has its answer: a copy that comes now is a call of its own. */
  protected answered(): void {
    const calls = this.#findable
    this.#findable = 'answered'
    if (calls instanceof UnansweredCalls) calls.delete(this)
  }

  /**
   * Joins a copy of it to it. False for one that asks for its answer in another inbox, or comes by another
   * name: who knows the id of a call could have its answer.
   */
  isJoinedBy(copy: Answers, deadline: number, callerName: string | undefined): boolean {
    if (this.answers === undefined || callerName !== this.#callerName || !copy.isOfInboxOf(this.answers)) return false
    const earlier = (this.#earlier ??= [])
    earlier.push(this.answers)
    if (earlier.length > copiesToldMax) earlier.shift()
    this.answers = copy
    this.deadline = Math.max(this.deadline, deadline)
    if (this.#held instanceof HeldCall) this.holdFor(this.#held.reason)
    return true
  }

  /** Where its fault goes. */
  protected faultGoesTo({ retryable }: Fault, newest: Answers): readonly Answers[] {
    return retryable && this.#earlier !== undefined ? [...this.#earlier, newest] : [newest]
  }

  /** It counts as so much of what waits at the host, until it begins or is refused. */
  weigh(backlog: Backlog, bytes: number): void {
    this.#share = { backlog, bytes }
    backlog.add(this.#callerName, bytes)
  }

  /** It waits no more, be it that nobody hears of it. */
  take(): void {
    if (this.stage !== 'waiting') return
    this.stage = 'taken'
    const share = this.#share
    if (share !== undefined) share.backlog.remove(this.#callerName, share.bytes)
  }

  /** It waits once more, and counts again. */
  protected giveBack(): void {
    this.stage = 'waiting'
    const share = this.#share
    if (share !== undefined) share.backlog.add(this.#callerName, share.bytes)
  }

  /** It waits no more, and nobody answers for it (C4). False if it has been answered already. */
  protected isHeldNoLonger(): boolean {
    if (this.#held === undefined) return true
    if (this.#held === 'refused') return false
    this.callee.wheel.clear(this.#held)
    this.#held = undefined
    return true
  }

  /** It is answered with this fault, and does not run. */
  abstract refuse(fault: Fault): void

  /** It has been refused: if it was held, it is held no more, and must not run. */
  protected refused(): void {
    if (this.#held instanceof HeldCall) this.callee.wheel.clear(this.#held)
    this.#held = 'refused'
  }
}
