/**
 * The other side of inspection: asks all hosts to tell what they see, again and again for as long as somebody looks, and hears what they tell.
 * What is told twice is heard once; what was lost on the way is counted, and asked for anew.
 */
import { inject, injectable } from 'tsyringe'
import { decode, encodeCall } from '../core/codec.js'
import { kinds } from '../core/envelope.js'
import {
  endingLeaseMs,
  type FiguresSeen,
  isWanted,
  type LookFilter,
  lookMethod,
  readSeenBatch,
  type Seen,
  type SeenBatch,
  seenMethod,
} from '../core/inspection.js'
import type { Clock } from '../core/ports/clock.js'
import { type Random, randomName } from '../core/ports/random.js'
import type { Message, Transport } from '../core/ports/transport.js'
import { subjectsOf } from '../core/subjects.js'
import type { HostSettings } from './settings.js'
import { tokens } from './tokens.js'

/** What a host told. */
export interface LookBatch {
  readonly hostId: string
  readonly seen: readonly Seen[]
  /** Only where they are asked for. */
  readonly figures: readonly FiguresSeen[]
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

export const lookLeaseMs = 6_000
/** Two questions may be lost before the lease ends. */
const renewMs = lookLeaseMs / 3

@injectable()
export class Looking {
  constructor(
    @inject(tokens.transport) private readonly transport: Transport,
    @inject(tokens.clock) private readonly clock: Clock,
    @inject(tokens.random) private readonly random: Random,
    @inject(tokens.settings) private readonly settings: HostSettings,
  ) {}

  /** Returns what ends it. */
  start(hear: (batch: LookBatch) => void, only: LookFilter = {}): () => void {
    const looker = randomName(this.random)
    const subjects = subjectsOf(this.settings.system)
    const hosts = new Map<string, Heard>()
    const afresh = new Set<string>()
    let cancel = () => {}
    const subscription = this.transport.subscribe(subjects.looker(looker), (message) => {
      for (const batch of batchesOf(message)) {
        const heard = this.#hear(hosts, batch)
        if (heard.lostMessages > 0) afresh.add(batch.hostId)
        // An older host tells more than it is asked for.
        hear({ ...heard, seen: heard.seen.filter((seen) => isWanted(seen, only)) })
      }
    })
    const ask = () => {
      this.#ask(looker, [...afresh], only, lookLeaseMs)
      afresh.clear()
      cancel = this.clock.after(renewMs, ask)
    }
    ask()
    return () => {
      cancel()
      subscription.unsubscribe()
      // A host lets only so many look at once: whoever ends makes room, and is told no more.
      this.#ask(looker, [], only, endingLeaseMs)
    }
  }

  #hear(hosts: Map<string, Heard>, { hostId, epoch, number, dropped, seen, figures = [] }: SeenBatch): LookBatch {
    const known = hosts.get(hostId)
    const heard: Heard = known?.epoch === epoch ? known : { epoch, number: 0, phases: new Set() }
    hosts.set(hostId, heard)
    const lostMessages = number > 0 && heard.number > 0 ? Math.max(0, number - heard.number - 1) : 0
    if (number > 0) heard.number = number
    // Phases are told again with everything else; what was lost may come after what is newer.
    const fresh = seen.filter((one) => one.type !== 'phase' || !heard.phases.has(one.n))
    for (const one of fresh) if (one.type === 'phase') remember(heard.phases, one.n)
    return { hostId, seen: fresh, figures, lostMessages, dropped }
  }

  #ask(looker: string, afresh: readonly string[], only: LookFilter, leaseMs: number): void {
    const { hostId } = this.settings
    const payload = encodeCall({
      kind: kinds.send,
      label: 0,
      seq: 1,
      method: lookMethod,
      args: [{ looker, leaseMs, afresh, ...only }],
      deadlineMs: lookLeaseMs,
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

/** More than a host tells again. */
const phasesRememberedMax = 50_000

function remember(numbers: Set<number>, n: number): void {
  numbers.add(n)
  if (numbers.size <= phasesRememberedMax) return
  for (const oldest of numbers) {
    numbers.delete(oldest)
    break
  }
}

/** What is no batch is nobody's business: the subject is this looker's own. */
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
