/**
 * References taken outside any object: they belong to code that was written for one version, so they are pinned to it and registered
 * at it (DESIGN §3). The version is the newest at which the line has the class the reference was made with.
 */
import { inject, injectable } from 'tsyringe'
import { isNamed, newestVersionOf } from '../core/classLine.js'
import { type Duration, milliseconds } from '../core/duration.js'
import type { Version } from '../core/ids.js'
import type { MethodKind } from '../core/methods.js'
import { describeClass, type NodeClass } from '../core/nodeObject.js'
import { subjectsOf } from '../core/subjects.js'
import { NodeServices } from './nodeServices.js'
import { makeRef } from './refs.js'

/** The service under which pinned references are registered. It has no line of classes and answers no calls. */
export const clientService = 'client'

export interface RefOptions {
  /** The version to call at, instead of the one that the class belongs to. */
  readonly version?: Version
  /** How long a call may take. */
  readonly deadline?: Duration
}

@injectable()
export class Clients {
  readonly #pinned = new Set<Version>()
  readonly #labels = new Map<NodeClass, Promise<FoundLabel>>()

  constructor(@inject(NodeServices) private readonly services: NodeServices) {}

  ref(target: NodeClass, nodeId: string | undefined, options: RefOptions): object {
    return makeRef(
      target,
      this.#dispatcher(target, nodeId, options, (call, kind) => this.#call(call, kind)),
    )
  }

  sender(target: NodeClass, nodeId: string | undefined, options: RefOptions): object {
    return makeRef(
      target,
      this.#dispatcher(target, nodeId, options, (call, kind) => this.#send(call, kind)),
    )
  }

  #dispatcher(
    target: NodeClass,
    nodeId: string | undefined,
    options: RefOptions,
    go: (call: PinnedCall, kind: MethodKind) => unknown,
  ): (method: string, kind: MethodKind, args: readonly unknown[]) => unknown {
    const subjects = subjectsOf(this.services.settings.system)
    const { className, service } = describeClass(target)
    const subject = nodeId === undefined ? subjects.service(service) : subjects.node(nodeId)
    const deadlineMs = milliseconds(options.deadline ?? this.services.settings.callDeadlineMs)
    const pin: Pin = { label: options.version, className: options.version === undefined ? className : null }
    if (options.version !== undefined) this.#register(options.version)
    return (method, kind, args) => go({ pin, target, subject, deadlineMs, method, args }, kind)
  }

  #call(call: PinnedCall, kind: MethodKind): Promise<unknown> {
    const deadline = this.services.clock.now() + call.deadlineMs
    if (call.pin.label !== undefined) return this.#go(call, kind, call.pin.label, deadline)
    return this.#label(call).then((label) => this.#go(call, kind, label, deadline))
  }

  #go(call: PinnedCall, kind: MethodKind, label: Version, deadline: number): Promise<unknown> {
    return this.services.calls.call(this.#caller(label), { ...this.#outgoing(call, kind, label), deadline })
  }

  #send(call: PinnedCall, kind: MethodKind): void {
    const send = (label: Version) => this.services.calls.send(this.#caller(label), this.#outgoing(call, kind, label))
    if (call.pin.label !== undefined) send(call.pin.label)
    else
      this.#label(call).then(send, (error) => {
        this.services.observe({ type: 'warning', message: `a send of ${call.method} was dropped`, error })
      })
  }

  #caller(version: Version) {
    const { settings, calls } = this.services
    return { nodeId: settings.hostId, incarnation: calls.incarnation, className: 'Client', version }
  }

  #outgoing({ subject, method, args, pin, deadlineMs }: PinnedCall, kind: MethodKind, label: Version) {
    return {
      subject,
      label,
      method,
      kind,
      args,
      deadline: this.services.clock.now() + deadlineMs,
      expects: pin.className,
      path: null,
    }
  }

  /**
   * A pinned reference never changes its version. A class that no upgrade names may belong to one that is not published yet: it is looked
   * for again when there are newer versions.
   */
  async #label({ pin, target }: PinnedCall): Promise<Version> {
    const { history } = this.services
    let label = this.#labels.get(target)
    if (label !== undefined) {
      const found = await label
      if (!found.isNamed && found.newest < history.heard) label = undefined
    }
    if (label === undefined) {
      label = this.#find(target)
      this.#labels.set(target, label)
      label.catch(() => this.#labels.delete(target))
    }
    const found = await label
    if (found.isNamed) pin.label = found.version
    return found.version
  }

  async #find(target: NodeClass): Promise<FoundLabel> {
    const { history } = this.services
    await history.fetch(await history.ask())
    const { className } = describeClass(target)
    const version = newestVersionOf(history.manifests, className)
    this.#register(version)
    return { version, isNamed: isNamed(history.manifests, className), newest: history.newest }
  }

  /** A version that is called is not dead: the pin is a row of its own, which expires with this host. */
  #register(version: Version): void {
    if (this.#pinned.has(version)) return
    this.#pinned.add(version)
    const { settings, registrar, clock } = this.services
    registrar.report({
      nodeId: `${settings.hostId}-v${version}`,
      service: clientService,
      className: 'Client',
      version,
      phase: 'current',
      target: null,
      reason: null,
      hostId: settings.hostId,
      directoryId: null,
      since: clock.now(),
    })
  }
}

interface FoundLabel {
  readonly version: Version
  /** Whether some upgrade names the class. */
  readonly isNamed: boolean
  /** The newest version when it was looked for. */
  readonly newest: Version
}

interface Pin {
  label: Version | undefined
  /** The class that the labelled version must have; null where the caller chose the version itself. */
  readonly className: string | null
}

interface PinnedCall {
  readonly pin: Pin
  readonly target: NodeClass
  readonly subject: string
  readonly deadlineMs: number
  readonly method: string
  readonly args: readonly unknown[]
}
