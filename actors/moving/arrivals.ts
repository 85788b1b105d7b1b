/**
 * The target of moves: a shard, or a host's own store. It decides about each node that comes in one commit of
 * its journal (M2), and answers what it has decided as often as it is asked.
 */
import { Fault, toFault } from '../../core/base/fault.js'
import type { HostObserver } from '../../core/inspection/hostEvents.js'
import { type Arrival, checkMove, moveFormat, rangesOfNode, type Verdict } from '../../core/model/nodeMove.js'
import { keys } from '../../core/model/nodeRecord.js'
import { compareKeys, type Write } from '../../core/ports/stateStore.js'
import type { Message, Subscription, Transport } from '../../core/ports/transport.js'
import { decode, encodeFault, encodeReply, pack, unpack } from '../../core/wire/codec.js'
import { answerFormat, type CallEnvelope, kinds, type Replier } from '../../core/wire/envelope.js'
import { isInbox } from '../../core/wire/subjects.js'
import type { Journal } from '../state/journal.js'
import { type LastPart, type MayCome, type MoveQuestion, type Mover, questionIn, type Taken } from './moveMessages.js'
import { bytesOf, digestOfParts, writesOfNode } from './outgoingMove.js'

export interface ArrivalsServices {
  readonly transport: Transport
  readonly journal: Journal
  readonly observe: HostObserver
  readonly settings: { readonly hostId: string }
}

/** The store to which nodes come. */
export interface ArrivalPlace {
  readonly subject: string
  readonly service: string
  /** The identity of its store. */
  readonly target: string
  /** Nothing may be said now, as another may have the store (H4). */
  readonly isSilent: boolean
  /** Why no node comes now; null: they may. */
  waits(nodeId: string): string | null
  /** The node is awake, or on its way. */
  isBusy(nodeId: string): boolean
  /** Has its state committed, and the node answer from then on. Its calls wait meanwhile. */
  admit(nodeId: string, commit: () => Promise<void>): Promise<void>
}

/** Nodes whose parts are kept at once, and their bytes together. */
const comingMax = 64
export const arrivalBytesMax = 64 * 1024 * 1024

interface Coming {
  readonly number: number
  readonly parts: (readonly Write[] | undefined)[]
  bytes: number
}

export class Arrivals {
  readonly #coming = new Map<string, Coming>()
  /** One decision about a node after the other. */
  readonly #deciding = new Map<string, Promise<unknown>>()
  #bytes = 0
  #subscription: Subscription | undefined

  constructor(
    private readonly place: ArrivalPlace,
    private readonly services: ArrivalsServices,
  ) {}

  open(): void {
    this.#subscription ??= this.services.transport.subscribe(this.place.subject, (message) => void this.#receive(message))
  }

  close(): void {
    this.#subscription?.unsubscribe()
    this.#subscription = undefined
    this.#coming.clear()
    this.#bytes = 0
  }

  async #receive({ payload, replyTo, subject }: Message): Promise<void> {
    const { observe } = this.services
    if (replyTo === undefined || !isInbox(replyTo)) return
    try {
      for (const envelope of decode(payload)) if (envelope.kind === kinds.call) await this.#answer(envelope, replyTo)
    } catch (error) {
      observe({ type: 'deadLetter', subject, fault: toFault(error, 'protocol.bad-envelope') })
    }
  }

  async #answer(call: CallEnvelope, replyTo: string): Promise<void> {
    const { transport, settings } = this.services
    const replier: Replier = { node: settings.hostId, className: 'Host', version: 0 }
    let answer: Uint8Array
    try {
      const value = await this.#carryOut(questionIn(call.method, call.args))
      answer = encodeReply(call.label, call.seq, value, replier, 0, answerFormat(call))
    } catch (error) {
      const fault = toFault(error, 'unavailable.storage')
      answer = encodeFault(call.label, call.seq, fault, replier, transport.payloadBytesMax, answerFormat(call))
    }
    // Its caller asks again, and whoever has the store then answers.
    if (!this.place.isSilent) transport.publish(replyTo, answer)
  }

  #carryOut(question: MoveQuestion): Promise<unknown> | MayCome | null {
    const { mover } = question
    if (mover.service !== this.place.service) throw new Fault('protocol.bad-arguments', `service ${mover.service} is not here`)
    switch (question.method) {
      case 'mayCome':
        return this.#mayCome(mover, question.bytes)
      case 'part':
        this.#keep(mover, question.index, question.writes)
        return null
      case 'take':
        return this.#alone(mover.nodeId, () => this.#take(mover, question.last))
      case 'refuse':
        return this.#alone(mover.nodeId, () => this.#refuse(mover, question))
    }
  }

  #mayCome({ nodeId }: Mover, bytes: number): MayCome {
    const { place, services } = this
    const waits = place.waits(nodeId)
    if (waits !== null) return { waits }
    if (bytes > arrivalBytesMax) return { waits: `its state has ${bytes} bytes, and ${arrivalBytesMax} is the most that moves` }
    if (place.isBusy(nodeId) || services.journal.get(keys.record(nodeId)) !== undefined)
      return { waits: `${place.target} has a node ${nodeId} already` }
    return { target: place.target }
  }

  #keep({ nodeId, number }: Mover, index: number, writes: readonly Write[]): void {
    const found = this.#coming.get(nodeId)
    const coming = found?.number === number ? found : { number, parts: [], bytes: 0 }
    if (coming !== found) this.#drop(nodeId)
    if (coming.parts[index] !== undefined) return
    const bytes = bytesOf(writes)
    if (index > arrivalBytesMax || (coming !== found && this.#coming.size >= comingMax) || this.#bytes + bytes > arrivalBytesMax)
      throw new Fault('unavailable.overloaded', `${this.#coming.size} nodes, with ${this.#bytes} bytes, are coming already`)
    coming.parts[index] = writes
    coming.bytes += bytes
    this.#bytes += bytes
    this.#coming.set(nodeId, coming)
  }

  #drop(nodeId: string): void {
    this.#bytes -= this.#coming.get(nodeId)?.bytes ?? 0
    this.#coming.delete(nodeId)
  }

  async #alone<T>(nodeId: string, decide: () => Promise<T>): Promise<T> {
    const before = this.#deciding.get(nodeId)
    const decided = (before ?? Promise.resolve()).then(decide, decide)
    this.#deciding.set(nodeId, decided)
    try {
      return await decided
    } finally {
      if (this.#deciding.get(nodeId) === decided) this.#deciding.delete(nodeId)
    }
  }

  /** M2, M4. Undefined: nothing is decided yet. */
  #decided({ nodeId, number }: Mover): Verdict | undefined {
    const stored = this.services.journal.get(keys.arrival(nodeId))
    if (stored === undefined) return undefined
    const arrival = checkMove<Arrival>(unpack(stored))
    if (arrival.number < number) return undefined
    return arrival.number === number ? arrival.verdict : 'refused'
  }

  async #take(mover: Mover, { parts, digest, from, target, writes }: LastPart): Promise<Taken> {
    const { place, services } = this
    const { journal, observe } = services
    const { nodeId } = mover
    if (target !== place.target) return 'later'
    const decided = this.#decided(mover)
    if (decided !== undefined) return this.#committed(mover, decided)
    if (place.waits(nodeId) !== null) return 'later'
    if (journal.get(keys.record(nodeId)) !== undefined) {
      observe({ type: 'warning', message: `node ${nodeId} comes, and ${place.target} has it already`, error: undefined })
      return this.#decide(mover, from, 'refused', [])
    }
    const coming = this.#coming.get(nodeId)
    const before = coming?.number === mover.number ? coming.parts : []
    const all = [...before.slice(0, parts), writes]
    if (all.length !== parts + 1 || all.includes(undefined)) return 'missing'
    const state = all.flatMap((part) => part!)
    if (digestOfParts([state]) !== digest) {
      // Parts of an earlier start of its source.
      this.#drop(nodeId)
      return 'missing'
    }
    checkOfNode(nodeId, state)
    // A call has just come for it, before it is known to be here.
    if (place.isBusy(nodeId)) return 'later'
    return this.#decide(mover, from, 'arrived', state)
  }

  async #refuse(mover: Mover, { from, target }: Pick<LastPart, 'from' | 'target'>): Promise<Taken> {
    if (target !== this.place.target) return 'later'
    const decided = this.#decided(mover)
    return decided === undefined ? this.#decide(mover, from, 'refused', []) : this.#committed(mover, decided)
  }

  async #committed({ nodeId }: Mover, verdict: Verdict): Promise<Taken> {
    const { journal } = this.services
    // A decision of a moment ago may be lost with its batch.
    await journal.commit([[keys.arrival(nodeId), journal.get(keys.arrival(nodeId))!]])
    return verdict
  }

  async #decide({ nodeId, number }: Mover, from: string, verdict: Verdict, state: readonly Write[]): Promise<Taken> {
    const arrival: Arrival = { format: moveFormat, number, verdict, from }
    const decision: readonly Write[] = [[keys.arrival(nodeId), pack(arrival, 'the arrival of a node')]]
    const { journal } = this.services
    if (verdict === 'refused') await journal.commit(decision)
    else {
      // An earlier stay may have left something, if its host was killed when it had just gone.
      const left = writesOfNode(journal, nodeId).map(([key]): Write => [key, null])
      const comes: readonly Write[] = [...left, ...state, [keys.departure(nodeId), null], [keys.birth(nodeId), null]]
      await this.place.admit(nodeId, () => journal.commit([...comes, ...decision]))
    }
    this.#drop(nodeId)
    return verdict
  }
}

/** Nothing that comes with a node touches another's state. */
function checkOfNode(nodeId: string, writes: readonly Write[]): void {
  const ranges = rangesOfNode(nodeId)
  const isOfNode = ([key]: Write) => ranges.some(([from, to]) => compareKeys(key, from) >= 0 && compareKeys(key, to) < 0)
  if (writes.some(([key]) => key === keys.record(nodeId)) && writes.every(isOfNode)) return
  throw new Fault('protocol.bad-arguments', `what comes as the state of node ${nodeId} is not that alone`)
}
