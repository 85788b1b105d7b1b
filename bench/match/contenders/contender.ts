/**
 * A contender: makes a call when asked for one, checks its answer, and knows nothing of how
 * many others are in flight.
 */
import type { Role } from '../../processes/processMessages.js'
import type { Load } from '../load.js'
import { check, checkRecord, keyOf, type Method } from '../values.js'

/** Makes the n-th call. Rejects when the answer is not the right one. */
export type Call = (n: number) => Promise<unknown>

export interface RunningContender {
  readonly call: Call
  /** For loads with records. */
  readonly recordCall?: Call
  close(): unknown
}

/** An earlier release (processes/releaseTree.ts). */
export interface Release {
  readonly name: string
  /** The bench's files for it. */
  readonly tree: URL
}

export interface Contender {
  readonly name: string
  /** Which callee answers. */
  readonly callee: string
  readonly loads: readonly Load[]
  /**
   * The packages of bench/peers/package.json that it needs. It may be missing, or fail, and the others go on.
   */
  readonly packages?: readonly string[]
  /** The release that it runs, if not this one: caller and callee are processes of that release. */
  readonly release?: Release
  /** In the caller's process. */
  enter(role: Role): Promise<RunningContender>
}

/** Calls a method by name, and resolves with what it answers. */
export type Ask = (method: Method, key: string) => Promise<unknown>

/** The calls of a contender that can ask for both. */
export function callsOf(ask: Ask): Pick<RunningContender, 'call' | 'recordCall'> {
  return {
    call: async (n) => {
      const key = keyOf(n)
      check(key, await ask('get', key))
    },
    recordCall: async (n) => checkRecord(n, await ask('record', keyOf(n))),
  }
}
