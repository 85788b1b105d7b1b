/**
 * Hears of every entry that comes to the log of a shard, and of every message that leaves a host.
 *
 * C14. An answer of a command leaves after its write has come to the log. In each term the entries of one
 *      owner count, and nobody else's. A term begins after the lease of the one before, or when that has
 *      given the shard away, or was the same host's. Nothing leaves an owner later than its lease, less a
 *      guard, after it sent what counted last; nor after it has given the shard away.
 */
import type { Transit } from 'theseus-actors/memory'
import { Chain } from '../../../core/model/logChain.js'
import { decodeEntry, entryDigest } from '../../../core/model/logEntry.js'
import type { NodeRecord } from '../../../core/model/nodeRecord.js'
import { shardOf } from '../../../core/model/shard.js'
import type { LogEntry } from '../../../core/ports/log.js'
import type { Write } from '../../../core/ports/stateStore.js'
import { decode, unpack } from '../../../core/wire/codec.js'
import { type Envelope, kinds } from '../../../core/wire/envelope.js'
import { type Plan, type ServiceName, serviceNames } from '../plan.js'
import type { ProcessFault } from '../processFault.js'

export interface ShardCheckerContext {
  readonly plan: Plan
  nowMs(): number
  /** The shard has another owner, with these nodes. */
  claimed(processFault: ProcessFault, nodeIds: readonly string[]): void
  /** These writes count. */
  counted(writes: readonly Write[]): void
  violated(rule: string, what: string): void
  trace(line: string): void
}

/** A start of a host, as a writer of logs. */
interface Writer {
  readonly name: string
  readonly processFault: ProcessFault
  readonly appends: (at: 'append' | 'appended') => void
  /** When each entry was first sent, by shard, place and digest. */
  readonly sentMs: Map<string, number>
}

interface ShardSeen {
  readonly name: string
  readonly chain: Chain
  owner: Writer | undefined
  leaseMs: number
  isReleased: boolean
  lastMs: number
  untilMs: number
  readonly values: Buffer[]
  readonly records: Map<string, NodeRecord>
}

const recordPrefix = 'n/'
const queries = /^(read|ask$|table$)/

export class ShardChecker {
  readonly #shards = new Map<string, ShardSeen>()
  readonly #writers = new Map<string, Writer>()
  /** The process of each host that was started last. */
  readonly #newest = new Map<string, Writer>()
  /** Commands that were sent, by inbox and number. */
  readonly #commands = new Map<string, string>()

  constructor(
    private readonly world: ShardCheckerContext,
    private readonly guardMs: number,
  ) {}

  get #isReentrant(): boolean {
    return this.world.plan.habits.includes('reentrant')
  }

  process(name: string, processFault: ProcessFault, appends: Writer['appends']): void {
    const writer = { name, processFault, appends, sentMs: new Map<string, number>() }
    this.#writers.set(name, writer)
    this.#newest.set(processFault.name, writer)
  }

  isSharded(nodeId: string): boolean {
    return this.#shardOf(nodeId) !== undefined
  }

  /** The process that has the node, by the log of its shard. */
  ownerOf(nodeId: string): ProcessFault | undefined {
    const shard = this.#shardOf(nodeId)
    return shard === undefined || shard.isReleased ? undefined : shard.owner?.processFault
  }

  /** As the log has it; undefined for one that was never born. */
  recordOf(nodeId: string): NodeRecord | undefined {
    return this.#shardOf(nodeId)?.records.get(nodeId)
  }

  *owners(): Iterable<{ readonly service: ServiceName; readonly shard: number; readonly owner: ProcessFault | undefined }> {
    const { plan } = this.world
    for (const service of serviceNames)
      for (let shard = 0; shard < (plan.shards?.counts[service] ?? 0); shard++) {
        const seen = this.#shards.get(`${service}/${shard}`)
        yield { service, shard, owner: seen === undefined || seen.isReleased ? undefined : seen.owner?.processFault }
      }
  }

  sent(name: string, service: string, shard: number, bytes: Uint8Array, after: number): void {
    const { sentMs } = this.#writers.get(name)!
    const key = sentKey(`${service}/${shard}`, bytes, after)
    if (!sentMs.has(key)) sentMs.set(key, this.world.nowMs())
  }

  appended(service: string, number: number, { position, bytes }: LogEntry, name: string): void {
    const { world } = this
    const nowMs = world.nowMs()
    const writer = this.#writers.get(name)!
    const shard = this.#shard(`${service}/${number}`)
    const entry = decodeEntry(bytes)
    const { content } = entry
    world.trace(`${name} appends ${content.kind} ${position} of term ${entry.term} to ${shard.name}`)
    if (shard.chain.accept(entry, bytes)) {
      if (content.kind === 'claim') this.#claimed(shard, writer, content.leaseMs, nowMs)
      else if (writer !== shard.owner)
        world.violated('C14', `an entry of ${name} counts in ${shard.name}, which ${shard.owner?.name} has`)
      const sentMs = writer.sentMs.get(sentKey(shard.name, bytes, position - 1)) ?? nowMs
      shard.untilMs = Math.max(shard.untilMs, sentMs + shard.leaseMs - this.guardMs)
      if (content.kind === 'release') shard.isReleased = true
      this.#count(shard, shard.chain.writesOf(entry))
      // One that was sent behind another which never arrived, and another's claim is in its place.
    } else world.trace(`the entry ${position} of ${name} in ${shard.name} continues nothing`)
    shard.lastMs = nowMs
    writer.appends('appended')
  }

  #claimed(shard: ShardSeen, writer: Writer, leaseMs: number, nowMs: number): void {
    const { owner, isReleased } = shard
    const isOwn = owner?.processFault.name === writer.processFault.name
    const watchedMs = nowMs - shard.lastMs
    if (owner !== undefined && !isReleased && !isOwn && watchedMs < shard.leaseMs)
      this.world.violated('C14', `${writer.name} claims ${shard.name} ${watchedMs} ms after the last word of ${owner.name}`)
    Object.assign(shard, { owner: writer, leaseMs, isReleased: false, untilMs: 0 })
    this.world.claimed(writer.processFault, [...shard.records.keys()])
  }

  #count(shard: ShardSeen, writes: readonly Write[]): void {
    for (const [key, value] of writes) {
      if (value === null) continue
      shard.values.push(Buffer.from(value))
      if (key.startsWith(recordPrefix)) shard.records.set(key.slice(recordPrefix.length), unpack(value) as NodeRecord)
    }
    if (writes.length > 0) this.world.counted(writes)
  }

  // --- Messages

  passed({ from, message }: Transit): void {
    if (message.noResponders) return
    for (const envelope of envelopesOf(message.payload)) {
      switch (envelope.kind) {
        case kinds.call:
          // One that runs inside the call that it is made for is kept with that.
          if (message.replyTo !== undefined && !(this.#isReentrant && envelope.path !== null))
            this.#noteCommand(message.replyTo, envelope)
          this.#leaves(from, envelope.caller, `call ${envelope.method}`)
          break
        case kinds.send:
        case kinds.event:
          this.#leaves(from, envelope.caller, `send ${envelope.method}`)
          break
        case kinds.reply:
          this.#leaves(from, envelope.replier.node, 'reply')
          this.#checkWritten(callOf(message.subject, envelope.seq), envelope.replier.node)
          break
        case kinds.fault:
          this.#leaves(from, envelope.replier.node, envelope.fault.code)
      }
    }
  }

  #leaves(from: string, nodeId: string, what: string): void {
    const shard = this.#shardOf(nodeId)
    if (shard === undefined) return
    const writer = this.#newest.get(from)
    const nowMs = this.world.nowMs()
    if (writer === undefined || shard.owner !== writer || shard.isReleased)
      this.world.violated('C14', `a ${what} of ${nodeId} leaves ${from}, and ${shard.owner?.name ?? 'nobody'} has ${shard.name}`)
    else if (nowMs > shard.untilMs)
      this.world.violated(
        'C14',
        `a ${what} of ${nodeId} leaves ${from} ${nowMs - shard.untilMs} ms after its lease of ${shard.name}`,
      )
  }

  #noteCommand(replyTo: string, { seq, method, args }: Extract<Envelope, { readonly method: string }>): void {
    if (!queries.test(method) && typeof args[0] === 'string') this.#commands.set(callOf(replyTo, seq), args[0])
  }

  #checkWritten(call: string, nodeId: string): void {
    const shard = this.#shardOf(nodeId)
    const op = this.#commands.get(call)
    if (shard === undefined || op === undefined) return
    if (!shard.values.some((_, i) => shard.values.at(-1 - i)!.includes(op)))
      this.world.violated('C14', `${op} is answered by ${nodeId}, and nothing in ${shard.name} has it`)
  }

  #shardOf(nodeId: string): ShardSeen | undefined {
    const service = serviceNames.find((name) => nodeId.startsWith(name))
    const shards = service && this.world.plan.shards?.counts[service]
    return shards === undefined ? undefined : this.#shard(`${service}/${shardOf(nodeId, shards)}`)
  }

  #shard(name: string): ShardSeen {
    const found = this.#shards.get(name)
    if (found !== undefined) return found
    const none = { owner: undefined, leaseMs: 0, isReleased: false, lastMs: 0, untilMs: 0 }
    const made: ShardSeen = { name, chain: new Chain(), ...none, values: [], records: new Map() }
    this.#shards.set(name, made)
    return made
  }
}

function sentKey(shard: string, bytes: Uint8Array, after: number): string {
  return `${shard} ${after} ${Buffer.from(entryDigest(bytes)).toString('hex')}`
}

/** All calls of a host are answered below one inbox; the last token tells its messages apart. */
function callOf(replySubject: string, seq: number): string {
  return `${replySubject.slice(0, replySubject.lastIndexOf('.'))} ${seq}`
}

/** Nothing of a message that can't be decoded. */
function envelopesOf(payload: Uint8Array): readonly Envelope[] {
  try {
    return decode(payload)
  } catch {
    return []
  }
}
