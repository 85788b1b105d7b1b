/**
 * How long the calls took that were timed, by service and version: kept only while somebody wants to know.
 */
import type { Version } from '../../core/base/ids.js'
import { bucketOf, timeBuckets } from '../../core/base/timeBuckets.js'

export class CallTimes {
  #services: Map<string, Map<Version, number[]>> | undefined

  /** From nothing on. */
  keep(isWanted: boolean): void {
    if (isWanted) this.#services ??= new Map()
    else this.#services = undefined
  }

  add(service: string, version: Version, ms: number): void {
    if (this.#services === undefined) return
    let versions = this.#services.get(service)
    if (versions === undefined) this.#services.set(service, (versions = new Map()))
    let counters = versions.get(version)
    if (counters === undefined) versions.set(version, (counters = new Array<number>(timeBuckets).fill(0)))
    counters[bucketOf(ms)]!++
  }

  of(service: string, version: Version): readonly number[] {
    return [...(this.#services?.get(service)?.get(version) ?? [])]
  }
}
