/**
 * The nodes of a host that are on their way to serve for the first time. A start goes through servers, the
 * disk and users' code, so a host may be stopped meanwhile.
 *
 * S1. When the host stops, whoever waits for a start hears so at once: `unavailable.stopped`.
 * S2. The host waits for each start to come to its end before it closes what the start uses, as long as its
 *     budget lasts. A start that goes on after that changes nothing: its node has stopped, and the journal
 *     takes no writes.
 */
import { Fault } from '../../core/base/fault.js'
import type { Node } from './node.js'

export function hostStoppedFault(cause?: unknown): Fault {
  return new Fault('unavailable.stopped', 'the host has stopped', {}, cause === undefined ? undefined : { cause })
}

/** The facts about its host that a start knows. */
export class NodeStart {
  readonly #nodes: Node[] = []
  readonly #stopping = Promise.withResolvers<never>()
  #isStopping = false

  /** From when there are some: one, or the members of a group. */
  get nodes(): readonly Node[] {
    return this.#nodes
  }

  made(node: Node): void {
    this.#nodes.push(node)
  }

  get isStopping(): boolean {
    return this.#isStopping
  }

  /**
   * As `work` ends, or `unavailable.stopped` when the host stops. Then `work` goes on, but nobody listens.
   */
  unlessStopped<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#stopping.promise])
  }

  /** Throws `unavailable.stopped` when the host stops. */
  check(): void {
    if (this.#isStopping) throw hostStoppedFault()
  }

  stop(): void {
    this.#isStopping = true
    this.#stopping.reject(hostStoppedFault())
  }
}

export class StartingNodes {
  readonly #starts = new Map<string, { readonly start: NodeStart; readonly ended: Promise<void> }>()

  get ids(): readonly string[] {
    return [...this.#starts.keys()]
  }

  has(nodeId: string): boolean {
    return this.#starts.has(nodeId)
  }

  /** Those that have come so far. */
  get nodes(): readonly Node[] {
    return [...new Set(this.#starts.values())].flatMap(({ start }) => start.nodes)
  }

  /** Starts one node, or several together. */
  run<T>(nodeId: string | readonly string[], work: (start: NodeStart) => Promise<T>): Promise<T> {
    const start = new NodeStart()
    const ids = typeof nodeId === 'string' ? [nodeId] : nodeId
    const result = work(start).finally(() => {
      for (const id of ids) this.#starts.delete(id)
    })
    const ended = result.then(
      () => {},
      () => {},
    )
    const entry = { start, ended }
    for (const id of ids) this.#starts.set(id, entry)
    return start.unlessStopped(result)
  }

  /** Resolves when all have ended. */
  async stop(): Promise<void> {
    const starts = [...this.#starts.values()]
    for (const { start } of starts) start.stop()
    await Promise.all(starts.map(({ ended }) => ended))
  }
}
