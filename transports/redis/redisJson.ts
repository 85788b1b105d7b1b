/**
 * JSON that the scripts can read too. The reader in Redis refuses a text with half a surrogate pair, as one
 * that was cut off may have: a pause for such a reason would hold nobody.
 */

/** Of the escapes of surrogates, `JSON.stringify` makes those of halves alone. */
const mayHaveHalf = /\\ud[89a-f]/

export function jsonText(value: unknown): string {
  const text = JSON.stringify(value)
  return mayHaveHalf.test(text)
    ? JSON.stringify(value, (_, part) => (typeof part === 'string' ? part.toWellFormed() : part))
    : text
}
