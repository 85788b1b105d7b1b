/**
 * References taken outside any object: they belong to code that was written for one version, so they are
 * pinned to it and registered at it (DESIGN §3). The version is the newest at which the lineage has the class
 * the reference was made with.
 */
import { inject, injectable } from 'tsyringe'
import { type Duration, milliseconds } from '../../core/base/duration.js'
import { Fault, isFault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import type { HostObserver } from '../../core/inspection/hostEvents.js'
import type { MethodKind } from '../../core/model/methods.js'
import { describeClass, type NodeClass } from '../../core/model/nodeObject.js'
import { clientService } from '../../core/model/nodeRow.js'
import type { Clock } from '../../core/ports/clock.js'
import { isNamed, newestVersionOf } from '../../core/upgrade/classLineage.js'
import { subjectsOf } from '../../core/wire/subjects.js'
import type { HostSettings } from '../base/settings.js'
import { FrequentCaller } from '../calls/caller.js'
import type { CallTable } from '../calls/callTable.js'
import { asItIsNow, type OutgoingCall } from '../calls/outgoingCall.js'
import { type Dispatch, makeRef, subjectOf } from '../calls/refs.js'
import type { Intake } from '../history/intake.js'
import type { UpgradeHistory } from '../history/upgradeHistory.js'
import type { StatusReporter } from '../registration/statusReporter.js'
import { NodeServices } from './nodeServices.js'

export interface RefOptions {
  /** The version to call at, instead of the one that the class belongs to. */
  readonly version?: Version
  /** How long a call may take. */
  readonly deadline?: Duration
}

/** Of its host, for references. */
interface ClientServices {
  readonly settings: HostSettings
  readonly clock: Clock
  readonly observe: HostObserver
  readonly calls: CallTable
  readonly history: UpgradeHistory
  readonly intake: Intake
  readonly statusReporter: StatusReporter
}

@injectable()
export class Clients {
  readonly #pinned = new Set<Version>()
  readonly #labels = new Map<NodeClass, Promise<FoundLabel>>()

  constructor(@inject(NodeServices) private readonly services: ClientServices) {}

  ref(target: NodeClass, nodeId: string | undefined, options: RefOptions): object {
    return makeRef(
      target,
      this.#dispatcher(target, nodeId, options, (ref, method, kind, args) => this.#call(ref, method, kind, args)),
    )
  }

  sender(target: NodeClass, nodeId: string | undefined, options: RefOptions): object {
    return makeRef(
      target,
      this.#dispatcher(target, nodeId, options, (ref, method, kind, args) => this.#send(ref, method, kind, args)),
    )
  }

  #dispatcher(
    target: NodeClass,
    nodeId: string | undefined,
    options: RefOptions,
    go: (ref: PinnedRef, ...call: Parameters<Dispatch>) => unknown,
  ): Dispatch {
    const subjects = subjectsOf(this.services.settings.system)
    const { className, service } = describeClass(target)
    const subject = subjectOf(subjects, target, nodeId)
    const deadlineMs = milliseconds(options.deadline ?? this.services.settings.callDeadlineMs)
    const { version } = options
    const pin: Pin = {
      className: version === undefined ? className : null,
      caller: version === undefined ? undefined : this.#caller(version),
      found: undefined,
    }
    if (version !== undefined) this.#register(version)
    const ref: PinnedRef = { pin, target, service, subject, deadlineMs }
    return (method, kind, args) => go(ref, method, kind, args)
  }

  #call(ref: PinnedRef, method: string, kind: MethodKind, args: readonly unknown[]): Promise<unknown> {
    const { calls, clock } = this.services
    const now = clock.monotonicMs()
    const caller = this.#known(ref.pin)
    if (caller !== undefined) return calls.call(caller, outgoing(ref, caller.version, method, kind, args, now), now)
    return this.#callLater(ref, outgoing(ref, 0, method, kind, args, now))
  }

  async #callLater(ref: PinnedRef, unlabelled: OutgoingCall): Promise<unknown> {
    const call = asItIsNow(unlabelled)
    const found = await this.#find(ref).catch(notSent)
    return this.services.calls.call(found, { ...call, label: found.version })
  }

  #send(ref: PinnedRef, method: string, kind: MethodKind, args: readonly unknown[]): void {
    const { calls, clock, observe } = this.services
    const now = clock.monotonicMs()
    const caller = this.#known(ref.pin)
    if (caller !== undefined) {
      calls.send(caller, outgoing(ref, caller.version, method, kind, args, now), now)
      return
    }
    const call = asItIsNow(outgoing(ref, 0, method, kind, args, now))
    this.#find(ref)
      .then((found) => calls.send(found, { ...call, label: found.version }))
      .catch((error) => observe({ type: 'warning', message: `a send of ${method} was dropped`, error }))
  }

  /** The caller, if the pin's version is known for good, or as long as there is no newer one. */
  #known({ caller, found }: Pin): FrequentCaller | undefined {
    return found === undefined || found.isNamed || found.newest >= this.services.history.heard ? caller : undefined
  }

  /** Finds the pin's version, and who calls with it. */
  async #find({ pin, target }: PinnedRef): Promise<FrequentCaller> {
    const found = await this.#label(target)
    if (pin.caller?.version !== found.version) pin.caller = this.#caller(found.version)
    pin.found = found
    return pin.caller
  }

  #caller(version: Version): FrequentCaller {
    const { settings, calls } = this.services
    return new FrequentCaller({ nodeId: settings.hostId, incarnation: calls.incarnation, className: 'Client', version })
  }

  /**
   * A pinned reference never changes its version. A class that no upgrade names may belong to one that is not
   * published yet: it is looked for again when there are newer versions.
   */
  async #label(target: NodeClass): Promise<FoundLabel> {
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
    const { history, intake } = this.services
    await intake.manifests(await history.ask())
    const { className } = describeClass(target)
    const version = newestVersionOf(history.manifests, className)
    this.#register(version)
    return { version, isNamed: isNamed(history.manifests, className), newest: history.newest }
  }

  /** A version that is called is not dead: the pin is a row of its own, which expires with this host. */
  #register(version: Version): void {
    if (this.#pinned.has(version)) return
    this.#pinned.add(version)
    const { settings, statusReporter, clock } = this.services
    statusReporter.report({
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

/**
 * The question for the version may have been answered by nobody; the call that it was asked for has not left.
 */
function notSent(error: unknown): never {
  if (!isFault(error) || error.code !== 'timeout.unknown') throw error
  throw new Fault('unavailable.stopped', 'the host has stopped', {}, { cause: error })
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
  /** The caller, with the version; undefined until that is found. */
  caller: FrequentCaller | undefined
  /** How the version was found; undefined too where the caller chose it. */
  found: FoundLabel | undefined
}

/** The part that stays the same from one call of a reference to the next. */
interface PinnedRef {
  readonly pin: Pin
  readonly target: NodeClass
  readonly service: string
  readonly subject: string
  readonly deadlineMs: number
}

function outgoing(
  { pin, service, subject, deadlineMs }: PinnedRef,
  label: Version,
  method: string,
  kind: MethodKind,
  args: readonly unknown[],
  now: number,
): OutgoingCall {
  const deadline = now + deadlineMs
  return { subject, label, method, kind, args, deadline, expects: pin.className, path: null, service, trace: null }
}
