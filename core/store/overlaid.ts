import { compareKeys } from '../ports/stateStore.js'

/**
 * Merges two sequences that are sorted by key; of equal keys the overlay's wins, and its null hides the key.
 */
export function overlaid<T>(
  base: Iterable<readonly [string, T]>,
  overlay: readonly (readonly [string, T | null])[],
): Iterable<readonly [string, T]> {
  return overlay.length === 0 ? base : interleaved(base, overlay)
}

function* interleaved<T>(
  base: Iterable<readonly [string, T]>,
  overlay: readonly (readonly [string, T | null])[],
): Iterable<readonly [string, T]> {
  let next = 0
  for (const entry of base) {
    while (next < overlay.length && compareKeys(overlay[next]![0], entry[0]) < 0) {
      const [key, value] = overlay[next++]!
      if (value !== null) yield [key, value]
    }
    if (next < overlay.length && overlay[next]![0] === entry[0]) {
      const [key, value] = overlay[next++]!
      if (value !== null) yield [key, value]
    } else yield entry
  }
  while (next < overlay.length) {
    const [key, value] = overlay[next++]!
    if (value !== null) yield [key, value]
  }
}
