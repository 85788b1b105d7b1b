/**
 * An object or an SO as it runs: the instance, its surroundings, and the signal that ends its
 * timers and sockets with it.
 */

import { milliseconds } from '../../core/base/duration.js'
import { Fault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import type { Collection } from '../../core/model/collection.js'
import type { EventType } from '../../core/model/event.js'
import type { Receiver } from '../../core/model/methodTable.js'
import { isNeighbourClass, type NeighbourClass } from '../../core/model/neighbour.js'
import {
  type CallOptions,
  type ClassDescription,
  calledNeighbour,
  describeClass,
  type Lifecycle,
  type NodeClass,
  type ObjectContext,
} from '../../core/model/nodeObject.js'
import type { StateSlot } from '../../core/model/nodeRecord.js'
import { undeclared, undeclaredMethod, undeclaredNeighbour } from '../../core/model/undeclaredCalls.js'
import type { CallerInfo } from '../../core/wire/callerInfo.js'
import { copied } from '../../core/wire/copied.js'
import type { Labels } from '../calls/upgradeLayer.js'
import type { ObjectEnvironment } from '../serving/objectEnvironment.js'
import { ObjectTimers } from '../serving/objectTimers.js'

/**
 * In the hands of user code: what it stands on is `#private`, or an object could reach the store and the
 * database of its host.
 */
export class LiveContext implements ObjectContext, Receiver {
  #stop: AbortController | undefined
  #isStopped = false
  /** Made with the first timer: most objects have none. */
  #timers: ObjectTimers | undefined
  #isSilent = false

  readonly #around: ObjectEnvironment
  readonly #slot: StateSlot
  readonly #label: Version | null
  readonly #description: ClassDescription

  /**
   * @param label what an SO's calls are labelled with; null: the object's, with the node's version
   * @param description of the class that it implements: whom it may call is declared there
   */
  constructor(
    readonly self: object,
    around: ObjectEnvironment,
    slot: StateSlot,
    label: Version | null,
    description: ClassDescription,
  ) {
    this.#around = around
    this.#slot = slot
    this.#label = label
    this.#description = description
  }

  get nodeId(): string {
    return this.#around.nodeId
  }

  /** Made when somebody asks: most objects never do. */
  get signal(): AbortSignal {
    if (this.#stop === undefined) {
      this.#stop = new AbortController()
      if (this.#isStopped) this.#stop.abort()
    }
    return this.#stop.signal
  }

  get caller(): CallerInfo {
    const caller = this.#isStopped ? undefined : this.#around.running?.caller
    if (caller !== undefined) return caller
    throw new Fault('protocol.not-here', `nobody calls node ${this.nodeId} now: read this.caller in the method that is called`)
  }

  /** Whether it will be called by itself: it must not be discarded for want of calls. */
  get hasTimers(): boolean {
    return (this.#timers?.size ?? 0) > 0
  }

  touch(): void {
    this.#around.state.touch(this.#slot)
  }

  /** While `checking`, the new object sends nothing. */
  hush(): void {
    this.#isSilent = true
  }

  speak(): void {
    this.#isSilent = false
  }

  stop(): void {
    this.#isStopped = true
    this.#timers?.stop()
    this.#stop?.abort()
  }

  /** Stops an SO alone: the object and the other SOs go on. */
  close(): void {
    this.stop()
    this.#around.state.close(this.#slot)
  }

  collection(name: string): Collection<unknown> {
    return this.#around.state.collection(this.#slot, name, () => this.#mustRun())
  }

  ref(target: NodeClass | NeighbourClass, nodeId?: string, options?: CallOptions): object {
    if (isNeighbourClass(target)) {
      checkNeighbour(this.#description, target)
      return this.#around.layer.neighbourRef(target, nodeId, () => this.#mayLeave(), deadlineMsOf(options))
    }
    checkCalls(this.#description, target)
    return this.#around.layer.ref(target, nodeId, this.#labels(target), deadlineMsOf(options))
  }

  sender(target: NodeClass | NeighbourClass, nodeId?: string, options?: CallOptions): object {
    if (isNeighbourClass(target)) {
      checkNeighbour(this.#description, target)
      return this.#around.layer.neighbourSender(target, nodeId, () => this.#mayLeave(), deadlineMsOf(options))
    }
    checkCalls(this.#description, target)
    return this.#around.layer.sender(target, nodeId, this.#labels(target), deadlineMsOf(options))
  }

  publish(event: EventType<any>, args: readonly unknown[]): void {
    checkPublishes(this.#description, event)
    this.#around.layer.publish(event.name, args, this.#mayLeave())
  }

  after(ms: number, method: string, args: readonly unknown[]): void {
    checkTimer(this.#description, ms, method)
    this.#mayLeave()
    const given = copied(args, 'the arguments of after()')
    const around = this.#around
    const label = this.#label
    this.#timers ??= new ObjectTimers(around.clock, around.timersMax)
    const timers = this.#timers
    const timer = timers.reserve()
    // C12. A timer is a send to oneself: a command that fails, or is lost, has set none.
    around.layer.leaveWithCommit(
      () => timers.set(timer, ms, () => around.callSelf(timer, label, method, given)),
      () => timers.giveUp(timer),
    )
  }

  now(): number {
    return this.#around.clock.now()
  }

  random(): number {
    return this.#around.random.next()
  }

  #labels(target: NodeClass): Labels {
    const description = this.#description
    const only = description.callsOnly.get(describeClass(target).service)
    if (only === undefined) return () => this.#mayLeave()
    return (method) => {
      if (!only.has(method)) throw undeclaredMethod(description, target.name || target.className, method, target)
      return this.#mayLeave()
    }
  }

  #mayLeave(): Version {
    if (this.#isSilent)
      throw new Fault('protocol.not-here', `an object sends nothing while it is being checked or observed (node ${this.nodeId})`)
    this.#mustRun()
    return this.#label ?? this.#around.version
  }

  #mustRun(): void {
    if (this.#isStopped) throw new Fault('protocol.not-here', `this object has stopped (node ${this.nodeId})`)
  }
}

/** The object as it runs, over one generation. */
export interface RunningObject {
  readonly instance: Lifecycle
  readonly definition: NodeClass
  readonly context: LiveContext
}

/** Undefined: as the host has it. Throws `config.invalid`. */
function deadlineMsOf(options: CallOptions | undefined): number | undefined {
  return options?.deadline === undefined ? undefined : milliseconds(options.deadline)
}

/** A call that is not declared can't be minded when the other is upgraded (DESIGN §3). */
function checkCalls(description: ClassDescription, target: NodeClass): void {
  const { service } = describeClass(target)
  if (description.callsServices.has(service)) return
  throw undeclared(description, target.name || target.className, target)
}

/** The version of the neighbour that is kept alive is that of the declared class. */
function checkNeighbour(description: ClassDescription, target: NeighbourClass): void {
  const { system, className } = calledNeighbour(target)
  if (description.neighbours.some((declared) => declared.system === system && declared.className === className)) return
  throw undeclaredNeighbour(description, target.target.name || className, system, className)
}

/** A timer that can't ring would be missed when it is due, and not where it is set. */
function checkTimer({ className, methods }: ClassDescription, ms: number, method: string): void {
  if (!Number.isFinite(ms) || ms < 0) {
    const given = typeof ms === 'number' ? ms : `a ${typeof ms}`
    throw new Fault('config.invalid', `${className}: after(${given}, …): use a number of milliseconds, 0 or more`)
  }
  if (methods.has(method)) return
  const given = typeof method === 'string' ? JSON.stringify(method) : `a ${typeof method}`
  const known = [...methods.keys()].join(', ')
  throw new Fault('config.invalid', `after(${ms}, ${given}): ${className} has no such remote method; it has ${known}`)
}

function checkPublishes({ className, publishes }: ClassDescription, { name, revision }: EventType<any>): void {
  if (publishes.some((declared) => declared.name === name && declared.revision === revision)) return
  throw new Fault(
    'config.invalid',
    `${className} publishes ${name} (revision ${revision}) without saying so: add it to "static override readonly publishes" of its class`,
  )
}
