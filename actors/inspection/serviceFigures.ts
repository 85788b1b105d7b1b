/**
 * The figures of the calls to each service on this host: sums over its nodes, so that a
 * thousand of them are a few numbers.
 */

import type { Version } from '../../core/base/ids.js'
import type { FiguresSeen, VersionFigures } from '../../core/inspection/inspection.js'
import type { CallTimes } from '../base/callTimes.js'
import type { HostSettings } from '../base/settings.js'
import { VersionTally } from '../base/versionTally.js'
import type { InspectedNode } from './nodeChanges.js'

/** Calls are counted much more often than they are looked at. */
const figuresMs = 1_000

export class ServiceFigures {
  #toldMs = Number.NEGATIVE_INFINITY

  constructor(
    private readonly nodes: ReadonlyMap<string, InspectedNode>,
    private readonly times: CallTimes,
    private readonly settings: Pick<HostSettings, 'limit'>,
  ) {}

  /** Also where nothing has changed: silence means that this host is not heard any more. */
  areDue(monotonicMs: number): boolean {
    if (monotonicMs - this.#toldMs < figuresMs) return false
    this.#toldMs = monotonicMs
    return true
  }

  at(at: number): readonly FiguresSeen[] {
    const { limit } = this.settings
    return [...this.#sums()].map(([service, sums]) => ({
      at,
      service,
      limit,
      versions: [...sums].map(([version, sum]) => this.#figures(service, version, sum)),
    }))
  }

  #sums(): ReadonlyMap<string, ReadonlyMap<Version, VersionTally>> {
    const services = new Map<string, Map<Version, VersionTally>>()
    for (const { recordStore, tallies } of this.nodes.values()) {
      const { service } = recordStore.record
      let sums = services.get(service)
      if (sums === undefined) services.set(service, (sums = new Map()))
      for (const tally of tallies) {
        const { version } = tally
        let sum = sums.get(version)
        if (sum === undefined) sums.set(version, (sum = new VersionTally(version)))
        sum.add(tally)
      }
    }
    return services
  }

  #figures(service: string, version: Version, { calls, simulated, refused, failed }: VersionTally): VersionFigures {
    return { version, calls, simulated: simulated.calls, refused, failed, times: this.times.of(service, version) }
  }
}
