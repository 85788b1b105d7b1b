/**
 * The rollout as the page knows it: who runs what, and what each node has been through. Made of entries,
 * whatever their order of arrival.
 */

import type { Phase, Version } from 'theseus-actors'
import type { CallsSeen, LinkSeen, NodeSeen, PhaseSeen } from 'theseus-actors/operator'
import type { RecordingEntry, RowEntry, VersionEntry } from '../recordingEntry.js'

/** From `at` until the next one begins. */
export interface Segment {
  readonly at: number
  readonly phase: Phase
  readonly target: Version | null
  reason: string | null
}

export interface RolloutNode {
  readonly nodeId: string
  hostId: string
  service: string
  className: string
  version: Version
  alive: boolean
  /** The group that it is a member of, as its row has it. */
  group?: string
  /** That it is of, of a sharded service. */
  shard?: number
  /** No host has an object of it, and the owner of its shard wakes it. */
  isAsleep: boolean
  chain: readonly LinkSeen[]
  calls: readonly CallsSeen[]
  /** Oldest first. */
  readonly segments: Segment[]
  /** When its host told of it last: then the upgrade database knows nothing better. */
  toldAt: number
}

const segmentsMax = 400

export interface Span {
  readonly newest: Version
  /** Undefined where nothing is known. */
  readonly first: number | undefined
  /** When the first node heard of the newest version. */
  readonly begins: number | undefined
  /** When the last node arrived; undefined while one is on its way. */
  readonly ends: number | undefined
}

function spanOf({ nodes, versions }: Rollout): Span {
  let newest = 0
  for (const version of versions.keys()) newest = Math.max(newest, version)
  for (const { version } of nodes.values()) newest = Math.max(newest, version)
  let [first, begins, last, isUnderWay] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 0, false]
  for (const { segments } of nodes.values()) {
    const segment = segments[segments.length - 1]
    if (segment === undefined) continue
    first = Math.min(first, segments[0]!.at)
    begins = Math.min(begins, segments.find(({ target }) => target === newest)?.at ?? begins)
    last = Math.max(last, segment.at)
    isUnderWay ||= segment.phase !== 'current'
  }
  const known = (at: number) => (Number.isFinite(at) ? at : undefined)
  return { newest, first: known(first), begins: known(begins), ends: isUnderWay ? undefined : last }
}

export class Rollout {
  readonly nodes = new Map<string, RolloutNode>()
  readonly versions = new Map<Version, VersionEntry>()
  /** Calls that were carried out on nodes that are gone. */
  lostMessages = 0
  dropped = 0
  /** When something happened last. */
  lastAt = 0
  /** Another one whenever something is another. */
  revision = 0
  /** Another one whenever there are other nodes, or one is of another service. */
  membership = 0
  #span: (Span & { readonly revision: number }) | undefined

  apply(entries: readonly RecordingEntry[]): void {
    for (const entry of entries) this.#apply(entry)
    if (entries.length > 0) this.revision++
  }

  get newest(): Version {
    return this.span.newest
  }

  /** When it begins and ends. Looked for once for each revision: it is asked at every frame. */
  get span(): Span {
    if (this.#span?.revision !== this.revision) this.#span = { ...spanOf(this), revision: this.revision }
    return this.#span
  }

  #apply(entry: RecordingEntry): void {
    // The database is asked now and then: that it was is nothing that happened.
    if (entry.type !== 'row' && entry.type !== 'version') this.lastAt = Math.max(this.lastAt, entry.at)
    switch (entry.type) {
      case 'node':
        this.#node(entry)
        return
      case 'row':
        this.#row(entry)
        return
      case 'phase':
        this.#begin(this.#of(entry), entry)
        return
      case 'calls':
        this.#of(entry).calls = entry.calls
        return
      case 'version':
        this.versions.set(entry.version, entry)
        return
      case 'gone':
        this.#of(entry).alive = false
        return
      case 'unregistered':
        this.nodes.delete(entry.nodeId)
        this.membership++
        return
      case 'lost':
        this.lostMessages += entry.messages
        this.dropped += entry.dropped
        return
      case 'statechart':
        return
    }
  }

  #node(entry: NodeSeen): void {
    const { hostId, service, className, version, chain, calls } = entry
    const node = this.#of(entry)
    if (node.service !== service) this.membership++
    Object.assign(node, { hostId, service, className, version, chain, calls, alive: true, isAsleep: false, toldAt: entry.at })
    this.#begin(node, entry)
  }

  /** A row is what the host said a moment ago, or long ago: phases are the host's own word. */
  #row(entry: RowEntry): void {
    const { hostId, service, className, version, alive } = entry
    const node = this.#of(entry)
    node.isAsleep = entry.shard !== undefined && !alive && entry.phase === 'current'
    node.alive = alive || node.isAsleep
    if (entry.shard !== undefined) node.shard = entry.shard
    if (entry.group !== undefined) node.group = entry.group
    if (node.toldAt > entry.since) return
    if (node.service !== service) this.membership++
    Object.assign(node, { hostId, service, className, version })
    this.#begin(node, { ...entry, at: entry.since })
  }

  #of({ nodeId }: { readonly nodeId: string }): RolloutNode {
    const found = this.nodes.get(nodeId)
    if (found !== undefined) return found
    const nothing = { hostId: '', service: '', className: '', version: 0, alive: true, isAsleep: false, chain: [], calls: [] }
    const node: RolloutNode = { nodeId, ...nothing, segments: [], toldAt: 0 }
    this.nodes.set(nodeId, node)
    this.membership++
    return node
  }

  /** A phase that is told late, or twice, finds its place. */
  #begin({ segments }: RolloutNode, { at, phase, target, reason }: Pick<PhaseSeen, 'at' | 'phase' | 'target' | 'reason'>): void {
    let place = segments.length
    while (place > 0 && segments[place - 1]!.at > at) place--
    const before = segments[place - 1]
    if (before !== undefined && before.phase === phase && before.target === target) {
      before.reason = reason
      return
    }
    const after = segments[place]
    // The same segment, known to have begun earlier.
    const isSame = after !== undefined && after.phase === phase && after.target === target
    segments.splice(place, isSame ? 1 : 0, { at, phase, target, reason: isSame ? after.reason : reason })
    if (segments.length > segmentsMax) segments.splice(0, segments.length - segmentsMax)
  }
}

/** The present segment of the node. */
export function nowOf({ segments }: RolloutNode): Segment | undefined {
  return segments[segments.length - 1]
}

export function phaseOf(node: RolloutNode): Phase {
  return nowOf(node)?.phase ?? 'current'
}

/** Why a node is where it is, in a sentence; undefined for one that is current. */
export function reasonOf(rollout: Rollout, node: RolloutNode): string | undefined {
  const now = nowOf(node)
  if (now === undefined || now.phase === 'current') return undefined
  const to = now.target === null ? '' : ` on its way to version ${now.target}`
  if (now.reason !== null) return `${now.phase}${to}: ${now.reason}`
  if (now.phase !== 'scheduled' || now.target === null) return `${now.phase}${to}`
  const schedule = rollout.versions
    .get(now.target)
    ?.classUpgrades.find(({ service, oldClass }) => service === node.service && oldClass === node.className)?.schedule
  return `${now.phase}${to}: its schedule has not said so yet${schedule === undefined ? '' : ` (${schedule})`}`
}

/** The calls of the whole system at each version, and how many nodes are of it. */
export function byVersion(
  rollout: Rollout,
): readonly { readonly version: Version; readonly nodes: number; readonly calls: number }[] {
  const found = new Map<Version, { nodes: number; calls: number }>()
  const of = (version: Version) => {
    const one = found.get(version) ?? { nodes: 0, calls: 0 }
    found.set(version, one)
    return one
  }
  for (const version of rollout.versions.keys()) of(version)
  for (const node of rollout.nodes.values()) {
    of(node.version).nodes++
    for (const [version, calls] of node.calls) of(version).calls += calls
  }
  return [...found].map(([version, counts]) => ({ version, ...counts })).sort((a, b) => b.version - a.version)
}

/** Its class and version, and what it belongs to. */
export function whatOf({ className, version, service, group, shard, hostId, alive, isAsleep }: RolloutNode): string {
  const of = `${group === undefined ? '' : ` · group ${group}`}${shard === undefined ? '' : ` · shard ${shard}`}`
  const last = isAsleep ? ', asleep' : alive ? '' : ', not heard of'
  return `${className}, version ${version} · service ${service}${of} · host ${hostId}${last}`
}
