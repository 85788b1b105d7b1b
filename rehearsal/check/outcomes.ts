/** The end of a call as its caller sees it, and whether two callers could tell two ends apart. */
import { isDeepStrictEqual } from 'node:util'
import { isFault } from 'theseus-actors'

/**
 * `refused`: the call was not carried out, by the paper's condition 2 or because there is no SO. `threw`: the
 * method failed; `name` is that of the error, where it is known.
 */
export type Outcome =
  | { readonly is: 'answer'; readonly value: unknown }
  | { readonly is: 'refused'; readonly reason: string }
  | { readonly is: 'threw'; readonly code: string; readonly name: string; readonly message: string }
  | { readonly is: 'wrote'; readonly message: string }

/** Errors that nobody throws on purpose. */
const programming = new Set(['TypeError', 'ReferenceError', 'RangeError', 'SyntaxError'])

export function outcomeOf(error: unknown, nameOf: (message: string) => string): Outcome {
  if (!isFault(error)) return { is: 'threw', code: 'unexpected', name: nameOf(String(error)), message: String(error) }
  const { code, kind, message } = error
  if (code === 'protocol.query-writes') return { is: 'wrote', message }
  if (kind === 'simulation' || kind === 'version' || kind === 'denied') return { is: 'refused', reason: message }
  // A method that is not there at this version, or takes other arguments, is nothing that was carried out.
  if (code === 'protocol.no-such-method') return { is: 'refused', reason: message }
  return { is: 'threw', code, name: code === 'application.error' ? nameOf(message) : code, message }
}

export function isProgrammingError(outcome: Outcome): boolean {
  return outcome.is === 'threw' && (programming.has(outcome.name) || outcome.code === 'protocol.bad-arguments')
}

/** A call that was refused on one side tells nothing: condition 2 lets it. Texts of errors may differ. */
export function areAlike(one: Outcome, other: Outcome): boolean {
  if (one.is === 'refused' || other.is === 'refused') return true
  if (one.is === 'answer' && other.is === 'answer') return isDeepStrictEqual(one.value, other.value)
  if (one.is === 'threw' && other.is === 'threw')
    return one.code === other.code && isProgrammingError(one) === isProgrammingError(other)
  return one.is === other.is
}

export function outcomeText(outcome: Outcome): string {
  switch (outcome.is) {
    case 'answer':
      return shown(outcome.value)
    case 'refused':
      return `is refused: ${outcome.reason}`
    case 'threw':
      return `throws ${outcome.name}: ${outcome.message}`
    case 'wrote':
      return `fails: ${outcome.message}`
  }
}

const shownLengthMax = 200

export function shown(value: unknown): string {
  const text = value === undefined ? 'nothing' : (JSON.stringify(value, plainly) ?? String(value))
  return text.length <= shownLengthMax ? text : `${text.slice(0, shownLengthMax)}…`
}

function plainly(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `${value}n` : value
}
