/**
 * Calls that hosts have denied, as an upgrade server writes them into the audit: hosts report how many, and one entry at a time tells of all hosts.
 *
 * N1. There is one entry in `denialEntryMs` at most, however many reports come, and whatever they say.
 * N2. What is counted is bounded. Each host has its own part of it, and of an entry: one that makes up reports hides no more of the others' than that.
 */
import type { AuditFrom, AuditRecord, HostsDenials } from '../core/audit.js'
import { type DeniedCalls, timesOf } from '../core/deniedCalls.js'
import type { Clock } from '../core/ports/clock.js'

export const denialEntryMs = 10 * 60_000
/** Hosts that are counted apart, kinds of calls of each, and those that one entry names. */
export const denyingHostsMax = 64
export const deniedKindsPerHostMax = 32
export const deniedPerEntryMax = 16

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
    const key = from.name ?? from.id
    const host = this.#hosts.get(key) ?? { from, kinds: new Map<string, DeniedCalls>() }
    const kind = JSON.stringify([denied.caller && (denied.caller.name ?? ''), denied.method, denied.code])
    const known = host.kinds.get(kind)
    const isNoMore =
      (!this.#hosts.has(key) && this.#hosts.size >= denyingHostsMax) ||
      (known === undefined && host.kinds.size >= deniedKindsPerHostMax)
    if (isNoMore) {
      this.#more = timesOf(this.#more, denied.times)
      return
    }
    this.#hosts.set(key, host)
    host.kinds.set(kind, { ...(known ?? denied), times: timesOf(known?.times ?? 0, denied.times) })
  }

  #writeEntry(): void {
    this.#cancel = undefined
    this.#writtenMs = this.clock.monotonicMs()
    const all = byTurns([...this.#hosts.values()].map(denialsOf))
    const calls = all.slice(0, deniedPerEntryMax)
    const more = all.slice(deniedPerEntryMax).reduce((sum, { times }) => timesOf(sum, times), this.#more)
    const times = calls.reduce((sum, each) => timesOf(sum, each.times), more)
    this.#hosts = new Map()
    this.#more = 0
    this.write({ what: { act: 'denied', calls, more }, outcome: 'denied', times, by: [], from: null })
  }
}

/** Those with the most calls first. */
function denialsOf({ from: host, kinds }: Host): readonly HostsDenials[] {
  return [...kinds.values()].sort((a, b) => b.times - a.times).map((denied) => ({ host, ...denied }))
}

/** The first of each, the second of each, and so on. */
function byTurns<T>(lists: readonly (readonly T[])[]): readonly T[] {
  const longest = Math.max(0, ...lists.map(({ length }) => length))
  return Array.from({ length: longest }, (_, i) => lists.flatMap((list) => list.slice(i, i + 1))).flat()
}
