/** An SO that changes what it was given: that is its own, and changes nothing of the object's (C5). */
import { torn } from '../registers.js'

interface Given {
  readonly next: Record<string, (...args: any[]) => Promise<any>>
}

/** Answers as the next object does, and spoils the answer that it had. */
export function mutatedAnswer(reading: string) {
  return async function (this: Given, op: string): Promise<unknown> {
    const answer = await this.next[reading]!(op)
    const copy = structuredClone(answer)
    try {
      answer.list?.push(`${torn} by an SO`)
      answer.list?.reverse()
    } catch {
      // Frozen: that is as good.
    }
    return copy
  }
}
