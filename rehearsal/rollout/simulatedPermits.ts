/**
 * The permits under the services' limits, and the controls, as the upgrade database would decide. Nodes at
 * work ask every now and then, so that a permit that comes free is anybody's: here it is drawn by lot.
 */
import { defaultSettings, type ServiceLimit } from 'theseus-actors'
import type { Version } from '../../core/base/ids.js'
import { notServing } from '../../core/base/phases.js'
import { type Control, type Going, holding } from '../../core/control/control.js'
import type { Random } from '../../core/ports/random.js'
import { permitsAllowed } from '../../core/schedules/serviceLimit.js'
import type { VirtualTime } from '../world/virtualTime.js'
import type { SimulatedNodes } from './simulatedNodes.js'

interface Claim {
  readonly going: Going
  /** Its node's host has failed. */
  isWithdrawn: boolean
  readonly resolve: () => void
}

/** Those who may go while fewer are away than this, by this number. */
type Claims = Map<number, Claim[]>

export class SimulatedPermits {
  readonly #holders = new Map<string, Set<string>>()
  readonly #claims = new Map<string, Claims>()
  readonly #byNode = new Map<string, Claim>()
  /** Drawn while a control held them, until it is lifted. */
  #held: { readonly service: string; readonly allowed: number; readonly claim: Claim }[] = []
  #controls: Control[]

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
      const byAllowed = this.#claimsOf(service)
      const allowed = permitsAllowed(limit, this.nodes.registered(service))
      const claims = byAllowed.get(allowed) ?? []
      byAllowed.set(allowed, claims)
      let isGranted = false
      const claim: Claim = {
        going,
        isWithdrawn: false,
        resolve: () => {
          isGranted = true
          this.#byNode.delete(going.nodeId)
          resolve()
        },
      }
      this.#byNode.set(going.nodeId, claim)
      claims.push(claim)
      this.#grant(service)
      // The first to come gets it, and that is chance.
      if (!isGranted && this.holding(going) === undefined) this.drawn()
    })
  }

  release(service: string, nodeId: string): void {
    this.#holdersOf(service).delete(nodeId)
    let waiting = 0
    for (const claims of this.#claimsOf(service).values()) waiting += claims.length
    // The first of so many who ask at their own times.
    const ms = (1.5 * defaultSettings.slotPauseMs * this.random.next()) / (1 + waiting)
    if (waiting > 0) this.time.after(ms, () => this.#grant(service))
  }

  pause(control: Control): void {
    this.#controls.push(control)
  }

  resume(version: Version): void {
    this.#controls = this.#controls.filter((control) => control.kind !== 'pause' || control.version !== version)
    const held = this.#held
    this.#held = []
    for (const { service, allowed, claim } of held) this.#claimsOf(service).get(allowed)!.push(claim)
    for (const service of this.#claims.keys()) this.#grant(service)
  }

  /** The node's host has failed. A permit that it has, it keeps. */
  withdraw(nodeId: string): void {
    const claim = this.#byNode.get(nodeId)
    if (claim !== undefined) claim.isWithdrawn = true
    this.#byNode.delete(nodeId)
  }

  /** Which control holds the node back, if any. */
  holding(going: Going): Control | undefined {
    return holding(this.#controls, going)
  }

  heldBy(service: string): readonly string[] {
    return [...this.#holdersOf(service)].sort()
  }

  #grant(service: string): void {
    const byAllowed = this.#claimsOf(service)
    const holders = this.#holdersOf(service)
    for (;;) {
      const [allowed, chosen] = this.#draw([...byAllowed].filter(([most, { length }]) => holders.size < most && length > 0))
      if (chosen === undefined) return
      if (chosen.isWithdrawn) continue
      if (this.holding(chosen.going) !== undefined) {
        this.#held.push({ service, allowed, claim: chosen })
        continue
      }
      holders.add(chosen.going.nodeId)
      chosen.resolve()
    }
  }

  /** One of them, taken out. Their order is of no account. */
  #draw(ready: readonly (readonly [allowed: number, claims: Claim[]])[]): readonly [number, Claim | undefined] {
    let left = Math.floor(this.random.next() * ready.reduce((sum, [, { length }]) => sum + length, 0))
    for (const [allowed, claims] of ready) {
      if (left >= claims.length) {
        left -= claims.length
        continue
      }
      const last = claims.pop()!
      if (left === claims.length) return [allowed, last]
      const chosen = claims[left]!
      claims[left] = last
      return [allowed, chosen]
    }
    return [0, undefined]
  }

  #claimsOf(service: string): Claims {
    const claims = this.#claims.get(service) ?? new Map<number, Claim[]>()
    this.#claims.set(service, claims)
    return claims
  }

  #holdersOf(service: string): Set<string> {
    const holders = this.#holders.get(service) ?? new Set<string>()
    this.#holders.set(service, holders)
    return holders
  }
}
