/**
 * The reports of this host to those who look at the rollout. Nobody looks most of the time, and
 * then nothing is gathered, packed or sent: a host remembers the phases of its last upgrades, a
 * few words each, and which upgrade managers are at work. A viewer asks again and again; when
 * it stops asking, its lease ends and so do the reports.
 *
 * I1. Nothing is sent to anybody without a lease.
 * I2. The queue of reports is bounded; the oldest are dropped, and their number is told.
 */
import { inject, injectable } from 'tsyringe'
import type { AnyActorRef, InspectionEvent } from 'xstate'
import { Fault, toFault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import type { HostEvent, HostObserver } from '../../core/inspection/hostEvents.js'
import {
  endingLeaseMs,
  type InspectionFilter,
  type InspectionRequest,
  isWanted,
  lookMethod,
  type PhaseSeen,
  readInspectionRequest,
  reasonSeen,
  type Seen,
} from '../../core/inspection/inspection.js'
import { differencesSeenMax } from '../../core/inspection/rewoundSeen.js'
import type { Clock } from '../../core/ports/clock.js'
import type { Message, Subscription, Transport } from '../../core/ports/transport.js'
import type { Signed } from '../../core/trust/signed.js'
import { actorEvent, type StatechartEvent, statechartEvent } from '../../core/upgrade/statechartEvent.js'
import { decode } from '../../core/wire/codec.js'
import { kinds } from '../../core/wire/envelope.js'
import { subjectsOf } from '../../core/wire/subjects.js'
import { CallTimes } from '../base/callTimes.js'
import type { HostSettings } from '../base/settings.js'
import { tokens } from '../base/tokens.js'
import { countDifferences, differencesOf, readReport } from '../state/rewindReport.js'
import { CallRecorder, refusedRecording } from './callRecorder.js'
import { InspectionPublisher } from './inspectionPublisher.js'
import { InspectionQueue } from './inspectionQueue.js'
import { type InspectedNode, NodeChanges } from './nodeChanges.js'
import { ServiceFigures } from './serviceFigures.js'

/** An upgrade manager at work. */
interface Manager {
  readonly nodeId: string
  readonly target: Version
  readonly run: number
  readonly actor: AnyActorRef
  /** Undefined while nobody looks. */
  subscription: { unsubscribe(): void } | undefined
}

interface Viewer {
  readonly untilMs: number
  readonly only: InspectionFilter
}

@injectable()
export class Inspection {
  readonly callTimes = new CallTimes()
  readonly #managers = new Set<Manager>()
  readonly #phases: InspectionQueue<PhaseSeen>
  /**
   * The nodes with their chains, and the phases; told before the many events of the
   * statecharts, which never push them out.
   */
  readonly #news: InspectionQueue<Seen>
  readonly #events: InspectionQueue<Seen>
  readonly #viewers = new Map<string, Viewer>()
  readonly #publisher: InspectionPublisher
  #nodes: NodeChanges | undefined
  #figures: ServiceFigures | undefined
  #asked: Subscription | undefined
  #cancelTick: () => void = () => {}
  #phasesCounted = 0
  #tellings = 0
  #tellingsFromMs = Number.NEGATIVE_INFINITY

  constructor(
    @inject(tokens.transport) private readonly transport: Transport,
    @inject(tokens.clock) private readonly clock: Clock,
    @inject(tokens.settings) private readonly settings: HostSettings,
    @inject(tokens.observer) private readonly notify: HostObserver,
    @inject(CallRecorder) private readonly recorder: CallRecorder,
  ) {
    this.#phases = new InspectionQueue(settings.phasesKeptMax)
    this.#news = new InspectionQueue(settings.seenQueueMax)
    this.#events = new InspectionQueue(settings.seenQueueMax)
    this.#publisher = new InspectionPublisher(transport, settings, clock.now())
  }

  start(nodes: ReadonlyMap<string, InspectedNode>): void {
    this.#nodes = new NodeChanges(nodes, this.settings.hostId)
    this.#figures = new ServiceFigures(nodes, this.callTimes, this.settings)
    this.#asked = this.transport.subscribe(subjectsOf(this.settings.system).look, (message) => this.#hear(message), {
      isOptional: true,
    })
  }

  stop(): void {
    this.#asked?.unsubscribe()
    this.#viewers.clear()
    this.#rest()
  }

  get isWatched(): boolean {
    return this.#viewers.size > 0
  }

  #wants(what: (only: InspectionFilter) => boolean): boolean {
    for (const { only } of this.#viewers.values()) if (what(only)) return true
    return false
  }

  /** Remembers the phases that begin. */
  readonly observe = (event: HostEvent): void => {
    if (event.type !== 'phase') return
    const { nodeId, phase, target } = event
    const reason = reasonSeen(event.reason)
    const seen: PhaseSeen = { type: 'phase', at: this.clock.now(), n: ++this.#phasesCounted, nodeId, phase, target, reason }
    this.#phases.add(seen)
    if (this.isWatched) this.#news.add(seen)
  }

  /**
   * An upgrade manager begins its work; to be called before it is started. Until it ends, its
   * statechart can be looked at.
   */
  follow(nodeId: string, target: Version, actor: AnyActorRef): void {
    const manager: Manager = { nodeId, target, run: this.clock.now(), actor, subscription: undefined }
    this.#managers.add(manager)
    const ended = () => {
      // Its subscription stays: the last snapshot comes after this, and nothing after that.
      this.#managers.delete(manager)
    }
    actor.subscribe({ complete: ended, error: ended })
    if (!this.#wants(wantsStatecharts)) return
    this.#events.add(this.#of(manager, actorEvent(actor)))
    this.#watch(manager)
  }

  #watch(manager: Manager): void {
    manager.subscription ??= manager.actor.system.inspect((event: InspectionEvent) => {
      if (!this.isWatched) return
      try {
        const seen = statechartEvent(event)
        if (seen !== undefined) this.#events.add(this.#of(manager, seen))
      } catch {
        // A user's error can hold anything; a viewer must never stop an upgrade.
      }
    })
  }

  #of({ nodeId, target, run, actor }: Manager, event: StatechartEvent): Seen {
    return { type: 'statechart', at: this.clock.now(), nodeId, target, run, manager: actor.sessionId, event }
  }

  #hear(message: Message): void {
    try {
      for (const envelope of decode(message.payload)) {
        const isLook = envelope.kind === kinds.send && envelope.method === lookMethod
        const request = isLook ? readInspectionRequest(envelope.args[0]) : undefined
        if (request === undefined) throw new Fault('protocol.bad-arguments', `no question: the method is "${lookMethod}"`)
        this.#look(request)
      }
    } catch (error) {
      this.notify({ type: 'deadLetter', subject: message.subject, fault: toFault(error, 'protocol.bad-envelope') })
    }
  }

  #look({ looker: viewer, leaseMs, afresh, only, order }: InspectionRequest): void {
    if (leaseMs <= endingLeaseMs) {
      // The next tick finds the viewer gone.
      this.#viewers.delete(viewer)
      return
    }
    const isNew = !this.#viewers.has(viewer)
    if (isNew && this.#viewers.size >= this.settings.lookersMax)
      throw new Fault('unavailable.overloaded', `${this.settings.lookersMax} look at this host already`)
    if (isNew && order !== undefined && !this.#records(viewer, order)) return
    const isToldAll = isNew || afresh.includes(this.settings.hostId)
    if (isToldAll) this.#countTelling()
    const wasWatched = this.isWatched
    // The reports to the others count on from here for the new one too.
    if (isNew) this.#flush()
    this.#viewers.set(viewer, { untilMs: this.clock.monotonicMs() + leaseMs, only })
    if (!wasWatched) this.#wake()
    this.#observeWhatIsWanted()
    if (isToldAll) this.#tellAll(viewer, only)
  }

  /** False where it does not, and the viewer has been told why. */
  #records(viewer: string, order: Signed): boolean {
    try {
      this.recorder.begin(viewer, order)
      return true
    } catch (error) {
      this.#countTelling()
      this.#publisher.recorded(viewer, refusedRecording(error))
      return false
    }
  }

  #countTelling(): void {
    const { tellingsMax, tellingsMs } = this.settings
    const nowMs = this.clock.monotonicMs()
    if (nowMs - this.#tellingsFromMs >= tellingsMs) {
      this.#tellingsFromMs = nowMs
      this.#tellings = 0
    }
    if (++this.#tellings > tellingsMax)
      throw new Fault('unavailable.overloaded', `everything was told ${tellingsMax} times within ${tellingsMs} ms already`)
  }

  /**
   * Everything there is to know now, and the phases of the last upgrades: also what ended
   * before anybody looked.
   */
  #tellAll(viewer: string, only: InspectionFilter): void {
    const now = this.clock.now()
    const managers = [...this.#managers].map((manager) => this.#of(manager, actorEvent(manager.actor)))
    const rewound = only.types?.includes('rewound') ? this.#rewound(now, only) : []
    const all = [...(this.#nodes?.all(now) ?? []), ...this.#phases.all(), ...managers, ...rewound]
    this.#publisher.one(
      viewer,
      all.filter((seen) => isWanted(seen, only)),
      only.figures ? this.#figures?.at(now) : undefined,
    )
    for (const nodeId of only.states === true ? (only.nodes ?? []) : []) this.#tellState(viewer, nodeId)
  }

  #tellState(viewer: string, nodeId: string): void {
    const told = this.#nodes?.state(nodeId)
    told?.then(
      (seen) => {
        // I1. Its lease may have ended meanwhile.
        if (seen !== undefined && this.#viewers.has(viewer)) this.#publisher.one(viewer, [seen])
      },
      // A node that stops is not looked at any more.
      () => {},
    )
  }

  /**
   * The report of each node's newest rewind. One viewer is told so many operations at once as one node keeps;
   * of the nodes beyond it is told the counts, and asks for them by name.
   */
  #rewound(at: number, { nodes }: InspectionFilter): readonly Seen[] {
    if (this.settings.observedState === 'nothing') return []
    let left = this.settings.rewindReportMax
    const wanted = (this.#nodes?.ids ?? []).filter((nodeId) => nodes?.includes(nodeId) ?? true)
    return wanted.flatMap((nodeId) => {
      const journal = this.#nodes?.journalOf(nodeId)
      const report = journal === undefined ? undefined : readReport(journal, nodeId)
      if (journal === undefined || report === undefined) return []
      const told = countDifferences(journal, nodeId)
      const kept = told <= left || nodes?.length === 1 ? [...differencesOf(journal, nodeId)] : []
      left -= kept.length
      const seen = (from: number): Seen => {
        const differences = kept.slice(from, from + differencesSeenMax)
        return { type: 'rewound', at, nodeId, ...report, told, from, differences }
      }
      const parts = Math.max(1, Math.ceil(kept.length / differencesSeenMax))
      return Array.from({ length: parts }, (_, part) => seen(part * differencesSeenMax))
    })
  }

  #wake(): void {
    this.#nodes?.begin()
    this.#tick()
  }

  /** Statecharts are listened to, and calls timed for viewers, only while one of them wants that. */
  #observeWhatIsWanted(): void {
    this.callTimes.keep(this.#wants(wantsFigures))
    if (this.#wants(wantsStatecharts)) for (const manager of this.#managers) this.#watch(manager)
    else this.#ignoreStatecharts()
  }

  #tick(): void {
    this.#cancelTick = this.clock.after(this.settings.seenBatchMs, () => {
      const now = this.clock.now()
      const monotonicMs = this.clock.monotonicMs()
      for (const [viewer, { untilMs }] of this.#viewers) if (untilMs <= monotonicMs) this.#viewers.delete(viewer)
      if (!this.isWatched) {
        this.#rest()
        return
      }
      this.#observeWhatIsWanted()
      for (const seen of this.#nodes?.changes(now, monotonicMs) ?? []) this.#news.add(seen)
      this.#flush()
      this.#tellFigures(now, monotonicMs)
      this.#tellRecorded()
      this.#tick()
    })
  }

  #flush(): void {
    const news = this.#news.take(this.settings.seenPerTickMax)
    const events = this.#events.take(this.settings.seenPerTickMax - news.length)
    const dropped = this.#news.takeDropped() + this.#events.takeDropped()
    const seen = [...news, ...events]
    const viewers = [...this.#viewers]
    const ofAll = viewers.filter(([, { only }]) => isUnrestricted(only)).map(([viewer]) => viewer)
    this.#publisher.next(ofAll, seen, dropped)
    for (const [viewer, { only }] of viewers) {
      if (isUnrestricted(only)) continue
      const wanted = seen.filter((one) => isWanted(one, only))
      if (wanted.length > 0) this.#publisher.one(viewer, wanted)
    }
  }

  #tellFigures(now: number, monotonicMs: number): void {
    if (!this.#wants(wantsFigures) || !this.#figures?.areDue(monotonicMs)) return
    const figures = this.#figures.at(now)
    if (figures.length === 0) return
    for (const [viewer, { only }] of this.#viewers) if (only.figures) this.#publisher.one(viewer, [], figures)
  }

  /** R2. A recording ends with the lease of its viewer. */
  #tellRecorded(): void {
    const { viewer } = this.recorder
    if (viewer === undefined) return
    if (!this.#viewers.has(viewer)) {
      this.recorder.end()
      return
    }
    const recorded = this.recorder.take()
    if (recorded !== undefined) this.#publisher.recorded(viewer, recorded)
  }

  /** Nobody looks any more. */
  #rest(): void {
    this.#cancelTick()
    this.recorder.end()
    this.#news.clear()
    this.#events.clear()
    this.callTimes.keep(false)
    this.#ignoreStatecharts()
  }

  #ignoreStatecharts(): void {
    for (const manager of this.#managers) {
      manager.subscription?.unsubscribe()
      manager.subscription = undefined
    }
  }
}

function isUnrestricted({ types, nodes }: InspectionFilter): boolean {
  return types === undefined && nodes === undefined
}

function wantsStatecharts({ types }: InspectionFilter): boolean {
  return types?.includes('statechart') ?? true
}

function wantsFigures({ figures }: InspectionFilter): boolean {
  return figures === true
}
