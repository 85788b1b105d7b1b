/**
 * Records a sample of the calls that this host receives, for one viewer with a signed order. While nobody
 * records, calls pay nothing: the router takes whatever telemetry there is from here.
 *
 * R1. Nothing is recorded without an order that those who may give orders have signed, for this very viewer.
 * R2. It ends by itself: with its time, the calls or bytes of the order, or the lease of the viewer.
 * R3. A value of a masked field leaves the host in no form.
 */
import { inject, injectable } from 'tsyringe'
import { Fault, reasonOf } from '../../core/base/fault.js'
import { instantMs } from '../../core/base/instant.js'
import { type CallRecording, callRecordingBounds } from '../../core/control/callRecording.js'
import { decodeDirective } from '../../core/control/directive.js'
import { createdApartMsMax, type VerifiedHistory } from '../../core/control/verifiedHistory.js'
import { Masks } from '../../core/inspection/maskedValues.js'
import type { CallSeen, RecordedSeen, RecordingEnd } from '../../core/inspection/recordedSeen.js'
import type { CallReceived, ReceivedOutcome, ReceivedWatch, Telemetry } from '../../core/inspection/telemetry.js'
import { shardOf } from '../../core/model/shard.js'
import type { Clock } from '../../core/ports/clock.js'
import { type Random, randomName } from '../../core/ports/random.js'
import type { Signed } from '../../core/trust/signed.js'
import { pack, unpack } from '../../core/wire/codec.js'
import { kinds } from '../../core/wire/envelope.js'
import { combinedTelemetry } from '../base/combinedTelemetry.js'
import type { HostSettings } from '../base/settings.js'
import { tokens } from '../base/tokens.js'

/** Of the arguments of one call, and of its answer. */
export const recordedValueBytesMax = 64 * 1024
/** Calls that wait to be told, and their bytes: beyond, they are lost, and counted. */
export const recordedWaitingMax = 10_000
export const recordedWaitingBytesMax = 16 * 1024 * 1024
/** Viewers whose recording has ended: an order is not taken twice. */
export const endedRecordingsMax = 256

interface Kept extends Omit<CallSeen, 'args' | 'value'> {
  readonly args: Uint8Array
  readonly value: Uint8Array
}

/** A value that a method gave, while it is not packed yet. */
interface Given {
  value: unknown
  hasBegun: boolean
}

@injectable()
export class CallRecorder {
  /** Telemetry of received calls: that of the host, and this one while somebody records. */
  received: Telemetry | undefined
  #recording: Recording | undefined
  /** Those whose recording has begun, oldest first. */
  readonly #begun = new Set<string>()

  constructor(
    @inject(tokens.clock) private readonly clock: Clock,
    @inject(tokens.random) private readonly random: Random,
    @inject(tokens.settings) private readonly settings: HostSettings,
    @inject(tokens.verified) private readonly history: Pick<VerifiedHistory, 'checkDirective' | 'trusted'>,
    @inject(tokens.telemetry) private readonly telemetry: Telemetry | undefined,
  ) {
    this.received = telemetry
  }

  get viewer(): string | undefined {
    return this.#recording?.order.viewer
  }

  /** R1. Throws for an order that is not followed here. */
  begin(viewer: string, signed: Signed): void {
    const order = this.#ordered(viewer, signed)
    if (this.#recording !== undefined) throw new Fault('unavailable.overloaded', 'this host records calls for another viewer')
    if (this.#begun.has(viewer)) throw new Fault('upgrade.conflict', 'a recording by this order has ended here')
    this.#begun.add(viewer)
    for (const oldest of this.#begun) if (this.#begun.size > endedRecordingsMax) this.#begun.delete(oldest)
    const masks = new Masks([...order.masked, ...this.settings.maskedFields], randomName(this.random))
    const recording = new Recording(order, masks, this.clock)
    this.#recording = recording
    this.received = combinedTelemetry([...(this.telemetry === undefined ? [] : [this.telemetry]), recording])
  }

  #ordered(viewer: string, signed: Signed): CallRecording {
    const { recordedCalls, system } = this.settings
    if (recordedCalls === 'nothing') throw new Fault('config.invalid', 'the setting recordedCalls of this host is "nothing"')
    const directive = decodeDirective(signed.bytes)
    const { what, createdAt } = directive
    if (directive.system !== system || what.order !== 'record' || what.recording.viewer !== viewer)
      throw new Fault('config.invalid', 'this is no order to record calls for this viewer')
    if (this.history.trusted === undefined && recordedCalls !== 'anyone')
      throw new Fault('config.invalid', 'nobody signs in this system: the setting recordedCalls has to be "anyone"')
    const nowMs = this.clock.now()
    this.history.checkDirective(directive, signed, nowMs)
    const { recording } = what
    const createdMs = instantMs(createdAt) ?? Number.NEGATIVE_INFINITY
    const isFresh =
      createdMs <= nowMs + createdApartMsMax && recording.untilMs <= createdMs + callRecordingBounds.forMsMax + createdApartMsMax
    if (!isFresh || recording.untilMs <= nowMs)
      throw new Fault('config.invalid', 'the time of this order is over, or not there yet')
    return recording
  }

  /** The next report; undefined where there is nothing to tell. R2: ends it where its time is over. */
  take(): RecordedSeen | undefined {
    const recording = this.#recording
    if (recording === undefined) return undefined
    const seen = recording.take()
    if (seen?.ended != null) this.end()
    return seen
  }

  end(): void {
    this.#recording?.close()
    this.#recording = undefined
    this.received = this.telemetry
  }
}

class Recording implements Telemetry {
  #isOpen = true
  #kept: Kept[] = []
  #keptBytes = 0
  #calls = 0
  #bytes = 0
  #lost = 0
  #ended: RecordingEnd | null = null

  constructor(
    readonly order: CallRecording,
    private readonly masks: Masks,
    private readonly clock: Clock,
  ) {}

  received({ envelope, service, replier, link }: CallReceived): ReceivedWatch | undefined {
    const { services, oneIn, callsMax } = this.order
    // Timers and events are no calls of anybody; a call without a link runs no method.
    if (!this.#isOpen || this.#ended !== null || link === undefined || envelope.seq < 0 || envelope.kind === kinds.event)
      return undefined
    if (services?.includes(service) === false || shardOf(replier.node, oneIn) !== 0) return undefined
    const { method } = envelope
    // Packed at once: the method may change them.
    const args = packed(() => this.masks.arguments(method, envelope.args))
    if (args === undefined) {
      this.#lost++
      return undefined
    }
    const number = ++this.#calls
    if (number >= callsMax) this.#ended = 'calls'
    const call = {
      ...{ number, at: this.clock.now(), nodeId: replier.node, service, version: envelope.label },
      ...{ className: link.className, method, args },
    }
    const given: Given = { value: undefined, hasBegun: false }
    return {
      trace: null,
      run: (run) => watched(run, given),
      ended: (outcome, fault) => this.#keep(call, given, outcome, fault),
    }
  }

  #keep(call: Omit<Kept, 'end' | 'value'>, { value, hasBegun }: Given, outcome: ReceivedOutcome, fault: Fault | undefined): void {
    if (!this.#isOpen || !hasBegun) return
    const isAnswer = outcome === 'answered'
    const end = packed(() => (isAnswer ? this.masks.answer(call.method, value) : (fault?.code ?? 'application.error')))
    const bytes = call.args.length + (end?.length ?? 0)
    if (this.#kept.length >= recordedWaitingMax || this.#keptBytes + bytes > recordedWaitingBytesMax) {
      this.#lost++
      return
    }
    this.#keptBytes += bytes
    this.#bytes += bytes
    if (this.#bytes >= this.order.bytesMax) this.#ended ??= 'bytes'
    this.#kept.push({ ...call, end: end === undefined ? 'untold' : isAnswer ? 'answer' : 'fault', value: end ?? nothing })
  }

  take(): RecordedSeen | undefined {
    if (this.clock.now() >= this.order.untilMs) this.#ended ??= 'time'
    if (this.#kept.length === 0 && this.#lost === 0 && this.#ended === null) return undefined
    const calls = this.#kept.map(({ args, value, ...call }): CallSeen => {
      return { ...call, args: unpack(args) as readonly unknown[], value: unpack(value) }
    })
    const seen: RecordedSeen = { calls, lost: this.#lost, ended: this.#ended, reason: null }
    this.#kept = []
    this.#keptBytes = 0
    this.#lost = 0
    return seen
  }

  close(): void {
    this.#isOpen = false
    this.#kept = []
  }
}

const nothing = pack(null)

function watched<T>(run: () => T, given: Given): T {
  given.hasBegun = true
  const result: unknown = run()
  if (result instanceof Promise)
    result.then(
      (value) => {
        given.value = value
      },
      () => {},
    )
  else given.value = result
  return result as T
}

/** Undefined for what is too large, or can't travel. */
function packed(make: () => unknown): Uint8Array | undefined {
  try {
    const bytes = pack(make())
    return bytes.length <= recordedValueBytesMax ? bytes : undefined
  } catch {
    return undefined
  }
}

/** For the viewer: why nothing is recorded here. */
export function refusedRecording(error: unknown): RecordedSeen {
  return { calls: [], lost: 0, ended: 'refused', reason: reasonOf(error) }
}
