/**
 * A shard's log on JetStream: one stream, one entry a message, the position of an entry is its sequence.
 *
 * H1. Each append names the last sequence of the whole stream. The expectation by subject is no fence:
 *     nats-server 2.9 checks it against what its leader has applied, so of two appends in flight both are
 *     accepted.
 * H3. No append has a message id. A repetition is refused where its first copy counts, and the entry behind
 *     `after` tells which of both happened. An id would tell so only within the server's window.
 */
import { headers } from 'nats'
import { Fault } from '../../core/base/fault.js'
import type { Appended, LogEntry, Position, ShardLog, Snapshots } from '../../core/ports/log.js'
import { appendOutcome } from './appendOutcome.js'
import type { JetStreamApi } from './jetStreamApi.js'
import { readEntries } from './readEntries.js'
import type { StreamNames } from './streamNames.js'

/** Of a message beside the entry: its headers, with the longest names and numbers. */
export const headerBytesMax = 512

export class JetStreamLog implements ShardLog {
  #isClosed = false
  readonly #appends = new Set<Promise<Appended>>()

  constructor(
    readonly api: JetStreamApi,
    readonly names: StreamNames,
    readonly durability: ShardLog['durability'],
    readonly snapshots: Snapshots,
    readonly onClosed: () => void,
  ) {}

  /** Servers of one cluster may differ, and so may the one after a reconnect. */
  get entryBytesMax(): number {
    return this.api.connection.payloadBytesMax - headerBytesMax
  }

  append(bytes: Uint8Array, after: Position): Promise<Appended> {
    const { stream } = this.names
    if (this.#isClosed) return Promise.resolve({ kind: 'refused', fault: closed(stream) })
    if (bytes.length > this.entryBytesMax) {
      const message = `${stream}: an entry of ${bytes.length} bytes; nats-server takes at most ${this.entryBytesMax}: raise its max_payload`
      return Promise.resolve({ kind: 'refused', fault: new Fault('protocol.too-large', message) })
    }
    const append = this.#append(bytes, after)
    this.#appends.add(append)
    void append.then(() => this.#appends.delete(append))
    return append
  }

  async #append(payload: Uint8Array, after: Position): Promise<Appended> {
    const { stream, subject } = this.names
    const expected = headers()
    expected.set('Nats-Expected-Stream', stream)
    expected.set('Nats-Expected-Last-Sequence', String(after))
    const answer = await this.api.connection.request({
      subject,
      payload,
      headers: expected,
      timeoutMs: this.api.waits.answerMs,
    })
    // Nobody takes entries: the stream has no leader, or is there no more.
    if (answer.kind === 'no-responders' && (await this.api.isGone(stream))) return { kind: 'refused', fault: gone(stream) }
    return appendOutcome(answer, { stream, after })
  }

  read(after: Position): AsyncIterable<LogEntry> {
    return readEntries(this.api, this.names.stream, () => this.ends(), after)
  }

  async ends(): Promise<{ readonly first: Position; readonly last: Position }> {
    const { stream } = this.names
    if (this.#isClosed) throw closed(stream)
    const state = await this.api.stateOf(stream)
    if (state === undefined) throw gone(stream)
    return { first: state.first, last: state.last }
  }

  /** An end that is old trims less: the last entry stays, and with it its position. */
  async trim(upTo: Position): Promise<void> {
    const { first, last } = await this.ends()
    const seq = Math.min(upTo + 1, last)
    if (seq > first) await this.api.purge(this.names.stream, { seq })
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all(this.#appends)
    this.onClosed()
  }
}

function gone(stream: string): Fault {
  return new Fault('config.log-lost', `the stream ${stream} is not there any more: somebody has deleted it`)
}

function closed(stream: string): Fault {
  return new Fault('unavailable.storage', `${stream}: the log is closed`)
}
