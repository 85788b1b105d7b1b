/**
 * The surroundings of an object whose operations are recorded: what it asks for, and what it tells others, is
 * noted on the way. Only objects of a node that records have it, so nobody else pays for it.
 */
import type { Version } from '../../core/base/ids.js'
import type { Telemetry } from '../../core/inspection/telemetry.js'
import type { EventType } from '../../core/model/event.js'
import type { NeighbourClass } from '../../core/model/neighbour.js'
import type { NodeClass } from '../../core/model/nodeObject.js'
import type { Tally } from '../../core/model/objectChain.js'
import type { Clock } from '../../core/ports/clock.js'
import type { Random } from '../../core/ports/random.js'
import { makeRef } from '../calls/refs.js'
import type { RunningCall } from '../calls/runningCall.js'
import type { Labels } from '../calls/upgradeLayer.js'
import type { ObjectEnvironment, ObjectLayer } from '../serving/objectEnvironment.js'
import type { DueTimer } from '../serving/objectTimers.js'
import type { NodeState } from '../state/nodeState.js'
import { callTarget, eventTarget, neighbourTarget } from './callTarget.js'
import { answered, failed } from './openOperation.js'
import type { Recorder } from './recorder.js'

type Methods = Readonly<Record<string, (...args: unknown[]) => Promise<unknown>>>

export class RecordedEnvironment implements ObjectEnvironment {
  readonly layer: ObjectLayer
  readonly clock: Clock
  readonly random: Random

  constructor(
    private readonly node: ObjectEnvironment,
    recorder: Recorder,
  ) {
    const { clock, random } = node
    this.layer = new RecordedLayer(node.layer, recorder)
    this.clock = {
      now() {
        const now = clock.now()
        recorder.current?.now(now)
        return now
      },
      monotonicMs: () => clock.monotonicMs(),
      after: (ms, action) => clock.after(ms, action),
      turn: (action) => clock.turn(action),
    }
    this.random = {
      next() {
        const next = random.next()
        recorder.current?.random(next)
        return next
      },
    }
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

  get telemetry(): Telemetry | undefined {
    return this.node.telemetry
  }

  get trace(): string | null {
    return this.node.trace
  }

  get running(): RunningCall | undefined {
    return this.node.running
  }

  get version(): Version {
    return this.node.version
  }

  callSelf(timer: DueTimer, label: Version | null, method: string, args: readonly unknown[]): void {
    this.node.callSelf(timer, label, method, args)
  }

  tally(version: Version, isSimulated: boolean): Tally {
    return this.node.tally(version, isSimulated)
  }
}

class RecordedLayer implements ObjectLayer {
  constructor(
    private readonly layer: ObjectLayer,
    private readonly recorder: Recorder,
  ) {}

  ref(target: NodeClass, nodeId: string | undefined, label: Labels, deadlineMs?: number): object {
    return this.#noted(target, callTarget(target, nodeId), this.layer.ref(target, nodeId, label, deadlineMs))
  }

  neighbourRef(there: NeighbourClass, nodeId: string | undefined, mayLeave: () => void, deadlineMs?: number): object {
    return this.#noted(there.target, neighbourTarget(there, nodeId), this.layer.neighbourRef(there, nodeId, mayLeave, deadlineMs))
  }

  sender(target: NodeClass, nodeId: string | undefined, label: Labels, deadlineMs?: number): object {
    return this.#notedSends(target, callTarget(target, nodeId), this.layer.sender(target, nodeId, label, deadlineMs))
  }

  neighbourSender(there: NeighbourClass, nodeId: string | undefined, mayLeave: () => void, deadlineMs?: number): object {
    const made = this.layer.neighbourSender(there, nodeId, mayLeave, deadlineMs)
    return this.#notedSends(there.target, neighbourTarget(there, nodeId), made)
  }

  #noted(target: NodeClass, to: string, made: object): object {
    return makeRef(target, (method, kind, args) => {
      const answer = (made as Methods)[method]!(...args)
      const call = this.recorder.current?.called(to, method, kind, args)
      if (call === undefined) return answer
      return answer.then(
        (value) => {
          answered(call, value)
          return value
        },
        (error) => {
          failed(call, error)
          throw error
        },
      )
    })
  }

  #notedSends(target: NodeClass, to: string, made: object): object {
    return makeRef(target, (method, _, args) => {
      ;(made as Methods)[method]!(...args)
      this.recorder.current?.called(to, method, 'command', args)
    })
  }

  publish(name: EventType<any>['name'], args: readonly unknown[], label: Version): void {
    this.layer.publish(name, args, label)
    this.recorder.current?.called(eventTarget(name), name, 'command', args)
  }

  leaveWithCommit(leave: () => void, giveUp?: () => void): void {
    this.layer.leaveWithCommit(leave, giveUp)
  }
}
