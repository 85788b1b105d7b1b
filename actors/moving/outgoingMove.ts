/**
 * A node that has left its store (M1). Its state is sent for a bounded time, until the target has decided.
 * After that the target is asked to refuse it, so that the node can go on where it was. A target that can't
 * be reached decides nothing, and the node waits.
 */
import { digestOf } from '../../core/base/digest.js'
import { packWrites } from '../../core/model/logEntry.js'
import { rangesOfNode, type Verdict } from '../../core/model/nodeMove.js'
import type { Clock } from '../../core/ports/clock.js'
import type { Write } from '../../core/ports/stateStore.js'
import { sleep } from '../base/timeouts.js'
import type { Journal } from '../state/journal.js'
import type { LastPart, MoveTarget, Taken } from './moveMessages.js'

export interface OutgoingServices {
  readonly clock: Clock
  readonly journal: Journal
}

/** Of one part; a message takes more. */
const partBytesMax = 256 * 1024
/** Beside the keys and values of a write. */
const pairBytes = 16
/** The state is sent again for so long; then the target is asked to refuse the move. */
export const moveMs = 10_000
const pauseMs = 100

/** All of its state, in key order. */
export function writesOfNode(journal: Journal, nodeId: string): readonly Write[] {
  return rangesOfNode(nodeId).flatMap((range) => [...journal.range(...range)])
}

export function bytesOf(writes: readonly Write[]): number {
  return writes.reduce((sum, write) => sum + weightOf(write), 0)
}

/** Of one write. */
export function weightOf([key, value]: Write): number {
  return Buffer.byteLength(key) + (value?.length ?? 0) + pairBytes
}

export class OutgoingMove {
  readonly #parts: readonly (readonly Write[])[]

  constructor(
    private readonly services: OutgoingServices,
    private readonly target: MoveTarget,
    nodeId: string,
    /** The identities of both stores. */
    private readonly way: Pick<LastPart, 'from' | 'target'>,
  ) {
    this.#parts = partsOf(writesOfNode(services.journal, nodeId))
  }

  /** Resolves with undefined when this host stops, or has lost the shard: another goes on. */
  async run(isOver: () => boolean, failed: (error: unknown) => void): Promise<Verdict | undefined> {
    const { clock } = this.services
    const untilMs = clock.monotonicMs() + moveMs
    while (!isOver()) {
      try {
        const taken =
          clock.monotonicMs() < untilMs ? await this.#send() : await this.target.refuse(this.way.from, this.way.target)
        if (isOver()) return undefined
        if (taken === 'arrived' || taken === 'refused') return taken
      } catch (error) {
        failed(error)
      }
      await sleep(clock, pauseMs)
    }
    return undefined
  }

  async #send(): Promise<Taken> {
    const before = this.#parts.slice(0, -1)
    for (const [index, writes] of before.entries()) await this.target.part(index, writes)
    return this.target.take({
      parts: before.length,
      digest: digestOfParts(this.#parts),
      ...this.way,
      writes: this.#parts.at(-1)!,
    })
  }
}

/** One at least. */
function partsOf(writes: readonly Write[]): readonly (readonly Write[])[] {
  const parts: Write[][] = [[]]
  let bytes = 0
  for (const write of writes) {
    const weight = weightOf(write)
    if (bytes > 0 && bytes + weight > partBytesMax) {
      parts.push([])
      bytes = 0
    }
    parts.at(-1)!.push(write)
    bytes += weight
  }
  return parts
}

/** The same however they are divided. */
export function digestOfParts(parts: readonly (readonly Write[])[]): string {
  return digestOf(packWrites(parts.flat()))
}
