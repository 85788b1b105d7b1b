/**
 * The ports to disk and database with a stopwatch beside each request. Their answers are passed on untouched.
 */

import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import type { StateStore } from '../../core/ports/stateStore.js'
import { Distribution } from './distribution.js'

/** Seconds. */
export const requestBounds: readonly number[] = [
  0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5,
]

export class RequestFigures {
  readonly durations = new Distribution(requestBounds)
  succeeded = 0
  failed = 0
  /** Whether the newest request that has ended was answered. */
  isUp = true

  async measure<T>(request: () => Promise<T>): Promise<T> {
    const startedMs = performance.now()
    try {
      const answer = await request()
      this.succeeded++
      this.isUp = true
      return answer
    } catch (error) {
      this.failed++
      this.isUp = false
      throw error
    } finally {
      this.durations.add((performance.now() - startedMs) / 1000)
    }
  }
}

export function measuredStore(store: StateStore, figures: RequestFigures, wrote: (writes: number) => void): StateStore {
  return {
    directoryId: store.directoryId,
    ...(store.place !== undefined && { place: store.place }),
    durability: store.durability,
    get: (key) => store.get(key),
    range: (from, to, limit) => store.range(from, to, limit),
    commit: (writes) => {
      wrote(writes.length)
      return figures.measure(() => store.commit(writes))
    },
    ...(store.withoutLog !== undefined && { withoutLog: store.withoutLog }),
    ...(store.keepLog !== undefined && { keepLog: () => store.keepLog!() }),
    close: () => store.close(),
  }
}

export function measuredDatabase(database: UpgradeDatabase, figures: RequestFigures): UpgradeDatabase {
  return new Proxy(database, {
    get(target, name) {
      const method: unknown = Reflect.get(target, name)
      if (typeof method !== 'function') return method
      const asked = (...args: unknown[]) => method.apply(target, args)
      return name === 'close' ? asked : (...args: unknown[]) => figures.measure(() => asked(...args))
    },
  })
}
