/**
 * The nodes of a sharded service that do not live in their shard: those that have left it, and those of a
 * service that was local, until they have moved. Calls to them are sent to their hosts.
 */
import { Fault, toFault } from '../../core/base/fault.js'
import type { HostObserver } from '../../core/inspection/hostEvents.js'
import { keys } from '../../core/model/nodeRecord.js'
import type { NodeRow } from '../../core/model/nodeRow.js'
import type { Clock } from '../../core/ports/clock.js'
import type { Message, Transport } from '../../core/ports/transport.js'
import { decode, encodeCall } from '../../core/wire/codec.js'
import { type CallEnvelope, kinds } from '../../core/wire/envelope.js'
import { localSubjectOf } from '../../core/wire/subjects.js'
import { within } from '../base/timeouts.js'
import { noAnswerFault } from '../registration/noAnswerFault.js'
import type { NodeRowCache } from '../registration/nodeRowCache.js'
import { registeredElsewhereFault } from '../registration/registeredElsewhere.js'
import type { Journal } from '../state/journal.js'

export interface ResidentsServices {
  readonly clock: Clock
  readonly journal: Journal
  readonly transport: Transport
  readonly observe: HostObserver
  readonly nodeRowCache: Pick<NodeRowCache, 'nodes'>
  readonly settings: { readonly fenceAnswerMs: number }
}

/** That all nodes of the service are in shards is believed for so long. */
const believedMs = 30_000

export class Residents {
  #areAllHere: boolean | undefined
  #lookedMs = 0

  constructor(
    private readonly name: string,
    private readonly service: string,
    private readonly services: ResidentsServices,
  ) {}

  /** It was here, and lives on a host. */
  hasLeft(nodeId: string): boolean {
    return this.services.journal.get(keys.departure(nodeId)) !== undefined
  }

  /** No node of the service lives on a host, as far as was heard of late. */
  get areAllHere(): boolean {
    return this.#areAllHere === true && this.services.clock.monotonicMs() - this.#lookedMs < believedMs
  }

  /**
   * Of a node without a state here. Throws `config.registered-elsewhere` where it lives on a host;
   * `unavailable.stopped` while nobody can tell.
   */
  async check(nodeId: string): Promise<void> {
    if (this.areAllHere) return
    const { clock, nodeRowCache, settings } = this.services
    let rows: readonly NodeRow[]
    try {
      rows = await within(clock, settings.fenceAnswerMs, nodeRowCache.nodes(this.service), noAnswerFault)
    } catch (cause) {
      if (this.#areAllHere === true) return
      const message = `${this.name} does not know yet whether node ${nodeId} lives on a host`
      throw new Fault('unavailable.stopped', message, { nodeId }, { cause })
    }
    const local = rows.filter(isLocal)
    this.#areAllHere = local.length === 0
    this.#lookedMs = clock.monotonicMs()
    const found = local.find((row) => row.nodeId === nodeId)
    if (found !== undefined) throw registeredElsewhereFault(nodeId, found.directoryId!, found.hostId)
  }

  /** Its caller sends a call to the host where the node lives, and hears there if nobody listens. */
  movedFault(nodeId: string): Fault {
    return new Fault('unavailable.moved', `node ${nodeId} lives on a host, and not in ${this.name}`, { nodeId })
  }

  /**
   * Sends of the message, for which nobody waits, go to that host from here. Where the transport vouches for
   * senders this host can't send for others.
   */
  handOn({ subject, payload, caller }: Message): void {
    const { transport, observe } = this.services
    try {
      const sends = decode(payload).filter((envelope): envelope is CallEnvelope => envelope.kind === kinds.send)
      if (caller !== undefined && sends.length > 0)
        throw new Fault('unavailable.moved', `a send of ${caller} can't be handed on in its name`)
      for (const send of sends) transport.publish(localSubjectOf(subject)!, encodeCall(send))
    } catch (error) {
      observe({ type: 'deadLetter', subject, fault: toFault(error, 'protocol.bad-envelope') })
    }
  }
}

function isLocal({ shard, directoryId }: NodeRow): boolean {
  return shard === undefined && directoryId !== null
}
