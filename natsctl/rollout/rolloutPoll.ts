/** Asks the upgrade database again and again, never faster than the last answer came back. */
import { setTimeout as sleep } from 'node:timers/promises'
import { isFault } from 'theseus-actors'
import { note } from '../output/output.js'

export const pollMs = 250

/**
 * One question after the other until `signal`. A database that is away for a while is told
 * once, and asked again.
 */
export async function* pollUntilAborted<T>(
  ask: () => Promise<T>,
  signal: AbortSignal,
  tell: (line: string) => void = note,
): AsyncGenerator<T> {
  let isAway = false
  while (!signal.aborted) {
    let answer: { readonly value: T } | undefined
    try {
      // A viewer that has seen enough does not wait for a database that is away.
      answer = await unlessAborted(signal, ask())
      isAway = false
    } catch (error) {
      if (!isFault(error) || (error.kind !== 'unavailable' && error.kind !== 'timeout')) throw error
      if (!isAway) tell(`${error.code}: ${error.message}; trying again`)
      isAway = true
    }
    if (answer !== undefined) yield answer.value
    await sleep(pollMs, undefined, { signal }).catch(() => {})
  }
}

function unlessAborted<T>(signal: AbortSignal, reading: Promise<T>): Promise<{ readonly value: T } | undefined> {
  return new Promise((resolve, reject) => {
    const stop = () => resolve(undefined)
    signal.addEventListener('abort', stop, { once: true })
    reading.then((value) => resolve({ value }), reject).finally(() => signal.removeEventListener('abort', stop))
  })
}
