/** How many columns of a terminal a text takes. Whatever other machines say, nothing leaves here that could move a cursor. */

/** Control characters, invisible format characters (also those that turn the direction), and what only changes how another character looks. */
const unprintable = /(?:[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]|\p{Variation_Selector})+/gu
const narrowOnly = /^[\u0020-\u007e]*$/
const takesNone = /^[\p{Mn}\p{Me}]$/u
const takesTwo =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f1e6}-\u{1f1ff}\u{20000}-\u{3fffd}\p{Emoji_Presentation}]$/u

/** Text as it may stand in a line. Its spaces stay. */
export function printable(text: string): string {
  return narrowOnly.test(text) ? text : text.toWellFormed().replace(unprintable, ' ')
}

export function widthOf(text: string): number {
  if (narrowOnly.test(text)) return text.length
  let width = 0
  for (const character of text) width += widthOfOne(character)
  return width
}

/** The beginning of a printable text that fits, with an ellipsis for the rest. */
export function cut(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text
  if (columns <= 0) return ''
  let room = columns - 1
  let kept = ''
  for (const character of text) {
    const width = widthOfOne(character)
    if (width > room) break
    kept += character
    room -= width
  }
  return `${kept}…`
}

/** Exactly so wide: cut, or filled up with spaces. */
export function fitted(text: string, columns: number, align: 'left' | 'right' = 'left'): string {
  const kept = cut(text, columns)
  const spaces = ' '.repeat(Math.max(0, columns - widthOf(kept)))
  return align === 'left' ? kept + spaces : spaces + kept
}

function widthOfOne(character: string): number {
  if (takesNone.test(character)) return 0
  return takesTwo.test(character) ? 2 : 1
}
