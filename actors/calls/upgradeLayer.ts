/**
 * The upgrade layer of one node (§3): "labels outgoing calls made by its node with the node's version
 * number". An SO's messages are labelled with the version that it implements. Those to a neighbour, another
 * system, have a version of that system: the one to which the named class belongs (N1).
 *
 * C12. A call and a message leave as departures of their node (state/departures.ts); a command's own sends
 *      leave with its commit.
 */

import { Fault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import type { MethodKind } from '../../core/model/methods.js'
import type { NeighbourClass } from '../../core/model/neighbour.js'
import { describeClass, type NodeClass } from '../../core/model/nodeObject.js'
import type { Clock } from '../../core/ports/clock.js'
import { incarnationAbroad, kinds } from '../../core/wire/envelope.js'
import { type Subjects, subjectsOf } from '../../core/wire/subjects.js'
import type { HostSettings } from '../base/settings.js'
import type { Departures } from '../state/departures.js'
import { type Caller, CallingNode, NeighbourCaller } from './caller.js'
import type { CallTable } from './callTable.js'
import type { Listener } from './contacts.js'
import { asItIsNow, type OneWayKind, type OutgoingCall } from './outgoingCall.js'
import { makeRef, subjectOf } from './refs.js'
import type { RunningCall } from './runningCall.js'

/** Of its host, for calls that a node makes. */
export interface LayerServices {
  readonly calls: CallTable
  readonly clock: Clock
  readonly settings: HostSettings
  readonly history: IntroducedEvents
  readonly neighbours: CalledNeighbours
}

export interface CalledNeighbours {
  /** Throws `config.invalid` for a system that is no neighbour. */
  get(system: string): CalledNeighbour
}

/** Another system that is called. */
export interface CalledNeighbour {
  readonly system: string
  readonly subjects: Subjects
  readonly calls: CallTable
  /** Its version to which the class belongs; undefined where that is not known yet. */
  label(className: string): Version | undefined
  find(className: string): Promise<Version>
}

export interface IntroducedEvents {
  /** Whether hosts may live that do not know yet that this event can be heard. */
  isIntroduced(event: string, version: Version): boolean
}

/** The parts of its node that the layer needs. */
export interface LabelledNode {
  readonly services: LayerServices
  readonly departures: Departures
  /** The node as it is now. */
  readonly caller: Caller
  readonly contacts: Listener
  readonly running: RunningCall | undefined
}

/** The label of a call of this method. Throws where the object may not make it. */
export type Labels = (method: string) => Version

/** A neighbour's class, as a reference calls it. */
interface CalledThere {
  readonly neighbour: CalledNeighbour
  readonly className: string
  readonly service: string
  readonly subject: string
}

export class UpgradeLayer {
  #caller: CallingNode | undefined
  #callersAt: Map<CalledNeighbour, NeighbourCaller> | undefined

  constructor(private readonly node: LabelledNode) {}

  ref(target: NodeClass, nodeId: string | undefined, label: Labels, deadlineMs?: number): object {
    const { service } = describeClass(target)
    const subject = this.#subject(target, nodeId)
    return makeRef(target, (method, kind, args) => {
      const now = this.node.services.clock.monotonicMs()
      return this.#call(this.#outgoing(subject, service, label(method), method, kind, args, now, deadlineMs), now)
    })
  }

  sender(target: NodeClass, nodeId: string | undefined, label: Labels, deadlineMs?: number): object {
    const { service } = describeClass(target)
    const subject = this.#subject(target, nodeId)
    return makeRef(target, (method, kind, args) => {
      const now = this.node.services.clock.monotonicMs()
      this.#send(this.#outgoing(subject, service, label(method), method, kind, args, now, deadlineMs), now)
    })
  }

  /** `mayLeave` throws where the object may send nothing. */
  neighbourRef(
    { target, system }: NeighbourClass,
    nodeId: string | undefined,
    mayLeave: () => void,
    deadlineMs?: number,
  ): object {
    const to = this.#at(target, system, nodeId)
    return makeRef(target, (method, kind, args) => {
      mayLeave()
      const now = this.node.services.clock.monotonicMs()
      const label = to.neighbour.label(to.className)
      const call = this.#outgoing(to.subject, to.service, label ?? 0, method, kind, args, now, deadlineMs, to.className)
      return label === undefined ? this.#callUnlabelled(to, call) : this.#callNeighbour(to.neighbour, call, now)
    })
  }

  neighbourSender(
    { target, system }: NeighbourClass,
    nodeId: string | undefined,
    mayLeave: () => void,
    deadlineMs?: number,
  ): object {
    const to = this.#at(target, system, nodeId)
    return makeRef(target, (method, kind, args) => {
      mayLeave()
      const now = this.node.services.clock.monotonicMs()
      const label = to.neighbour.label(to.className)
      if (label === undefined)
        throw new Fault('upgrade.fetch', `the version of ${to.className} at neighbour ${system} is not known yet`)
      const call = this.#outgoing(to.subject, to.service, label, method, kind, args, now, deadlineMs, to.className)
      this.leaveWithCommit(to.neighbour.calls.prepareSend(this.#callerAt(to.neighbour, label), call, kinds.send))
    })
  }

  #at(target: NodeClass, system: string, nodeId: string | undefined): CalledThere {
    const neighbour = this.node.services.neighbours.get(system)
    const { className, service } = describeClass(target)
    const subject = subjectOf(neighbour.subjects, target, nodeId)
    return { neighbour, className, service: `${system}/${service}`, subject }
  }

  #callNeighbour(neighbour: CalledNeighbour, call: OutgoingCall, now: number): Promise<unknown> {
    const caller = this.#callerAt(neighbour, call.label)
    if (this.node.departures.isOpen) return neighbour.calls.call(caller, call, now)
    return this.#callNeighbourLater(neighbour, caller, call)
  }

  async #callNeighbourLater(neighbour: CalledNeighbour, caller: NeighbourCaller, call: OutgoingCall): Promise<unknown> {
    const now = asItIsNow(call)
    await this.node.departures.mayCall()
    return neighbour.calls.call(caller, now)
  }

  async #callUnlabelled({ neighbour, className }: CalledThere, call: OutgoingCall): Promise<unknown> {
    const now = asItIsNow(call)
    const label = await neighbour.find(className)
    return this.#callNeighbour(neighbour, { ...now, label }, this.node.services.clock.monotonicMs())
  }

  /** Towards a neighbour it has the neighbour's version: that of its own system means nothing there. */
  #callerAt(neighbour: CalledNeighbour, version: Version): NeighbourCaller {
    const { nodeId, className } = this.node.caller
    const incarnation = incarnationAbroad(this.node.services.calls.incarnation)
    this.#callersAt ??= new Map()
    const known = this.#callersAt.get(neighbour)
    if (known?.version === version && known.className === className) return known
    const caller = new NeighbourCaller({ nodeId, incarnation, className, version }, this.node.departures)
    this.#callersAt.set(neighbour, caller)
    return caller
  }

  /** To whoever hears the event; the label says what it means. */
  publish(name: string, args: readonly unknown[], label: Version): void {
    const { clock, settings, history } = this.node.services
    const now = clock.monotonicMs()
    const { event, introduced } = subjectsOf(settings.system)
    const also = history.isIntroduced(name, label) ? introduced : undefined
    this.#send(this.#outgoing(event(name), null, label, name, 'command', args, now), now, kinds.event, also)
  }

  #subject(target: NodeClass, nodeId: string | undefined): string {
    return subjectOf(subjectsOf(this.node.services.settings.system), target, nodeId)
  }

  #outgoing(
    subject: string,
    service: string | null,
    label: Version,
    method: string,
    kind: MethodKind,
    args: readonly unknown[],
    now: number,
    deadlineMs: number = this.node.services.settings.callDeadlineMs,
    expects: string | null = null,
  ): OutgoingCall {
    const running = this.node.running
    const own = now + deadlineMs
    return {
      subject,
      label,
      method,
      kind,
      args,
      deadline: running === undefined ? own : Math.min(own, running.deadline),
      expects,
      path: running?.path ?? null,
      service,
      trace: running?.trace ?? null,
      madeFor: running,
    }
  }

  #call(call: OutgoingCall, now: number): Promise<unknown> {
    if (this.node.departures.isOpen) return this.node.services.calls.call(this.#frequentCaller(), call, now)
    return this.#callLater(call)
  }

  async #callLater(call: OutgoingCall): Promise<unknown> {
    const now = asItIsNow(call)
    // Made by the node as it is now, as the label is: it may advance before the call leaves.
    const caller = this.#frequentCaller()
    await this.node.departures.mayCall()
    return this.node.services.calls.call(caller, now)
  }

  #send(call: OutgoingCall, now: number, kind: OneWayKind = kinds.send, also?: string): void {
    if (kind === kinds.send && this.node.departures.isOpen && this.node.running?.sends === undefined) {
      this.node.services.calls.send(this.#frequentCaller(), call, now)
      return
    }
    // Packed now: a later command may change what the arguments refer to, and what can't be
    // packed fails its own command.
    this.leaveWithCommit(this.node.services.calls.prepareSend(this.#frequentCaller(), call, kind, also))
  }

  /**
   * Runs `leave` with the commit of the command that runs, or `giveUp` if that command fails. Outside
   * commands `leave` runs when all that was written so far is on disk. Neither runs where writes are lost.
   */
  leaveWithCommit(leave: () => void, giveUp?: () => void): void {
    const { running } = this.node
    if (running?.sends === undefined) this.node.departures.addSends([leave])
    else {
      running.sends.push(leave)
      if (giveUp !== undefined) running.whenFailed(giveUp)
    }
  }

  /** The node as it is now: the same one until it has another class or version. */
  #frequentCaller(): CallingNode {
    const now = this.node.caller
    if (this.#caller?.is(now) !== true) this.#caller = new CallingNode(now, this.node.contacts, this.node.departures)
    return this.#caller!
  }
}
