/** The way of each node through the phases of its upgrade, with how long each took. */
import type { HostEvent, Phase } from 'theseus-actors'

type Step = { readonly phase: Phase; readonly atMs: number }

export class PhaseTrail {
  readonly #steps = new Map<string, Step[]>()

  readonly observe = (event: HostEvent): void => {
    if (event.type !== 'phase') return
    const steps = this.#steps.get(event.nodeId) ?? []
    const last = steps.at(-1)
    if (last?.phase === event.phase) return
    const step = { phase: event.phase, atMs: performance.now() }
    this.#steps.set(event.nodeId, last?.phase === 'current' && steps.length > 1 ? [last, step] : [...steps, step])
  }

  phase(node: string): Phase {
    return this.#steps.get(node)?.at(-1)?.phase ?? 'current'
  }

  /**
   * The last upgrade, from draining on, and for how long calls were held:
   * `draining → … → recovering, calls held for 6 ms`.
   */
  pause(node: string): string {
    const steps = this.#steps.get(node) ?? []
    const from = steps.findIndex(({ phase }) => phase === 'draining')
    const end = steps.at(-1)
    if (from === -1 || end?.phase !== 'current') return ''
    const way = steps.slice(from, -1).map(({ phase }) => phase)
    return `${way.join(' → ')}: calls held for ${Math.max(1, Math.round(end.atMs - steps[from]!.atMs))} ms`
  }
}
