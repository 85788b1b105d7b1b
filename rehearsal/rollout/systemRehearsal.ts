/**
 * One rehearsal of a rollout: every registered node walks through its upgrades as the runtime
 * would take it (§3, §4), with the real scheduling functions, on virtual time and seeded
 * chance. Owns who goes when, and why who does not.
 *
 * S1. A node goes one version after the other, from the one that it is at.
 * S2. It is away only with a permit under its service's limit, and against no control.
 * S3. A node that is not alive, or is in trouble already, does not move.
 * S4. The members of a group go together.
 */
import { seededRandom } from 'theseus-actors/memory'
import { toFault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import { notServing } from '../../core/base/phases.js'
import { type Control, type Going, isToldToGo } from '../../core/control/control.js'
import { clientService, type NodeRow } from '../../core/model/nodeRow.js'
import type { Random } from '../../core/ports/random.js'
import { limitOf, type ServiceLimit } from '../../core/schedules/serviceLimit.js'
import { judge } from '../../core/upgrade/healthGate.js'
import type { ClassUpgradeEntry } from '../../core/upgrade/manifest.js'
import type { ClassUpgrade } from '../../core/upgrade/upgrade.js'
import { VirtualTime } from '../world/virtualTime.js'
import { AwaitedPopulation } from './awaitedPopulation.js'
import { RecheckTimes } from './recheckTimes.js'
import type { ChanceSource, NodeOutcome, Obstacle, RehearsedRollout } from './rehearsedRollout.js'
import { type AssumedAnswer, RehearsedSource, RehearsedView, type ViewedRehearsal } from './rehearsedView.js'
import { SimulatedGroups } from './simulatedGroups.js'
import { SimulatedNodes } from './simulatedNodes.js'
import { SimulatedPermits } from './simulatedPermits.js'
import { type Proposal, tablesOf } from './situation.js'
import { UpgradePath } from './upgradePath.js'

/** Announcements, manifests and bundles have been everywhere after so long. */
const learnMsMax = 100
/** How often an upgrade server looks whether the rollout goes well. */
export const gateRoundMs = 2_000
/**
 * Beyond either, whichever is more, a rehearsal is given up: some schedule looks far too often for the time
 * that it waits.
 */
const eventsMax = 5_000_000
const eventsPerNodeMax = 100

/** Mishaps of the nodes of a rehearsal. Left out: there are none. */
export interface Mishaps {
  /** Called before the first event. */
  begin(rehearsal: SystemRehearsal): void
  /** Told of every change of a row. */
  changed(after: NodeRow): void
  /** How long this node's transform takes, this time. */
  transformMs(assumedMs: number): number
  /** Resolves when the node's going breaks no promise, as far as rows tell; undefined: now. */
  promiseHolds(nodeId: string): Promise<void> | undefined
  /** Whether a host that is down comes back yet. */
  isBusy(): boolean
}

/** The time from a start of a node's host until that host fails. */
interface Life {
  isOver: boolean
  /** Made for schedules that are ended. */
  readonly ending: AbortController | undefined
}

const lifeOver = Symbol('its host has failed')

export class SystemRehearsal implements ViewedRehearsal {
  readonly time: VirtualTime
  readonly random: Random
  readonly nodes: SimulatedNodes
  readonly rechecks: RecheckTimes
  readonly population: AwaitedPopulation
  readonly tables: ReadonlyMap<string, ReadonlyMap<string, string>>
  readonly asked = new Set<AssumedAnswer>()
  /** Of every class that is known of. */
  readonly #services: ReadonlyMap<string, string>
  readonly #permits: SimulatedPermits
  readonly #groups: SimulatedGroups
  readonly #path: UpgradePath
  readonly #goes = new Map<string, number>()
  readonly #arrives = new Map<string, number>()
  readonly #obstacles = new Map<string, Obstacle>()
  readonly #slots = new Map<string, Obstacle>()
  /** One for all views: a rehearsal ends no schedule before its time. */
  readonly #neverAborted = new AbortController().signal
  readonly #lives = new Map<string, Life>()
  readonly #moving = new Set<string>()
  #lots: ChanceSource = 'none'
  #paused: string | null = null

  constructor(
    private readonly proposal: Proposal,
    seed: number,
    private readonly mishaps?: Mishaps,
  ) {
    const { situation } = proposal
    this.#path = new UpgradePath(proposal)
    this.time = new VirtualTime(situation.nowMs)
    this.random = seededRandom(seed)
    this.rechecks = new RecheckTimes(this.time, this.random)
    this.nodes = new SimulatedNodes(situation.rows, this.time, (before, after) => {
      this.population.changed(before, after)
      this.rechecks.changed(notServing.has(after.phase) ? 'goes' : 'serves')
      mishaps?.changed(after)
    })
    this.population = new AwaitedPopulation(this.nodes, this.time, this.random)
    this.#groups = new SimulatedGroups(this.nodes)
    this.#permits = new SimulatedPermits(this.nodes, situation.controls, this.time, this.random, () => {
      if (this.#lots === 'none') this.#lots = 'slots'
    })
    this.tables = tablesOf(proposal)
    this.#services = this.#path.services()
  }

  get canLoseHosts(): boolean {
    return this.mishaps !== undefined
  }

  draw(): number {
    this.#lots = 'schedules'
    return this.random.next()
  }

  contactsOf(nodeId: string): readonly NodeRow[] {
    const { uses = [] } = this.nodes.row(nodeId)
    const services = new Set(uses.map((className) => this.#services.get(className)))
    return this.nodes.list().filter((row) => row.nodeId !== nodeId && services.has(row.service))
  }

  isContact(nodeId: string, of: string): boolean {
    const { service } = this.nodes.row(of)
    const { uses = [] } = this.nodes.row(nodeId)
    return nodeId !== of && uses.some((className) => this.#services.get(className) === service)
  }

  siblingsOf(nodeId: string): ReadonlySet<string> {
    const { group } = this.nodes.row(nodeId)
    return new Set(group === undefined ? [] : this.nodes.group(group).filter((member) => member !== nodeId))
  }

  async play(): Promise<RehearsedRollout> {
    const affected = this.#path.affected(this.nodes.list())
    for (const row of this.nodes.list()) {
      if (row.service === clientService) continue
      this.#moving.add(row.nodeId)
      // All learn of it at about the same time, and in no order.
      this.time.after(learnMsMax * this.random.next(), () => this.#begin(row.nodeId))
    }
    this.mishaps?.begin(this)
    const gaveUp = await this.#run()
    const outcomes = [...affected].map(([nodeId, entry]): NodeOutcome => {
      const hasArrived = this.nodes.row(nodeId).version >= this.#path.goal
      const goesMs = this.#goes.get(nodeId) ?? null
      const arrivesMs = hasArrived ? (this.#arrives.get(nodeId) ?? 0) : null
      return { nodeId, entry, goesMs, arrivesMs, obstacle: hasArrived ? null : this.#obstacleOf(nodeId) }
    })
    const work = {
      events: this.time.events,
      looks: this.population.looks,
      rows: this.nodes.rowsListed + this.population.rowsOrdered,
    }
    // Not the nodes themselves: of a hundred thousand several rehearsals would not find room.
    const mostAway = this.nodes.mostAwayByService()
    return { outcomes, mostAway, work, lots: this.#lots, asked: this.asked, paused: this.#paused, gaveUp }
  }

  async #run(): Promise<string | null> {
    const { withinMs } = this.proposal.assumed
    const mostEvents = Math.max(eventsMax, eventsPerNodeMax * this.nodes.list().length)
    try {
      await this.time.run(this.time.startMs + withinMs, () => this.#isOver() || this.time.events > mostEvents)
    } catch (error) {
      return toFault(error, 'upgrade.schedule').message
    }
    return this.time.events > mostEvents ? `its schedules look too often: ${mostEvents} times` : null
  }

  /** The host of the node fails: it does nothing any more. Its row says so when its lease has run out. */
  lose(nodeId: string): void {
    const life = this.#lives.get(nodeId) ?? { isOver: true, ending: undefined }
    life.isOver = true
    life.ending?.abort(lifeOver)
    this.#lives.set(nodeId, life)
    this.#moving.delete(nodeId)
    this.#permits.withdraw(nodeId)
    this.#groups.lost(nodeId)
    this.#obstacles.set(nodeId, { kind: 'host', hostId: this.nodes.row(nodeId).hostId })
  }

  /** The host of the node is there again. */
  bringBack(nodeId: string): void {
    if (!this.nodes.row(nodeId).alive) this.nodes.notice(nodeId, true)
    this.#lives.delete(nodeId)
    this.#begin(nodeId)
  }

  pause(reason: string): void {
    this.#permits.pause({ kind: 'pause', version: this.#path.goal, reason, since: this.time.now() })
  }

  resume(): void {
    this.#permits.resume(this.#path.goal)
  }

  #isOver(): boolean {
    return this.#moving.size === 0 && this.mishaps?.isBusy() !== true
  }

  #begin(nodeId: string): void {
    // It was lost before it had learnt of the version.
    if (this.#lives.get(nodeId)?.isOver === true) return
    const life: Life = { isOver: false, ending: this.mishaps && new AbortController() }
    this.#lives.set(nodeId, life)
    this.#moving.add(nodeId)
    const ended = () => {
      if (!life.isOver) this.#moving.delete(nodeId)
    }
    this.#walk(nodeId, life).then(ended, (error) => {
      if (error !== lifeOver) throw error
    })
  }

  async #walk(nodeId: string, life: Life): Promise<void> {
    if (!this.#canMove(nodeId)) return
    const began = this.nodes.row(nodeId)
    if (notServing.has(began.phase)) await this.#comeBack(began, life)
    for (;;) {
      const { version, className } = this.nodes.row(nodeId)
      const target = version + 1
      if (target > this.#path.goal) return
      const entry = this.#path.entry(target, className, nodeId)
      const undo = this.#passedTo(nodeId, target)
      if (undo !== null) this.nodes.report(nodeId, { phase: 'current', target: null, version: undo })
      else if (!this.#isConcerned(nodeId, target)) this.nodes.report(nodeId, { phase: 'current', target: null, version: target })
      else if (!(await this.#upgrade(nodeId, target, entry, life))) return
    }
  }

  /** Whether the upgrade concerns the node, or another member of its group. */
  #isConcerned(nodeId: string, target: Version): boolean {
    return this.#groups.with(nodeId).some(({ nodeId: id, className }) => this.#path.entry(target, className, id) !== undefined)
  }

  #passedTo(nodeId: string, target: Version): Version | null {
    return this.#path.passedTo(target, this.#groups.with(nodeId))
  }

  /** S3. */
  #canMove(nodeId: string): boolean {
    const { alive, phase, hostId, reason, version } = this.nodes.row(nodeId)
    const isInTrouble =
      phase === 'failed' || ((phase === 'stalled' || phase === 'rejected') && this.#passedTo(nodeId, version + 1) === null)
    if (!alive) this.#obstacles.set(nodeId, { kind: 'host', hostId })
    else if (isInTrouble) this.#obstacles.set(nodeId, { kind: 'trouble', phase, reason })
    return alive && !isInTrouble
  }

  /** S1, S2, S4. False if the node stays where it is. */
  async #upgrade(nodeId: string, target: Version, entry: ClassUpgradeEntry | undefined, life: Life): Promise<boolean> {
    const found = entry === undefined ? undefined : this.#path.classUpgrade(target, entry)
    if (entry !== undefined && found === undefined) {
      this.#obstacles.set(nodeId, { kind: 'notLoaded', version: target })
      this.#groups.failed(nodeId, target, `version ${target} is not loaded`)
      return false
    }
    this.nodes.report(nodeId, { phase: 'scheduled', target })
    let ownFailure: string | null = null
    if (found !== undefined) {
      this.#obstacles.set(nodeId, { kind: 'schedule', version: target, schedule: found.schedule.describe })
      try {
        if (!this.#isNotAsked(nodeId, target)) await found.schedule.run(this.#view(nodeId, target, found, life))
      } catch (error) {
        if (life.isOver) throw lifeOver
        ownFailure = toFault(error, 'upgrade.schedule').message
        this.#groups.failed(nodeId, target, ownFailure)
      }
    }
    if (life.isOver) throw lifeOver
    const isAlone = this.nodes.row(nodeId).group === undefined
    if (!isAlone) this.#obstacles.set(nodeId, { kind: 'group', version: target, waitsFor: [] })
    const failure = isAlone ? ownFailure : await this.#groups.signalled(nodeId, target)
    if (life.isOver) throw lifeOver
    if (failure !== null) {
      this.#stall(nodeId, target, failure)
      return false
    }
    const { service, className } = this.nodes.row(nodeId)
    this.#obstacles.set(nodeId, { kind: 'slot', version: target, heldBy: [] })
    const limit = limitOf(this.proposal.assumed.limit, found?.schedule ?? {})
    const claim = () => this.#claim(service, this.#going(nodeId, target), limit, life)
    await (isAlone ? claim() : this.#groups.claimed(nodeId, target, claim))
    if (life.isOver) throw lifeOver
    this.#obstacles.delete(nodeId)
    if (target === this.#path.goal) this.#goes.set(nodeId, this.#sinceMs)
    await this.#beAway(nodeId, target, life, entry?.newClass ?? className, entry?.newUses)
    return true
  }

  /** As at work, a node looks whether its going breaks a promise just before it has its permit. */
  async #claim(service: string, going: Going, limit: ServiceLimit, life: Life): Promise<void> {
    for (;;) {
      await this.#permits.claim(service, going, limit)
      if (this.mishaps === undefined || life.isOver) return
      const holds = this.mishaps.promiseHolds(going.nodeId)
      if (holds === undefined || isToldToGo(this.proposal.situation.controls, going.nodeId, going.version)) return
      this.#permits.release(service, going.nodeId)
      await holds
      if (life.isOver) return
    }
  }

  /** It is on its way already, and has its permit. */
  async #comeBack({ nodeId, version, className, target }: NodeRow, life: Life): Promise<void> {
    const entry = target === null || target === version ? undefined : this.#path.entry(target, className, nodeId)
    await this.#beAway(nodeId, target ?? version, life, entry?.newClass ?? className, entry?.newUses)
  }

  async #beAway(nodeId: string, target: Version, life: Life, className: string, uses?: readonly string[]): Promise<void> {
    const { drainMs, transformMs } = this.proposal.assumed
    const { service } = this.nodes.row(nodeId)
    this.nodes.report(nodeId, { phase: 'draining', target })
    await this.time.sleep(drainMs)
    if (life.isOver) throw lifeOver
    this.nodes.report(nodeId, { phase: 'transforming', target })
    await this.time.sleep(this.mishaps?.transformMs(transformMs) ?? transformMs)
    if (life.isOver) throw lifeOver
    this.nodes.report(nodeId, { phase: 'current', target: null, version: target, className, ...(uses && { uses }) })
    this.#permits.release(service, nodeId)
    if (target === this.#path.goal) this.#arrives.set(nodeId, this.#sinceMs)
  }

  #view(nodeId: string, target: Version, { oldClass, servers }: ClassUpgrade, { ending }: Life): RehearsedView {
    const signal = ending?.signal ?? this.#neverAborted
    return new RehearsedView(new RehearsedSource(this, nodeId, oldClass, servers), target, signal)
  }

  /** An operator has said "now", or its version is dead: then it does not wait to be told. */
  #isNotAsked(nodeId: string, target: Version): boolean {
    const { controls, dead } = this.proposal.situation
    return isToldToGo(controls, nodeId, target) || this.nodes.row(nodeId).version < dead
  }

  #stall(nodeId: string, target: Version, reason: string): void {
    this.nodes.report(nodeId, { phase: 'stalled', target, reason })
    this.#obstacles.set(nodeId, { kind: 'threw', version: target, reason })
    const { gate } = this.proposal.draft
    if (this.#paused !== null) return
    const [trouble] = gate === null || target !== this.#path.goal ? [] : judge(this.nodes.list(), this.#path.goal, gate)
    if (trouble === undefined) return
    this.#paused = trouble.what
    const pause: Control = {
      kind: 'pause',
      version: this.#path.goal,
      reason: `the health gate closed: ${trouble.what}`,
      since: this.time.now(),
    }
    this.time.after(gateRoundMs * this.random.next(), () => this.#permits.pause(pause))
  }

  /** Of who waits for a permit, what it is that it waits for, as it stands at the end. */
  #obstacleOf(nodeId: string): Obstacle {
    const known = this.#obstacles.get(nodeId)
    if (known === undefined) return { kind: 'trouble', phase: this.nodes.row(nodeId).phase, reason: null }
    if (known.kind === 'group') return { ...known, waitsFor: this.#groups.missing(nodeId, known.version) }
    if (known.kind !== 'slot') return known
    const { version } = known
    const control = this.#permits.holding(this.#going(nodeId, version))
    if (control !== undefined) return { kind: 'control', version, control }
    return this.#slotOf(this.nodes.row(nodeId).service, version)
  }

  /** The same one for all who wait for it: their names may be many. */
  #slotOf(service: string, version: Version): Obstacle {
    const key = `${service} ${version}`
    const known = this.#slots.get(key) ?? { kind: 'slot', version, heldBy: this.#permits.heldBy(service) }
    this.#slots.set(key, known)
    return known
  }

  #going(nodeId: string, version: Version): Going {
    return { nodeId, version, isUndo: this.#path.takesBack(version) }
  }

  get #sinceMs(): number {
    return this.time.elapsedMs
  }
}
