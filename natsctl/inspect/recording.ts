/**
 * What has been seen so far, as much of it as is kept: whoever opens the page later gets it first, then what happens. Of what is true until
 * it changes (who runs what) the newest is kept; of what happens (phases, the statecharts' events) a bounded number, the oldest goes first.
 */
import { EventEmitter } from 'node:events'
import type { StatechartSeen } from 'theseus'
import type { Entry, Header } from './entry.js'

export const phasesMax = 200_000
export const statechartEventsMax = 200_000
const statechartEventsOfNodeMax = 2_000

export class Recording {
  /** By what it is true of. */
  readonly #newest = new Map<string, Entry>()
  readonly #phases: Entry[] = []
  readonly #statecharts = new Map<string, StatechartSeen[]>()
  #statechartEvents = 0
  readonly #emitter = new EventEmitter().setMaxListeners(0)

  constructor(readonly header: Header) {}

  add(entries: readonly Entry[]): void {
    if (entries.length === 0) return
    for (const entry of entries) this.#keep(entry)
    this.#emitter.emit('entries', entries)
  }

  /** Everything but what the statecharts did, in an order in which it makes sense. */
  rollout(): readonly Entry[] {
    return [...this.#newest.values(), ...this.#phases]
  }

  /** What the upgrade manager of one node did. */
  statechart(nodeId: string): readonly StatechartSeen[] {
    return this.#statecharts.get(nodeId) ?? []
  }

  statecharts(): readonly StatechartSeen[] {
    return [...this.#statecharts.values()].flat().sort((a, b) => a.at - b.at)
  }

  /** Returns what ends it. */
  follow(hear: (entries: readonly Entry[]) => void): () => void {
    this.#emitter.on('entries', hear)
    return () => this.#emitter.off('entries', hear)
  }

  #keep(entry: Entry): void {
    switch (entry.type) {
      case 'phase':
        this.#phases.push(entry)
        if (this.#phases.length > phasesMax * 1.1) this.#phases.splice(0, this.#phases.length - phasesMax)
        return
      case 'statechart':
        this.#keepStatechart(entry)
        return
      case 'version':
        this.#newest.set(`version/${entry.version}`, entry)
        return
      case 'lost':
        this.#newest.set(`lost/${entry.hostId}`, this.#added(entry))
        return
      case 'gone':
        // The row says who is registered all the same.
        for (const of of ['node', 'calls']) this.#newest.delete(`${of}/${entry.nodeId}`)
        return
      case 'unregistered':
        for (const of of ['first', 'row', 'node', 'calls']) this.#newest.delete(`${of}/${entry.nodeId}`)
        return
      case 'node':
      case 'calls':
      case 'row': {
        // Where its lane begins.
        const first = `first/${entry.nodeId}`
        if (entry.type !== 'calls' && !this.#newest.has(first)) this.#newest.set(first, entry)
        else this.#newest.set(`${entry.type}/${entry.nodeId}`, entry)
        return
      }
    }
  }

  #added(lost: Extract<Entry, { type: 'lost' }>): Entry {
    const before = this.#newest.get(`lost/${lost.hostId}`)
    if (before?.type !== 'lost') return lost
    return { ...lost, messages: lost.messages + before.messages, dropped: lost.dropped + before.dropped }
  }

  #keepStatechart(entry: StatechartSeen): void {
    const events = this.#statecharts.get(entry.nodeId) ?? []
    // The node that was heard of last is the last to go.
    this.#statecharts.delete(entry.nodeId)
    this.#statecharts.set(entry.nodeId, events)
    events.push(entry)
    this.#statechartEvents++
    if (events.length > statechartEventsOfNodeMax) this.#statechartEvents -= events.splice(0, events.length / 2).length
    if (this.#statechartEvents <= statechartEventsMax) return
    const [oldest, dropped] = this.#statecharts.entries().next().value!
    this.#statecharts.delete(oldest)
    this.#statechartEvents -= dropped.length
  }
}
