/** An object or an SO as it runs: the instance, its surroundings, and the signal that ends its timers and sockets with it. */
import type { Collection } from '../core/collection.js'
import { Fault } from '../core/fault.js'
import type { Version } from '../core/ids.js'
import type { NodeClass, ObjectContext } from '../core/nodeObject.js'
import type { Slot } from '../core/nodeRecord.js'
import type { Clock } from '../core/ports/clock.js'
import type { Random } from '../core/ports/random.js'
import type { NodeState } from './nodeState.js'
import type { UpgradeLayer } from './upgradeLayer.js'

export interface Surroundings {
  readonly nodeId: string
  readonly layer: UpgradeLayer
  readonly state: NodeState
  readonly clock: Clock
  readonly random: Random
  /** Puts a call of the object's own method into the mailbox. */
  readonly callSelf: (method: string, args: readonly unknown[]) => void
}

export class LiveContext implements ObjectContext {
  readonly #stop = new AbortController()
  /** While `checking`, the new object sends nothing. */
  silent = false

  constructor(
    private readonly around: Surroundings,
    private readonly slot: Slot,
    /** What this object's calls are labelled with. */
    private readonly label: () => Version,
  ) {}

  get nodeId(): string {
    return this.around.nodeId
  }

  get signal(): AbortSignal {
    return this.#stop.signal
  }

  stop(): void {
    this.#stop.abort()
  }

  collection(name: string): Collection<unknown> {
    return this.around.state.collection(this.slot, name, () => this.#mustRun())
  }

  ref(target: NodeClass, nodeId?: string): object {
    return this.around.layer.ref(target, nodeId, () => this.#mayLeave())
  }

  sender(target: NodeClass, nodeId?: string): object {
    return this.around.layer.sender(target, nodeId, () => this.#mayLeave())
  }

  after(ms: number, method: string, args: readonly unknown[]): void {
    this.#mayLeave()
    // C12. A timer is a send to oneself: a command that fails, or is lost, has set none.
    this.around.layer.leaveWithCommit(() => {
      if (this.signal.aborted) return
      const cancel = this.around.clock.after(ms, () => {
        this.signal.removeEventListener('abort', cancel)
        if (!this.signal.aborted) this.around.callSelf(method, args)
      })
      this.signal.addEventListener('abort', cancel, { once: true })
    })
  }

  now(): number {
    return this.around.clock.now()
  }

  random(): number {
    return this.around.random.next()
  }

  #mayLeave(): Version {
    if (this.silent) throw new Fault('protocol.not-here', 'an object sends nothing while it is being checked')
    this.#mustRun()
    return this.label()
  }

  #mustRun(): void {
    if (this.signal.aborted) throw new Fault('protocol.not-here', 'this object has stopped')
  }
}
