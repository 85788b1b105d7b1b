/**
 * The upgrade layer of one node (§3): "labels outgoing calls made by its node with the node's version
 * number". An SO's messages are labelled with the version that it implements.
 *
 * C12. A call and a message leave as departures of their node (state/departures.ts); a command's own sends
 *      leave with its commit.
 */

import type { Version } from '../../core/base/ids.js'
import type { MethodKind } from '../../core/model/methods.js'
import { describeClass, type NodeClass } from '../../core/model/nodeObject.js'
import type { Clock } from '../../core/ports/clock.js'
import { kinds } from '../../core/wire/envelope.js'
import { subjectsOf } from '../../core/wire/subjects.js'
import type { HostSettings } from '../base/settings.js'
import type { Departures } from '../state/departures.js'
import { type Caller, CallingNode } from './caller.js'
import type { CallTable } from './callTable.js'
import type { Listener } from './contacts.js'
import { asItIsNow, type OneWayKind, type OutgoingCall } from './outgoingCall.js'
import { makeRef } from './refs.js'
import type { RunningCall } from './runningCall.js'

/** Of its host, for calls that a node makes. */
export interface LayerServices {
  readonly calls: CallTable
  readonly clock: Clock
  readonly settings: HostSettings
  readonly history: IntroducedEvents
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

export class UpgradeLayer {
  #caller: CallingNode | undefined

  constructor(private readonly node: LabelledNode) {}

  ref(target: NodeClass, nodeId: string | undefined, label: () => Version): object {
    const { service } = describeClass(target)
    const subject = this.#subject(service, nodeId)
    return makeRef(target, (method, kind, args) => {
      const now = this.node.services.clock.monotonicMs()
      return this.#call(this.#outgoing(subject, service, label(), method, kind, args, now), now)
    })
  }

  sender(target: NodeClass, nodeId: string | undefined, label: () => Version): object {
    const { service } = describeClass(target)
    const subject = this.#subject(service, nodeId)
    return makeRef(target, (method, kind, args) => {
      const now = this.node.services.clock.monotonicMs()
      this.#send(this.#outgoing(subject, service, label(), method, kind, args, now), now)
    })
  }

  /** To whoever hears the event; the label says what it means. */
  publish(name: string, args: readonly unknown[], label: Version): void {
    const { clock, settings, history } = this.node.services
    const now = clock.monotonicMs()
    const { event, introduced } = subjectsOf(settings.system)
    const also = history.isIntroduced(name, label) ? introduced : undefined
    this.#send(this.#outgoing(event(name), null, label, name, 'command', args, now), now, kinds.event, also)
  }

  #subject(service: string, nodeId: string | undefined): string {
    return nodeId === undefined
      ? subjectsOf(this.node.services.settings.system).service(service)
      : subjectsOf(this.node.services.settings.system).node(nodeId)
  }

  #outgoing(
    subject: string,
    service: string | null,
    label: Version,
    method: string,
    kind: MethodKind,
    args: readonly unknown[],
    now: number,
  ): OutgoingCall {
    const running = this.node.running
    const own = now + this.node.services.settings.callDeadlineMs
    return {
      subject,
      label,
      method,
      kind,
      args,
      deadline: running === undefined ? own : Math.min(own, running.deadline),
      expects: null,
      path: running?.path ?? null,
      service,
      trace: running?.trace ?? null,
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
    if (this.#caller?.is(now) !== true) this.#caller = new CallingNode(now, this.node.contacts)
    return this.#caller!
  }
}
