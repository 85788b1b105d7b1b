/**
 * The permits under the services' limits, and the controls, as the upgrade database would decide. Nodes at
 * work ask every now and then, so that a permit that comes free is anybody's: here it is drawn by lot.
 */
import { defaultSettings, type ServiceLimit } from 'theseus-actors'
import { notServing } from '../../core/base/phases.js'
import { type Control, type Going, holding } from '../../core/control/control.js'
import type { Random } from '../../core/ports/random.js'
import { permitsAllowed } from '../../core/schedules/serviceLimit.js'
import type { VirtualTime } from '../world/virtualTime.js'
import type { SimulatedNodes } from './simulatedNodes.js'

interface Claim {
  readonly going: Going
  readonly limit: ServiceLimit
  readonly resolve: () => void
}

export class SimulatedPermits {
  readonly #holders = new Map<string, Set<string>>()
  readonly #claims = new Map<string, Claim[]>()
  readonly #controls: Control[]

  constructor(
    private readonly nodes: SimulatedNodes,
    controls: readonly Control[],
    private readonly time: VirtualTime,
    private readonly random: Random,
    /** Told when chance decides who gets a permit. */
    private readonly drawn: () => void,
  ) {
    this.#controls = [...controls]
    // A node whose last phase is one of these holds a permit, alive or not (DESIGN §5, "Limits").
    for (const { nodeId, service, phase } of nodes.list()) if (notServing.has(phase)) this.#holdersOf(service).add(nodeId)
  }

  /** Resolves once the node holds a permit. */
  claim(service: string, going: Going, limit: ServiceLimit): Promise<void> {
    return new Promise((resolve) => {
      const claims = this.#claims.get(service) ?? []
      this.#claims.set(service, claims)
      const claim = { going, limit, resolve }
      claims.push(claim)
      this.#grant(service)
      // The first to come gets it, and that is chance.
      if (claims.includes(claim) && this.holding(going) === undefined) this.drawn()
    })
  }

  release(service: string, nodeId: string): void {
    this.#holdersOf(service).delete(nodeId)
    const waiting = this.#claims.get(service)?.length ?? 0
    // The first of so many who ask at their own times.
    const ms = (1.5 * defaultSettings.slotPauseMs * this.random.next()) / (1 + waiting)
    if (waiting > 0) this.time.after(ms, () => this.#grant(service))
  }

  pause(control: Control): void {
    this.#controls.push(control)
  }

  /** Which control holds the node back, if any. */
  holding(going: Going): Control | undefined {
    return holding(this.#controls, going)
  }

  heldBy(service: string): readonly string[] {
    return [...this.#holdersOf(service)].sort()
  }

  #grant(service: string): void {
    const claims = this.#claims.get(service) ?? []
    const holders = this.#holdersOf(service)
    const registered = this.nodes.registered(service)
    for (;;) {
      const ready = claims.filter(
        ({ going, limit }) => holders.size < permitsAllowed(limit, registered) && this.holding(going) === undefined,
      )
      if (ready.length === 0) return
      const chosen = ready[Math.floor(this.random.next() * ready.length)]!
      claims.splice(claims.indexOf(chosen), 1)
      holders.add(chosen.going.nodeId)
      chosen.resolve()
    }
  }

  #holdersOf(service: string): Set<string> {
    const holders = this.#holders.get(service) ?? new Set<string>()
    this.#holders.set(service, holders)
    return holders
  }
}
