/**
 * Waits until replicas have what was written (`WAIT`), so that a fail-over does not take it back.
 *
 * One wait at a time, and all who come meanwhile share the next one: Redis answers nothing else on the
 * connection until it is over.
 */
import { reasonOf } from '../../core/base/fault.js'

/** How long replicas may take. A replica that follows takes some milliseconds. */
export const replicationMsMax = 1000

export interface ReplicaLink {
  readonly address: string
  /** So many must have it; 0: nobody is waited for. */
  readonly replicas: number
  /** Counts the connections: nothing that was written on one before is waited for on this one. */
  readonly connection: number
  /** Answers how many have all that was written on this connection. */
  wait(replicas: number, ms: number): Promise<number>
}

interface Waited {
  readonly connection: number
  readonly count: number
  readonly why?: string
}

export class ReplicaWait {
  #last: Promise<unknown> = Promise.resolve()
  #next: Promise<Waited> | undefined

  constructor(private readonly link: ReplicaLink) {}

  /**
   * Undefined where enough replicas have all that was written on this connection until now; otherwise how
   * many, in words.
   */
  async missing(connection = this.link.connection): Promise<string | undefined> {
    const { replicas, address } = this.link
    if (replicas === 0) return undefined
    this.#next ??= this.#later()
    const waited = await this.#next
    const count = waited.connection === connection ? waited.count : 0
    if (count >= replicas) return undefined
    const why = waited.why === undefined ? '' : ` (${waited.why})`
    return `${count} of ${replicas} replicas of Redis at ${address} have it after ${replicationMsMax} ms${why}`
  }

  #later(): Promise<Waited> {
    const next = this.#last.then(() => {
      this.#next = undefined
      return this.#wait()
    })
    this.#last = next
    return next
  }

  async #wait(): Promise<Waited> {
    const { connection, replicas } = this.link
    try {
      return { connection, count: await this.link.wait(replicas, replicationMsMax) }
    } catch (error) {
      return { connection, count: 0, why: reasonOf(error) }
    }
  }
}
