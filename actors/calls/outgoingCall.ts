/** A call as its caller makes it, and the envelope in which it leaves. */
import type { Version } from '../../core/base/ids.js'
import type { CallMade } from '../../core/inspection/telemetry.js'
import type { MethodKind } from '../../core/model/methods.js'
import { packToSend } from '../../core/wire/codec.js'
import { type CallEnvelope, type CallOrigin, deadlineMsMax, kinds } from '../../core/wire/envelope.js'
import { type CallToWrite, writeCall } from '../../core/wire/envelopeWriter.js'
import type { WireWriter } from '../../core/wire/wireWriter.js'
import { type Caller, callerFields } from './caller.js'
import type { RunningCall } from './runningCall.js'

export interface OutgoingCall {
  readonly subject: string
  readonly label: Version
  readonly method: string
  readonly kind: MethodKind
  readonly args: readonly unknown[]
  /** These packed, where the call does not leave as soon as it is made. */
  readonly packedArgs?: Uint8Array
  /** By the clock that never goes back. */
  readonly deadline: number
  readonly expects: string | null
  readonly path: readonly string[] | null
  /** The service that is called; null for an event. */
  readonly service: string | null
  /** The trace context of the call that it is made for. */
  readonly trace: string | null
  /** The call that waits for it. */
  readonly madeFor?: RunningCall | undefined
  /** It asks an upgrade server: no one else can answer. */
  readonly asksServer?: boolean
  /**
   * How it is sent again, where many hosts make the same call at the same time; by default as
   * the settings say.
   */
  readonly pace?: Pace
}

export interface Pace {
  /** A query without an answer is sent again after so long. */
  readonly resendMs: number
  /**
   * The first pause before a call that was not executed is sent again, and up to as much again by chance;
   * doubles up to `pauseMsMax`.
   */
  readonly pauseMs: number
  readonly pauseMsMax: number
}

export type OneWayKind = typeof kinds.send | typeof kinds.event

/**
 * The call with its arguments as they are now: whoever made it may change them before it leaves. Throws
 * `protocol.bad-arguments`.
 */
export function asItIsNow(call: OutgoingCall): OutgoingCall {
  return canChange(call.args) ? { ...call, packedArgs: packToSend(call.args, 'arguments') } : call
}

export function canChange(args: readonly unknown[]): boolean {
  for (let i = 0; i < args.length; i++) if (typeof args[i] === 'object' && args[i] !== null) return true
  return false
}

export interface EnvelopeToWrite extends CallToWrite {
  readonly callerFields: Uint8Array
}

export function writeEnvelope(writer: WireWriter, envelope: EnvelopeToWrite): void {
  writeCall(writer, envelope, envelope.callerFields)
}

export function envelopeOf(
  kind: CallEnvelope['kind'],
  seq: number,
  caller: Caller,
  call: OutgoingCall,
  now: number,
  origin: CallOrigin | null,
  packedArgs = call.packedArgs,
  keepsArgs = false,
): EnvelopeToWrite {
  const { label, method, args, path, trace, expects } = call
  return {
    kind,
    label,
    seq,
    method,
    args,
    deadlineMs: deadlineMsOf(call, now),
    // Nobody waits for a send: it may come back to its sender as any other call.
    path: kind === kinds.call ? path : null,
    trace,
    together: kind === kinds.call,
    origin,
    callerFields: callerFields(caller, expects, origin),
    packedArgs,
    keepsArgs,
  }
}

export function deadlineMsOf({ deadline }: OutgoingCall, now: number): number {
  return Math.min(Math.max(0, Math.ceil(deadline - now)), deadlineMsMax)
}

/** A call as telemetry is told of it. */
export function madeBy(
  caller: Caller,
  { subject, service, method, label, trace }: OutgoingCall,
  kind: CallEnvelope['kind'],
): CallMade {
  const { nodeId, className, version } = caller
  return { kind, subject, service, method, label, caller: nodeId, callerClass: className, callerVersion: version, parent: trace }
}
