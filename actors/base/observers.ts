import { isPromiseIgnored } from '../../core/base/maybePromise.js'
import type { HostEvent, HostObserver } from '../../core/inspection/hostEvents.js'

/** Those who watch a host. An exception of one of them is its own affair and never the host's. */
export class Observers {
  readonly #all = new Set<HostObserver>()

  add(observer: HostObserver): () => void {
    this.#all.add(observer)
    return () => this.#all.delete(observer)
  }

  readonly notify: HostObserver = (event: HostEvent) => {
    for (const observer of this.#all) {
      try {
        isPromiseIgnored(observer(event))
      } catch {
        // An observer only looks.
      }
    }
  }
}
