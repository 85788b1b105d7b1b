/**
 * Carries out once more, on the kept generation, what a node has done since its flip (W2): the operations in
 * their order, labels up to the old version on the old object, later ones through its future-SO.
 *
 * Each operation is one commit: what it writes, its own end in the recording, and the difference, if there is
 * one. So a replay that is interrupted goes on where it was. An operation that fails now, or diverges, leaves
 * no trace and is reported (W3, W4).
 */
import { Fault, isFault, toFault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import { isInvariantViolation } from '../../core/base/invariant.js'
import { promiseOf } from '../../core/base/maybePromise.js'
import { invoke, type MethodEntry, type Receiver } from '../../core/model/methodTable.js'
import type { Lifecycle } from '../../core/model/nodeObject.js'
import { type Generation, keys, type Recording } from '../../core/model/nodeRecord.js'
import type { ObjectChain } from '../../core/model/objectChain.js'
import {
  decodeOperation,
  encodeDifference,
  isSameTold,
  type RecordedOperation,
  type RewindDifference,
  type Told,
  toldOf,
} from '../../core/model/recordedOperation.js'
import type { Clock } from '../../core/ports/clock.js'
import { unpack } from '../../core/wire/codec.js'
import type { HostSettings } from '../base/settings.js'
import { within } from '../base/timeouts.js'
import { faultOfMethod } from '../serving/callFaults.js'
import type { ObjectEnvironment } from '../serving/objectEnvironment.js'
import type { BatchNumber, Journal } from '../state/journal.js'
import { packedReport, type RewindReport, readReport } from '../state/rewindReport.js'
import { type GivenUp, sweepRange } from '../state/transformRun.js'
import { numbersOf } from './recorder.js'
import { ReplayEnvironment, ReplayedOperation } from './replayEnvironment.js'

/** Of its host. */
export interface ReplayServices {
  readonly journal: Journal
  readonly clock: Clock
  readonly settings: HostSettings
}

/** An object of another generation with its chain, beside which nothing of its node runs. */
export interface ObjectApart {
  readonly instance: Lifecycle
  readonly chain: ObjectChain
  /** Ends its timers and sockets, and forgets its state. */
  end(): void
}

export interface ReplayingSoftware {
  /** Makes the object of a generation, with the chain that answered from `oldest` on. */
  apart(generation: Generation, oldest: Version, around: ObjectEnvironment): ObjectApart
}

/** An operation that waits for an answer which had not come the first time waits no longer than this. */
const unansweredMs = 500

export class Replay {
  readonly #around: ReplayEnvironment
  #object: ObjectApart | undefined
  #report: RewindReport
  #beganMs: number
  #inTurn = 0

  constructor(
    private readonly services: ReplayServices,
    private readonly software: ReplayingSoftware,
    private readonly node: ObjectEnvironment,
    private readonly recording: Recording,
    private readonly given: GivenUp,
  ) {
    const { className, version } = recording.kept
    this.#around = new ReplayEnvironment(node, className, version)
    this.#report = { target: recording.target, replayed: 0, differing: 0 }
    this.#beganMs = services.clock.monotonicMs()
  }

  /** Ends with everything on disk. Throws `upgrade.rewind` where the object does not start. */
  async run(): Promise<RewindReport> {
    const { journal, settings } = this.services
    const { nodeId, state } = this.node
    const before = readReport(journal, nodeId)
    if (before?.target === this.recording.target) this.#report = before
    else await sweepRange(...keys.differences(nodeId), journal, settings)
    const { first, next } = numbersOf(journal, nodeId, this.recording.target)
    try {
      await this.#start()
      for (let number = first; number < next; number++) {
        const key = keys.operation(nodeId, this.recording.target, number)
        await this.#replay(key, decodeOperation(journal.get(key)!))
        await this.#pause()
      }
      this.#write()
      await state.settled()
      this.#goesOn()
    } finally {
      this.leave()
    }
    return this.#report
  }

  /**
   * Nothing that still runs of it writes from now on. To be called as soon as it is given up: the object that
   * comes next opens the same state.
   */
  leave(): void {
    const object = this.#object
    this.#object = undefined
    object?.end()
  }

  #goesOn(): void {
    if (this.given.up) throw new Fault('upgrade.rewind', 'the replay was given up')
  }

  /** "start() runs first": as after any restart, with what it says to others, once. */
  async #start(): Promise<void> {
    const { node, services } = this
    this.#goesOn()
    this.leave()
    this.#object = this.software.apart(this.recording.kept, this.recording.oldest, this.#around)
    const ticket = node.state.begin('command')
    try {
      node.state.touch(this.recording.kept.object)
      const { instance } = this.#object
      const starting = this.#around.begin('start', () => instance.start())
      if (starting !== undefined) await within(services.clock, services.settings.callDeadlineMs, Promise.resolve(starting), late)
      this.#goesOn()
      node.state.keep(ticket)
      this.#around.isMute = true
    } catch (error) {
      node.state.drop(ticket)
      if (isInvariantViolation(error) || this.given.up) throw error
      throw new Fault(
        'upgrade.rewind',
        `the old object does not start: ${toFault(error, 'upgrade.rewind').message}`,
        {},
        { cause: error },
      )
    } finally {
      this.#around.ended()
    }
  }

  async #replay(key: string, recorded: RecordedOperation): Promise<void> {
    const operation = new ReplayedOperation(recorded)
    const found = this.#entry(recorded)
    if (isFault(found)) {
      this.#end(key, differing(recorded, 'refused', null, found.message))
      return
    }
    const { state } = this.node
    const ticket = state.begin(found.entry.kind)
    let isLeftBehind = false
    try {
      const args = unpack(recorded.args) as unknown[]
      let value = this.#around.begin(operation, () => invoke(found.entry, found.receivers, args))
      const promise = promiseOf(value)
      if (promise !== undefined) {
        isLeftBehind = true
        const ended = promise.finally(() => {
          isLeftBehind = false
        })
        value = await this.#untilEnded(operation, ended)
        this.#goesOn()
      }
      operation.ended()
      if (recorded.inside.length > 0) operation.diverges(`${recorded.inside.join(', ')} ran inside it`)
      if (operation.diverged !== undefined) throw new Fault('upgrade.rewind', operation.diverged)
      const now = recorded.told === null ? null : toldOf(value)
      state.keep(ticket)
      this.#end(key, isSameTold(now, recorded.told) ? undefined : differing(recorded, 'answer', now, null))
    } catch (error) {
      const { spoilt } = state
      const written = state.drop(ticket)
      if (isInvariantViolation(error) || state.isLost || this.given.up) throw error
      const { diverged } = operation
      const reason = diverged ?? (spoilt ?? faultOfMethod(error)).message
      this.#end(key, differing(recorded, diverged === undefined ? 'refused' : 'diverged', null, reason))
      // As after any command that threw when it had written. One that still runs would write into the next.
      if (written || isLeftBehind) await this.#start()
    } finally {
      this.#around.ended()
    }
  }

  /** All answers are here: an operation that waits on waits for none of them, or for one that never came. */
  async #untilEnded(operation: ReplayedOperation, ended: Promise<unknown>): Promise<unknown> {
    const { clock, settings } = this.services
    await Promise.race([Promise.allSettled([ended]), operation.stopped, new Promise<void>((resolve) => clock.turn(resolve))])
    if (operation.diverged !== undefined) return undefined
    return within(clock, operation.waits ? unansweredMs : settings.callDeadlineMs, Promise.race([ended, operation.stopped]), late)
  }

  #entry(recorded: RecordedOperation): { readonly entry: MethodEntry; readonly receivers: readonly Receiver[] } | Fault {
    const { label, kind, caller } = recorded
    const link = this.#object!.chain.at(label)
    if (link === undefined) return new Fault('version.unknown', `version ${label} is not answered by the old object`)
    if (isFault(link)) return link
    const method = kind === 'event' ? link.hears.get(recorded.method)?.method : recorded.method
    const entry = method === undefined ? undefined : link.methods.entries.get(method)
    if (entry === undefined || method === undefined)
      return new Fault(
        'protocol.no-such-method',
        `${link.className} has no ${kind === 'event' ? 'hearer of' : 'method'} ${recorded.method}`,
      )
    const rule = link.allows?.get(method)
    if (rule !== undefined && caller !== undefined && !rule.allows(caller, this.services.settings.roles))
      return new Fault('denied.caller', `${link.className} does not let ${caller.name ?? caller.node} call ${method}`)
    return { entry, receivers: link.receivers }
  }

  /** In the commit of what it wrote: it is done, and need not be done again. */
  #end(key: string, difference: RewindDifference | undefined): void {
    const { state, nodeId } = this.node
    state.write(key, null)
    const { target, replayed, differing } = this.#report
    this.#report = { target, replayed: replayed + 1, differing: differing + (difference === undefined ? 0 : 1) }
    if (difference !== undefined && differing < this.services.settings.rewindReportMax)
      state.write(keys.difference(nodeId, differing + 1), encodeDifference(difference))
    this.#write()
  }

  #write(): void {
    this.node.state.write(keys.difference(this.node.nodeId, 0), packedReport(this.#report))
  }

  /** Gives the loop to others, and waits for the disk where much is not on it. */
  async #pause(): Promise<void> {
    const { clock, settings, journal } = this.services
    const { state } = this.node
    this.#inTurn++
    if (this.#inTurn < settings.transformRecordsPerTurn && clock.monotonicMs() - this.#beganMs < settings.passMs) return
    const batch: BatchNumber = state.batch
    if (!journal.isCommitted(batch)) await journal.closed(batch)
    else await new Promise<void>((resolve) => clock.turn(resolve))
    state.throwIfLost()
    this.#goesOn()
    this.#inTurn = 0
    this.#beganMs = clock.monotonicMs()
  }
}

function differing(
  { label, kind, method, args, caller, atMs, told }: RecordedOperation,
  outcome: RewindDifference['outcome'],
  now: Told,
  reason: string | null,
): RewindDifference {
  return { label, kind, method, args, caller, atMs, told, outcome, now, reason }
}

function late(): Fault {
  return new Fault('upgrade.rewind', 'it did not end in time')
}
