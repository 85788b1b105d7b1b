/**
 * Calls that hosts have denied, as an upgrade server writes them into the audit: hosts report how many, and
 * one entry at a time tells of all hosts.
 *
 * N1. There is one entry in `denialEntryMs` at most, however many reports come, and whatever they say.
 * N2. The counters are bounded. Each host has its own part of it, and of an entry: one that makes up reports
 *     hides no more of the others' than that. Those without a name can be as many as somebody likes: they
 *     have places of their own, and come last.
 * N3. An entry is bounded in bytes, not in rows: whom a client calls itself, and what it calls, it chooses.
 *     Of what the audit keeps, such entries fill less than a tenth in a month, and older ones stay.
 */
import type { AuditFrom, AuditRecord, HostsDenials } from '../../core/control/audit.js'
import { type DeniedCalls, timesOf } from '../../core/control/deniedCalls.js'
import type { Clock } from '../../core/ports/clock.js'

export const denialEntryMs = 10 * 60_000
/** Hosts that are counted apart, with a name and without one, and kinds of calls of each. */
export const denyingHostsMax = 64
export const deniedKindsPerHostMax = 32
/** Of the kinds that one entry names. */
export const deniedEntryBytesMax = 1_024

interface Host {
  readonly from: AuditFrom
  readonly kinds: Map<string, DeniedCalls>
}

export class AuditedDenials {
  #hosts = new Map<string, Host>()
  /** Calls that are counted together. */
  #more = 0
  #writtenMs = Number.NEGATIVE_INFINITY
  #cancel: (() => void) | undefined

  constructor(
    private readonly clock: Clock,
    private readonly write: (record: AuditRecord) => void,
  ) {}

  reported(from: AuditFrom, denied: readonly DeniedCalls[]): void {
    for (const each of denied) this.#count(from, each)
    if (denied.length === 0 || this.#cancel !== undefined) return
    const leftMs = this.#writtenMs + denialEntryMs - this.clock.monotonicMs()
    if (leftMs <= 0) this.#writeEntry()
    else this.#cancel = this.clock.after(leftMs, () => this.#writeEntry())
  }

  /** Writes what is still to be written. */
  stop(): void {
    if (this.#cancel === undefined) return
    this.#cancel()
    this.#writeEntry()
  }

  #count(from: AuditFrom, denied: DeniedCalls): void {
    const key = from.name === null ? `id ${from.id}` : `name ${from.name}`
    const host = this.#hosts.get(key) ?? { from, kinds: new Map<string, DeniedCalls>() }
    const kind = JSON.stringify([denied.caller && (denied.caller.name ?? ''), denied.method, denied.code])
    const known = host.kinds.get(kind)
    const isNoMore =
      (!this.#hosts.has(key) && this.#hostsLike(from) >= denyingHostsMax) ||
      (known === undefined && host.kinds.size >= deniedKindsPerHostMax)
    if (isNoMore) {
      this.#more = timesOf(this.#more, denied.times)
      return
    }
    this.#hosts.set(key, host)
    host.kinds.set(kind, { ...(known ?? denied), times: timesOf(known?.times ?? 0, denied.times) })
  }

  #hostsLike({ name }: AuditFrom): number {
    let hosts = 0
    for (const { from } of this.#hosts.values()) if ((from.name === null) === (name === null)) hosts++
    return hosts
  }

  #writeEntry(): void {
    this.#cancel = undefined
    this.#writtenMs = this.clock.monotonicMs()
    const hosts = [...this.#hosts.values()]
    const [unnamed, named] = [true, false].map((isUnnamed) => hosts.filter(({ from }) => (from.name === null) === isUnnamed))
    const all = [...byTurns(named!.map(denialsOf)), ...byTurns(unnamed!.map(denialsOf))]
    const calls: HostsDenials[] = []
    let [bytes, more, times] = [0, this.#more, this.#more]
    for (const { denials, size } of all) {
      times = timesOf(times, denials.times)
      if (bytes + size > deniedEntryBytesMax) {
        more = timesOf(more, denials.times)
        continue
      }
      bytes += size
      calls.push(denials)
    }
    this.#hosts = new Map()
    this.#more = 0
    this.write({ what: { act: 'denied', calls, more }, outcome: 'denied', times, by: [], from: null })
  }
}

/** Those with the most calls first. */
function denialsOf({ from: host, kinds }: Host): readonly Sized[] {
  return [...kinds.values()].sort((a, b) => b.times - a.times).map((denied) => sized({ host, ...denied }))
}

interface Sized {
  readonly denials: HostsDenials
  /** In bytes of an entry, with the comma. */
  readonly size: number
}

function sized(denials: HostsDenials): Sized {
  return { denials, size: Buffer.byteLength(JSON.stringify(denials)) + 1 }
}

/**
 * The first of each, the second of each, and so on; of those the short ones first, so that a
 * long one takes the place of few.
 */
function byTurns(lists: readonly (readonly Sized[])[]): readonly Sized[] {
  const longest = Math.max(0, ...lists.map(({ length }) => length))
  const turns = Array.from({ length: longest }, (_, i) => lists.flatMap((list) => list.slice(i, i + 1)))
  return turns.flatMap((turn) => turn.sort((a, b) => a.size - b.size))
}
