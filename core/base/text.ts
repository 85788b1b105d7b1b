/**
 * Methods of strings as functions. A place in the code that meets text in many representations (flat, joined,
 * interned, of one byte or two) has the engine look a method of it up again for each call: where that is each
 * character of each message, it costs more than all else.
 */
const { charCodeAt, isWellFormed: isWellFormedOf } = String.prototype

/** The UTF-16 unit at `index`. */
export function unitAt(text: string, index: number): number {
  return charCodeAt.call(text, index)
}

/** Without half a surrogate pair, which has no UTF-8 form. */
export function isWellFormed(text: string): boolean {
  return isWellFormedOf.call(text)
}
