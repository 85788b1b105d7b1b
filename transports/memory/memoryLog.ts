/**
 * A log in memory: for tests and rehearsals, with all faults that an adapter can show. Any number of writers
 * open it. Appends take place in the order in which they were made, in the next turn.
 */
import { Fault } from '../../core/base/fault.js'
import type { Clock } from '../../core/ports/clock.js'
import type { Appended, Log, LogEntry, Position } from '../../core/ports/log.js'
import { systemClock } from '../systemClock.js'
import type { AppendFate, AppendInTransit } from './memoryLogFaults.js'

export interface MemoryLogOptions {
  /** Appends and readings take place in its turns. By default real time. */
  readonly clock?: Pick<Clock, 'turn' | 'after'>
  /** 1 MiB by default, as nats-server has it. */
  readonly entryBytesMax?: number
  /** More are refused. By default there is no bound. */
  readonly entriesMax?: number
  /** As writers are told. `none` by default: that is the truth. */
  readonly durability?: Log['durability']
}

/** The entries that a reader is shown. */
export type View =
  | 'all'
  /** Nobody answers. */
  | 'nothing'
  /** The last entries are left out: an old leader answers. */
  | { readonly staleBy: number }

/** The log of one store, as its server has it. It outlives those who open it. */
export interface MemoryLog {
  /** The name is for fates and views only. */
  open(writer?: string): MemoryLogHandle
  /** Decides on each append, when it is made. Without one, all are delivered. */
  fate: ((append: AppendInTransit) => AppendFate) | undefined
  /** Decides on each reading, and on each look at the ends. */
  view: ((reader: string) => View) | undefined
  /** Hears of each entry that is added, and of the name of its writer. */
  appended: ((entry: LogEntry, writer: string) => void) | undefined
  /** So long each entry takes to come to its reader. Without it: no time. */
  pace: ((reader: string) => number) | undefined
  /** All that were not trimmed. */
  readonly entries: readonly LogEntry[]
  readonly last: Position
  /** Loses the entries behind this one: as a cluster whose majority lost its disks. */
  loseAfter(position: Position): void
}

export interface MemoryLogHandle extends Log {
  /**
   * The same as kill -9 of the writer: it hears of nothing any more. Appends that were made still arrive.
   */
  abandon(): void
}

export function memoryLog(options: MemoryLogOptions = {}): MemoryLog {
  return new ServedLog(options)
}

const entryBytesMaxDefault = 2 ** 20

class ServedLog implements MemoryLog {
  fate: MemoryLog['fate']
  view: MemoryLog['view']
  appended: MemoryLog['appended']
  pace: MemoryLog['pace']
  readonly clock: Pick<Clock, 'turn' | 'after'>
  readonly entryBytesMax: number
  readonly durability: Log['durability']
  readonly #entriesMax: number
  #entries: LogEntry[] = []
  #last: Position = 0
  #names = 0

  constructor(options: MemoryLogOptions) {
    this.clock = options.clock ?? systemClock
    this.entryBytesMax = options.entryBytesMax ?? entryBytesMaxDefault
    this.durability = options.durability ?? 'none'
    this.#entriesMax = options.entriesMax ?? Number.POSITIVE_INFINITY
  }

  get entries(): readonly LogEntry[] {
    return this.#entries
  }

  get last(): Position {
    return this.#last
  }

  get first(): Position {
    return this.#entries[0]?.position ?? this.#last + 1
  }

  get isFull(): boolean {
    return this.#entries.length >= this.#entriesMax
  }

  open(writer = `writer ${++this.#names}`): MemoryLogHandle {
    return new Handle(writer, this)
  }

  /** False if the log does not end at `after`. */
  add({ bytes, writer }: AppendInTransit, after: Position): boolean {
    if (after !== this.#last) return false
    const entry = { position: ++this.#last, bytes }
    this.#entries.push(entry)
    this.appended?.(entry, writer)
    return true
  }

  /** Those behind `after` that this reader is shown. */
  shown(reader: string, after: Position): readonly LogEntry[] {
    const end = this.endFor(reader)
    if (after + 1 < this.first && after < end)
      throw new Fault('config.log-lost', `the log begins at ${this.first}: the entries from ${after + 1} on were trimmed`)
    return this.#entries.slice(Math.max(0, after + 1 - this.first), Math.max(0, end + 1 - this.first))
  }

  endFor(reader: string): Position {
    const view = this.view?.(reader) ?? 'all'
    if (view === 'nothing') throw new Fault('unavailable.storage', 'nobody answers for the log')
    return view === 'all' ? this.#last : Math.max(0, this.#last - view.staleBy)
  }

  /** The last entry always stays. */
  trim(upTo: Position): void {
    const gone = Math.min(upTo, this.#last - 1) + 1 - this.first
    if (gone > 0) this.#entries.splice(0, gone)
  }

  loseAfter(position: Position): void {
    this.#last = Math.min(this.#last, position)
    this.#entries = this.#entries.filter((entry) => entry.position <= position)
  }
}

class Handle implements MemoryLogHandle {
  readonly durability: Log['durability']
  readonly entryBytesMax: number
  readonly #served: ServedLog
  readonly #running = new Set<Promise<Appended>>()
  /** Of appends that nobody answers. */
  readonly #unanswered: (() => void)[] = []
  #isClosed = false
  #isAbandoned = false

  constructor(
    private readonly name: string,
    served: ServedLog,
  ) {
    this.#served = served
    this.durability = served.durability
    this.entryBytesMax = served.entryBytesMax
  }

  append(bytes: Uint8Array, after: Position): Promise<Appended> {
    if (this.#isClosed) return Promise.resolve({ kind: 'refused', fault: closedLog() })
    if (bytes.length > this.entryBytesMax) {
      const problem = `an entry of ${bytes.length} bytes is larger than the log takes, ${this.entryBytesMax}`
      return Promise.resolve({ kind: 'refused', fault: new Fault('unavailable.storage', problem) })
    }
    const append = { writer: this.name, bytes: new Uint8Array(bytes), after }
    const ended = new Promise<Appended>((answer) => {
      const { clock, fate } = this.#served
      const chosen = fate?.(append) ?? 'deliver'
      clock.turn(() => this.#arrive(append, chosen, (appended) => !this.#isAbandoned && answer(appended)))
    })
    this.#running.add(ended)
    void ended.then(() => this.#running.delete(ended))
    return ended
  }

  #arrive(append: AppendInTransit, fate: AppendFate, answer: (appended: Appended) => void): void {
    const { clock } = this.#served
    const deliver = (): Appended => {
      if (this.#served.isFull) return fullLog
      return this.#served.add(append, append.after) ? { kind: 'appended' } : { kind: 'conflict' }
    }
    if (typeof fate === 'object') {
      if ('answerAfterMs' in fate) {
        const appended = deliver()
        clock.after(fate.answerAfterMs, () => answer(appended))
      } else {
        clock.after(fate.arrivesAfterMs, deliver)
        answer(unanswered)
      }
      return
    }
    switch (fate) {
      case 'deliver':
        answer(deliver())
        return
      case 'lose-answer':
        deliver()
        answer(unanswered)
        return
      case 'never-answer':
        deliver()
        if (this.#isClosed) answer(unanswered)
        else this.#unanswered.push(() => answer(unanswered))
        return
      case 'lose':
        answer(unanswered)
        return
      case 'in-flight':
        answer(inFlight)
        return
      case 'full':
        answer(fullLog)
        return
      case 'accept-anyway':
        this.#served.add(append, this.#served.last)
        answer({ kind: 'appended' })
    }
  }

  async *read(after: Position): AsyncGenerator<LogEntry> {
    await this.#turn()
    this.#checkOpen()
    for (const { position, bytes } of this.#served.shown(this.name, after)) {
      const paceMs = this.#served.pace?.(this.name) ?? 0
      if (paceMs > 0) await new Promise<void>((resolve) => this.#served.clock.after(paceMs, resolve))
      this.#checkOpen()
      yield { position, bytes: new Uint8Array(bytes) }
    }
  }

  async ends(): Promise<{ readonly first: Position; readonly last: Position }> {
    await this.#turn()
    this.#checkOpen()
    const last = this.#served.endFor(this.name)
    return { first: Math.min(this.#served.first, last + 1), last }
  }

  async trim(upTo: Position): Promise<void> {
    await this.#turn()
    this.#checkOpen()
    this.#served.trim(upTo)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    for (const answer of this.#unanswered.splice(0)) answer()
    if (!this.#isAbandoned) await Promise.all(this.#running)
  }

  abandon(): void {
    this.#isClosed = true
    this.#isAbandoned = true
  }

  /** One who was killed does not go on. */
  #turn(): Promise<void> {
    return new Promise((resolve) => this.#served.clock.turn(() => !this.#isAbandoned && resolve()))
  }

  #checkOpen(): void {
    if (this.#isClosed) throw closedLog()
  }
}

function closedLog(): Fault {
  return new Fault('unavailable.storage', 'the log is closed')
}

const unanswered: Appended = {
  kind: 'unknown',
  fault: new Fault('unavailable.storage', 'nobody has answered whether the entry was appended'),
}
const inFlight: Appended = {
  kind: 'unknown',
  fault: new Fault('unavailable.storage', 'an earlier copy of the entry is still being appended'),
}
const fullLog: Appended = { kind: 'refused', fault: new Fault('unavailable.storage', 'the log is full') }
