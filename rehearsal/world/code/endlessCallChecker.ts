/**
 * Calls that do not end for long, while an upgrade waits for them.
 *
 * C10. A node that can't upgrade because of a call that runs says so: it is not `current` as if
 *      there were nothing to do.
 */
import type { Version } from 'theseus-actors'
import { classOf } from '../classSpecs.js'
import type { RunningNode } from '../cluster.js'
import type { NodePlan, Plan } from '../plan.js'

/** An upgrade that is known for so long has begun, or says why not. */
const begunWithinMs = 1_500

export class EndlessCallChecker {
  readonly #sinceMs = new Map<string, number>()
  /** When each host has learned of each version. */
  readonly #learnedMs = new Map<string, number[]>()

  constructor(
    private readonly plan: Plan,
    private readonly nowMs: () => number,
    private readonly violated: (rule: string, what: string) => void,
  ) {}

  hangs(nodeId: string): void {
    if (!this.#sinceMs.has(nodeId)) this.#sinceMs.set(nodeId, this.nowMs())
  }

  died(host: string, nodeIds: readonly string[]): void {
    this.#learnedMs.delete(host)
    for (const nodeId of nodeIds) this.#sinceMs.delete(nodeId)
  }

  learned(host: string, version: Version): void {
    const learned = this.#learnedMs.get(host) ?? []
    this.#learnedMs.set(host, learned)
    learned[version] ??= this.nowMs()
  }

  /** Before the calls end. */
  check(living: readonly { readonly plan: NodePlan; readonly handle: RunningNode | undefined }[]): void {
    for (const { plan: node, handle } of living) {
      const sinceMs = this.#sinceMs.get(node.nodeId)
      if (sinceMs === undefined || handle === undefined || handle.phase !== 'current') continue
      const next = handle.version + 1
      if (next > this.plan.upgrades.length || classOf(this.plan, node, next) === handle.className) continue
      const learnedMs = this.#learnedMs.get(node.host)?.[next]
      if (learnedMs === undefined) continue
      const knownMs = this.nowMs() - Math.max(learnedMs, sinceMs)
      if (knownMs > begunWithinMs)
        this.violated(
          'C10',
          `${node.nodeId} is current at version ${handle.version}, and says nothing of ${next}, known for ${knownMs} ms`,
        )
    }
  }
}
