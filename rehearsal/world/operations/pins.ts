/**
 * Clients that are pinned to versions: to one that lives, which must go on living for them, or to one that is
 * dead, which must hold up no other.
 */
import type { CallStep } from '../calls.js'
import type { Cluster } from '../cluster.js'
import type { DeadVersionChecker } from '../deadVersionChecker.js'
import type { NodePlan, Step } from '../plan.js'
import type { PlanRandom } from '../planRandom.js'
import type { WorldTime } from '../virtualTime.js'

type PinStep = Extract<Step, { kind: 'pinDead' }>

export interface PinsContext {
  readonly time: WorldTime
  readonly deaths: DeadVersionChecker
}

const lookEveryMs = 50

/** The question of a client by the reference that pins it: its first call of the version. */
function pinning(atMs: number, step: Omit<PinStep, 'atMs' | 'kind'>): CallStep {
  const asked = { what: 'read', register: 'main' } as const
  return { ...step, atMs, kind: 'call', isPinned: false, isRegistered: true, deadlineMs: 1_000, asked }
}

/**
 * Half of them are pinned in time; then, when no node needs their version, nobody reaches the database for
 * longer than their lease.
 */
export function pinSteps(random: PlanRandom, clients: readonly string[], nodes: readonly NodePlan[]): readonly Step[] {
  const { nodeId: node, service } = random.oneOf(nodes)
  const pin = { client: random.oneOf(clients), service, node, version: 0 }
  const atMs = random.between(50, 500)
  if (random.chance(0.5)) return [{ ...pin, atMs, kind: 'pinDead' }]
  return [pinning(atMs, pin), { atMs, kind: 'awayWhenLeft', version: 0, forMs: random.between(750, 1_500) }]
}

/**
 * Where versions are to die, nobody else is pinned to them; and a client that is pinned is
 * reached by whoever asks after it.
 */
export function withoutOtherPins(basic: readonly Step[], own: readonly Step[], clients: readonly string[]): readonly Step[] {
  const calm = [...basic.map((step) => (step.kind === 'call' ? { ...step, isPinned: false, isRegistered: false } : step)), ...own]
  return calm.filter((step) => step.kind !== 'databaseFlaky' && (step.kind !== 'freeze' || !clients.includes(step.process)))
}

/** For as long as the world lasts. */
export async function pinWhenDead({ time, deaths }: PinsContext, step: PinStep, call: (call: CallStep) => void): Promise<void> {
  while (deaths.inForce <= step.version) await time.sleep(lookEveryMs)
  call(pinning(step.atMs, step))
}

/** Whether a client renews its leases. */
export function isReached({ hosts }: Cluster, client: string): boolean {
  const host = hosts.get(client)
  return host?.isAlive === true && !host.processFault.isSilent
}
