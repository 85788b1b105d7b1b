/**
 * One story of a rollout, drawn from a seed: hosts fail, some for good; some transforms are slow; an operator
 * pauses the rollout for a while; upgrade servers guard its promises. Owns what befalls the nodes, and
 * whether the promises hold.
 *
 * The permit of a failed node stays its own, and others see that it is gone when its lease has run out (§4):
 * as at work.
 */

import { defaultSettings } from 'theseus-actors'
import { seededRandom } from 'theseus-actors/memory'
import { clientService, type NodeRow } from '../../core/model/nodeRow.js'
import type { Random } from '../../core/ports/random.js'
import {
  isAboutToBreak,
  isBrokenByNext,
  missingOf,
  type PromisedSet,
  PromisedSets,
  progressOf,
} from '../../core/schedules/promisedSets.js'
import { setTroubleText } from '../../core/schedules/promiseTroubles.js'
import { promiseText } from '../../core/schedules/rolloutPromise.js'
import { mayGo } from '../../core/upgrade/promisedRollout.js'
import type { RehearsedRollout } from './rehearsedRollout.js'
import { type Proposal, versionOf } from './situation.js'
import { gateRoundMs, type Mishaps, SystemRehearsal } from './systemRehearsal.js'

/** One of so many transforms is slow, and takes up to so many times as long. */
const slowOneOf = 20
const slowTimesMax = 20
/** How long a host that comes back is down, at least and at most. */
const downMsMin = 5_000
const downMsMax = 300_000
/** One of so many failed hosts does not come back. */
const lostOneOf = 3
/** One of so many rollouts is paused by an operator, for so long at most. */
const pausedOneOf = 4
const pauseMsMax = 600_000
/** Until a host has read that a node of another host has gone, at most. */
const rowLateMs = 2 * defaultSettings.populationMs
/** A story has more lines in a long rollout: the newest are kept. */
export const storyLinesMax = 200

export interface StoryOf {
  readonly seed: number
  readonly failures: number
  /** Hosts fail, and operators pause, before that much time has passed. */
  readonly horizonMs: number
}

export interface StoryFinding {
  /** How many nodes were missing of a set, at the worst; 1 for a rollout that was late. */
  readonly missing: number
  readonly atMs: number
  readonly what: string
}

export interface RolloutStory {
  readonly seed: number
  /** The worst moment; null: the promises hold. */
  readonly broken: StoryFinding | null
  /** Why its promises paused it, and when. */
  readonly paused: { readonly atMs: number; readonly what: string } | null
  /** Milliseconds and what happened, in order. */
  readonly lines: readonly (readonly [atMs: number, what: string])[]
  readonly rollout: RehearsedRollout
}

export async function playStory(proposal: Proposal, story: StoryOf): Promise<RolloutStory> {
  const mishaps = new StoryMishaps(proposal, story)
  const rollout = await new SystemRehearsal(proposal, story.seed, mishaps).play()
  return mishaps.told(rollout)
}

class StoryMishaps implements Mishaps {
  /** Of its own, so that the same seed draws the same lots with and without mishaps. */
  readonly #random: Random
  readonly #lines: (readonly [number, string])[] = []
  readonly #gone = new Set<string>()
  /** As it is. */
  readonly #sets: PromisedSets
  /** As the rows say it, which an upgrade server judges by. */
  readonly #seen: PromisedSets
  /** As the hosts of waiting nodes see it. */
  readonly #near: PromisedSets
  readonly #promised: ReadonlySet<string>
  #rehearsal: SystemRehearsal | undefined
  #returning = 0
  #broken: StoryFinding | null = null
  #paused: RolloutStory['paused'] = null
  #isGuarding = false
  /** Sets for which an upgrade server would pause the rollout. */
  readonly #troubled = new Set<PromisedSet>()
  /** Nodes whose going would break a promise, until something of their set changes. */
  readonly #waiting = new Map<PromisedSet, (() => void)[]>()

  constructor(
    private readonly proposal: Proposal,
    private readonly story: StoryOf,
  ) {
    const { rows } = proposal.situation
    this.#random = seededRandom(story.seed + 1_000_003)
    this.#sets = new PromisedSets(this.#promises, nodesOf(rows), this.#version)
    this.#seen = new PromisedSets(this.#promises, nodesOf(rows), this.#version)
    this.#near = new PromisedSets(this.#promises, nodesOf(rows), this.#version)
    this.#promised = new Set(this.#sets.all.flatMap(({ nodes }) => nodes))
    for (const row of nodesOf(rows)) {
      this.#seen.count(row.nodeId, this.#seenProgress(row))
      this.#near.count(row.nodeId, this.#seenProgress(row))
    }
    for (const set of this.#seen.all) if (isInTrouble(set)) this.#troubled.add(set)
  }

  begin(rehearsal: SystemRehearsal): void {
    this.#rehearsal = rehearsal
    const { time } = rehearsal
    const { failures, horizonMs } = this.story
    const hosts = [...new Set(nodesOf(rehearsal.nodes.list()).flatMap(({ alive, hostId }) => (alive ? [hostId] : [])))]
    for (let i = 0; i < failures && hosts.length > 0; i++) {
      const [hostId] = hosts.splice(Math.floor(this.#random.next() * hosts.length), 1)
      time.after(horizonMs * this.#random.next(), () => this.#fail(hostId!))
    }
    if (failures > 0 && this.#random.next() < 1 / pausedOneOf) this.#pauseFor(pauseMsMax * this.#random.next())
    this.#guardIfNeeded()
  }

  changed(after: NodeRow): void {
    if (!this.#promised.has(after.nodeId)) return
    for (const set of this.#seen.count(after.nodeId, this.#seenProgress(after))) {
      if (isInTrouble(set)) this.#troubled.add(set)
      else this.#troubled.delete(set)
    }
    this.#seeLater(after)
    this.#count(after)
    this.#guardIfNeeded()
  }

  promiseHolds(nodeId: string): Promise<void> | undefined {
    const set = this.#near.of(nodeId).find(isBrokenByNext)
    if (set === undefined) return undefined
    return new Promise((resolve) => {
      const { time } = this.#rehearsal!
      const looks = this.#waiting.get(set) ?? []
      this.#waiting.set(set, looks)
      looks.push(() => time.after(defaultSettings.slotPauseMs * (1 + this.#random.next()), resolve))
    })
  }

  /**
   * A host reads the rows now and then: it sees late that a node has gone, and two may go at once. It sees a
   * death no later than its schedules do.
   */
  #seeLater({ nodeId }: NodeRow): void {
    const { time, nodes } = this.#rehearsal!
    const see = () => {
      for (const set of this.#near.count(nodeId, this.#seenProgress(nodes.row(nodeId)))) {
        for (const look of this.#waiting.get(set) ?? []) look()
        this.#waiting.delete(set)
      }
    }
    if (this.#seenProgress(nodes.row(nodeId)) === 'away') time.after(rowLateMs * (0.5 + this.#random.next() / 2), see)
    else see()
  }

  transformMs(assumedMs: number): number {
    if (this.story.failures === 0 || this.#random.next() >= 1 / slowOneOf) return assumedMs
    return assumedMs * (1 + (slowTimesMax - 1) * this.#random.next())
  }

  isBusy(): boolean {
    return this.#returning > 0
  }

  told(rollout: RehearsedRollout): RolloutStory {
    const late = this.#broken === null && this.#paused === null ? this.#late(rollout) : null
    const lines = late === null ? this.#lines : [...this.#lines, [late.atMs, `broken: ${late.what}`] as const]
    return { seed: this.story.seed, broken: this.#broken ?? late, paused: this.#paused, lines, rollout }
  }

  get #promises() {
    return this.proposal.draft.promises ?? []
  }

  get #version() {
    return versionOf(this.proposal)
  }

  #seenProgress(row: NodeRow) {
    const progress = progressOf(row, this.#version)
    const { classUpgrades } = this.proposal.draft
    return progress === 'waits' && !mayGo({ classUpgrades, version: this.#version }, row) ? 'done' : progress
  }

  #fail(hostId: string): void {
    const { nodes, time } = this.#rehearsal!
    const down = nodesOf(nodes.list()).filter((row) => row.hostId === hostId && row.alive)
    const returns = this.#random.next() >= 1 / lostOneOf
    const downMs = downMsMin + (downMsMax - downMsMin) * this.#random.next()
    this.#say(`host ${hostId} fails${returns ? '' : ' for good'}, with ${named(down)}`)
    for (const { nodeId } of down) {
      this.#gone.add(nodeId)
      this.#rehearsal!.lose(nodeId)
      this.#count(nodes.row(nodeId))
    }
    // Leases are renewed at any time before: half of one is left, or a little more.
    time.after(defaultSettings.leaseMs * (0.5 + this.#random.next() / 2), () => {
      for (const { nodeId } of down) if (this.#gone.has(nodeId)) nodes.notice(nodeId, false)
    })
    if (!returns) return
    this.#returning++
    time.after(downMs, () => {
      this.#returning--
      this.#say(`host ${hostId} is back`)
      for (const { nodeId } of down) {
        this.#gone.delete(nodeId)
        this.#rehearsal!.bringBack(nodeId)
        this.#count(nodes.row(nodeId))
      }
    })
  }

  #pauseFor(ms: number): void {
    const { time } = this.#rehearsal!
    time.after(this.story.horizonMs * this.#random.next(), () => {
      this.#rehearsal!.pause('an operator looks')
      this.#say('an operator pauses the rollout')
      this.#returning++
      time.after(ms, () => {
        this.#returning--
        if (this.#paused !== null) return
        this.#say('the operator resumes it')
        this.#rehearsal!.resume()
      })
    })
  }

  /** The promises as they are, whatever the rows say. */
  #count(row: NodeRow): void {
    const progress = this.#gone.has(row.nodeId) ? 'gone' : progressOf(row, this.#version)
    const before = this.#sets.progress(row.nodeId)
    const sets = this.#sets.count(row.nodeId, progress)
    if (sets.length === 0) return
    if (progress === 'away') this.#say(`${row.nodeId} ${before === 'gone' ? 'goes on with its upgrade' : 'goes'}`)
    else if (before === 'away' && progress === 'done') this.#say(`${row.nodeId} serves at version ${this.#version}`)
    for (const set of sets) this.#judge(set)
  }

  #judge(set: PromisedSet): void {
    const missing = missingOf(set)
    if (missing === 0 || missing <= (this.#broken?.missing ?? 0)) return
    const what = setTroubleText(set, this.#goneOf(set, this.#sets))
    this.#broken = { missing, atMs: this.#rehearsal!.time.elapsedMs, what }
    this.#say(`broken: ${what}`)
  }

  /** Looks as an upgrade server does: every now and then. */
  #guardIfNeeded(): void {
    if (this.#isGuarding || this.#paused !== null || this.#rehearsal === undefined) return
    if (this.#troubled.size === 0) return
    this.#isGuarding = true
    const { time } = this.#rehearsal
    time.after(gateRoundMs * this.#random.next(), () => {
      this.#isGuarding = false
      const [set] = this.#troubled
      if (set === undefined) return
      const what = setTroubleText(set, this.#goneOf(set, this.#seen))
      this.#paused = { atMs: time.elapsedMs, what }
      this.#say(`an upgrade server pauses the rollout: ${what}`)
      this.#rehearsal!.pause(what)
    })
  }

  #goneOf(set: PromisedSet, sets: PromisedSets): readonly string[] {
    return set.nodes.filter((nodeId) => sets.progress(nodeId) === 'gone')
  }

  /** Nodes whose hosts are down do not count. */
  #late({ outcomes }: RehearsedRollout): StoryFinding | null {
    for (const promise of this.#promises) {
      if (promise.kind !== 'within') continue
      const living = outcomes.filter(({ nodeId }) => !this.#gone.has(nodeId) && this.#rehearsal!.nodes.row(nodeId).alive)
      const late = living.filter(({ arrivesMs }) => arrivesMs === null || arrivesMs > promise.ms)
      if (late.length > 0)
        return { missing: 1, atMs: promise.ms, what: `${promiseText(promise)}: not there by then: ${named(late)}` }
    }
    return null
  }

  #say(what: string): void {
    this.#lines.push([this.#rehearsal!.time.elapsedMs, what])
    if (this.#lines.length > storyLinesMax) this.#lines.shift()
  }
}

function isInTrouble(set: PromisedSet): boolean {
  return missingOf(set) > 0 || isAboutToBreak(set)
}

function nodesOf(rows: readonly NodeRow[]): readonly NodeRow[] {
  return rows.filter(({ service }) => service !== clientService)
}

const namesShownMax = 3

function named(nodes: readonly { readonly nodeId: string }[]): string {
  const shown = nodes.slice(0, namesShownMax).map(({ nodeId }) => nodeId)
  return `${shown.join(', ')}${nodes.length > shown.length ? ` and ${nodes.length - shown.length} more` : ''}`
}
