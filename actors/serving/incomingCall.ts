/**
 * One call that a node received, from its dispatch to its reply. It is a turn of the mailbox; a running call
 * keeps the version that it began with, since a version advance is a turn too.
 *
 * C2. A call of a re-entrant class ends when all calls that run inside it have ended: nothing of its path
 *     writes into a later call.
 * C4. A call whose method has begun ends with no fault that says that it was not executed.
 * C12. Its answer and its sends leave together, as one departure (state/departures.ts).
 */

import { Fault, isFault, toFault } from '../../core/base/fault.js'
import { InvariantViolation, isInvariantViolation } from '../../core/base/invariant.js'
import { promiseOf, whenSettled } from '../../core/base/maybePromise.js'
import type { ReceivedOutcome } from '../../core/inspection/telemetry.js'
import { invoke, type MethodEntry, type Receiver } from '../../core/model/methodTable.js'
import { encodeReply } from '../../core/wire/codec.js'
import { answerFormat, kinds } from '../../core/wire/envelope.js'
import type { CallMade, RunningCall } from '../calls/runningCall.js'
import { tooEarly } from '../state/departures.js'
import type { Ticket } from '../state/nodeState.js'
import { answerTo, CallFailure, CallResult } from './callEnds.js'
import type { RecordedTurn } from './callee.js'
import { deniedTo, faultOfMethod, leftBehind, noSuchMethod, queryWrites, waitedTooLong, wrongClass } from './callFaults.js'
import { isImmutable } from './immutableValue.js'
import type { Turn } from './mailbox.js'
import { NestedCalls } from './nestedCalls.js'
import { RareParts } from './rareParts.js'
import { WaitingCall } from './waitingCall.js'

const nobody: readonly Receiver[] = []

export class IncomingCall extends WaitingCall implements Turn, RunningCall {
  #rare: RareParts | undefined
  #isCommand = false
  /** Those of the link that answers it. */
  #receivers: readonly Receiver[] = nobody
  #ticket: Ticket = 0
  #beganMs = 0

  get #parts(): RareParts {
    return (this.#rare ??= new RareParts())
  }

  get #inside(): NestedCalls<IncomingCall> | undefined {
    return this.#rare?.inside
  }

  get #recorded(): RecordedTurn | undefined {
    return this.#rare?.recorded
  }

  get #hasBegun(): boolean {
    return this.stage === 'begun' || this.stage === 'returned'
  }

  /** The call with this entry whose method runs: this one or one inside it. */
  running(entry: string): IncomingCall | undefined {
    return this.stage !== 'returned' && this.entryInPaths === entry ? this : this.#inside?.find(entry)
  }

  /** With those of the calls that run inside it: all wait for one another. */
  get callsMade(): Set<CallMade> {
    return this.#rare?.outer?.callsMade ?? (this.#parts.callsMade ??= new Set())
  }

  /** For whom what is sent now is sent: the call inside this one whose code runs, or this one. */
  get current(): RunningCall {
    return this.#inside?.current ?? this
  }

  get sends(): (() => void)[] | undefined {
    // A message that a call inside sends may depend on what the outer one has written: it
    // leaves with that commit.
    const outer = this.#rare?.outer
    if (outer !== undefined) return outer.sends
    return this.#isCommand ? this.#parts.sends : undefined
  }

  whenFailed(giveUp: () => void): void {
    const command = this.#rare?.outer ?? this
    command.#parts.givenUp.push(giveUp)
  }

  run(): void | Promise<void> {
    const { callee } = this
    if (!this.isHeldNoLonger()) return
    this.take()
    if (this.timer?.begin() === false) return
    // A call that can't be done in time is not done.
    this.#beganMs = callee.monotonicMs()
    if (this.#beganMs >= this.deadline) {
      this.#expired()
      return
    }
    const entry = this.#entry()
    if (entry === undefined) return
    this.#ticket = callee.state.begin(entry.kind)
    this.#isCommand = entry.kind === 'command'
    const recorded = callee.recorder?.begin(this, entry.kind)
    if (recorded !== undefined) this.#parts.recorded = recorded
    this.stage = 'begun'
    let result: unknown
    try {
      result = recorded === undefined ? this.invoke(entry) : recorded.run(() => this.invoke(entry))
    } catch (error) {
      return this.#failed(error)
    }
    const promise = promiseOf(result)
    // Most methods have ended by now: they need no functions for what comes then.
    return promise === undefined ? this.#finished(entry, result) : this.#finishedLater(promise, entry)
  }

  #finishedLater(promise: Promise<unknown>, entry: MethodEntry): Promise<void> {
    return whenSettled(
      promise,
      (value) => this.#finished(entry, value),
      (error) => this.#failed(error),
    )
  }

  /**
   * C2. Runs inside `waiting`, a call whose method runs now and for which this one is made, and commits with
   * the call of the mailbox's turn: the class says that it is re-entrant. If it throws after it may have
   * written, that call fails as well.
   */
  runInside(waiting: IncomingCall): void {
    const outer = waiting.#rare?.outer ?? waiting
    if (!this.isHeldNoLonger()) return
    this.take()
    this.#beganMs = this.callee.monotonicMs()
    if (this.#beganMs >= this.deadline) {
      this.#expired()
      return
    }
    const entry = this.#entry()
    if (entry === undefined) return
    if (entry.kind === 'command' && !waiting.#isCommand) {
      this.refuse(queryWrites(this.envelope))
      return
    }
    this.#isCommand = entry.kind === 'command'
    this.#parts.outer = outer
    const inside = (outer.#parts.inside ??= new NestedCalls())
    outer.#recorded?.ranInside(this.envelope.method)
    const finished = (value: unknown) => {
      try {
        const packed = this.answers === undefined ? undefined : this.#packed(entry, value)
        inside.answered(this, (lost) => {
          if (lost === undefined) {
            this.ended('answered', undefined)
            this.#leave(packed)
          } else this.refuse(lost)
        })
      } catch (error) {
        failed(error)
      }
    }
    const failed = (error: unknown) => {
      inside.ended(this)
      if (isInvariantViolation(error)) {
        this.crashed(error)
        return
      }
      const fault = this.#faultOf(error)
      if (entry.kind === 'command') outer.#parts.doomed ??= fault
      this.refuse(fault)
    }
    inside.run(this, () => this.#invoke(entry, finished, failed))
  }

  /**
   * Its own method has ended. Resolves when no call runs inside it any more; undefined if that is so already.
   */
  #returned(): Promise<void> | undefined {
    this.stage = 'returned'
    return this.#inside?.returned()
  }

  /** The method that is called; undefined where there is none, and the caller has been told. */
  #entry(): MethodEntry | undefined {
    const { callee, envelope } = this
    const link = callee.chain.at(envelope.label)
    if (link === undefined) {
      this.giveBack()
      callee.hold(this)
      return undefined
    }
    if (isFault(link)) {
      this.refuse(link)
      return undefined
    }
    if (envelope.expects !== null && envelope.expects !== link.className && !callee.isAt(link, envelope.expects)) {
      this.refuse(wrongClass(envelope, link))
      return undefined
    }
    const method = envelope.kind === kinds.event ? link.hears.get(envelope.method)?.method : envelope.method
    // The class of the publisher's version does not hear this event.
    if (method === undefined) return undefined
    const entry = link.methods.entries.get(method)
    if (entry === undefined) {
      this.refuse(noSuchMethod(link, envelope))
      return undefined
    }
    const rule = link.allows?.get(method)
    if (rule !== undefined && !this.isOfTimer && !rule.allows(this.caller, callee.roles)) {
      this.deny(deniedTo(this.caller, link, method, rule))
      return undefined
    }
    link.tally.calls++
    this.#receivers = link.receivers
    return entry
  }

  #invoke(
    entry: MethodEntry,
    finished: (value: unknown) => void | Promise<void>,
    failed: (error: unknown) => void | Promise<void>,
  ): void | Promise<void> {
    this.stage = 'begun'
    let result: unknown
    try {
      result = this.invoke(entry)
    } catch (error) {
      return failed(error)
    }
    const promise = promiseOf(result)
    return promise === undefined ? finished(result) : whenSettled(promise, finished, failed)
  }

  // --- What telemetry overrides

  protected invoke(entry: MethodEntry): unknown {
    return invoke(entry, this.#receivers, this.envelope.args)
  }

  protected ended(outcome: ReceivedOutcome, _fault: Fault | undefined): void {
    this.answered()
    this.callee.count(outcome, this.#beganMs, this.envelope.label)
  }

  protected crashed(error: InvariantViolation): void {
    this.callee.crash(error)
  }

  /** For what was thrown before its method began. A broken invariant never travels as a fault. */
  refuseFor(error: unknown): void {
    if (isInvariantViolation(error)) {
      this.take()
      this.crashed(error)
    } else this.refuse(toFault(error, 'application.error'))
  }

  /**
   * Answers with a fault that left no trace; needs no commit of its own, but tells nothing that
   * is not on disk. C4. Its caller hears of it once: a second fault would speak of the call
   * that was made again after the first.
   */
  refuse(fault: Fault): void {
    if (this.isRefused) return
    this.take()
    if (this.#hasBegun && fault.retryable) {
      this.crashed(new InvariantViolation(`C4: ${this.envelope.method} has run, and would end with ${fault.code}`))
      return
    }
    this.refused()
    this.ended('failed', fault)
    const { answers, callee, envelope } = this
    callee.countFailure(envelope.label, fault)
    if (answers !== undefined) {
      for (const each of this.faultGoesTo(fault, answers)) callee.departures.add(new CallFailure(callee, envelope, each, fault))
    }
    // A denial is told of on its own.
    else if (!this.#hasBegun && fault.kind !== 'denied') this.#undelivered(fault)
  }

  /** Its deadline has come before its turn. */
  #expired(): void {
    this.ended('expired', undefined)
    this.callee.countFailure(this.envelope.label, undefined)
    if (this.answers === undefined) this.#undelivered(waitedTooLong(this.callee.replier.node))
  }

  #undelivered(fault: Fault): void {
    if (!this.isOfTimer) this.callee.undelivered(this, fault)
  }

  /** It is refused, and the host's operator hears of it. */
  deny(fault: Fault): void {
    const { callee, caller, envelope } = this
    callee.denials.tell({ nodeId: callee.replier.node, caller, method: envelope.method, label: envelope.label, fault })
    this.refuse(fault)
  }

  #finished(entry: MethodEntry, value: unknown): void | Promise<void> {
    const alone = this.#returned()
    if (alone !== undefined) return this.#finishedAfter(alone, entry, value)
    if (this.#inside?.isEmpty === false)
      return this.#failed(new InvariantViolation(`C2: ${this.envelope.method} would end before a call that runs inside it`))
    const doomed = this.#rare?.doomed
    if (doomed !== undefined) return this.#failed(doomed)
    if (entry.kind === 'query' && this.#recorded === undefined && this.callee.departures.isOpen)
      return this.#answered(entry, value)
    const { answers, callee, envelope } = this
    const { replier } = callee
    let packed: Uint8Array | undefined
    try {
      // Packed now: a later command may change what the result refers to.
      if (answers !== undefined && !isImmutable(value)) packed = this.#packed(entry, value)
      if (answers !== undefined) this.#recorded?.told(value)
      // C3: a command that was left behind is not acknowledged.
      if (callee.state.keep(this.#ticket)) this.#recorded?.keep()
      else if (entry.kind === 'command') throw leftBehind(replier.node, undefined)
    } catch (error) {
      return this.#failed(error)
    }
    this.ended('answered', undefined)
    this.#inside?.settle(undefined)
    const sends = this.#rare?.sends
    if (answers === undefined && sends === undefined) return
    callee.departures.add(new CallResult(callee, envelope, answers, sends, replier, packed, value, entry.hops))
  }

  #finishedAfter(inside: Promise<void>, entry: MethodEntry, value: unknown): Promise<void> {
    return inside.then(() => this.#finished(entry, value))
  }

  /** A reply that needs no commit of its own, but tells nothing of earlier calls that is not on disk. */
  #leave(packed: Uint8Array | undefined): void {
    if (packed === undefined) return
    const { callee, envelope, answers } = this
    callee.departures.add(new CallResult(callee, envelope, answers, undefined, callee.replier, packed, undefined, 0))
  }

  #packed(entry: MethodEntry, value: unknown): Uint8Array {
    const { callee, envelope } = this
    const reply = encodeReply(envelope.label, envelope.seq, value, callee.replier, entry.hops, answerFormat(envelope))
    if (reply.length <= callee.replyBytesMax) return reply
    throw new Fault('protocol.too-large', `a result of ${reply.length} bytes; the transport takes ${callee.replyBytesMax}`)
  }

  /**
   * C12: all that this query can have seen is on disk, so its answer goes straight into the
   *      message that leaves next.
   */
  #answered(entry: MethodEntry, value: unknown): void | Promise<void> {
    const { callee } = this
    try {
      if (!callee.departures.keepAtOnce(this.#ticket)) throw tooEarly(answerTo(this.envelope))
      this.answers?.reply(this.envelope, value, callee.replier, entry.hops)
    } catch (error) {
      return this.#failed(error)
    }
    this.ended('answered', undefined)
    this.#inside?.settle(undefined)
  }

  #failed(error: unknown): void | Promise<void> {
    const alone = this.#returned()
    if (alone !== undefined) return alone.then(() => this.#failed(error))
    const { callee } = this
    const { spoilt } = callee.state
    const fault = this.#faultOf(error)
    const givenUp = this.#rare?.givenUp
    if (givenUp !== undefined) for (const giveUp of givenUp) giveUp()
    this.#recorded?.drop()
    const written = callee.state.drop(this.#ticket)
    if (isInvariantViolation(error)) {
      this.#inside?.settle(toFault(error, 'application.error'))
      this.crashed(error)
      return
    }
    const told = spoilt ?? fault
    this.#inside?.settle(told)
    if (told.kind === 'application') callee.count('threw', this.#beganMs, this.envelope.label)
    // A lost state is opened anew from disk by the node's restart.
    if (!written || callee.state.isLost) {
      this.refuse(told)
      return
    }
    // The sends of the failed call are dropped; those of start() now leave as after any start.
    this.#isCommand = false
    return callee.rebuild().then(
      () => this.refuse(told),
      (failure) => {
        this.refuse(told)
        callee.crash(failure)
      },
    )
  }

  /**
   * The exception of its method; of a call that the node has left behind, that: its object has stopped, so
   * all that it does there fails.
   */
  #faultOf(error: unknown): Fault {
    const turn = this.#rare?.outer ?? this
    return this.callee.state.isOver(turn.#ticket) ? leftBehind(this.callee.replier.node, error) : faultOfMethod(error)
  }
}
