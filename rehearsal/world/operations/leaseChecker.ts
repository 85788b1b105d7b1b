/**
 * How long the leases last that the upgrade database has given out, so that it is known when
 * another host may have a node.
 */

interface Renewal {
  readonly atMs: number
  readonly leaseMs: number
}

export class LeaseChecker {
  readonly #renewed = new Map<string, Renewal>()

  constructor(private readonly nowMs: () => number) {}

  /** The database has carried it out for these nodes, but for those that it has from another. */
  renewed(
    session: { readonly hostId: string } | undefined,
    nodeIds: readonly string[],
    leaseMs: number,
    elsewhere: readonly { readonly nodeId: string }[],
  ): void {
    for (const nodeId of nodeIds) {
      if (session === undefined || elsewhere.some((each) => each.nodeId === nodeId)) continue
      this.#renewed.set(`${session.hostId} ${nodeId}`, { atMs: this.nowMs(), leaseMs })
    }
  }

  leftMs(host: string, nodeId: string): number {
    const renewal = this.#renewed.get(`${host} ${nodeId}`)
    return renewal === undefined ? 0 : Math.max(0, renewal.atMs + renewal.leaseMs - this.nowMs())
  }
}
