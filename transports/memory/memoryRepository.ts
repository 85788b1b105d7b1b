import { Fault } from '../../core/base/fault.js'
import type { ClassRepository } from '../../core/upgrade/classRepository.js'
import type { Upgrade } from '../../core/upgrade/upgrade.js'

/**
 * Upgrades that are in the process already, for tests and rehearsals: their bundles are never looked into.
 */
export interface MemoryRepository extends ClassRepository {
  add(digest: string, upgrade: Upgrade): void
}

export function memoryRepository(): MemoryRepository {
  const upgrades = new Map<string, Upgrade>()
  return {
    add(digest, upgrade) {
      upgrades.set(digest, upgrade)
    },
    async load(digest) {
      const upgrade = upgrades.get(digest)
      if (upgrade !== undefined) return upgrade
      throw new Fault('upgrade.invalid', `no upgrade with digest ${digest} was added to this repository`, { digest })
    },
  }
}
