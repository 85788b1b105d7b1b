/**
 * The envelope: every message is one or more MessagePack arrays, one after the other, in
 * standard types only. docs/protocol.md gives each field; fields after the last one known are
 * ignored, so that a later version can add some.
 */
import type { Fault } from '../base/fault.js'
import { formats } from '../base/formats.js'
import type { Version } from '../base/ids.js'
import type { Random } from '../ports/random.js'

/** The format of calls without an origin, and of all that answers no call: each release reads it. */
export const envelopeFormat: number = formats.envelope.oldest
/** The format of calls with an origin, and of their answers. */
export const originFormat: number = 2

/** The second field. A send is a call without an answer; an event is a send that a node publishes. */
export const kinds = { call: 1, send: 2, event: 3, reply: 4, fault: 5, announcement: 6 } as const

export const methodBytesMax = 128
export const pathCallsMax = 32
/** A traceparent has 55 characters, and a later form may have more. It is passed on, so it is bounded. */
export const traceLengthMax = 256
/** W3C asks everybody to pass on this much. */
export const tracestateLengthMax = 512
/**
 * The longest deadline a call may have; longer ones are cut to it. A dead version takes effect one longest
 * deadline later (C8).
 */
export const deadlineMsMax = 600_000

/**
 * The origin of a call: its caller's system and host. Nodes of two systems, or of two copies of a system, may
 * have the same name.
 */
export interface CallOrigin {
  readonly system: string
  readonly host: string
}

/** The version label, who calls, what, and until when. */
export interface CallEnvelope {
  readonly kind: typeof kinds.call | typeof kinds.send | typeof kinds.event
  /** The version label (§3): the version of the object that makes the call. */
  readonly label: Version
  /** With `caller` and `incarnation` the call's id, unique across restarts. */
  readonly seq: number
  readonly method: string
  readonly args: readonly unknown[]
  /** Milliseconds left when it was sent. */
  readonly deadlineMs: number
  readonly caller: string
  readonly incarnation: number
  readonly callerClass: string
  readonly callerVersion: Version
  /** Null, or left out: it is not told. Then the envelope has the first format. */
  readonly origin?: CallOrigin | null
  /**
   * The class that the caller was written for, if it is pinned to one: must be the class of the
   * labelled version.
   */
  readonly expects: string | null
  /**
   * Entries of the calls that this one is made for, outermost first: their callers, and what
   * their callees know them by.
   */
  readonly path: readonly string[] | null
  /** The caller’s trace context, as traceContext.ts has it. */
  readonly trace: string | null
  /**
   * Answers to calls of several messages may come in one, on any of their reply subjects, if these differ in
   * the last token only.
   */
  readonly together: boolean
  /** Of a call that was read and can't be carried out: why. Its arguments are left out. */
  readonly refusal?: Fault
}

/** T2. A call is answered in its own format. */
export function answerFormat({ origin }: Pick<CallEnvelope, 'origin'>): number {
  return origin == null ? envelopeFormat : originFormat
}

/** The node that answered: upgrade layers learn from every exchange (§4). */
export interface Replier {
  readonly node: string
  readonly className: string
  readonly version: Version
}

export interface ReplyEnvelope {
  readonly kind: typeof kinds.reply
  readonly label: Version
  readonly seq: number
  readonly value: unknown
  readonly replier: Replier
  /** How many simulation objects the call went through. */
  readonly hops: number
}

export interface FaultEnvelope {
  readonly kind: typeof kinds.fault
  readonly label: Version
  /** 0 when the call could not be read. */
  readonly seq: number
  readonly fault: Fault
  readonly replier: Replier
}

export interface Announcement {
  readonly kind: typeof kinds.announcement
  readonly version: Version
  readonly digest: string | null
}

export type Envelope = CallEnvelope | ReplyEnvelope | FaultEnvelope | Announcement

/** The id of a call as one string. */
export function callId(call: Pick<CallEnvelope, 'caller' | 'incarnation' | 'seq'>): string {
  return `${call.caller}/${call.incarnation}/${call.seq}`
}

/**
 * The entry of a call in the paths of those that its callee makes for it. Its mark is told to those alone
 * whom the callee calls for it, so only they can have a call run inside it (C2). The call's number is told to
 * nobody: who knows it can answer the call. To all but the callee an entry is a text to be passed on, but for
 * its caller, who finds its own calls by that.
 */
export function markedEntry({ caller, incarnation }: Pick<CallEnvelope, 'caller' | 'incarnation'>, random: Random): string {
  return `${caller}/${incarnation}/${(1 + Math.floor(random.next() * (2 ** 53 - 1))).toString(36)}`
}

/**
 * Stands in a path for the `start()` or `stop()` of a node's object, which may make calls as a call does. No
 * call has the number 0.
 */
export function changeoverId(nodeId: string, incarnation: number): string {
  return `${nodeId}/${incarnation}/0`
}

export function isChangeover(id: string): boolean {
  return id.endsWith('/0')
}

/** Nodes of two systems may have the same name and incarnation. */
const firstAbroad = 2 ** 32

/** The incarnation in calls to a neighbour: no node has it in calls to its own system. */
export function incarnationAbroad(process: number): number {
  return firstAbroad + process
}

/** A node as the entries of paths tell of it. */
export interface NodeInPaths {
  readonly id: string
  readonly incarnation: number
  /** Towards neighbours. */
  readonly abroad: number
}

/**
 * The call to the node that waits for this one: of the calls that it is made for, the last one that this node
 * has made a call for. Undefined where it is made for no call of that node. A neighbour's node of the same
 * name is another one: the path tells where a call has gone from one system to another.
 */
export function outerAt(
  { id, incarnation, abroad }: NodeInPaths,
  { path, caller, incarnation: of }: Pick<CallEnvelope, 'path' | 'caller' | 'incarnation'>,
): string | undefined {
  if (path === null) return undefined
  if (caller === id && of === incarnation) return path.at(-1)
  const own = `${id}/${incarnation}/`
  const ownAbroad = `${id}/${abroad}/`
  let isOfOther = of >= firstAbroad
  for (let i = path.length - 1; i > 0; i--) {
    const entry = path[i]!
    const isAbroad = Number(entry.split('/', 2)[1]) >= firstAbroad
    // Beyond two systems nobody can tell: then it may be this one's.
    if (isAbroad) isOfOther = !isOfOther
    if (entry.startsWith(ownAbroad) || (!isOfOther && entry.startsWith(own))) return path[i - 1]
  }
  return undefined
}
