/**
 * Tells the upgrade database who runs what (§4: "upgrade layers store their node's class and version in the
 * UDB after each upgrade"). One per host: the newest row of each node, in batches, tried again until the
 * database has it. Renews the leases.
 *
 * A database that answers in another epoch has lost something (core/control/standing.ts): it is told of all
 * nodes again. Nodes that run elsewhere by its word are stopped here.
 */
import { inject, injectable } from 'tsyringe'
import { type Fault, isFault } from '../../core/base/fault.js'
import type { Session, Standing } from '../../core/control/standing.js'
import type { Heard, RegisterAnswer, UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import type { HostObserver } from '../../core/inspection/hostEvents.js'
import type { NodeFigures, NodeStatus } from '../../core/model/nodeRow.js'
import type { Clock } from '../../core/ports/clock.js'
import type { Random } from '../../core/ports/random.js'
import type { HostSettings } from '../base/settings.js'
import { Signal } from '../base/signal.js'
import { backoffMs, sleep, within } from '../base/timeouts.js'
import { tokens } from '../base/tokens.js'
import { DatabaseEpoch } from './databaseEpoch.js'
import { byId, type HostedNode, HostedNodes } from './hostedNodes.js'
import { HostFence } from './hostFence.js'
import { HostSession } from './hostSession.js'
import { noAnswerFault } from './noAnswerFault.js'
import { NodesOfHost } from './nodesOfHost.js'
import { PredecessorLease } from './predecessorLease.js'
import { maybeElsewhereText, notRegisteredFault, registeredElsewhereFault } from './registeredElsewhere.js'
import { StoppedNodes } from './stoppedNodes.js'

/** Of a node that registers: throws `unavailable.stopped` when its host stops. */
interface Start {
  check(): void
  /** The database has the node. The start may still wait for another, whose lease runs. */
  registered?(): void
}

const always: Start = { check() {} }

/** Faults of a registration after which the node does not start, whatever the database says later. */
const isFinal: ReadonlySet<string> = new Set(['config.registered-elsewhere', 'config.release', 'unavailable.stopped'])

@injectable()
export class StatusReporter {
  readonly #nodes = new HostedNodes()
  readonly #unreported = new Set<string>()
  #running = false
  #again = false
  #failures = 0
  #stopped = false
  #cancelRenewal: () => void = () => {}
  #idle: (() => void)[] = []
  /** The database has lost something. */
  readonly losses = new Signal()
  /** It is still on probation: what this host knows is to be given back. */
  readonly probation = new Signal()
  readonly #epoch: DatabaseEpoch
  readonly #stoppedNodes: StoppedNodes

  constructor(
    @inject(tokens.database) private readonly database: UpgradeDatabase,
    @inject(tokens.clock) private readonly clock: Clock,
    @inject(tokens.random) private readonly random: Random,
    @inject(tokens.settings) private readonly settings: HostSettings,
    @inject(tokens.observer) private readonly observe: HostObserver,
    @inject(HostSession) private readonly session: HostSession,
    @inject(HostFence) private readonly fence: Pick<HostFence, 'moment' | 'asked'>,
    @inject(NodesOfHost) private readonly running: NodesOfHost,
  ) {
    this.#epoch = new DatabaseEpoch({ clock, settings, session, lost: () => this.#lost() })
    this.#stoppedNodes = new StoppedNodes({ clock, settings, database, session, has: (nodeId) => this.#nodes.has(nodeId) })
    this.#renewLater()
  }

  /** Registers a node that is born. Throws `config.registered-elsewhere`, or whatever the database throws. */
  async register(status: NodeStatus, start: Start = always): Promise<void> {
    await this.session.begin()
    await this.#untilAlone(status, start, false)
  }

  /**
   * Registers a node that comes back, before it answers anything. While the database is away the row can
   * wait, and the node serves. Throws `config.registered-elsewhere`.
   */
  async claim(status: NodeStatus, start: Start = always): Promise<void> {
    await this.session.begin()
    try {
      await this.#untilAlone(status, start, true)
    } catch (error) {
      if (isFault(error) && isFinal.has(error.code)) throw error
      this.report(status)
    }
  }

  /**
   * Resolves when no other start of a host may still serve the node: it has said so, or its
   * lease has run out.
   *
   * @param isBack the node has run before, of which the database would know if it has lost nothing
   */
  async #untilAlone(status: NodeStatus, start: Start, isBack: boolean): Promise<void> {
    const { clock, settings, database, session } = this
    const { nodeId } = status
    this.#stoppedNodes.delete(nodeId)
    // That it has stopped must not arrive after its registration.
    await this.#stoppedNodes.telling
    const before = new PredecessorLease()
    let isWarned = false
    for (;;) {
      const askedMs = clock.monotonicMs()
      const registering = database.register(this.#told(status), settings.leaseMs, this.#now)
      const answer = await within(clock, settings.fenceAnswerMs, registering, noAnswerFault).catch((error: unknown) => {
        // The start before may serve on, whether the database answers or not.
        if (before.leftMs(clock.monotonicMs()) === 0) throw error
      })
      if (answer !== undefined) {
        const { predecessor, standing } = this.#mine(nodeId, answer)
        start.check()
        this.#nodes.registered(this.#nodes.enter(status), standing, askedMs)
        start.registered?.()
        if (predecessor !== undefined && session.hasEnded(predecessor.session)) return
        const nowMs = clock.monotonicMs()
        before.update(predecessor, standing?.epoch, nowMs)
        if (!isWarned && isBack) before.mayBeLost(this.#epoch.lostUntilMs(standing, nowMs))
        const leftMs = before.leftMs(nowMs)
        if (leftMs === 0) return
        const message = maybeElsewhereText(nodeId, predecessor?.hostId, leftMs)
        if (!isWarned) this.observe({ type: 'warning', message, error: undefined })
        isWarned = true
      }
      await sleep(clock, Math.min(before.leftMs(clock.monotonicMs()), settings.leaseMs / 15) + 1)
      start.check()
    }
  }

  #mine(nodeId: string, answer: RegisterAnswer) {
    this.#stands(answer.standing)
    if (!answer.registered) throw notRegisteredFault(nodeId, answer)
    return answer
  }

  /**
   * The node's row, to be stored as soon as the database takes it; registers the node if that
   * is still to be done.
   */
  report(status: NodeStatus): void {
    this.#nodes.enter(status)
    this.#unreported.add(status.nodeId)
    this.#work()
  }

  /** This start of the host. */
  get start(): { readonly now: Session } {
    return this.session
  }

  /** Whether the node is this host's, as far as it knows. */
  has(nodeId: string): boolean {
    return this.#nodes.has(nodeId)
  }

  /** Whether the database has the newest row of the node. */
  isTold(nodeId: string): boolean {
    return !this.#running && !this.#unreported.has(nodeId) && this.#nodes.get(nodeId)?.registration !== 'pending'
  }

  /** The node is not here any more. Its row stays: a registered node counts until it is forgotten. */
  release(nodeId: string): void {
    if (this.#drop(nodeId)) this.#stoppedNodes.add(nodeId)
  }

  #drop(nodeId: string): boolean {
    this.#unreported.delete(nodeId)
    return this.#nodes.drop(nodeId)
  }

  /** Resolves when every row has been stored, or a try to store it has failed. */
  settled(): Promise<void> {
    if (!this.#running) return Promise.resolve()
    return new Promise((resolve) => this.#idle.push(resolve))
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#cancelRenewal()
    await this.settled()
    await this.#stoppedNodes.tell()
  }

  #work(): void {
    this.#again = true
    if (this.#running) return
    this.#running = true
    // After this turn, so that rows of many nodes travel together.
    this.clock.turn(() => void this.#run())
  }

  async #run(): Promise<void> {
    while (this.#again) {
      this.#again = false
      const entries = [...this.#unreported].map((nodeId) => this.#nodes.get(nodeId)!)
      this.#unreported.clear()
      try {
        await this.#store(entries)
        this.#failures = 0
        if (this.#unreported.size === 0) this.#epoch.markReported()
      } catch (error) {
        for (const entry of entries) if (this.#nodes.isHere(entry)) this.#unreported.add(entry.row.nodeId)
        this.#retryLater(error)
        break
      }
    }
    this.#running = false
    for (const resolve of this.#idle.splice(0)) resolve()
  }

  async #store(entries: readonly HostedNode[]): Promise<void> {
    const { clock, database, settings } = this
    const registered: HostedNode[] = []
    for (const entry of entries) {
      if (!this.#nodes.isHere(entry)) continue
      if (entry.registration !== 'pending') {
        registered.push(entry)
        continue
      }
      const { nodeId } = entry.row
      const askedMs = clock.monotonicMs()
      const answer = await database.register(this.#told(entry.row), settings.leaseMs, this.#now)
      this.#stands(answer.standing)
      // Not a node that was released meanwhile: its lease is no longer this host's to renew.
      if (!this.#nodes.isHere(entry)) continue
      if (answer.registered) this.#nodes.registered(entry, answer.standing, askedMs)
      else void this.#taken(nodeId, notRegisteredFault(nodeId, answer), 0)
    }
    const rows = registered.filter((entry) => this.#nodes.isHere(entry)).map(({ row }) => this.#told(row))
    if (rows.length === 0) return
    const askedMs = clock.monotonicMs()
    this.#hear(await database.report(rows, settings.leaseMs, this.#now), byId(registered), askedMs)
  }

  /** T1. The row as the database is told it. */
  #told(row: NodeStatus): NodeStatus {
    return { ...row, software: this.session.software }
  }

  get #now(): Session {
    return { ...this.session.now, registeredMs: this.#nodes.registeredMs }
  }

  #hear({ unknown, forgotten, elsewhere, standing }: Heard, asked: ReadonlyMap<string, HostedNode>, askedMs: number): void {
    this.#stands(standing)
    const unleased = new Set([...unknown, ...forgotten, ...elsewhere.map(({ nodeId }) => nodeId)])
    for (const [nodeId, entry] of asked) if (!unleased.has(nodeId)) entry.leasedMs = askedMs
    const here = (nodeId: string): HostedNode | undefined => {
      const entry = asked.get(nodeId)
      return this.#nodes.isHere(entry) ? entry : undefined
    }
    for (const nodeId of forgotten) {
      const entry = here(nodeId)
      if (entry !== undefined) entry.registration = 'forgotten'
    }
    for (const { nodeId, hostId, waits = false } of elsewhere) {
      const entry = here(nodeId)
      if (entry === undefined) continue
      // The other waits for the lease that it found.
      const leftMs = waits ? entry.leasedMs + this.settings.leaseMs - this.clock.monotonicMs() : 0
      void this.#taken(nodeId, registeredElsewhereFault(nodeId, undefined, hostId ?? undefined), Math.max(0, leftMs))
    }
    for (const nodeId of unknown) {
      const entry = here(nodeId)
      if (entry?.registration !== 'registered') continue
      entry.registration = 'pending'
      this.#unreported.add(nodeId)
      this.#work()
    }
  }

  #stands(standing: Standing | undefined): void {
    if (standing === undefined) return
    this.#epoch.hear(standing)
    if (this.#epoch.isLossy) this.probation.emit()
  }

  #lost(): void {
    const message = 'the upgrade database has restarted, or lost something: it is told of all nodes again'
    this.observe({ type: 'warning', message, error: undefined })
    for (const nodeId of this.#nodes.ids()) this.#unreported.add(nodeId)
    this.#work()
    this.losses.emit()
  }

  /** The other start is told that it need not wait, once the node has stopped here. */
  async #taken(nodeId: string, fault: Fault, leftMs: number): Promise<void> {
    this.#drop(nodeId)
    // Of a shard that another has now it was told once, and not of each of its nodes.
    if (!this.running.areOfShard) this.observe({ type: 'nodeFailed', nodeId, error: fault })
    await this.running.takenElsewhere(nodeId, leftMs)
    this.#stoppedNodes.add(nodeId)
    await this.#stoppedNodes.tell()
  }

  #retryLater(error: unknown): void {
    if (this.#stopped) return
    if (this.#failures === 0)
      this.observe({ type: 'warning', message: 'the upgrade database does not answer; trying again', error })
    this.clock.after(backoffMs(this.#failures++, this.settings.backoffMs, this.settings.backoffMsMax, this.random.next()), () =>
      this.#work(),
    )
  }

  /** Nodes whose figures have changed report; the others only renew their leases. */
  async #renew(): Promise<void> {
    const unchanged: HostedNode[] = []
    for (const entry of this.#nodes.allRegistered()) {
      const { row } = entry
      const figures = this.running.get(row.nodeId)?.status.figures
      if (figures === undefined || isAlike(figures, row.figures)) unchanged.push(entry)
      // Behind what is being reported: an older row must not come after a newer one.
      else this.report({ ...row, figures })
    }
    await this.#ask(unchanged)
    await this.#stoppedNodes.tell()
  }

  async #ask(entries: readonly HostedNode[]): Promise<void> {
    const moment = this.fence.moment()
    try {
      if (entries.length === 0) return
      const { clock, settings, database } = this
      const answerMs = Math.min(settings.fenceAnswerMs, settings.leaseMs / 3)
      const asked = byId(entries)
      const answer = database.renew([...asked.keys()], settings.leaseMs, this.#now)
      this.#hear(await within(clock, answerMs, answer, noAnswerFault), asked, moment.ms)
    } finally {
      // A database that does not answer knows of nobody else who could have the nodes.
      this.fence.asked(moment)
    }
  }

  /**
   * For the fence. A database that has lost something may have lost who has the nodes now. Each host tells it
   * again within a third of a lease: until then its answer says nothing.
   */
  async askAll(): Promise<void> {
    const { clock, settings } = this
    const untilMs = clock.monotonicMs() + settings.leaseMs
    try {
      for (;;) {
        await this.#ask(this.#nodes.allRegistered())
        if (!this.#epoch.isLossy || this.#stopped || clock.monotonicMs() >= untilMs) return
        await sleep(clock, settings.leaseMs / 15)
      }
    } catch (error) {
      this.observe({ type: 'warning', message: 'the upgrade database does not answer; nodes serve without its word', error })
    }
  }

  #renewLater(): void {
    this.#cancelRenewal = this.clock.after(this.settings.leaseMs / 3, () => {
      this.#renew().catch(() => {
        // The next renewal, or the next report, comes before the lease ends; and an ended lease
        // frees nothing.
      })
      this.#renewLater()
    })
  }
}

function isAlike(a: NodeFigures, b: NodeFigures | undefined): boolean {
  const isAsFar = a.records?.passed === b?.records?.passed
  return isAsFar && a.ended === (b?.ended ?? 0) && a.threw === (b?.threw ?? 0) && a.timed === (b?.timed ?? 0)
}
