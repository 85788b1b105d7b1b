/** The versions that are dead, or final, in memory. */
import type { Version } from '../../core/base/ids.js'
import { checkDeath, type Death, nothingDead } from '../../core/control/upgradeDatabase.js'
import { clientService, oldestPossible } from '../../core/model/nodeRow.js'
import type { MemorySystem } from './memorySystem.js'

export class MemoryDeaths {
  constructor(private readonly system: Pick<MemorySystem, 'data' | 'registrations' | 'clock'>) {}

  /** Settles one that is due. */
  now(): Death {
    const system = this.system.data()
    const registrations = this.system.registrations()
    const { below, inForce } = system.death
    if (inForce === below || this.system.clock.monotonicMs() < system.deathDueMs || registrations.doubt !== null)
      return system.death
    if (!registrations.mayRunOlder(below, inForce)) system.death = { ...system.death, inForce: below }
    else if (inForce === 0) system.death = nothingDead
    else system.death = { below: inForce, sinceMs: this.system.clock.now(), inForce }
    return system.death
  }

  declare(below: Version, delayMs: number): Death {
    checkDeath(below, delayMs)
    const before = this.now()
    const registrations = this.system.registrations()
    if (below <= before.below || before.inForce < before.below || registrations.doubt !== null) return before
    if (registrations.mayRunOlder(below, before.inForce)) return before
    const system = this.system.data()
    system.death = { below, sinceMs: this.system.clock.now() + delayMs, inForce: before.below }
    system.deathDueMs = this.system.clock.monotonicMs() + delayMs
    return this.now()
  }

  restoreEnded({ dead, final }: { readonly dead: Version; readonly final: Version }): void {
    checkDeath(dead, 0)
    checkDeath(final, 0)
    const system = this.system.data()
    const registrations = this.system.registrations()
    if (!registrations.isLossy) return
    const { version } = system.head
    // Clients that are pinned to it call in vain, whatever is here.
    if (dead > this.now().inForce && dead <= version && !registrations.mayRunOlder(dead, dead))
      system.death = { below: dead, sinceMs: this.system.clock.now(), inForce: dead }
    if (final > system.final && final <= version && !this.#isOnTheWay(final)) system.final = final
  }

  final(): Version {
    return this.system.data().final
  }

  finalize(version: Version): Version {
    checkDeath(version, 0)
    const system = this.system.data()
    const isPossible = version <= system.head.version && !this.system.registrations().isLossy
    if (version > system.final && isPossible && !this.#isOnTheWay(version)) system.final = version
    return system.final
  }

  #isOnTheWay(version: Version): boolean {
    return this.system
      .registrations()
      .registered(undefined)
      .some(({ status }) => status.service !== clientService && oldestPossible(status) < version)
  }
}
