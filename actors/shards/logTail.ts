/**
 * A shard's log as it is read: from its first kept entry, and then as it grows. Says where its chain of
 * entries ends, who owns the shard, and which snapshot there is.
 *
 * H1. An entry counts if it continues the chain. Any other is passed over and reported: two of them say that
 *     a server has accepted both.
 */
import { Fault } from '../../core/base/fault.js'
import type { HostObserver } from '../../core/inspection/hostEvents.js'
import { Chain, type ChainEnd, emptyChain } from '../../core/model/logChain.js'
import { type ChainedEntry, decodeEntry, type EntryContent } from '../../core/model/logEntry.js'
import type { Log, Position } from '../../core/ports/log.js'
import type { Write } from '../../core/ports/stateStore.js'
import type { LogMark } from '../../core/store/logCache.js'

/** The last entry that counts. */
export interface LogEnd extends ChainEnd {
  /** Of the last entry, whether it counts or not: an append goes behind it. */
  readonly last: Position
  readonly kind: EntryContent['kind'] | undefined
}

export const noEntries: LogEnd = { ...emptyChain, last: 0, kind: undefined }

export interface LogOwner {
  readonly owner: string
  readonly leaseMs: number
}

export interface NamedSnapshot {
  readonly name: string
  /** All entries behind this number are to be carried out on top of it. */
  readonly from: number
}

/** An entry that counts, and the writes that count with it. */
export interface CountedEntry {
  readonly end: LogEnd
  readonly content: EntryContent
  readonly writes: readonly Write[]
  /** Whether it is in the middle of a commit of several entries. */
  readonly isInParts: boolean
}

/** An entry costs its reader, and its server, as much as so many bytes do: small ones are not for nothing. */
export const entryWeightBytes = 1_024

/** The entry before the first that is kept. */
export interface LogBeginning {
  readonly number: number
  readonly digest: Uint8Array
}

export class LogTail {
  #chain: Chain
  #end: LogEnd
  #beginning: LogBeginning | undefined
  #owner: LogOwner | undefined
  #snapshot: NamedSnapshot | undefined
  #restored = 0
  #successor: string | undefined
  #weightBytes = 0

  #hasBegun: boolean

  /** `from`: it reads behind that entry, and not from the first that is kept. */
  constructor(
    private readonly log: Pick<Log, 'read' | 'ends'>,
    private readonly name: string,
    private readonly observe: HostObserver,
    { from }: { readonly from?: LogMark | undefined } = {},
  ) {
    this.#hasBegun = from !== undefined
    this.#end = from === undefined ? noEntries : { ...from.end, last: from.position, kind: undefined }
    this.#chain = new Chain(this.#end)
  }

  get end(): LogEnd {
    return this.#end
  }

  /** Undefined where no entry has told of it. */
  get owner(): LogOwner | undefined {
    return this.#owner
  }

  get snapshot(): NamedSnapshot | undefined {
    return this.#snapshot
  }

  /** The number of the newest kept entry that has put another state in the place of the shard's; 0: none. */
  get restored(): number {
    return this.#restored
  }

  /** The host to which the last owner has left the shard. */
  get successor(): string | undefined {
    return this.#successor
  }

  /** Of the entries since the newest snapshot. */
  get weightBytes(): number {
    return this.#weightBytes
  }

  get beginning(): LogBeginning {
    return this.#beginning ?? emptyChain
  }

  /** Reads on to the end, as far as the log tells. Throws what the log throws. */
  async advance(): Promise<void> {
    for await (const _ of this.read()) {
      // It is looked at in passing.
    }
  }

  /** The same, entry by entry. */
  async *read(): AsyncGenerator<CountedEntry> {
    if (!this.#hasBegun) {
      const { first } = await this.log.ends()
      this.#end = { ...this.#end, last: Math.max(0, first - 1) }
    }
    for await (const { position, bytes } of this.log.read(this.#end.last)) {
      const entry = decodeEntry(bytes)
      this.#weightBytes += bytes.length + entryWeightBytes
      if (!this.#hasBegun) this.#begin(entry)
      if (this.#chain.accept(entry, bytes)) {
        const writes = this.#chain.writesOf(entry)
        const { content } = entry
        this.#hear(content, entry.number)
        this.#end = { ...this.#chain.end, last: position, kind: content.kind }
        yield { end: this.#end, content, writes, isInParts: this.#chain.isInParts }
      } else {
        this.#end = { ...this.#end, last: position }
        this.#report(position, entry)
      }
    }
  }

  /** Of a log that was trimmed, the first entry tells what was before it. */
  #begin({ term, number, before }: ChainedEntry): void {
    this.#hasBegun = true
    if (number <= 1) return
    this.#beginning = { number: number - 1, digest: before }
    this.#chain = new Chain({ term, number: number - 1, digest: before })
  }

  #hear(content: EntryContent, number: number): void {
    switch (content.kind) {
      case 'claim':
        this.#owner = content
        this.#successor = undefined
        return
      case 'snapshot':
        this.#owner ??= content
        this.#snapshot = content
        this.#weightBytes = 0
        return
      case 'restored':
        this.#owner ??= content
        this.#snapshot = content
        this.#restored = number
        this.#weightBytes = 0
        return
      case 'release':
        this.#successor = content.to ?? undefined
    }
  }

  #report(position: Position, { term, number }: ChainedEntry): void {
    const message =
      `the log of ${this.name} has an entry at ${position} that continues nothing (term ${term}, number ${number}). ` +
      'It does not count: two writers were accepted at one place, or the log was changed'
    this.observe({ type: 'warning', message, error: new Fault('config.log-lost', message) })
  }
}
