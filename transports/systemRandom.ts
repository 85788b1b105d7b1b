import { randomFillSync } from 'node:crypto'
import type { Random } from '../core/ports/random.js'

/** Numbers drawn at once: each draw of its own would cost a microsecond. */
const drawnAtOnce = 2048
const words = new Uint32Array(2 * drawnAtOnce)
let used = words.length

/**
 * Real chance, of 53 bits. Numbers of calls and names of inboxes are drawn from it, so it is one that nobody
 * can foretell: from a few numbers of `Math.random` all later ones follow.
 */
export const systemRandom: Random = {
  next() {
    if (used === words.length) {
      randomFillSync(words)
      used = 0
    }
    const high = words[used]! >>> 5
    const low = words[used + 1]! >>> 6
    used += 2
    return (high * 2 ** 26 + low) / 2 ** 53
  },
}
