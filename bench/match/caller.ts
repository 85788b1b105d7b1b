/**
 * The caller's process: one contender, alone, so that no other's garbage and compiled code are in its way.
 */

import { answerQuestions } from '../processes/childProcess.js'
import type { DriveAnswer } from '../processes/processMessages.js'
import { percentile } from '../statistics.js'
import { allContenders } from './contenders.js'
import { drive } from './load.js'

await answerQuestions(async (role) => {
  const { call, recordCall = call, close } = await allContenders.find(({ name }) => name === role.name)!.enter(role)
  return {
    drive: async ({ load, durationMs }): Promise<DriveAnswer> => {
      const { calls, tookMs, latenciesMs } = await drive(load.payload === 'record' ? recordCall : call, load, durationMs)
      const part = (of: number): number | null => (latenciesMs.length === 0 ? null : percentile(latenciesMs, of))
      return { calls, tookMs, p50Ms: part(0.5), p99Ms: part(0.99) }
    },
    close,
  }
})
