/**
 * The entries so far, as many as are kept: a page that is opened later gets them first, then what happens. Of
 * what is true until it changes (who runs what) the newest is kept; of what happens (phases, the statecharts'
 * events) a bounded number, the oldest goes first.
 */
import { EventEmitter } from 'node:events'
import type { StatechartSeen } from 'theseus-actors/operator'
import type { RecordingEntry, RecordingHeader } from './recordingEntry.js'

export const phasesMax = 200_000
export const statechartEventsMax = 200_000
const statechartEventsOfNodeMax = 2_000
/**
 * The entries that hosts say of nodes and of themselves, where anybody may speak in a host's name: beyond,
 * new ones are left out.
 */
export const saidMax = 50_000
/** Of each of the three, as JSON. */
export const bytesMax = 64 * 1024 * 1024

export class Recording {
  /** By what it is true of. */
  readonly #newest = new Map<string, RecordingEntry>()
  /** Of these, what hosts say. */
  readonly #said = new Map<string, number>()
  #saidBytes = 0
  readonly #phases: RecordingEntry[] = []
  #phaseBytes = 0
  readonly #statecharts = new Map<string, StatechartSeen[]>()
  #statechartEvents = 0
  #statechartBytes = 0
  readonly #emitter = new EventEmitter().setMaxListeners(0)

  constructor(readonly header: RecordingHeader) {}

  add(entries: readonly RecordingEntry[]): void {
    const kept = entries.filter((entry) => this.#keep(entry))
    if (kept.length > 0) this.#emitter.emit('entries', kept)
  }

  /** Everything but what the statecharts did, in an order in which it makes sense. */
  rollout(): readonly RecordingEntry[] {
    return [...this.#newest.values(), ...this.#phases]
  }

  /** The events of the upgrade manager of one node. */
  statechart(nodeId: string): readonly StatechartSeen[] {
    return this.#statecharts.get(nodeId) ?? []
  }

  statecharts(): readonly StatechartSeen[] {
    return [...this.#statecharts.values()].flat().sort((a, b) => a.at - b.at)
  }

  /** Returns what ends it. */
  follow(hear: (entries: readonly RecordingEntry[]) => void): () => void {
    this.#emitter.on('entries', hear)
    return () => this.#emitter.off('entries', hear)
  }

  /** Whether there is place for it. */
  #keep(entry: RecordingEntry): boolean {
    switch (entry.type) {
      case 'phase':
        this.#phases.push(entry)
        this.#phaseBytes += bytesOf(entry)
        if (this.#phases.length > phasesMax * 1.1) this.#dropPhases(this.#phases.length - phasesMax)
        while (this.#phaseBytes > bytesMax) this.#dropPhases(Math.ceil(this.#phases.length / 10))
        return true
      case 'statechart':
        this.#keepStatechart(entry)
        return true
      case 'version':
        this.#newest.set(`version/${entry.version}`, entry)
        return true
      case 'lost':
        return this.#say(`lost/${entry.hostId}`, this.#added(entry))
      // Nobody asks for it here: it holds what callers were told.
      case 'rewound':
        return false
      case 'gone':
        // The row says who is registered all the same.
        for (const of of ['node', 'calls']) this.#unsay(`${of}/${entry.nodeId}`)
        return true
      case 'state':
        // Nobody has asked for it.
        return false
      case 'unregistered':
        for (const of of ['first', 'row', 'node', 'calls']) this.#unsay(`${of}/${entry.nodeId}`)
        return true
      case 'node':
      case 'calls':
      case 'row': {
        // Where its lane begins.
        const first = `first/${entry.nodeId}`
        const key = entry.type !== 'calls' && !this.#newest.has(first) ? first : `${entry.type}/${entry.nodeId}`
        // Rows are the upgrade database's, and all of them are read at once.
        if (entry.type !== 'row') return this.#say(key, entry)
        this.#newest.set(key, entry)
        return true
      }
    }
  }

  #say(key: string, entry: RecordingEntry): boolean {
    const before = this.#said.get(key) ?? 0
    const bytes = bytesOf(entry)
    if ((before === 0 && this.#said.size >= saidMax) || this.#saidBytes - before + bytes > bytesMax) return false
    this.#newest.set(key, entry)
    this.#said.set(key, bytes)
    this.#saidBytes += bytes - before
    return true
  }

  #unsay(key: string): void {
    this.#newest.delete(key)
    this.#saidBytes -= this.#said.get(key) ?? 0
    this.#said.delete(key)
  }

  #dropPhases(count: number): void {
    for (const phase of this.#phases.splice(0, count)) this.#phaseBytes -= bytesOf(phase)
  }

  #added(lost: Extract<RecordingEntry, { type: 'lost' }>): RecordingEntry {
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
    this.#statechartBytes += bytesOf(entry)
    if (events.length > statechartEventsOfNodeMax) this.#dropEvents(events, events.length / 2)
    while (this.#statechartEvents > statechartEventsMax || this.#statechartBytes > bytesMax) {
      const [oldest, dropped] = this.#statecharts.entries().next().value!
      this.#statecharts.delete(oldest)
      this.#dropEvents(dropped, dropped.length)
    }
  }

  #dropEvents(events: StatechartSeen[], count: number): void {
    for (const event of events.splice(0, count)) {
      this.#statechartEvents--
      this.#statechartBytes -= bytesOf(event)
    }
  }
}

/** About: numbers and names of fields count for a while, texts by their length. */
function bytesOf(entry: RecordingEntry): number {
  switch (entry.type) {
    case 'node':
      return 256 + (entry.reason?.length ?? 0) + 320 * entry.chain.length + 32 * entry.calls.length
    case 'calls':
      return 128 + 32 * entry.calls.length
    case 'phase':
      return 128 + (entry.reason?.length ?? 0)
    case 'statechart':
      return eventBytes(entry)
    default:
      return 256
  }
}

/** An event holds anything: it is packed once to know how much. */
const packed = new WeakMap<StatechartSeen, number>()

function eventBytes(entry: StatechartSeen): number {
  let bytes = packed.get(entry)
  if (bytes === undefined) packed.set(entry, (bytes = JSON.stringify(entry.event).length + 256))
  return bytes
}
