/**
 * How many columns of a terminal a text takes, and how it is made to fit. Widths are string-width's, of whole
 * characters as people see them. It is cut here, before it gets its colours.
 */
import stringWidth from 'string-width'

/**
 * Control characters, invisible format characters (also those that turn the direction), and what only changes
 * how another character looks. Among them are the joiners of emoji: terminals disagree how wide a joined one
 * is, and its parts are as wide everywhere.
 */
const unprintable = /(?:[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]|\p{Variation_Selector})+/gu
const narrowOnly = /^[\u0020-\u007e]*$/
const characters = new Intl.Segmenter()

/** Text as it may stand in a line: nothing of it can move a cursor. Its spaces stay. */
export function printable(text: string): string {
  return narrowOnly.test(text) ? text : text.toWellFormed().replace(unprintable, ' ')
}

export function widthOf(text: string): number {
  return stringWidth(text)
}

/** The beginning of a printable text that fits, with an ellipsis for the rest. */
export function cut(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text
  if (columns <= 0) return ''
  let room = columns - 1
  let kept = ''
  for (const { segment } of characters.segment(text)) {
    room -= widthOf(segment)
    if (room < 0) break
    kept += segment
  }
  return `${kept}…`
}

/** At least so wide: filled up with spaces. */
export function padded(text: string, columns: number, align: 'left' | 'right' = 'left'): string {
  const spaces = ' '.repeat(Math.max(0, columns - widthOf(text)))
  return align === 'left' ? text + spaces : spaces + text
}

/** Exactly so wide: cut, or filled up with spaces. */
export function fitted(text: string, columns: number, align: 'left' | 'right' = 'left'): string {
  return padded(cut(text, columns), columns, align)
}

/** Without its last character, as people see it: an accent or a flag goes as a whole. */
export function withoutLast(text: string): string {
  let last = text.length
  for (const { index } of characters.segment(text)) last = index
  return text.slice(0, last)
}

const styles = new RegExp(`(${String.fromCharCode(27)}\\[[\\d;]*m)`)

/** As `cut`, of a text with colours in it: these have no width, and end with it. */
export function cutStyled(text: string, columns: number): string {
  const parts = text.split(styles)
  if (widthOf(parts.filter((_, i) => i % 2 === 0).join('')) <= columns) return text
  let room = columns - 1
  let isCut = false
  let kept = ''
  for (const [i, part] of parts.entries()) {
    if (i % 2 === 1) kept += part
    else if (!isCut && part !== '') {
      isCut = widthOf(part) > room
      const piece = isCut ? cut(part, room + 1).replace(/…$/, '') : part
      kept += isCut ? `${piece}…` : piece
      room -= widthOf(piece)
    }
  }
  return kept
}
