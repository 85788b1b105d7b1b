/** Text of others, as it is repeated in messages, logs and traces: bounded, whatever they sent, so that a line is no longer than it helps. */
import { shortened } from './thrownText.js'

/** A key or a name within a sentence. */
const nameShownMax = 64
/** A way to a value that is wrong. */
const pathShownMax = 500
/** A message, a reason. */
export const textShownMax = 1_000
const stackShownMax = 4_000
const detailsShownMax = 16

export function shownName(name: string): string {
  return shortened(name, nameShownMax)
}

export function shownPath(path: string): string {
  return shortened(path, pathShownMax)
}

export function shownText(text: string): string {
  return shortened(text, textShownMax)
}

/** What a log has of an error: the error itself where it is short, else as much of it as helps. */
export function shownError(error: unknown): unknown {
  try {
    if (typeof error === 'string') return shownText(error)
    if (!(error instanceof Error)) return isShort(error, 0) ? error : shownText(String(error))
    const { message, stack = '', cause, ...fields } = error
    const isAllShort =
      message.length <= textShownMax && stack.length <= textShownMax + stackShownMax && cause === undefined && isShort(fields, 0)
    if (isAllShort) return error
    const shown = new Error(shownText(message), cause === undefined ? undefined : { cause: shownError(cause) })
    // The stack begins with the whole message.
    const frames = stack.includes(message) ? stack.slice(stack.indexOf(message) + message.length) : ''
    shown.name = shownName(error.name)
    // By this pino tells the type.
    Object.defineProperty(shown, 'constructor', { value: error.constructor, enumerable: false })
    shown.stack = `${shown.name}: ${shown.message}${frames.slice(0, stackShownMax)}`
    const short = Object.entries(fields).filter(([name, value]) => name.length <= nameShownMax && isShort(value, 0))
    return Object.assign(shown, Object.fromEntries(short.slice(0, detailsShownMax)))
  } catch {
    return 'an error that can’t be read'
  }
}

/** Whether a value takes no more than some lines. */
function isShort(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case 'string':
      return value.length <= textShownMax
    case 'object': {
      if (value === null) return true
      if (value instanceof Uint8Array) return value.length <= nameShownMax
      if (depth > 2) return false
      const entries = Object.entries(value)
      return (
        entries.length <= detailsShownMax &&
        entries.every(([name, each]) => name.length <= nameShownMax && isShort(each, depth + 1))
      )
    }
    default:
      return true
  }
}
