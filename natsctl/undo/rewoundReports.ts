/**
 * The reports of a rewind as hosts tell them, part by part: whole when every host that should has answered,
 * and each report that has begun has come to its end. Pure.
 */
import type { Version } from 'theseus-actors'
import type { ReportedDifference, RewoundSeen, Seen } from 'theseus-actors/operator'

/** Of one node. */
export interface NodeReport extends Pick<RewoundSeen, 'nodeId' | 'replayed' | 'differing' | 'told' | 'differences'> {
  readonly hostId: string
}

interface Begun extends Omit<NodeReport, 'differences'> {
  readonly parts: Map<number, readonly ReportedDifference[]>
}

/** Of all nodes. Anybody may speak in a host's name. */
export const differencesHeldMax = 200_000

export class RewoundReports {
  readonly #hosts: Set<string>
  readonly #begun = new Map<string, Begun>()
  #held = 0

  /**
   * @param target the version that was taken back
   * @param hosts those that are to answer
   */
  constructor(
    private readonly target: Version,
    hosts: Iterable<string>,
  ) {
    this.#hosts = new Set(hosts)
  }

  hear(hostId: string, seen: readonly Seen[]): void {
    this.#hosts.delete(hostId)
    for (const one of seen) {
      if (one.type !== 'rewound' || one.target !== this.target) continue
      const { nodeId, replayed, differing, told, from, differences } = one
      const key = `${hostId}\n${nodeId}`
      const parts = this.#begun.get(key)?.parts ?? new Map<number, readonly ReportedDifference[]>()
      this.#held += differences.length - (parts.get(from)?.length ?? 0)
      if (this.#held > differencesHeldMax) {
        this.#held -= differences.length
        continue
      }
      parts.set(from, differences)
      this.#begun.set(key, { nodeId, hostId, replayed, differing, told, parts })
    }
  }

  /** Hosts that have not answered. */
  get unheard(): readonly string[] {
    return [...this.#hosts].sort()
  }

  /** Nodes of whose report parts are missing. */
  get partial(): readonly string[] {
    return this.reports.filter(({ told, differences }) => differences.length < told).map(({ nodeId }) => nodeId)
  }

  get isWhole(): boolean {
    return this.#hosts.size === 0 && this.partial.length === 0
  }

  /** By node. */
  get reports(): readonly NodeReport[] {
    return [...this.#begun.values()]
      .map(({ parts, ...report }) => ({
        ...report,
        differences: [...parts].sort(([a], [b]) => a - b).flatMap(([, differences]) => differences),
      }))
      .sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1))
  }
}
