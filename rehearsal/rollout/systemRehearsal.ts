/**
 * One rehearsal of a rollout: every registered node walks through its upgrades as the runtime would take it (§3, §4), with the real scheduling
 * functions, on virtual time and seeded chance. Owns who goes when, and why who does not.
 *
 * S1. A node goes one version after the other, from the one that it is at.
 * S2. It is away only with a slot under its service's limit, and against no control.
 * S3. Who is not alive, or in trouble already, does not move.
 */

import { seededRandom } from 'theseus/memory'
import { concerning } from '../../core/classLine.js'
import { type Control, type Going, isToldToGo } from '../../core/control.js'
import { toFault } from '../../core/fault.js'
import { judge } from '../../core/healthGate.js'
import type { Version } from '../../core/ids.js'
import type { ClassUpgradeEntry, Manifest } from '../../core/manifest.js'
import { notServing } from '../../core/phases.js'
import type { Random } from '../../core/ports/random.js'
import { clientService, type NodeRow, strictestLimit } from '../../core/ports/upgradeDatabase.js'
import type { ClassUpgrade } from '../../core/upgrade.js'
import { VirtualTime } from '../world/virtualTime.js'
import { Looks } from './looks.js'
import { type Asked, RehearsedSource, RehearsedView } from './rehearsedView.js'
import { SimulatedNodes } from './simulatedNodes.js'
import { SimulatedSlots } from './simulatedSlots.js'
import { type Proposal, versionOf } from './situation.js'

/** Why a node does not come. */
export type Obstacle =
  | { readonly kind: 'host'; readonly hostId: string }
  | { readonly kind: 'trouble'; readonly phase: NodeRow['phase']; readonly reason: string | null }
  | { readonly kind: 'schedule'; readonly version: Version; readonly schedule: string }
  | { readonly kind: 'slot'; readonly version: Version; readonly heldBy: readonly string[] }
  | { readonly kind: 'control'; readonly version: Version; readonly control: Control }
  /** Its schedule threw, in this rehearsal. */
  | { readonly kind: 'threw'; readonly version: Version; readonly reason: string }
  | { readonly kind: 'notLoaded'; readonly version: Version }

/** How an affected node fared. Times are milliseconds since the upgrade was installed. */
export interface NodeFate {
  readonly nodeId: string
  readonly entry: ClassUpgradeEntry
  readonly goesMs: number | null
  readonly arrivesMs: number | null
  /** Null for who has arrived. */
  readonly obstacle: Obstacle | null
}

/** What chance decided: nothing, which of several nodes got a slot, or also what schedules did. */
export type Lots = 'none' | 'slots' | 'schedules'

export interface RehearsedRollout {
  readonly fates: readonly NodeFate[]
  readonly nodes: SimulatedNodes
  readonly lots: Lots
  readonly asked: ReadonlySet<Asked>
  /** What the health gate paused it for. */
  readonly paused: string | null
  /** Why it was ended before its time. */
  readonly gaveUp: string | null
}

/** Announcements, manifests and bundles have been everywhere after so long. */
const learnMsMax = 100
/** How often an upgrade server looks whether the rollout goes well. */
const gateRoundMs = 2_000
/** Beyond, a rehearsal is given up: some schedule looks far too often for the time that it waits. */
const eventsMax = 5_000_000

export class SystemRehearsal {
  readonly time: VirtualTime
  readonly random: Random
  readonly nodes: SimulatedNodes
  readonly looks: Looks
  readonly tables: ReadonlyMap<string, ReadonlyMap<string, string>>
  readonly asked = new Set<Asked>()
  /** Of every class that is known of. */
  readonly #services: ReadonlyMap<string, string>
  readonly #slots: SimulatedSlots
  readonly #goal: Version
  readonly #goes = new Map<string, number>()
  readonly #arrives = new Map<string, number>()
  readonly #obstacles = new Map<string, Obstacle>()
  #moving = 0
  #lots: Lots = 'none'
  #paused: string | null = null

  constructor(
    private readonly proposal: Proposal,
    seed: number,
  ) {
    const { situation, draft } = proposal
    this.#goal = versionOf(proposal)
    this.time = new VirtualTime(situation.nowMs)
    this.random = seededRandom(seed)
    this.looks = new Looks(this.time, this.random)
    this.nodes = new SimulatedNodes(situation.rows, this.time, ({ phase }) =>
      this.looks.changed(notServing.has(phase) ? 'goes' : 'serves'),
    )
    this.#slots = new SimulatedSlots(this.nodes, situation.controls, this.time, this.random, () => {
      if (this.#lots === 'none') this.#lots = 'slots'
    })
    this.tables = withEntries(situation.tables, draft.tables)
    const entries = [...situation.manifests, draft].flatMap(({ classUpgrades }) => classUpgrades)
    this.#services = new Map([
      ...situation.rows.map(({ className, service }) => [className, service] as const),
      ...entries.flatMap(
        ({ oldClass, newClass, service }) =>
          [
            [oldClass, service],
            [newClass, service],
          ] as const,
      ),
    ])
  }

  /** A number in [0, 1) for a schedule. */
  draw(): number {
    this.#lots = 'schedules'
    return this.random.next()
  }

  /** The nodes of the services that the node's class declares to call. */
  contactsOf(nodeId: string): readonly NodeRow[] {
    const { uses = [] } = this.nodes.row(nodeId)
    const services = new Set(uses.map((className) => this.#services.get(className)))
    return this.nodes.list().filter((row) => row.nodeId !== nodeId && services.has(row.service))
  }

  async play(): Promise<RehearsedRollout> {
    const affected = this.#affected()
    for (const row of this.nodes.list()) {
      if (row.service === clientService) continue
      this.#moving++
      // None before the first look of any: all learn of it at about the same time.
      this.time.after(learnMsMax * this.random.next(), () => void this.#walk(row.nodeId).finally(() => this.#moving--))
    }
    const gaveUp = await this.#run()
    const fates = [...affected].map(([nodeId, entry]): NodeFate => {
      const hasArrived = this.nodes.row(nodeId).version >= this.#goal
      const goesMs = this.#goes.get(nodeId) ?? null
      const arrivesMs = hasArrived ? (this.#arrives.get(nodeId) ?? 0) : null
      return { nodeId, entry, goesMs, arrivesMs, obstacle: hasArrived ? null : this.#obstacleOf(nodeId) }
    })
    return { fates, nodes: this.nodes, lots: this.#lots, asked: this.asked, paused: this.#paused, gaveUp }
  }

  async #run(): Promise<string | null> {
    const { withinMs } = this.proposal.assumed
    try {
      await this.time.run(this.time.startMs + withinMs, () => this.#moving === 0 || this.time.events > eventsMax)
    } catch (error) {
      return toFault(error, 'upgrade.schedule').message
    }
    return this.time.events > eventsMax ? `its schedules look too often: ${eventsMax} times` : null
  }

  /** The nodes whose class the upgrade concerns, once they are at the version before it. */
  #affected(): ReadonlyMap<string, ClassUpgradeEntry> {
    const found = new Map<string, ClassUpgradeEntry>()
    for (const row of this.nodes.list()) {
      if (row.service === clientService) continue
      let { className } = row
      for (let version = row.version + 1; version <= this.#goal; version++) {
        const entry = this.#concerning(version, className, row.nodeId)
        if (entry === undefined) continue
        className = entry.newClass
        if (version === this.#goal) found.set(row.nodeId, entry)
      }
    }
    return found
  }

  async #walk(nodeId: string): Promise<void> {
    if (!this.#canMove(nodeId)) return
    const began = this.nodes.row(nodeId)
    // On its way already, with its slot.
    if (notServing.has(began.phase)) await this.#beAway(nodeId, began.target ?? began.version, began.className)
    for (;;) {
      const { version, className } = this.nodes.row(nodeId)
      const target = version + 1
      if (target > this.#goal) return
      const entry = this.#concerning(target, className, nodeId)
      if (this.#isUndone(target)) this.nodes.report(nodeId, { phase: 'current', target: null, version: target + 1 })
      else if (entry === undefined) this.nodes.report(nodeId, { phase: 'current', target: null, version: target })
      else if (!(await this.#upgrade(nodeId, target, entry))) return
    }
  }

  /** S3. */
  #canMove(nodeId: string): boolean {
    const { alive, phase, hostId, reason, version } = this.nodes.row(nodeId)
    const isInTrouble = phase === 'failed' || ((phase === 'stalled' || phase === 'rejected') && !this.#isUndone(version + 1))
    if (!alive) this.#obstacles.set(nodeId, { kind: 'host', hostId })
    else if (isInTrouble) this.#obstacles.set(nodeId, { kind: 'trouble', phase, reason })
    return alive && !isInTrouble
  }

  /** S1, S2. False if the node stays where it is. */
  async #upgrade(nodeId: string, target: Version, entry: ClassUpgradeEntry): Promise<boolean> {
    const found = this.#classUpgrade(target, entry)
    if (found === undefined) {
      this.#obstacles.set(nodeId, { kind: 'notLoaded', version: target })
      return false
    }
    this.nodes.report(nodeId, { phase: 'scheduled', target })
    this.#obstacles.set(nodeId, { kind: 'schedule', version: target, schedule: found.schedule.describe })
    try {
      if (!this.#isNotAsked(nodeId, target)) await found.schedule.run(this.#view(nodeId, target, found))
    } catch (error) {
      this.#stall(nodeId, target, toFault(error, 'upgrade.schedule').message)
      return false
    }
    const { service } = entry
    this.#obstacles.set(nodeId, { kind: 'slot', version: target, heldBy: [] })
    const limit = strictestLimit([this.proposal.assumed.limit, found.schedule.limit ?? {}])
    await this.#slots.claim(service, this.#going(nodeId, target), limit)
    this.#obstacles.delete(nodeId)
    if (target === this.#goal) this.#goes.set(nodeId, this.#sinceMs)
    await this.#beAway(nodeId, target, entry.newClass, entry.newUses)
    if (target === this.#goal) this.#arrives.set(nodeId, this.#sinceMs)
    return true
  }

  async #beAway(nodeId: string, target: Version, className: string, uses?: readonly string[]): Promise<void> {
    const { drainMs, transformMs } = this.proposal.assumed
    const { service } = this.nodes.row(nodeId)
    this.nodes.report(nodeId, { phase: 'draining', target })
    await this.time.sleep(drainMs)
    this.nodes.report(nodeId, { phase: 'transforming', target })
    await this.time.sleep(transformMs)
    this.nodes.report(nodeId, { phase: 'current', target: null, version: target, className, ...(uses && { uses }) })
    this.#slots.release(service, nodeId)
  }

  #view(nodeId: string, target: Version, { oldClass }: ClassUpgrade): RehearsedView {
    return new RehearsedView(new RehearsedSource(this, nodeId, oldClass), target, new AbortController().signal)
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
    const [trouble] = gate === null || target !== this.#goal ? [] : judge(this.nodes.list(), this.#goal, gate)
    if (trouble === undefined || this.#paused !== null) return
    this.#paused = trouble.what
    const pause: Control = {
      kind: 'pause',
      version: this.#goal,
      reason: `the health gate closed: ${trouble.what}`,
      since: this.time.now(),
    }
    this.time.after(gateRoundMs * this.random.next(), () => this.#slots.pause(pause))
  }

  /** Of who waits for a slot, what it is that it waits for, as it stands at the end. */
  #obstacleOf(nodeId: string): Obstacle {
    const known = this.#obstacles.get(nodeId)
    if (known === undefined) return { kind: 'trouble', phase: this.nodes.row(nodeId).phase, reason: null }
    if (known.kind !== 'slot') return known
    const { version } = known
    const control = this.#slots.holding(this.#going(nodeId, version))
    if (control !== undefined) return { kind: 'control', version, control }
    return { kind: 'slot', version, heldBy: this.#slots.heldBy(this.nodes.row(nodeId).service) }
  }

  #going(nodeId: string, version: Version): Going {
    return { nodeId, version, isUndo: this.#manifest(version)?.undoes != null }
  }

  #concerning(version: Version, className: string, nodeId: string): ClassUpgradeEntry | undefined {
    const manifest = version === this.#goal ? this.proposal.draft : this.#manifest(version)
    return manifest && concerning({ classUpgrades: manifest.classUpgrades.map(withoutFacts) }, className, { nodeId, facts: {} })
  }

  #classUpgrade(version: Version, { oldClass, newClass }: ClassUpgradeEntry): ClassUpgrade | undefined {
    const found = this.proposal.upgrades.get(version)?.classUpgrades
    return found?.find((upgrade) => upgrade.oldClass.className === oldClass && upgrade.newClass.className === newClass)
  }

  #isUndone(version: Version): boolean {
    return this.#manifest(version + 1)?.undoes === version
  }

  #manifest(version: Version): Manifest | undefined {
    return this.proposal.situation.manifests[version - 1]
  }

  get #sinceMs(): number {
    return this.time.elapsedMs
  }
}

/** Which facts a node has, no database tells: it is taken to have them. */
function withoutFacts(entry: ClassUpgradeEntry): ClassUpgradeEntry {
  if (entry.only?.facts === undefined) return entry
  const { nodes } = entry.only
  return { ...entry, only: nodes === undefined ? null : { nodes } }
}

/** The tables as they are once the upgrade is installed. */
function withEntries(
  tables: Proposal['situation']['tables'],
  added: Proposal['draft']['tables'],
): ReadonlyMap<string, ReadonlyMap<string, string>> {
  const all = new Map(tables)
  for (const [name, entries] of Object.entries(added))
    all.set(name, new Map([...(all.get(name) ?? []), ...Object.entries(entries)]))
  return all
}
