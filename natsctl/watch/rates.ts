/** Calls per second out of what hosts count, summed over hosts. Pure: who hears says when. */

import type { ServiceLimit, Version } from 'theseus-actors'
import { type FiguresSeen, quantileMs, strictestLimit, type VersionFigures } from 'theseus-actors/operator'

export interface VersionRates {
  readonly service: string
  readonly version: Version
  /** Per second, over the last seconds; undefined until there are two counts to compare. */
  readonly calls: number | undefined
  readonly simulated: number | undefined
  readonly refused: number | undefined
  readonly failed: number | undefined
  /** Of the last minute, as far as somebody looked; undefined where none was timed. */
  readonly p99Ms: number | undefined
}

interface Sample {
  /** By the host's clock, and by that of who hears it. */
  readonly at: number
  readonly heardAt: number
  readonly versions: ReadonlyMap<Version, VersionFigures>
}

interface HostService {
  readonly service: string
  readonly hostId: string
  limit: ServiceLimit
  /** Oldest first. */
  samples: Sample[]
}

const rateMs = 5_000
const timesMs = 60_000
/** A host tells its figures once a second: after so long without a word nobody knows. */
const silentMs = 5_000

const counted = ['calls', 'simulated', 'refused', 'failed'] as const
type Counted = (typeof counted)[number]

/**
 * Anybody may tell figures in a host's name: so many services of hosts are kept, and so many counts of them;
 * beyond, new ones are not.
 */
export const hostServicesMax = 10_000
export const countsMax = 16_000_000
/** Hosts tell their figures once a second: of what comes more often the newest is kept. */
const oftenestMs = 250

export class Rates {
  readonly #hosts = new Map<string, HostService>()
  #counts = 0

  hear(hostId: string, { at, service, limit, versions }: FiguresSeen, heardAt: number): void {
    const key = `${hostId}/${service}`
    let host = this.#hosts.get(key)
    const sample: Sample = { at, heardAt, versions: new Map(versions.map((figures) => [figures.version, figures])) }
    const more = countsOf(sample)
    if (this.#counts + more > countsMax) return
    if (host === undefined) {
      if (this.#hosts.size >= hostServicesMax) return
      this.#hosts.set(key, (host = { service, hostId, limit, samples: [] }))
    }
    const last = host.samples.at(-1)
    // A node has stopped, or the host was started anew: what was counted before can't be compared.
    if (last !== undefined && (at <= last.at || isLess(sample, last))) this.#drop(host, host.samples.length)
    const [before, newest] = host.samples.slice(-2)
    if (newest !== undefined && heardAt - before!.heardAt < oftenestMs) this.#counts -= countsOf(host.samples.pop()!)
    host.samples.push(sample)
    this.#counts += more
    host.limit = limit
    // One that is older stays: what is counted since is compared with it.
    while (host.samples.length > 2 && host.samples[1]!.heardAt < heardAt - timesMs) this.#drop(host, 1)
  }

  #drop(host: HostService, count: number): void {
    for (const sample of host.samples.splice(0, count)) this.#counts -= countsOf(sample)
  }

  get counts(): number {
    return this.#counts
  }

  /** The strictest that a host with nodes of this service has told. */
  limitOf(service: string): ServiceLimit | undefined {
    const limits = [...this.#hosts.values()].filter((host) => host.service === service).map(({ limit }) => limit)
    return limits.length === 0 ? undefined : strictestLimit(limits)
  }

  /** By service, newest version first. */
  at(now: number): readonly VersionRates[] {
    const found = new Map<string, Map<Version, Sum>>()
    for (const [key, { service, samples }] of this.#hosts) {
      const silence = now - samples.at(-1)!.heardAt
      if (silence > timesMs) {
        this.#drop(this.#hosts.get(key)!, samples.length)
        this.#hosts.delete(key)
        continue
      }
      if (silence > silentMs) continue
      let versions = found.get(service)
      if (versions === undefined) found.set(service, (versions = new Map()))
      for (const version of samples.at(-1)?.versions.keys() ?? []) {
        let sum = versions.get(version)
        if (sum === undefined) versions.set(version, (sum = new Sum()))
        sum.add(samples, version, now)
      }
    }
    return [...found]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([service, versions]) =>
        [...versions].toSorted(([a], [b]) => b - a).map(([version, sum]) => ({ service, version, ...sum.rates })),
      )
  }
}

/** One version of one service over all hosts. */
class Sum {
  readonly #rates: Record<Counted, number> = { calls: 0, simulated: 0, refused: 0, failed: 0 }
  readonly #times: number[] = []
  #isKnown = false

  add(samples: readonly Sample[], version: Version, now: number): void {
    const last = samples.at(-1)!
    const first = baseOf(samples, last.heardAt - rateMs)
    if (last.at > first.at) {
      this.#isKnown = true
      const seconds = (last.at - first.at) / 1000
      for (const what of counted) this.#rates[what] += (of(last, version, what) - of(first, version, what)) / seconds
    }
    const before = baseOf(samples, now - timesMs).versions.get(version)?.times ?? []
    for (const [bucket, count] of (last.versions.get(version)?.times ?? []).entries())
      this.#times[bucket] = (this.#times[bucket] ?? 0) + Math.max(0, count - (before[bucket] ?? 0))
  }

  get rates(): Omit<VersionRates, 'service' | 'version'> {
    const known = (what: Counted) => (this.#isKnown ? this.#rates[what] : undefined)
    return {
      calls: known('calls'),
      simulated: known('simulated'),
      refused: known('refused'),
      failed: known('failed'),
      p99Ms: quantileMs(this.#times, 0.99),
    }
  }
}

function countsOf({ versions }: Sample): number {
  let counts = 8
  for (const { times } of versions.values()) counts += 8 + times.length
  return counts
}

/** The newest sample that was heard by then; the oldest where there is none. */
function baseOf(samples: readonly Sample[], by: number): Sample {
  return samples.findLast(({ heardAt }) => heardAt <= by) ?? samples[0]!
}

function of({ versions }: Sample, version: Version, what: Counted): number {
  return versions.get(version)?.[what] ?? 0
}

function isLess(sample: Sample, before: Sample): boolean {
  return [...before.versions.keys()].some((version) =>
    counted.some((what) => of(sample, version, what) < of(before, version, what)),
  )
}
