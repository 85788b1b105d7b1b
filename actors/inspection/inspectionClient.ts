/**
 * The other side of inspection: asks all hosts to tell what they see, again and again for as long as somebody
 * looks, and hears what they tell. A report that comes twice is heard once; reports that were lost on the way
 * are counted, and asked for anew.
 */
import { inject, injectable } from 'tsyringe'
import {
  afreshMax,
  endingLeaseMs,
  type FiguresSeen,
  type InspectionFilter,
  isWanted,
  lookMethod,
  readSeenBatch,
  type Seen,
  type SeenBatch,
  seenMethod,
} from '../../core/inspection/inspection.js'
import type { RecordedSeen } from '../../core/inspection/recordedSeen.js'
import type { Clock } from '../../core/ports/clock.js'
import { type Random, randomName } from '../../core/ports/random.js'
import type { Message, Transport } from '../../core/ports/transport.js'
import type { Signed } from '../../core/trust/signed.js'
import { decode, encodeCall } from '../../core/wire/codec.js'
import { kinds } from '../../core/wire/envelope.js'
import { subjectsOf } from '../../core/wire/subjects.js'
import type { HostSettings } from '../base/settings.js'
import { tokens } from '../base/tokens.js'

/** The reports of one host. */
export interface InspectionBatch {
  readonly hostId: string
  readonly seen: readonly Seen[]
  /** Only where they are asked for. */
  readonly figures: readonly FiguresSeen[]
  /** Only for the viewer of a recording. */
  readonly recorded?: RecordedSeen
  /** Messages that did not arrive, and what the host had no place for. */
  readonly lostMessages: number
  readonly dropped: number
}

interface Heard {
  readonly epoch: number
  number: number
  /** The numbers of the phases that were heard. */
  readonly phases: Set<number>
}

/**
 * Hosts that are heard. Anybody may speak in a host's name: beyond, the one that was silent the longest is
 * forgotten, and told anew.
 */
export const hostsHeardMax = 10_000
/** Phases that are remembered of one host, more than it tells again; and of all. */
export const phasesRememberedMax = 50_000
export const phasesOfAllMax = 500_000

export const inspectionLeaseMs = 6_000
/** Two questions may be lost before the lease ends. */
const renewMs = inspectionLeaseMs / 3

@injectable()
export class InspectionClient {
  constructor(
    @inject(tokens.transport) private readonly transport: Transport,
    @inject(tokens.clock) private readonly clock: Clock,
    @inject(tokens.random) private readonly random: Random,
    @inject(tokens.settings) private readonly settings: HostSettings,
  ) {}

  /**
   * Returns what ends it.
   *
   * @param recording the order to record calls, and the viewer that it names
   */
  start(
    hear: (batch: InspectionBatch) => void,
    only: InspectionFilter = {},
    recording?: { readonly viewer: string; readonly order: Signed },
  ): () => void {
    const viewer = recording?.viewer ?? randomName(this.random)
    const subjects = subjectsOf(this.settings.system)
    const heardOf = new HeardHosts()
    /** Of these something was lost. */
    const afresh = new Set<string>()
    let cancel = () => {}
    const subscription = this.transport.subscribe(subjects.looker(viewer), (message) => {
      for (const batch of batchesOf(message)) {
        const heard = heardOf.hear(batch)
        // Hosts do not answer a question that names more.
        if (heard.lostMessages > 0 && afresh.size < afreshMax) afresh.add(batch.hostId)
        // An older host tells more than it is asked for.
        hear({ ...heard, seen: heard.seen.filter((seen) => isWanted(seen, only)) })
      }
    })
    const ask = () => {
      this.#ask(viewer, [...afresh], only, inspectionLeaseMs, recording?.order)
      afresh.clear()
      cancel = this.clock.after(renewMs, ask)
    }
    ask()
    return () => {
      cancel()
      subscription.unsubscribe()
      // A host lets only so many look at once: whoever ends makes room, and is told no more.
      this.#ask(viewer, [], only, endingLeaseMs)
    }
  }

  #ask(viewer: string, afresh: readonly string[], only: InspectionFilter, leaseMs: number, order?: Signed): void {
    const { hostId } = this.settings
    const payload = encodeCall({
      kind: kinds.send,
      label: 0,
      seq: 1,
      method: lookMethod,
      args: [{ looker: viewer, leaseMs, afresh, ...only, ...orderFields(order) }],
      deadlineMs: inspectionLeaseMs,
      caller: hostId,
      incarnation: 0,
      callerClass: 'Looker',
      callerVersion: 0,
      expects: null,
      path: null,
      trace: null,
      together: false,
    })
    try {
      this.transport.publish(subjectsOf(this.settings.system).look, payload)
    } catch {
      // Disconnected: asked again soon.
    }
  }
}

function orderFields(order: Signed | undefined) {
  return order === undefined ? {} : { order: order.bytes, signature: order.signature }
}

/** The notes about each host that was heard, the one that was silent the longest first. */
class HeardHosts {
  readonly #hosts = new Map<string, Heard>()
  #phases = 0

  hear({ hostId, epoch, number, dropped, seen, figures = [], recorded }: SeenBatch): InspectionBatch {
    const known = this.#hosts.get(hostId)
    this.#forget(hostId)
    const heard: Heard = known?.epoch === epoch ? known : { epoch, number: 0, phases: new Set() }
    this.#hosts.set(hostId, heard)
    this.#phases += heard.phases.size
    const lostMessages = number > 0 && heard.number > 0 ? Math.max(0, number - heard.number - 1) : 0
    if (number > 0) heard.number = number
    // Phases are told again with everything else; what was lost may come after what is newer.
    const fresh = seen.filter((one) => one.type !== 'phase' || !heard.phases.has(one.n))
    for (const one of fresh) if (one.type === 'phase') this.#remember(heard.phases, one.n)
    this.#makeRoom(hostId)
    const batch = { hostId, seen: fresh, figures, lostMessages, dropped }
    return recorded === undefined ? batch : { ...batch, recorded }
  }

  #remember(phases: Set<number>, n: number): void {
    if (phases.has(n)) return
    phases.add(n)
    this.#phases++
    if (phases.size <= phasesRememberedMax) return
    for (const oldest of phases) {
      phases.delete(oldest)
      this.#phases--
      break
    }
  }

  #makeRoom(speaking: string): void {
    for (const hostId of this.#hosts.keys()) {
      if (hostId === speaking || (this.#hosts.size <= hostsHeardMax && this.#phases <= phasesOfAllMax)) return
      this.#forget(hostId)
    }
  }

  #forget(hostId: string): void {
    this.#phases -= this.#hosts.get(hostId)?.phases.size ?? 0
    this.#hosts.delete(hostId)
  }
}

/** A message that is no batch is nobody's business: the subject is this viewer's own. */
function batchesOf(message: Message): readonly SeenBatch[] {
  try {
    return decode(message.payload).flatMap((envelope) => {
      const batch = envelope.kind === kinds.send && envelope.method === seenMethod ? readSeenBatch(envelope.args[0]) : undefined
      return batch === undefined ? [] : [batch]
    })
  } catch {
    return []
  }
}
