/**
 * Text of others, as it is repeated in messages, logs and traces: bounded, whatever they sent, so that a line
 * is no longer than it helps.
 */
import { shortened } from './thrownText.js'

/** A key or a name within a sentence. */
const nameShownMax = 64
/** A way to a value that is wrong. */
const pathShownMax = 500
/** A message, a reason. */
export const textShownMax = 1_000
const stackShownMax = 4_000
/** Of the names and texts in what an error carries. */
const fieldsLengthMax = 4_000
/** An error, its causes, and those that it gathers or carries: they may be many, and lead in a circle. */
const errorsShownMax = 4

export function shownName(name: string): string {
  return shortened(name, nameShownMax)
}

export function shownPath(path: string): string {
  return shortened(path, pathShownMax)
}

export function shownText(text: string): string {
  return shortened(text, textShownMax)
}

/** The error for a log: the error itself where it is short, else as much of it as helps. */
export function shownError(error: unknown): unknown {
  return shownOf(error, { errorsLeft: errorsShownMax })
}

function shownOf(error: unknown, room: { errorsLeft: number }): unknown {
  try {
    if (typeof error === 'string') return shownText(error)
    if (!(error instanceof Error)) return isShort(error) ? error : shownText(String(error))
    if (--room.errorsLeft < 0) return 'one more error'
    const { name, message, stack = '', cause, errors, ...fields } = error as Error & { readonly errors?: unknown }
    const isAlone = cause === undefined && !Array.isArray(errors) && !Object.values(fields).some(isError)
    const isAllShort =
      name.length <= nameShownMax &&
      message.length <= textShownMax &&
      stack.length <= textShownMax + stackShownMax &&
      isShort(fields)
    if (isAlone && isAllShort) return error
    const shown = new Error(shownText(message), cause === undefined ? undefined : { cause: shownOf(cause, room) })
    // The stack begins with the whole message.
    const frames = stack.includes(message) ? stack.slice(stack.indexOf(message) + message.length) : ''
    shown.name = shownName(name)
    // By this pino tells the type.
    Object.defineProperty(shown, 'constructor', { value: error.constructor, enumerable: false })
    shown.stack = `${shown.name}: ${shown.message}${frames.slice(0, stackShownMax)}`
    if (Array.isArray(errors)) {
      const some = errors.slice(0, errorsShownMax).map((each) => shownOf(each, room))
      Object.defineProperty(shown, 'errors', { value: some, enumerable: false })
    }
    return Object.assign(shown, shownFields(fields, room))
  } catch {
    return 'an error that can’t be read'
  }
}

/** As many as are short together. */
function shownFields(fields: object, room: { errorsLeft: number }): object {
  const shown: Record<string, unknown> = {}
  let left = fieldsLengthMax
  for (const [name, value] of Object.entries(fields)) {
    const after = isError(value) ? left - name.length : lengthLeft(value, left - name.length, 1)
    if (after < 0) continue
    left = after
    shown[name] = shownOf(value, room)
  }
  return shown
}

function isError(value: unknown): boolean {
  return value instanceof Error
}

/** Whether a value takes no more than some lines. */
function isShort(value: unknown): boolean {
  return lengthLeft(value, fieldsLengthMax, 0) >= 0
}

/** Of so many characters; less than none for what is too long or too deep. */
function lengthLeft(value: unknown, left: number, depth: number): number {
  if (typeof value !== 'object' || value === null) return left - String(value).length
  if (depth > 3) return -1
  // A value that is surely too long is not gone through, nor are its entries made: an error may carry the
  // answer of a server.
  if (ArrayBuffer.isView(value) && value.byteLength > left) return -1
  if (Array.isArray(value) && value.length > left) return -1
  let now = left
  for (const [name, each] of Object.entries(value)) {
    now = lengthLeft(each, now - name.length, depth + 1)
    if (now < 0) break
  }
  return now
}
