/** Looks at the upgrade database again and again, never faster than the last answer came back. */
import { setTimeout as sleep } from 'node:timers/promises'
import { isFault, type NodeRow, type Operator, type Version } from 'theseus'
import { note } from './output.js'

export interface Snapshot {
  readonly newest: Version
  readonly rows: readonly NodeRow[]
}

export const pollMs = 250

export async function look(operator: Operator): Promise<Snapshot> {
  const [{ version }, rows] = await Promise.all([operator.database.head(), operator.database.nodes()])
  return { newest: version, rows }
}

/** One look after the other until `signal`. */
export function looks(operator: Operator, signal: AbortSignal, tell?: (line: string) => void): AsyncGenerator<Snapshot> {
  return asks(() => look(operator), signal, tell)
}

/** One question after the other until `signal`. A database that is away for a while is told once, and asked again. */
export async function* asks<T>(
  ask: () => Promise<T>,
  signal: AbortSignal,
  tell: (line: string) => void = note,
): AsyncGenerator<T> {
  let isAway = false
  while (!signal.aborted) {
    let answer: T | undefined
    try {
      answer = await ask()
      isAway = false
    } catch (error) {
      if (!isFault(error) || (error.kind !== 'unavailable' && error.kind !== 'timeout')) throw error
      if (!isAway) tell(`${error.code}: ${error.message}; trying again`)
      isAway = true
    }
    if (answer !== undefined) yield answer
    await sleep(pollMs, undefined, { signal }).catch(() => {})
  }
}
