/**
 * The upgrade layer of one node (§3): "labels outgoing calls made by its node with the node's version number". What an SO sends out is
 * labelled with the version that it implements.
 *
 * C12. Nothing leaves a node before every earlier write that it may have seen is committed; a command's own sends leave with its commit.
 */
import type { Version } from '../core/ids.js'
import type { MethodKind } from '../core/methods.js'
import { describeClass, type NodeClass } from '../core/nodeObject.js'
import type { Clock } from '../core/ports/clock.js'
import { type Subjects, subjectsOf } from '../core/subjects.js'
import type { Caller, CallTable, OutgoingCall } from './callTable.js'
import type { NodeState } from './nodeState.js'
import { makeRef } from './refs.js'
import type { HostSettings } from './settings.js'

/** What the call being answered passes on to the calls made for it. */
export interface RunningCall {
  readonly deadline: number
  readonly path: readonly string[]
  /** Sends of a running command wait here for its commit; of anything else they leave at once. */
  readonly sends: (() => void)[] | undefined
}

export class UpgradeLayer {
  readonly #subjects: Subjects

  constructor(
    private readonly caller: () => Caller,
    private readonly running: () => RunningCall | undefined,
    private readonly state: NodeState,
    private readonly calls: CallTable,
    private readonly clock: Clock,
    private readonly settings: HostSettings,
  ) {
    this.#subjects = subjectsOf(settings.system)
  }

  ref(target: NodeClass, nodeId: string | undefined, label: () => Version): object {
    const subject = this.#subject(target, nodeId)
    return makeRef(target, (method, kind, args) => this.#call(this.#outgoing(subject, label(), method, kind, args)))
  }

  sender(target: NodeClass, nodeId: string | undefined, label: () => Version): object {
    const subject = this.#subject(target, nodeId)
    return makeRef(target, (method, kind, args) => this.#send(this.#outgoing(subject, label(), method, kind, args)))
  }

  #subject(target: NodeClass, nodeId: string | undefined): string {
    return nodeId === undefined ? this.#subjects.service(describeClass(target).service) : this.#subjects.node(nodeId)
  }

  #outgoing(subject: string, label: Version, method: string, kind: MethodKind, args: readonly unknown[]): OutgoingCall {
    const running = this.running()
    const own = this.clock.now() + this.settings.callDeadlineMs
    return {
      subject,
      label,
      method,
      kind,
      args,
      deadline: running === undefined ? own : Math.min(own, running.deadline),
      expects: null,
      path: running?.path ?? null,
    }
  }

  async #call(call: OutgoingCall): Promise<unknown> {
    await this.#settled()
    return this.calls.call(this.caller(), call)
  }

  #send(call: OutgoingCall): void {
    // Packed now: a later command may change what the arguments refer to, and what can't be packed fails its own command.
    this.leaveWithCommit(this.calls.prepareSend(this.caller(), call))
  }

  /** Runs `leave` with the commit of the command that runs, and never if that fails; else when what was written so far is on disk. */
  leaveWithCommit(leave: () => void): void {
    const sends = this.running()?.sends
    if (sends !== undefined) sends.push(leave)
    else this.afterCommit(leave)
  }

  /** Runs `leave` when everything that the node has written so far is on disk; never if that is lost. */
  afterCommit(leave: () => void): void {
    this.state.whenCommitted((error) => {
      if (error === undefined) leave()
    })
  }

  #settled(): Promise<void> | undefined {
    if (this.state.isCommitted) return undefined
    return new Promise((resolve, reject) =>
      this.state.whenCommitted((error) => (error === undefined ? resolve() : reject(error))),
    )
  }
}
