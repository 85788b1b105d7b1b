/**
 * The text of whatever was thrown. User code may throw anything: a value without a prototype, a revoked
 * proxy, an error whose `message` is a getter that throws. Reading it must never throw in turn, for then
 * nobody hears of the error at all.
 */

/** The text of an error's message, or of any other value. Of a value that can't be read it says so. */
export function thrownText(thrown: unknown): string {
  try {
    if (typeof thrown !== 'object' || thrown === null) return String(thrown)
    const { message } = thrown as { message?: unknown }
    return typeof message === 'string' ? message : String(thrown)
  } catch {
    return 'a value was thrown that has no text'
  }
}

/** At most so many characters, and no half of a surrogate pair. */
export function shortened(text: string, lengthMax: number): string {
  if (text.length <= lengthMax) return text.toWellFormed()
  return `${text.slice(0, lengthMax).toWellFormed()}… (${text.length} characters)`
}
