import { isPlainScalar } from '../../core/wire/plain.js'

const fixedTextLengthMax = 64

/** A value that can certainly travel, and can't change until it does. */
export function isImmutable(value: unknown): boolean {
  return isPlainScalar(value) && !(typeof value === 'string' && value.length > fixedTextLengthMax)
}
