/**
 * The nodes of a host that go forward wait in queues, by service: so many are on their way at
 * once, from when they ask for a permit under their service's limit until they serve again. The
 * others wait without asking anybody: ten thousand nodes are ten thousand turns of a few at a
 * time, and the event loop is nobody's for long.
 */
import { inject, injectable } from 'tsyringe'
import type { HostSettings } from '../base/settings.js'
import { tokens } from '../base/tokens.js'

/** To be called once it is not needed any more; later calls do nothing. */
export type ReleasePlace = () => void

interface Queue {
  taken: number
  readonly waiting: Set<() => void>
}

@injectable()
export class UpgradeQueue {
  readonly #queues = new Map<string, Queue>()

  constructor(@inject(tokens.settings) private readonly settings: HostSettings) {}

  /** Whether somebody who asks now has to wait. */
  isFull(service: string): boolean {
    return (this.#queues.get(service)?.taken ?? 0) >= this.settings.upgradesAtOnceMax
  }

  /** Resolves when there is a place, in the order of asking. Rejects when `signal` is aborted. */
  async take(service: string, signal: AbortSignal): Promise<ReleasePlace> {
    signal.throwIfAborted()
    let queue = this.#queues.get(service)
    if (queue === undefined) this.#queues.set(service, (queue = { taken: 0, waiting: new Set() }))
    if (queue.taken < this.settings.upgradesAtOnceMax) queue.taken++
    else await this.#untilFree(queue, signal)
    return this.#giveBack(service, queue)
  }

  /** An upgrade that gives its place back hands it on. */
  #untilFree({ waiting }: Queue, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const next = () => {
        signal.removeEventListener('abort', leave)
        resolve()
      }
      const leave = () => {
        waiting.delete(next)
        reject(signal.reason)
      }
      waiting.add(next)
      signal.addEventListener('abort', leave, { once: true })
    })
  }

  #giveBack(service: string, queue: Queue): ReleasePlace {
    let isBack = false
    return () => {
      if (isBack) return
      isBack = true
      const [next] = queue.waiting
      if (next === undefined) {
        if (--queue.taken === 0) this.#queues.delete(service)
        return
      }
      queue.waiting.delete(next)
      next()
    }
  }
}
