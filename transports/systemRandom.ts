import type { Random } from '../core/ports/random.js'

/** Real chance, good for names and coins; not for secrets. */
export const systemRandom: Random = { next: () => Math.random() }
