/**
 * Writes the entries of one chain to a log, in order, several at once.
 *
 * H2. A commit counts when its append is acknowledged.
 * H3. An append whose end is unknown is repeated unchanged until it is acknowledged. If a copy conflicts, or
 *     is refused, the entry behind its predecessor is read: its own means that it counts, another's that the
 *     log has another writer, none that it is to be repeated. The absence of an entry decides nothing, and
 *     the refusal of one copy tells nothing of those before it.
 * J2. If an entry is refused, so is everything behind it: it may have seen what is lost.
 */
import { Fault, isFault, toFault } from '../base/fault.js'
import type { ChainEnd, ReadyEntry } from '../model/logChain.js'
import type { Clock } from '../ports/clock.js'
import type { Appended, Log, Position } from '../ports/log.js'
import type { LogMark } from './logCache.js'

export interface LogWriterLimits {
  /** Entries, and bytes, that are on their way at once: one more is always taken where there are fewer. */
  readonly inFlightMax: number
  readonly inFlightBytesMax: number
  /** The first pause before an append is repeated; it doubles up to the longest. */
  readonly repeatMs: number
  readonly repeatMsMax: number
  /** On closing: so often an append is repeated whose end is not known. */
  readonly closeRepeatsMax: number
}

export const logWriterLimits: LogWriterLimits = {
  inFlightMax: 64,
  inFlightBytesMax: 2 ** 24,
  repeatMs: 10,
  repeatMsMax: 1000,
  closeRepeatsMax: 8,
}

/** A moment by both clocks: a process that was stopped shows in one, a machine that slept in the other. */
export interface Moment {
  readonly ms: number
  readonly wallMs: number
}

/** For an owner that has its log for a time only. */
export interface AppendWatch {
  now(): Moment
  /**
   * An entry counts. `sent`: when something was sent for its place first. An entry that was refused there may
   * have been the same, with a copy that was on its way for long.
   */
  counted(sent: Moment): void
}

/** Entries that count together. */
interface Request {
  readonly make: (after: ChainEnd) => readonly ReadyEntry[]
  /** They count; `at` is the last. */
  readonly counted: (at: LogMark) => void
  readonly lost: (fault: Fault) => void
}

interface Item {
  readonly entry: ReadyEntry
  readonly after: Position
  /** Set on the last of a request. */
  readonly request: Request
  readonly isLast: boolean
  /** The log's answer. It is judged when everything before the entry counts. */
  said: Appended | undefined
  isRunning: boolean
  /** Of an earlier copy nobody knows the end: it may be there, or may still arrive. */
  isUncertain: boolean
}

export class LogWriter {
  /** The last entry that counts. */
  #counted: LogMark
  #whole: LogMark
  /** The last that was made. */
  #made: LogMark
  /** In order; the first is the next to count. */
  readonly #inFlight: Item[] = []
  #inFlightBytes = 0
  #waiting: Request[] = []
  /** Appends whose answer has not come. */
  #running = 0
  /** Set while appends behind a refused one end: then the chain goes on at what counts. */
  #isDraining = false
  /** For places behind what counts: when something was sent there first. Only where it is watched. */
  readonly #sent = new Map<Position, Moment>()
  #ended: Fault | undefined
  #repeatMs: number
  /** Bounded when it closes. */
  #repeatsLeft = Number.POSITIVE_INFINITY
  #idle: (() => void)[] = []

  constructor(
    private readonly log: Log,
    private readonly clock: Pick<Clock, 'after'>,
    begin: LogMark,
    private readonly limits: LogWriterLimits = logWriterLimits,
    /** Called once when another writer is found to have the log: nothing is appended any more. */
    private readonly onOther: (fault: Fault) => void = () => {},
    private readonly watch?: AppendWatch,
  ) {
    this.#counted = begin
    this.#whole = begin
    this.#made = begin
    this.#repeatMs = limits.repeatMs
  }

  /** The last entry that counts, of those that end a request: readers can begin behind it. */
  get whole(): LogMark {
    return this.#whole
  }

  /** The callback is called in the order of the entries, before a later entry's. */
  append(request: Request): void {
    if (this.#ended !== undefined) request.lost(this.#ended)
    else if (this.#isDraining || this.#waiting.length > 0 || this.#isFull) this.#waiting.push(request)
    else this.#start(request)
  }

  /** Waits for what was asked for, and ends. The log stays open. */
  async close(): Promise<void> {
    this.#repeatsLeft = this.limits.closeRepeatsMax
    await this.#whenIdle()
    this.#ended ??= closedWriter()
  }

  /** Nothing is appended any more, and nobody hears of what was. */
  abandon(): void {
    this.#ended ??= closedWriter()
    this.#inFlight.length = 0
    this.#inFlightBytes = 0
    this.#waiting = []
  }

  #whenIdle(): Promise<void> {
    if (this.#isIdle) return Promise.resolve()
    return new Promise((resolve) => this.#idle.push(resolve))
  }

  get #isIdle(): boolean {
    return this.#inFlight.length === 0 && this.#waiting.length === 0 && !this.#isDraining
  }

  get #isFull(): boolean {
    return this.#inFlight.length >= this.limits.inFlightMax || this.#inFlightBytes >= this.limits.inFlightBytesMax
  }

  #start(request: Request): void {
    let entries: readonly ReadyEntry[]
    try {
      entries = request.make(this.#made.end)
    } catch (error) {
      request.lost(toFault(error, 'unavailable.storage'))
      return
    }
    entries.forEach((entry, i) => {
      const after = this.#made.position
      this.#made = { position: after + 1, end: entry.end }
      const item: Item = {
        entry,
        after,
        request,
        isLast: i === entries.length - 1,
        said: undefined,
        isRunning: false,
        isUncertain: false,
      }
      this.#inFlight.push(item)
      this.#inFlightBytes += entry.bytes.length
      this.#send(item)
    })
  }

  #send(item: Item): void {
    item.isRunning = true
    item.said = undefined
    if (this.watch !== undefined && !this.#sent.has(item.after)) this.#sent.set(item.after, this.watch.now())
    this.#running++
    void this.log.append(item.entry.bytes, item.after).then((said) => {
      this.#running--
      item.isRunning = false
      item.said = said
      if (this.#isDraining) this.#drained()
      else this.#judge()
    })
  }

  /** Judges the first entry, and those behind it as long as each counts. */
  #judge(): void {
    for (let head = this.#inFlight[0]; head?.said !== undefined; head = this.#inFlight[0]) {
      const { said } = head
      switch (said.kind) {
        case 'appended':
          this.#count(head)
          break
        case 'unknown':
          head.isUncertain = true
          this.#repeat(head)
          return
        case 'conflict':
          void this.#look(head)
          return
        case 'refused':
          // A commit that is told to have left no trace must be nowhere later.
          if (head.isUncertain) void this.#look(head)
          else this.#fail(said.fault)
          return
      }
    }
  }

  #count(head: Item): void {
    this.#inFlight.shift()
    this.#inFlightBytes -= head.entry.bytes.length
    this.#counted = { position: head.after + 1, end: head.entry.end }
    this.#repeatMs = this.limits.repeatMs
    this.#watched(head.after)
    if (head.isLast) {
      this.#whole = this.#counted
      head.request.counted(this.#counted)
    }
    while (this.#waiting.length > 0 && !this.#isFull) this.#start(this.#waiting.shift()!)
    this.#tellIdle()
  }

  #watched(after: Position): void {
    const sent = this.#sent.get(after)
    this.#sent.delete(after)
    if (sent !== undefined) this.watch?.counted(sent)
  }

  #repeat(head: Item): void {
    head.said = undefined
    if (--this.#repeatsLeft < 0) {
      this.#end(closedWriter())
      return
    }
    const pauseMs = this.#repeatMs
    this.#repeatMs = Math.min(pauseMs * 2, this.limits.repeatMsMax)
    this.clock.after(pauseMs, () => {
      if (this.#inFlight[0] === head && this.#ended === undefined) this.#send(head)
    })
  }

  /** The log did not end where the entry belongs: is it there already (H3)? */
  async #look(head: Item): Promise<void> {
    head.said = undefined
    const found = await this.#entryBehind(head.after).catch(unread)
    if (this.#inFlight[0] !== head || this.#ended !== undefined) return
    if (found === undefined || found === 'nobody answers') return this.#repeat(head)
    if (found !== 'trimmed' && Buffer.compare(found, head.entry.bytes) === 0) {
      this.#count(head)
      this.#judge()
      return
    }
    const fault = new Fault(
      'unavailable.storage',
      `the log has another writer: entry ${head.after + 1} is not the one that was appended`,
    )
    this.#end(fault)
    this.onOther(fault)
  }

  async #entryBehind(after: Position): Promise<Uint8Array | undefined> {
    for await (const { position, bytes } of this.log.read(after)) if (position === after + 1) return bytes
    return undefined
  }

  /** J2. */
  #fail(fault: Fault): void {
    this.#isDraining = true
    this.#loseAll(fault)
    this.#drained()
  }

  #loseAll(fault: Fault): void {
    const requests = new Set([...this.#inFlight.map(({ request }) => request), ...this.#waiting])
    this.#inFlight.length = 0
    this.#inFlightBytes = 0
    this.#waiting = []
    for (const { lost } of requests) lost(fault)
  }

  #drained(): void {
    if (this.#running > 0) return
    this.#isDraining = false
    this.#made = this.#counted
    for (const request of this.#waiting.splice(0)) this.append(request)
    this.#tellIdle()
  }

  #end(fault: Fault): void {
    this.#ended ??= fault
    this.#isDraining = false
    this.#loseAll(fault)
    this.#tellIdle()
  }

  #tellIdle(): void {
    if (this.#isIdle) for (const resolve of this.#idle.splice(0)) resolve()
  }
}

/** Only an owner trims. Its entry is in no place any more: another has written, and trimmed. */
function unread(error: unknown): 'trimmed' | 'nobody answers' {
  return isFault(error) && error.code === 'config.log-lost' ? 'trimmed' : 'nobody answers'
}

function closedWriter(): Fault {
  return new Fault('unavailable.storage', 'the log was closed before the write was acknowledged')
}
