/**
 * The router: every message that arrives for a node comes through here. Malformed and unknown
 * input gets a typed fault if it has a reply address, a counted dead letter if not, and never
 * an exception that leaves this file.
 */

import { Fault, toFault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import type { HostObserver } from '../../core/inspection/hostEvents.js'
import type { Telemetry } from '../../core/inspection/telemetry.js'
import type { Clock } from '../../core/ports/clock.js'
import type { Message } from '../../core/ports/transport.js'
import { type Counted, decode, encodeRefusal } from '../../core/wire/codec.js'
import { type CallEnvelope, kinds } from '../../core/wire/envelope.js'
import { isInbox, notAnInbox } from '../../core/wire/subjects.js'
import type { HostSettings } from '../base/settings.js'
import type { Listener } from '../calls/contacts.js'
import { weightOf } from '../calls/messageWeight.js'
import type { Outbox } from '../calls/outbox.js'
import type { Fence } from '../registration/fence.js'
import { Answers } from './answers.js'
import type { Backlog } from './backlog.js'
import type { CallAdmission } from './callAdmission.js'
import type { Callee } from './callee.js'
import { IncomingCall } from './incomingCall.js'
import type { DueTimer } from './objectTimers.js'
import { WatchedCall } from './watchedCall.js'

/** Of its host, for what receives calls. */
export interface RouterServices {
  readonly admission: CallAdmission
  readonly backlog: Backlog
  readonly clock: Clock
  readonly fence: Fence
  readonly outbox: Outbox
  readonly observe: HostObserver
  readonly settings: HostSettings
  /** Telemetry of received calls, which may come and go. */
  readonly callRecorder: { readonly received: Telemetry | undefined }
}

/** The receiver of calls: a node. */
export interface RoutedNode extends Callee {
  readonly services: RouterServices
  readonly id: string
  readonly service: string
  /** It hears who calls. */
  readonly contacts: Listener
  /** Another host has the node: nothing that arrives here is for it. */
  readonly isElsewhere: boolean
  /** Whether a call of this version has an answer here already, be it a fault. */
  knows(version: Version): boolean
  /** Whether it is an event that the node has received before. */
  isRepeated(call: IncomingCall): boolean
  /** The call that waits or runs and of which this is a copy. */
  firstCopyOf(copy: CallEnvelope): IncomingCall | undefined
  /** Copies of the call join it while it has no answer. */
  noteUnanswered(call: IncomingCall): void
  /** Takes a call that has its answer here. */
  accept(call: IncomingCall): void
  /** Answers what is no call. */
  reply(replyTo: string, envelope: Uint8Array): void
}

/** The purpose of a subject: a right to publish events is no right to call. */
export type SubjectPurpose = 'calls' | 'events'

export function route(node: RoutedNode, message: Message, carries: SubjectPurpose, arrivedMs?: number): void {
  const { backlog, clock, fence, settings } = node.services
  const now = clock.monotonicMs()
  if (!fence.isClosed(now)) carry(node, message, carries, now, fence.lateMs + now - (arrivedMs ?? now))
  else if (fence.waiting < settings.fencedMessagesMax && backlog.hasRoom(message.caller, message.payload.length)) {
    const { lateMs } = fence
    backlog.add(message.caller, message.payload.length)
    fence.whenOpen(() => {
      backlog.remove(message.caller, message.payload.length)
      // The host that has the node now has had the message too: a refusal would have its caller
      // make the call once more.
      if (!node.isElsewhere) carry(node, message, carries, now, lateMs)
    })
  } else carry(node, message, carries, now, Number.POSITIVE_INFINITY)
}

/** `now`: when it arrived. It may have waited for `lateMs` before. */
function carry(node: RoutedNode, message: Message, carries: SubjectPurpose, now: number, lateMs: number): void {
  const { admission, backlog, outbox, observe, callRecorder } = node.services
  const telemetry = callRecorder.received
  const { replyTo, caller } = message
  if (replyTo !== undefined && !isInbox(replyTo)) {
    observe({ type: 'deadLetter', subject: message.subject, fault: notAnInbox(replyTo) })
    return
  }
  try {
    const answers = replyTo === undefined ? undefined : new Answers(outbox, replyTo, observe)
    counted.max = backlog.check(caller, message.payload.length)
    const envelopes = envelopesOf(message.payload, carries)
    const { values } = counted
    const { letsAllIn } = admission
    let heard: CallEnvelope | undefined
    for (const envelope of envelopes) {
      // The calls of one message are mostly of one caller.
      if (heard === undefined || !isSameCaller(heard, envelope)) {
        node.contacts.hear(envelope.caller, envelope.callerClass, envelope.callerVersion, now)
        heard = envelope
      }
      const answered = envelope.kind === kinds.call ? answers : undefined
      const deadline = now + envelope.deadlineMs - lateMs
      if (answered !== undefined && node.firstCopyOf(envelope)?.isJoinedBy(answered, deadline, caller) === true) continue
      const call =
        telemetry === undefined
          ? new IncomingCall(node, envelope, answered, deadline, undefined, caller)
          : new WatchedCall(telemetry, node.service, node, envelope, answered, deadline, undefined, caller)
      const denied = letsAllIn ? undefined : admission.refuses(node, envelope, caller, now)
      if (denied !== undefined) call.deny(denied)
      else if (envelope.refusal !== undefined) call.refuse(envelope.refusal)
      else if (lateMs > 0 && deadline <= now && answered !== undefined) call.refuse(tooLate())
      else {
        accept(node, call)
        if (call.isWaiting) call.weigh(backlog, weightOf(message.payload, values) / envelopes.length)
        if (answered !== undefined) node.noteUnanswered(call)
      }
    }
  } catch (thrown) {
    const fault = toFault(thrown, 'protocol.bad-envelope')
    if (replyTo !== undefined) node.reply(replyTo, encodeRefusal(message.payload, fault, node.replier, node.replyBytesMax))
    else node.services.observe({ type: 'deadLetter', subject: message.subject, fault })
  }
}

function isSameCaller(a: CallEnvelope, b: CallEnvelope): boolean {
  return a.caller === b.caller && a.callerClass === b.callerClass && a.callerVersion === b.callerVersion
}

/** Its caller may have given it up. If not, it can be made again. */
function tooLate(): Fault {
  return new Fault(
    'unavailable.overloaded',
    'this host has stood still for longer than the call had time: it was not carried out',
  )
}

const counted: Counted = { max: 0, values: 0 }

/** All or none: one envelope that does not belong here, and none of its message is carried out. */
function envelopesOf(payload: Uint8Array, carries: SubjectPurpose): readonly CallEnvelope[] {
  const envelopes = decode(payload, counted)
  for (const { kind } of envelopes) {
    const isCarried = carries === 'events' ? kind === kinds.event : kind === kinds.call || kind === kinds.send
    if (!isCarried) throw new Fault('protocol.bad-envelope', `kind ${kind} on a subject of ${carries}`)
  }
  return envelopes as CallEnvelope[]
}

/** A version that the chain does not reach yet is learned first; everything else waits for its turn. */
function accept(node: RoutedNode, call: IncomingCall): void {
  try {
    if (call.envelope.kind === kinds.event && node.isRepeated(call)) call.take()
    else if (node.knows(call.envelope.label)) node.accept(call)
    else node.hold(call)
  } catch (error) {
    call.refuseFor(error)
  }
}

/** Counted downwards: the ids of local calls are no others'. */
let localCalls = 0

/** Further away than any node lives. */
const noDeadlineMs = 2 ** 50

/**
 * A timer's call: of the object's own method, at the node's version, or of an SO's, at its version, `label`.
 * It waits as long as it has to.
 */
export function timerCall(
  node: RoutedNode,
  incarnation: number,
  timer: DueTimer,
  label: Version | null,
  method: string,
  args: readonly unknown[],
): IncomingCall {
  const { node: caller, className, version } = node.replier
  const envelope: CallEnvelope = {
    kind: kinds.send,
    label: label ?? version,
    seq: --localCalls,
    method,
    args,
    deadlineMs: noDeadlineMs,
    caller,
    incarnation,
    callerClass: className,
    callerVersion: version,
    expects: null,
    path: null,
    trace: null,
    together: false,
  }
  const deadline = node.monotonicMs() + noDeadlineMs
  const telemetry = node.services.callRecorder.received
  return telemetry === undefined
    ? new IncomingCall(node, envelope, undefined, deadline, timer)
    : new WatchedCall(telemetry, node.service, node, envelope, undefined, deadline, timer)
}
