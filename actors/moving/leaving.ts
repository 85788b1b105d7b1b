/** The source of moves (core/model/nodeMove.ts): nodes that leave a store, whichever that is. */
import type { HostObserver } from '../../core/inspection/hostEvents.js'
import { checkMove, type Departure, moveFormat, rangesOfNode, type Verdict } from '../../core/model/nodeMove.js'
import { checkRecord, keys } from '../../core/model/nodeRecord.js'
import type { StateStore, Write } from '../../core/ports/stateStore.js'
import { pack, unpack } from '../../core/wire/codec.js'
import type { Journal } from '../state/journal.js'
import { type AskingServices, type MayCome, MoveTarget } from './moveMessages.js'
import { bytesOf, OutgoingMove, weightOf, writesOfNode } from './outgoingMove.js'

export interface LeavingServices extends AskingServices {
  readonly journal: Journal
  readonly store: Pick<StateStore, 'directoryId'>
  readonly transport: { readonly payloadBytesMax: number }
  readonly observe: HostObserver
}

/** Of a message, for one write and what is around it. */
const envelopeBytes = 1_024
/** Keys that are deleted in one commit. */
const deletedPerCommit = 10_000

export class Leaving {
  constructor(
    private readonly services: LeavingServices,
    /** This host stops, or has lost the store. */
    private readonly isOver: () => boolean,
  ) {}

  /** Nodes whose moves have begun, and are not over. */
  begun(): readonly { readonly nodeId: string }[] {
    return [...this.services.journal.range(...keys.allDepartures)].flatMap(([key, bytes]) => {
      const { isOver } = checkMove<Departure>(unpack(bytes))
      return isOver ? [] : [{ nodeId: key.slice(keys.departure('').length) }]
    })
  }

  departure(nodeId: string): Departure | undefined {
    const stored = this.services.journal.get(keys.departure(nodeId))
    return stored === undefined ? undefined : checkMove<Departure>(unpack(stored))
  }

  /** Before anything changes: whether the node may come there. */
  async ask(service: string, nodeId: string, subject: string): Promise<MayCome> {
    const { journal, transport } = this.services
    const writes = writesOfNode(journal, nodeId)
    const large = writes.find((write) => weightOf(write) + envelopeBytes > transport.payloadBytesMax)
    if (large !== undefined) return { waits: `a value of ${weightOf(large)} bytes is more than a message takes` }
    const number = this.#numberOf(nodeId)
    if (number === undefined) return { waits: 'it has no state here' }
    return new MoveTarget(this.services, subject, { service, nodeId, number }).mayCome(bytesOf(writes))
  }

  #numberOf(nodeId: string): number | undefined {
    const stored = this.services.journal.get(keys.record(nodeId))
    return stored === undefined ? undefined : checkRecord(unpack(stored)).incarnation
  }

  /** M1. The node has stopped, and all of its state is in the journal. */
  async depart(nodeId: string, target: string, hostId?: string): Promise<void> {
    const number = this.#numberOf(nodeId)!
    const departure: Departure = {
      ...{ format: moveFormat, number, target, isOver: false },
      ...(hostId === undefined ? {} : { hostId }),
    }
    await this.services.journal.commit([[keys.departure(nodeId), pack(departure, 'the departure of a node')]])
  }

  /** Until it is decided, and that is on disk here. Undefined: this host has no say any more. */
  async goOn(service: string, nodeId: string, subject: string): Promise<Verdict | undefined> {
    const { services } = this
    const { journal, store, observe } = services
    const departure = this.departure(nodeId)
    if (departure === undefined || departure.isOver || this.isOver()) return undefined
    const { number, target } = departure
    const mover = { service, nodeId, number }
    const way = { from: store.directoryId, target }
    const move = new OutgoingMove(services, new MoveTarget(services, subject, mover), nodeId, way)
    let isTold = false
    const verdict = await move.run(this.isOver, (error) => {
      if (!isTold) observe({ type: 'warning', message: `node ${nodeId} waits for ${target}, to which it moves`, error })
      isTold = true
    })
    if (verdict === 'refused') await journal.commit([[keys.departure(nodeId), null]])
    if (verdict === 'arrived') await this.#forget(nodeId, departure)
    return verdict
  }

  /** M3. First it is over on disk. A crash in the middle leaves some of its state, which nobody reads. */
  async #forget(nodeId: string, departure: Departure): Promise<void> {
    const { journal } = this.services
    const isOver: Departure = { ...departure, isOver: true }
    await journal.commit([
      [keys.record(nodeId), null],
      [keys.departure(nodeId), pack(isOver, 'the departure of a node')],
    ])
    for (const range of rangesOfNode(nodeId)) {
      const deleted: Write[] = []
      for (const [key] of [...journal.range(...range)]) {
        deleted.push([key, null])
        if (deleted.length >= deletedPerCommit) await journal.commit(deleted.splice(0))
      }
      if (deleted.length > 0) await journal.commit(deleted)
    }
  }
}
