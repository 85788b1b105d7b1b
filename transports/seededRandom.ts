import type { Random } from '../core/ports/random.js'

/** Enough for four words to depend on every bit of the seed. */
const warmUpRounds = 16

/**
 * Chance that a rehearsal can repeat: the same seed gives the same numbers, on every machine. The generator
 * is sfc32, which has 128 bits of state; each number has 32 random bits. Seeds are integers from 0 to 2⁵³ −
 * 1, and neighbouring ones have nothing in common.
 */
export function seededRandom(seed: number): Random {
  let a = seed >>> 0
  let b = Math.floor(seed / 2 ** 32) >>> 0
  let c = 0x9e3779b9
  let counter = 1
  const next = (): number => {
    const word = (a + b + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + word) | 0
    return (word >>> 0) / 2 ** 32
  }
  for (let round = 0; round < warmUpRounds; round++) next()
  return { next }
}
