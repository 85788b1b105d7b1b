/**
 * How long each phase of an upgrade took, and how upgrades ended, out of what the host tells its observers.
 */

import { isOfStage, type Phase, type PhaseOf } from '../../core/base/phases.js'
import type { HostEvent, HostObserver } from '../../core/inspection/hostEvents.js'
import { Distribution } from './distribution.js'

/** Seconds. From a flip to a schedule of days. */
export const phaseBounds: readonly number[] = [
  0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1_800, 3_600, 21_600, 86_400,
]

export interface PhaseFigures {
  readonly service: string
  readonly phase: Phase
  readonly durations: Distribution
}

export interface UpgradeOutcome {
  readonly service: string
  readonly outcome: 'completed' | PhaseOf<'stuck' | 'failed'>
  count: number
}

interface Begun {
  readonly phase: Phase
  readonly atMs: number
}

export class UpgradeFigures {
  readonly #begun = new Map<string, Begun>()
  readonly #phases = new Map<string, PhaseFigures>()
  readonly #outcomes = new Map<string, UpgradeOutcome>()

  get phases(): Iterable<PhaseFigures> {
    return this.#phases.values()
  }

  get outcomes(): Iterable<UpgradeOutcome> {
    return this.#outcomes.values()
  }

  readonly observe: HostObserver = (event) => {
    if (event.type === 'phase') this.#entered(event)
  }

  #entered({ nodeId, service, phase }: Extract<HostEvent, { readonly type: 'phase' }>): void {
    const before = this.#begun.get(nodeId)
    if (before?.phase === phase) return
    const atMs = performance.now()
    if (before !== undefined) this.#distribution(service, before.phase).add((atMs - before.atMs) / 1000)
    if (isOfStage(phase, 'idle')) {
      if (before !== undefined) this.#count(service, 'completed')
      this.#begun.delete(nodeId)
    } else if (isOfStage(phase, 'stuck', 'failed')) {
      if (before !== undefined || phase === 'failed') this.#count(service, phase)
      this.#begun.delete(nodeId)
    } else this.#begun.set(nodeId, { phase, atMs })
  }

  #distribution(service: string, phase: Phase): Distribution {
    const key = `${service} ${phase}`
    const known = this.#phases.get(key) ?? { service, phase, durations: new Distribution(phaseBounds) }
    this.#phases.set(key, known)
    return known.durations
  }

  #count(service: string, outcome: UpgradeOutcome['outcome']): void {
    const key = `${service} ${outcome}`
    const known = this.#outcomes.get(key) ?? { service, outcome, count: 0 }
    known.count++
    this.#outcomes.set(key, known)
  }
}
