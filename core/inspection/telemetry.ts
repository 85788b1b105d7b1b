/**
 * Traces and measures what a host does. A host without telemetry pays one comparison for a call that it makes
 * and one for a call that it receives; no clock is read and nothing is kept. Telemetry only looks: nothing of
 * it reaches a call but the trace context in its envelope (core/wire/traceContext.ts).
 */

import type { Fault } from '../base/fault.js'
import type { Version } from '../base/ids.js'
import type { Link } from '../model/objectChain.js'
import type { CallEnvelope, Replier } from '../wire/envelope.js'
import type { HostObserver } from './hostEvents.js'

/**
 * The name in the place of a service in a host's own questions to the upgrade server. No
 * class's service has a dot.
 */
export const upgradeServerName = 'theseus.upgradeServer'

/** A call, a send or an event as it leaves. */
export interface CallMade {
  readonly kind: CallEnvelope['kind']
  readonly subject: string
  /** Null where nobody in particular is called: an event, or an operator's call of a node. */
  readonly service: string | null
  readonly method: string
  readonly label: Version
  readonly caller: string
  readonly callerClass: string
  readonly callerVersion: Version
  /** The trace context of the call that it is made for; null if it is made outside any object. */
  readonly parent: string | null
}

/** Watches a call until its answer. */
export interface MadeWatch {
  /** The trace context that travels with the call. */
  readonly trace: string | null
  answered(replier: Replier, hops: number): void
  /** `replier` is undefined when nobody answered. */
  failed(fault: Fault, replier: Replier | undefined): void
}

/** A call when its method is about to run, or when it is refused without. */
export interface CallReceived {
  readonly envelope: CallEnvelope
  readonly service: string
  readonly replier: Replier
  /** Undefined for a call that no method answers. */
  readonly link: Link | undefined
  /** How many simulation objects it goes through. */
  readonly hops: number
  /** How long it has waited for its turn. */
  readonly waitedMs: number
}

/** `expired`: its deadline had come before its turn. */
export type ReceivedOutcome = 'answered' | 'failed' | 'expired'

/** Watches a call while its node is busy with it. */
export interface ReceivedWatch {
  /** The trace context of the calls that are made for it. */
  readonly trace: string | null
  /**
   * Runs the method where the user's own spans become children of this call's. Throws and
   * returns what the method does.
   */
  run?<T>(method: () => T): T
  ended(outcome: ReceivedOutcome, fault: Fault | undefined): void
}

/** A simulation object's own method, on the way of a call. */
export interface Hop {
  readonly node: string
  readonly role: 'pastSO' | 'futureSO'
  /** The version that the simulation object implements, and the class that it simulates. */
  readonly version: Version
  readonly className: string
  readonly method: string
  /** The trace context of the running call. */
  readonly parent: string | null
}

export interface Telemetry {
  made?(call: CallMade): MadeWatch | undefined
  /** A send or an event leaves: nobody will answer. Returns the trace context that travels with it. */
  sent?(call: CallMade): string | null
  received?(call: CallReceived): ReceivedWatch | undefined
  /** Runs the method of a simulation object. Throws and returns what it does. */
  hop?<T>(hop: Hop, run: () => T): T
  /** Hears what the host tells its observers: upgrades, and what went wrong. */
  readonly observe?: HostObserver
  /** The host stops: what is still open ends. */
  stop?(): void
}
