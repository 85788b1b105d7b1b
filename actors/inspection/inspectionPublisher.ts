/**
 * Puts what is seen into messages that the transport takes, and numbers them, so that a viewer
 * notices what is lost on the way.
 */

import { type FiguresSeen, type Seen, type SeenBatch, seenMethod } from '../../core/inspection/inspection.js'
import type { RecordedSeen } from '../../core/inspection/recordedSeen.js'
import type { Transport } from '../../core/ports/transport.js'
import { encodeCall } from '../../core/wire/codec.js'
import { deadlineMsMax, kinds } from '../../core/wire/envelope.js'
import { type Subjects, subjectsOf } from '../../core/wire/subjects.js'
import type { HostSettings } from '../base/settings.js'

/** As much as is packed at once: a few dozen kilobytes. */
const seenPerMessageMax = 200

export class InspectionPublisher {
  readonly #subjects: Subjects
  #number = 0
  #sends = 0
  /** The number of reports that can't travel, or are too large even alone. */
  #untold = 0

  constructor(
    private readonly transport: Transport,
    private readonly settings: HostSettings,
    private readonly epoch: number,
  ) {
    this.#subjects = subjectsOf(settings.system)
  }

  /**
   * The reports that one viewer gets at first, or wants alone. Number 0: nobody else misses it. Also when it
   * is nothing: the viewer knows then that this host is there.
   */
  one(viewer: string, seen: readonly Seen[], figures: readonly FiguresSeen[] = []): void {
    partsOf(seen).forEach((part, i) => {
      this.#send([viewer], part, 0, true, i === 0 ? figures : [])
    })
  }

  /** Recorded calls for one viewer, in as many messages as they need. */
  recorded(viewer: string, recorded: RecordedSeen): void {
    const { calls } = recorded
    const payload = this.#packed({ hostId: this.settings.hostId, epoch: this.epoch, number: 0, dropped: 0, seen: [], recorded })
    if (payload !== undefined && payload.length <= this.transport.payloadBytesMax) this.#publish([viewer], payload)
    else if (calls.length === 1) this.recorded(viewer, { ...recorded, calls: [], lost: recorded.lost + 1 })
    else if (calls.length > 1) {
      const half = Math.ceil(calls.length / 2)
      this.recorded(viewer, { calls: calls.slice(0, half), lost: 0, ended: null, reason: null })
      this.recorded(viewer, { ...recorded, calls: calls.slice(half) })
    }
  }

  next(viewers: readonly string[], seen: readonly Seen[], dropped: number): void {
    const lost = dropped + this.#untold
    if (viewers.length === 0 || (seen.length === 0 && lost === 0)) return
    this.#untold = 0
    partsOf(seen).forEach((part, i) => {
      this.#send(viewers, part, i === 0 ? lost : 0, false)
    })
  }

  #send(
    viewers: readonly string[],
    seen: readonly Seen[],
    dropped: number,
    isOne: boolean,
    figures: readonly FiguresSeen[] = [],
  ): void {
    const number = isOne ? 0 : this.#number + 1
    const payload = this.#packed({
      hostId: this.settings.hostId,
      epoch: this.epoch,
      number,
      dropped,
      seen,
      ...(figures.length === 0 ? {} : { figures }),
    })
    if (payload !== undefined && payload.length <= this.transport.payloadBytesMax) {
      this.#number = Math.max(number, this.#number)
      this.#publish(viewers, payload)
    } else if (seen.length > 1) {
      const half = Math.ceil(seen.length / 2)
      this.#send(viewers, seen.slice(0, half), dropped, isOne, figures)
      this.#send(viewers, seen.slice(half), 0, isOne)
    } else this.#untold++
  }

  #publish(viewers: readonly string[], payload: Uint8Array): void {
    for (const viewer of viewers) {
      try {
        this.transport.publish(this.#subjects.looker(viewer), payload)
      } catch {
        // Disconnected: the viewer notices by the number of the next message.
      }
    }
  }

  #packed(batch: SeenBatch): Uint8Array | undefined {
    try {
      return this.#encoded(batch)
    } catch {
      return undefined
    }
  }

  #encoded(batch: SeenBatch): Uint8Array {
    const { hostId } = this.settings
    return encodeCall({
      kind: kinds.send,
      label: 0,
      seq: ++this.#sends,
      method: seenMethod,
      args: [batch],
      deadlineMs: deadlineMsMax,
      caller: hostId,
      incarnation: this.epoch,
      callerClass: 'Host',
      callerVersion: 0,
      expects: null,
      path: null,
      trace: null,
      together: false,
    })
  }
}

function partsOf(seen: readonly Seen[]): readonly (readonly Seen[])[] {
  if (seen.length <= seenPerMessageMax) return [seen]
  const parts: (readonly Seen[])[] = []
  for (let from = 0; from < seen.length; from += seenPerMessageMax) parts.push(seen.slice(from, from + seenPerMessageMax))
  return parts
}
