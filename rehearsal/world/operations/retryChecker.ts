/**
 * Counts how often a stalled node tries again, and what it was asked.
 *
 * P4. A stalled node tries again once for each retry that is asked of it, or of its version, and never by
 *     itself: not after a restart either.
 */
import type { Phase, Version } from 'theseus-actors'

interface Stalled {
  readonly target: Version
  /** It has left its stall, and is to be seen ending the try. */
  isTrying: boolean
}

const ended: ReadonlySet<Phase> = new Set<Phase>(['stalled', 'rejected'])

export class RetryChecker {
  readonly #stalled = new Map<string, Stalled>()
  /** By version, and by `<node> <version>`. */
  readonly #asked = new Map<string, number>()
  readonly #tries = new Map<string, number>()

  constructor(
    /**
     * Nothing is said where a node's record can't be written: it restarts from the one before, and knows
     * nothing of its stall.
     */
    private readonly mayForget: boolean,
    private readonly violated: (rule: string, what: string) => void,
  ) {}

  askedOfVersion(version: Version): void {
    this.#count(this.#asked, String(version))
  }

  /** Through its handle. */
  askedOf(nodeId: string): void {
    const stalled = this.#stalled.get(nodeId)
    if (stalled !== undefined) this.#count(this.#asked, `${nodeId} ${stalled.target}`)
  }

  phase(nodeId: string, phase: Phase, target: Version | null): void {
    const stalled = this.#stalled.get(nodeId)
    if (target === null) {
      this.#stalled.delete(nodeId)
      return
    }
    if (!ended.has(phase)) {
      if (stalled?.target === target) stalled.isTrying = true
      else this.#stalled.delete(nodeId)
      return
    }
    this.#stalled.set(nodeId, { target, isTrying: false })
    if (stalled?.target === target && stalled.isTrying) this.#tried(nodeId, target)
  }

  /** A process that died in the middle of a try may make it once more. */
  died(nodeId: string): void {
    this.#stalled.delete(nodeId)
  }

  /** Its disk is an old one: what it was asked since, it has not heard. */
  restored(nodeId: string): void {
    for (const key of [...this.#tries.keys()]) if (key.startsWith(`${nodeId} `)) this.#tries.delete(key)
  }

  #tried(nodeId: string, target: Version): void {
    if (this.mayForget) return
    const key = `${nodeId} ${target}`
    const tries = this.#count(this.#tries, key)
    const asked = (this.#asked.get(key) ?? 0) + (this.#asked.get(String(target)) ?? 0)
    if (tries > asked)
      this.violated('P4', `${nodeId} has tried version ${target} again ${tries} times, and was asked ${asked} times`)
  }

  #count(counts: Map<string, number>, key: string): number {
    const count = (counts.get(key) ?? 0) + 1
    counts.set(key, count)
    return count
  }
}
