const { fromCharCode } = String

/** Bytes that are read, whatever the text's length. */
export const shortTextBytesMax = 12

/**
 * ASCII text of up to `shortTextBytesMax` bytes; undefined for other text. So many bytes must follow `at`.
 * The runtime's decoder takes twice the time or more for so little.
 */
export function shortText(bytes: Uint8Array, at: number, size: number): string | undefined {
  for (let i = 0; i < size; i++) if (bytes[at + i]! > 0x7f) return undefined
  const a = bytes[at]!
  const b = bytes[at + 1]!
  const c = bytes[at + 2]!
  const d = bytes[at + 3]!
  const e = bytes[at + 4]!
  const f = bytes[at + 5]!
  const g = bytes[at + 6]!
  const h = bytes[at + 7]!
  const i = bytes[at + 8]!
  const j = bytes[at + 9]!
  const k = bytes[at + 10]!
  switch (size) {
    case 0:
      return ''
    case 1:
      return fromCharCode(a)
    case 2:
      return fromCharCode(a, b)
    case 3:
      return fromCharCode(a, b, c)
    case 4:
      return fromCharCode(a, b, c, d)
    case 5:
      return fromCharCode(a, b, c, d, e)
    case 6:
      return fromCharCode(a, b, c, d, e, f)
    case 7:
      return fromCharCode(a, b, c, d, e, f, g)
    case 8:
      return fromCharCode(a, b, c, d, e, f, g, h)
    case 9:
      return fromCharCode(a, b, c, d, e, f, g, h, i)
    case 10:
      return fromCharCode(a, b, c, d, e, f, g, h, i, j)
    case 11:
      return fromCharCode(a, b, c, d, e, f, g, h, i, j, k)
    case 12:
      return fromCharCode(a, b, c, d, e, f, g, h, i, j, k, bytes[at + 11]!)
    default:
      return undefined
  }
}
