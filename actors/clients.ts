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
import { FrequentCaller } from './caller.js'
import type { OutgoingCall } from './callTable.js'
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
      this.#dispatcher(target, nodeId, options, (call) => this.#call(call)),
    )
  }

  sender(target: NodeClass, nodeId: string | undefined, options: RefOptions): object {
    return makeRef(
      target,
      this.#dispatcher(target, nodeId, options, (call) => this.#send(call)),
    )
  }

  #dispatcher(
    target: NodeClass,
    nodeId: string | undefined,
    options: RefOptions,
    go: (call: PinnedCall) => unknown,
  ): (method: string, kind: MethodKind, args: readonly unknown[]) => unknown {
    const subjects = subjectsOf(this.services.settings.system)
    const { className, service } = describeClass(target)
    const subject = nodeId === undefined ? subjects.service(service) : subjects.node(nodeId)
    const deadlineMs = milliseconds(options.deadline ?? this.services.settings.callDeadlineMs)
    const { version } = options
    const pin: Pin = {
      className: version === undefined ? className : null,
      caller: version === undefined ? undefined : this.#caller(version),
      found: undefined,
    }
    if (version !== undefined) this.#register(version)
    return (method, kind, args) => go({ pin, target, subject, deadlineMs, method, kind, args })
  }

  #call(call: PinnedCall): Promise<unknown> {
    const now = this.services.clock.now()
    const deadline = now + call.deadlineMs
    const caller = this.#known(call.pin)
    if (caller !== undefined) return this.services.calls.call(caller, outgoing(call, caller.version, deadline), now)
    return this.#find(call).then((found) => this.services.calls.call(found, outgoing(call, found.version, deadline)))
  }

  #send(call: PinnedCall): void {
    const { services } = this
    const now = services.clock.now()
    const deadline = now + call.deadlineMs
    const caller = this.#known(call.pin)
    if (caller !== undefined) services.calls.send(caller, outgoing(call, caller.version, deadline), now)
    else
      this.#find(call)
        .then((found) => services.calls.send(found, outgoing(call, found.version, deadline)))
        .catch((error) => services.observe({ type: 'warning', message: `a send of ${call.method} was dropped`, error }))
  }

  /** Who calls, if the pin's version is known for good, or as long as there is no newer one. */
  #known({ caller, found }: Pin): FrequentCaller | undefined {
    return found === undefined || found.isNamed || found.newest >= this.services.history.heard ? caller : undefined
  }

  /** Finds the pin's version, and who calls with it. */
  async #find(call: PinnedCall): Promise<FrequentCaller> {
    const { pin } = call
    const found = await this.#label(call)
    if (pin.caller?.version !== found.version) pin.caller = this.#caller(found.version)
    pin.found = found
    return pin.caller
  }

  #caller(version: Version): FrequentCaller {
    const { settings, calls } = this.services
    return new FrequentCaller({ nodeId: settings.hostId, incarnation: calls.incarnation, className: 'Client', version })
  }

  /**
   * A pinned reference never changes its version. A class that no upgrade names may belong to one that is not published yet: it is looked
   * for again when there are newer versions.
   */
  async #label({ target }: PinnedCall): Promise<FoundLabel> {
    const { history } = this.services
    let label = this.#labels.get(target)
    if (label !== undefined) {
      const found = await label
      if (!found.isNamed && found.newest < history.heard) label = undefined
    }
    if (label === undefined) {
      label = this.#look(target)
      this.#labels.set(target, label)
      label.catch(() => this.#labels.delete(target))
    }
    return label
  }

  async #look(target: NodeClass): Promise<FoundLabel> {
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
  /** The class that the labelled version must have; null where the caller chose the version itself. */
  readonly className: string | null
  /** Who calls, with the version; undefined until that is found. */
  caller: FrequentCaller | undefined
  /** How the version was found; undefined too where the caller chose it. */
  found: FoundLabel | undefined
}

interface PinnedCall {
  readonly pin: Pin
  readonly target: NodeClass
  readonly subject: string
  readonly deadlineMs: number
  readonly method: string
  readonly kind: MethodKind
  readonly args: readonly unknown[]
}

function outgoing(call: PinnedCall, label: Version, deadline: number): OutgoingCall {
  const { subject, method, kind, args, pin } = call
  return { subject, label, method, kind, args, deadline, expects: pin.className, path: null }
}
