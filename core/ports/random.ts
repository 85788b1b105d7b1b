/** Chance is a parameter, so that a rehearsal can repeat it. */
export interface Random {
  /** A number in [0, 1). */
  next(): number
}

const alphabet = '0123456789abcdefghijklmnopqrstuvwxyz'

/** A name that nobody else has: `length` characters of 36. */
export function randomName(random: Random, length = 12): string {
  let name = ''
  while (name.length < length) name += alphabet[Math.floor(random.next() * alphabet.length)]
  return name
}

export function randomUint32(random: Random): number {
  return Math.floor(random.next() * 2 ** 32)
}
