/** The recorded calls of a host, as it tells them to the viewer of a recording. */
import { isName, isVersion, type Version } from '../base/ids.js'
import type { Signed } from '../trust/signed.js'

export interface CallSeen {
  /** Counts the calls that this host has recorded, in the order in which their methods began. */
  readonly number: number
  readonly at: number
  readonly nodeId: string
  readonly service: string
  /** The label, and the class that the node has at that version. */
  readonly version: Version
  readonly className: string
  readonly method: string
  readonly args: readonly unknown[]
  /** `untold`: its answer was too large. */
  readonly end: 'answer' | 'fault' | 'untold'
  /** The answer, or the code of the fault. */
  readonly value: unknown
}

/** Why a host records no more: `refused` from the beginning. */
export const recordingEnds = ['time', 'calls', 'bytes', 'refused'] as const
export type RecordingEnd = (typeof recordingEnds)[number]

export interface RecordedSeen {
  readonly calls: readonly CallSeen[]
  /** Calls for which there was no place, since the message before. */
  readonly lost: number
  /** Null while it goes on. */
  readonly ended: RecordingEnd | null
  readonly reason: string | null
}

const reasonLengthMax = 1_024

/** The order in a viewer's question, if there is one. */
export function recordingOrderIn({ order, signature }: Readonly<Record<string, unknown>>): Signed | undefined {
  if (!(order instanceof Uint8Array)) return undefined
  return { bytes: order, signature: signature instanceof Uint8Array ? signature : null }
}

/** The field of a batch, left out where it has no such report. */
export function recordedIn({ recorded }: Readonly<Record<string, unknown>>): { readonly recorded?: RecordedSeen } {
  const read = readRecordedSeen(recorded)
  return read === undefined ? {} : { recorded: read }
}

function readRecordedSeen(value: unknown): RecordedSeen | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { calls, lost, ended, reason } = value as Record<string, unknown>
  if (!Array.isArray(calls) || !isCount(lost)) return undefined
  const end = recordingEnds.find((each) => each === ended) ?? null
  return { calls: calls.filter(isCallSeen), lost, ended: end, reason: typeof reason === 'string' ? cut(reason) : null }
}

function cut(reason: string): string {
  return reason.slice(0, reasonLengthMax).toWellFormed()
}

function isCallSeen(value: unknown): value is CallSeen {
  if (typeof value !== 'object' || value === null) return false
  const { number, at, nodeId, service, version, className, method, args, end } = value as Record<string, unknown>
  const isEnd = end === 'answer' || end === 'fault' || end === 'untold'
  if (!isCount(number) || typeof at !== 'number' || !isName(nodeId) || !isName(service) || !isVersion(version)) return false
  return typeof className === 'string' && typeof method === 'string' && Array.isArray(args) && isEnd
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}
