/** The surroundings of an object and its SOs: all that they can reach goes through here. */
import type { Version } from '../../core/base/ids.js'
import type { Telemetry } from '../../core/inspection/telemetry.js'
import type { Tally } from '../../core/model/objectChain.js'
import type { Clock } from '../../core/ports/clock.js'
import type { Random } from '../../core/ports/random.js'
import type { RunningCall } from '../calls/runningCall.js'
import type { UpgradeLayer } from '../calls/upgradeLayer.js'
import type { NodeState } from '../state/nodeState.js'
import type { DueTimer } from './objectTimers.js'

/** As much of the upgrade layer as an object needs. */
export type ObjectLayer = Pick<
  UpgradeLayer,
  'ref' | 'sender' | 'neighbourRef' | 'neighbourSender' | 'publish' | 'leaveWithCommit'
>

export interface ObjectEnvironment {
  readonly nodeId: string
  readonly layer: ObjectLayer
  readonly state: NodeState
  readonly clock: Clock
  readonly random: Random
  /** Timers that one object may have. */
  readonly timersMax: number
  /**
   * Puts a timer's call into the mailbox: of the SO's own version, or, for null, of the object's own method.
   */
  callSelf(timer: DueTimer, label: Version | null, method: string, args: readonly unknown[]): void
  /**
   * Where the calls of a version are counted: those that the object answers, and those that go
   * through simulation objects.
   */
  tally(version: Version, isSimulated: boolean): Tally
  readonly telemetry: Telemetry | undefined
  /** The trace context of the running call. */
  readonly trace: string | null
  /** The call that is being answered. */
  readonly running: RunningCall | undefined
  /** The version that the node runs. */
  readonly version: Version
}
