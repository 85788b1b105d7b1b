/** The promises of a rollout, each with whether it holds now. Pure. */
import type { NodeRow, Version } from 'theseus-actors'
import { brokenPromises, type Manifest, promisesIn, promiseText } from 'theseus-actors/operator'

export interface PromiseState {
  /** As people read it. */
  readonly promise: string
  /** Why it is broken, or about to be; null while it holds. */
  readonly trouble: string | null
}

export function promiseStates(
  manifests: readonly Manifest[],
  goal: Version,
  rows: readonly NodeRow[],
  nowMs: number,
): readonly PromiseState[] {
  const manifest = manifests[goal - 1]
  if (manifest === undefined) return []
  const troubles = brokenPromises(manifest, rows, nowMs)
  return promisesIn(manifest).map((promise) => {
    const text = promiseText(promise)
    return { promise: text, trouble: troubles.find(({ what }) => what.startsWith(`${text}: `))?.what ?? null }
  })
}

export function promiseLine({ promise, trouble }: PromiseState): string {
  return trouble === null ? `promise: ${promise}: holds` : `promise at stake: ${trouble}`
}
