/**
 * The surroundings of an object whose operations are carried out once more (W3): it gets what was recorded,
 * and nothing that it says leaves its node. While it starts they are those of its node. An operation that has
 * ended may have left something behind that goes on: it reaches nobody, and no answer comes to it.
 */
import { Fault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import type { NeighbourClass } from '../../core/model/neighbour.js'
import type { NodeClass } from '../../core/model/nodeObject.js'
import type { Tally } from '../../core/model/objectChain.js'
import {
  answeredValue,
  digestOfArgs,
  digestOrNone,
  type RecordedAnswer,
  type RecordedCall,
  type RecordedOperation,
} from '../../core/model/recordedOperation.js'
import type { Clock } from '../../core/ports/clock.js'
import type { Random } from '../../core/ports/random.js'
import type { CallerInfo } from '../../core/wire/callerInfo.js'
import { unpack } from '../../core/wire/codec.js'
import { makeRef } from '../calls/refs.js'
import type { RunningCall } from '../calls/runningCall.js'
import type { Labels } from '../calls/upgradeLayer.js'
import type { ObjectEnvironment, ObjectLayer } from '../serving/objectEnvironment.js'
import type { NodeState } from '../state/nodeState.js'
import { callTarget, eventTarget, neighbourTarget } from './callTarget.js'
import { inScope, isOf } from './operationScope.js'

type Methods = Readonly<Record<string, (...args: unknown[]) => unknown>>

/** An operation while it is carried out once more. */
export class ReplayedOperation {
  #nows = 0
  #randoms = 0
  readonly #left: RecordedCall[]
  readonly #stopped = Promise.withResolvers<void>()
  #diverged: string | undefined
  #waits = false

  constructor(readonly recorded: RecordedOperation) {
    this.#left = [...recorded.calls]
  }

  /** Where it would have told or asked others something else than it did. */
  get diverged(): string | undefined {
    return this.#diverged
  }

  /** Resolves when it has diverged: what comes then counts for nothing. */
  get stopped(): Promise<void> {
    return this.#stopped.promise
  }

  /** It may wait for an answer that never comes. */
  get waits(): boolean {
    return this.#waits
  }

  diverges(reason: string): void {
    this.#diverged ??= reason
    this.#stopped.resolve()
  }

  /** Where it asks more often than before: the time of its last answer, or of its beginning. */
  now(): number {
    const { nows, atMs } = this.recorded
    return nows[this.#nows++] ?? nows.at(-1) ?? atMs
  }

  random(): number | undefined {
    return this.recorded.randoms[this.#randoms++]
  }

  /** The same call, each once. Anything else diverges. */
  take(target: string, method: string, digest: string): RecordedCall | undefined {
    const at = this.#left.findIndex((call) => call.target === target && call.method === method && call.args === digest)
    if (at !== -1) return this.#left.splice(at, 1)[0]
    this.diverges(`it would call ${method} of ${target}, and did not`)
    return undefined
  }

  /**
   * Its answer, as it was. One that had not come when the operation ended does not come, and neither does one
   * to a call that was not made: nobody may be there who would hear that it has failed.
   */
  ask(target: string, method: string, args: readonly unknown[]): Promise<unknown> {
    const answer = this.take(target, method, digestOrNone(args))?.answer ?? null
    if (answer === null) {
      this.#waits = true
      return nothing()
    }
    const told = answerOf(answer)
    told.catch(() => {})
    return told
  }

  /** It has ended: what others heard of it, and would not hear now, diverges. */
  ended(): void {
    const told = this.#left.find(({ isCommand }) => isCommand)
    if (told !== undefined) this.diverges(`it called ${told.method} of ${told.target}, and would not`)
  }
}

export class ReplayEnvironment implements ObjectEnvironment {
  #runs: ReplayedOperation | 'start' | undefined
  /** Others have heard what `start()` says: an object that is made anew tells them nothing. */
  isMute = false
  readonly layer: ObjectLayer
  readonly clock: Clock
  readonly random: Random
  readonly telemetry = undefined
  readonly trace = null

  constructor(
    private readonly node: ObjectEnvironment,
    private readonly className: string,
    readonly version: Version,
  ) {
    const { clock, random } = node
    this.layer = new ReplayLayer(node.layer, this)
    this.clock = {
      now: () => this.#operation?.now() ?? clock.now(),
      monotonicMs: () => clock.monotonicMs(),
      after: (ms, action) => clock.after(ms, action),
      turn: (action) => clock.turn(action),
    }
    this.random = { next: () => this.#operation?.random() ?? random.next() }
  }

  /** Undefined between two operations, and for what another one has left behind. */
  get runs(): ReplayedOperation | 'start' | undefined {
    const scope = this.#runs === 'start' ? this : this.#runs
    return scope !== undefined && isOf(scope) ? this.#runs : undefined
  }

  /** Runs the beginning of an operation, or of the object. */
  begin<T>(what: ReplayedOperation | 'start', work: () => T): T {
    this.#runs = what
    return inScope(what === 'start' ? this : what, work)
  }

  ended(): void {
    this.#runs = undefined
  }

  get #operation(): ReplayedOperation | undefined {
    const { runs } = this
    return runs === 'start' ? undefined : runs
  }

  get nodeId(): string {
    return this.node.nodeId
  }

  get state(): NodeState {
    return this.node.state
  }

  get timersMax(): number {
    return this.node.timersMax
  }

  get running(): RunningCall | undefined {
    const { runs } = this
    if (runs === 'start') return this.node.running
    if (runs === undefined) return undefined
    const { caller = this.#itself } = runs.recorded
    return { deadline: Number.POSITIVE_INFINITY, path: [], sends: undefined, whenFailed() {}, trace: null, caller }
  }

  /** The caller of a timer's call. */
  get #itself(): CallerInfo {
    return { name: null, node: this.nodeId, className: this.className, version: this.version }
  }

  /** The timers of an object that is only there to replay ring for nobody. */
  callSelf(): void {}

  tally(): Tally {
    return { calls: 0 }
  }
}

class ReplayLayer implements ObjectLayer {
  constructor(
    private readonly layer: ObjectLayer,
    private readonly around: ReplayEnvironment,
  ) {}

  ref(target: NodeClass, nodeId: string | undefined, label: Labels, deadlineMs?: number): object {
    return this.#answered(target, callTarget(target, nodeId), this.layer.ref(target, nodeId, label, deadlineMs))
  }

  neighbourRef(there: NeighbourClass, nodeId: string | undefined, mayLeave: () => void, deadlineMs?: number): object {
    return this.#answered(
      there.target,
      neighbourTarget(there, nodeId),
      this.layer.neighbourRef(there, nodeId, mayLeave, deadlineMs),
    )
  }

  sender(target: NodeClass, nodeId: string | undefined, label: Labels, deadlineMs?: number): object {
    return this.#taken(target, callTarget(target, nodeId), this.layer.sender(target, nodeId, label, deadlineMs))
  }

  neighbourSender(there: NeighbourClass, nodeId: string | undefined, mayLeave: () => void, deadlineMs?: number): object {
    const made = this.layer.neighbourSender(there, nodeId, mayLeave, deadlineMs)
    return this.#taken(there.target, neighbourTarget(there, nodeId), made)
  }

  #answered(target: NodeClass, to: string, made: object): object {
    return makeRef(target, (method, _, args) => {
      const { runs } = this.around
      if (runs === 'start') return (made as Methods)[method]!(...args)
      return runs === undefined ? nothing() : runs.ask(to, method, args)
    })
  }

  #taken(target: NodeClass, to: string, made: object): object {
    return makeRef(target, (method, _, args) => {
      const { runs, isMute } = this.around
      if (runs !== 'start') runs?.take(to, method, digestOfArgs(args))
      else if (!isMute) (made as Methods)[method]!(...args)
    })
  }

  publish(name: string, args: readonly unknown[], label: Version): void {
    const { runs, isMute } = this.around
    if (runs !== 'start') runs?.take(eventTarget(name), name, digestOfArgs(args))
    else if (!isMute) this.layer.publish(name, args, label)
  }

  /** A timer that an operation sets ends with the object that replays it. */
  leaveWithCommit(leave: () => void, giveUp?: () => void): void {
    if (this.around.runs === 'start') this.layer.leaveWithCommit(leave, giveUp)
    else giveUp?.()
  }
}

async function answerOf(answer: RecordedAnswer): Promise<unknown> {
  if ('value' in answer) return answeredValue(answer)
  throw new Fault(answer.code as Fault['code'], answer.message, unpack(answer.details) as Fault['details'])
}

function nothing(): Promise<never> {
  return new Promise(() => {})
}
