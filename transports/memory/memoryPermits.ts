/** The permits under a service's limit in memory: who may upgrade now. */
import { type Going, holding } from '../../core/control/control.js'
import type { Session } from '../../core/control/standing.js'
import type { PermitAnswer } from '../../core/control/upgradeDatabase.js'
import { permitsAllowed, type ServiceLimit } from '../../core/schedules/serviceLimit.js'
import { heldByMax } from '../udbFactory.js'
import type { MemorySystem } from './memorySystem.js'

export class MemoryPermits {
  constructor(private readonly system: Pick<MemorySystem, 'data' | 'registrations'>) {}

  claim(service: string, going: Going, limit: ServiceLimit, by?: Session): PermitAnswer {
    const { slots, controls } = this.system.data()
    const { nodeId } = going
    if (this.system.registrations().isOfNewer(nodeId, by)) return { claimed: false, isElsewhere: true }
    const control = holding([...controls.values()], going)
    if (control !== undefined) return { claimed: false, control }
    const holders = slots.get(service) ?? new Set<string>()
    const registrations = this.system.registrations()
    // Also one that is here: it may have been given back since.
    if (registrations.isLostOf(by)) return { claimed: false, onProbation: true }
    if (!holders.has(nodeId) && holders.size >= permitsAllowed(limit, registrations.registered(service).length)) {
      return { claimed: false, heldBy: [...holders].sort().slice(0, heldByMax) }
    }
    slots.set(service, holders.add(nodeId))
    return { claimed: true }
  }

  release(service: string, nodeId: string, by?: Session): void {
    const { slots } = this.system.data()
    if (!this.system.registrations().isOfNewer(nodeId, by)) slots.get(service)?.delete(nodeId)
  }

  restore(service: string, nodeId: string, by?: Session): boolean {
    const { slots } = this.system.data()
    const registrations = this.system.registrations()
    if (!registrations.isLossy || registrations.isOfNewer(nodeId, by)) return false
    slots.set(service, (slots.get(service) ?? new Set<string>()).add(nodeId))
    return true
  }
}
