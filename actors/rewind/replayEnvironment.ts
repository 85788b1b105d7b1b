/**
 * The surroundings of an object whose operations are carried out once more (W3): it gets what was recorded,
 * and nothing that it says leaves its node. Between two operations, while it starts, they are those of its
 * node.
 */
import { Fault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import type { NeighbourClass } from '../../core/model/neighbour.js'
import type { NodeClass } from '../../core/model/nodeObject.js'
import type { Tally } from '../../core/model/objectChain.js'
import { digestOfArgs, type RecordedCall, type RecordedOperation } from '../../core/model/recordedOperation.js'
import type { Clock } from '../../core/ports/clock.js'
import type { Random } from '../../core/ports/random.js'
import { unpack } from '../../core/wire/codec.js'
import { makeRef } from '../calls/refs.js'
import type { RunningCall } from '../calls/runningCall.js'
import type { ObjectEnvironment, ObjectLayer } from '../serving/objectEnvironment.js'
import type { NodeState } from '../state/nodeState.js'
import { callTarget, eventTarget, neighbourTarget } from './callTarget.js'

type Methods = Readonly<Record<string, (...args: unknown[]) => unknown>>

/** An operation while it is carried out once more. */
export class ReplayedOperation {
  #nows = 0
  #randoms = 0
  readonly #left: RecordedCall[]
  /** Where it would have told or asked others something else than it did. */
  diverged: string | undefined

  constructor(readonly recorded: RecordedOperation) {
    this.#left = [...recorded.calls]
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
  take(target: string, method: string, args: readonly unknown[]): RecordedCall | undefined {
    const digest = digestOfArgs(args)
    const at = this.#left.findIndex((call) => call.target === target && call.method === method && call.args === digest)
    if (at !== -1) return this.#left.splice(at, 1)[0]
    this.diverged ??= `it would call ${method} of ${target}, and did not`
    return undefined
  }

  /** It has ended: what others heard of it, and would not hear now, diverges. */
  ended(): void {
    const told = this.#left.find(({ isCommand }) => isCommand)
    if (told !== undefined) this.diverged ??= `it called ${told.method} of ${told.target}, and would not`
  }
}

export class ReplayEnvironment implements ObjectEnvironment {
  /** Undefined while the object starts. */
  operation: ReplayedOperation | undefined
  readonly layer: ObjectLayer
  readonly clock: Clock
  readonly random: Random
  readonly telemetry = undefined
  readonly trace = null

  constructor(
    private readonly node: ObjectEnvironment,
    readonly version: Version,
  ) {
    const { clock, random } = node
    this.layer = new ReplayLayer(node.layer, this)
    this.clock = {
      now: () => this.operation?.now() ?? clock.now(),
      monotonicMs: () => clock.monotonicMs(),
      after: (ms, action) => clock.after(ms, action),
      turn: (action) => clock.turn(action),
    }
    this.random = { next: () => this.operation?.random() ?? random.next() }
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
    const { operation } = this
    if (operation === undefined) return this.node.running
    const { caller } = operation.recorded
    return { deadline: Number.POSITIVE_INFINITY, path: [], sends: undefined, whenFailed() {}, trace: null, caller }
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

  ref(target: NodeClass, nodeId: string | undefined, label: () => Version): object {
    return this.#answered(target, callTarget(target, nodeId), this.layer.ref(target, nodeId, label))
  }

  neighbourRef(there: NeighbourClass, nodeId: string | undefined, mayLeave: () => void): object {
    return this.#answered(there.target, neighbourTarget(there, nodeId), this.layer.neighbourRef(there, nodeId, mayLeave))
  }

  sender(target: NodeClass, nodeId: string | undefined, label: () => Version): object {
    return this.#taken(target, callTarget(target, nodeId), this.layer.sender(target, nodeId, label))
  }

  neighbourSender(there: NeighbourClass, nodeId: string | undefined, mayLeave: () => void): object {
    const made = this.layer.neighbourSender(there, nodeId, mayLeave)
    return this.#taken(there.target, neighbourTarget(there, nodeId), made)
  }

  #answered(target: NodeClass, to: string, made: object): object {
    return makeRef(target, (method, _, args) => {
      const { operation } = this.around
      if (operation === undefined) return (made as Methods)[method]!(...args)
      return answerOf(operation.take(to, method, args), method)
    })
  }

  #taken(target: NodeClass, to: string, made: object): object {
    return makeRef(target, (method, _, args) => {
      const { operation } = this.around
      if (operation === undefined) (made as Methods)[method]!(...args)
      else operation.take(to, method, args)
    })
  }

  publish(name: string, args: readonly unknown[], label: Version): void {
    const { operation } = this.around
    if (operation === undefined) this.layer.publish(name, args, label)
    else operation.take(eventTarget(name), name, args)
  }

  /** A timer that an operation sets ends with the object that replays it. */
  leaveWithCommit(leave: () => void, giveUp?: () => void): void {
    if (this.around.operation === undefined) this.layer.leaveWithCommit(leave, giveUp)
    else giveUp?.()
  }
}

async function answerOf(call: RecordedCall | undefined, method: string): Promise<unknown> {
  if (call === undefined) throw new Fault('upgrade.rewind', `a replay asks nobody: ${method} was not called so before`)
  const { answer } = call
  if (answer === null) throw new Fault('timeout.deadline', `${method}: the answer had not come when the operation ended`)
  if ('value' in answer) return unpack(answer.value)
  throw new Fault(answer.code as Fault['code'], answer.message, unpack(answer.details) as Fault['details'])
}
