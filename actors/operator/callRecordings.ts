/** The side of an operator who has hosts record calls: the order, and the viewer that is told. */
import { Fault } from '../../core/base/fault.js'
import { type CallRecording, isCallRecording } from '../../core/control/callRecording.js'
import type { RecordedSeen } from '../../core/inspection/recordedSeen.js'
import type { Clock } from '../../core/ports/clock.js'
import { type Random, randomName } from '../../core/ports/random.js'
import type { InspectionBatch, InspectionClient } from '../inspection/inspectionClient.js'
import type { Directives } from './directives.js'

/** The calls to record, with `forMs` in the place of an instant: an hour at most. */
export interface CallSample extends Omit<CallRecording, 'viewer' | 'untilMs'> {
  readonly forMs: number
}

/** The report of one host. */
export interface RecordedBatch {
  readonly hostId: string
  /** Null: the host is there, and has nothing to tell yet, or is older than recordings. */
  readonly recorded: RecordedSeen | null
}

export interface RecordingServices {
  readonly clock: Clock
  readonly random: Random
  readonly directives: Directives
  readonly inspectionClient: InspectionClient
  /** Why; in the audit. */
  readonly reason: string
}

export async function startRecording(
  { forMs, ...sample }: CallSample,
  hear: (batch: RecordedBatch) => void,
  { clock, random, directives, inspectionClient, reason }: RecordingServices,
): Promise<() => void> {
  const viewer = randomName(random)
  const recording: CallRecording = { viewer, untilMs: clock.now() + forMs, ...sample }
  if (!isCallRecording(recording)) throw new Fault('config.invalid', 'this is no sample of calls that hosts can record')
  const { document } = await directives.directed({ order: 'record', recording }, reason)
  const told = ({ hostId, recorded }: InspectionBatch) => hear({ hostId, recorded: recorded ?? null })
  return inspectionClient.start(told, { types: [] }, { viewer, order: document })
}
