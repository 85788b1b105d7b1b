/**
 * How long natsctl waits for one answer. Somebody sits at a terminal: less than a host would, unless the way
 * to the system is slow.
 */
import { usageFailure } from '../output/exitCodes.js'
import { durationFlag } from './flags.js'

const variable = 'THESEUS_ANSWER_TIMEOUT'

/** @param usualMs where the environment says nothing */
export function answerTimeoutMs(usualMs: number, text: string | undefined = process.env[variable]): number {
  if (text === undefined || text === '') return usualMs
  try {
    return durationFlag(text)
  } catch {
    throw usageFailure(`${variable} is no duration: use a number with ms, s, m or h, such as 10s`)
  }
}
