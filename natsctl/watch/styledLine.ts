/** Lines of a screen: pieces of text with styles, which become exactly one row of a terminal. */
import { type Cell, paint } from '../output/output.js'
import { cut, printable, widthOf } from '../output/width.js'

export type Style = Exclude<Cell, string | number>['style']
export type Span = string | { readonly text: string; readonly style: Style }
export type Line = readonly Span[]

export interface ScreenSize {
  readonly columns: number
  readonly rows: number
  readonly colour: boolean
}

export function textOf(span: Span | Cell): string {
  return printable(typeof span === 'object' ? span.text : String(span))
}

/** As wide as it is. */
export function lineWidth(line: Line): number {
  return line.reduce((width, span) => width + widthOf(textOf(span)), 0)
}

/** The text for the terminal: no wider than it, and without spaces at the end. */
export function rendered(line: Line, { columns, colour }: ScreenSize): string {
  let room = columns
  let text = ''
  for (const span of withoutEnd(line)) {
    const kept = cut(textOf(span), room)
    text += typeof span === 'object' && kept !== '' ? paint(span.style, kept, colour) : kept
    room -= widthOf(kept)
    if (kept.endsWith('…') && room <= 0) break
  }
  return text
}

/** Left and right on one line; the left one is cut where there is no room for both. */
export function leftAndRight(left: Line, right: Line, columns: number): Line {
  const room = columns - lineWidth(right) - 2
  const kept: Span[] = []
  let used = 0
  for (const span of left) {
    const text = cut(textOf(span), room - used)
    if (text === '') break
    kept.push(typeof span === 'object' ? { ...span, text } : text)
    used += widthOf(text)
  }
  return [...kept, ' '.repeat(Math.max(2, columns - used - lineWidth(right))), ...right]
}

function withoutEnd(line: Line): Line {
  const last = line.findLastIndex((span) => {
    const kept = trimmed(span)
    return (typeof kept === 'string' ? kept : kept.text) !== ''
  })
  return line.slice(0, last + 1).map((span, i) => (i === last ? trimmed(span) : span))
}

/** Spaces that are seen stay. */
function trimmed(span: Span): Span {
  if (typeof span === 'string') return span.trimEnd()
  return span.style === 'inverse' ? span : { ...span, text: span.text.trimEnd() }
}
