/**
 * The last line: a question, what is sought, what came of an order, what is wrong, or which keys there are.
 */

import { widthOf } from '../output/width.js'
import type { ScreenContent } from './screenContent.js'
import { confirmationOf } from './screenState.js'
import { type Line, leftAndRight } from './styledLine.js'
import { ageText } from './valueFormat.js'

/** A look that is older is told. */
const oldMs = 2_000

export function statusLine(
  content: ScreenContent,
  shown: { readonly page: number; readonly top: number },
  columns: number,
): Line {
  const { state, system, warning, watched, now } = content
  const { mode, message } = state
  if (mode.type === 'ask') return [{ text: confirmationOf(mode.order, system), style: ['bold', 'yellow'] }]
  if (mode.type === 'find' && message === undefined)
    return [{ text: '/', style: 'bold' }, mode.text, { text: ' ', style: 'inverse' }]
  if (mode.type === 'find') return [{ text: '/', style: 'bold' }, `${mode.text}  `, { text: message!.text, style: 'yellow' }]
  if (message !== undefined) return [{ text: message.text, style: message.isFault ? 'red' : 'bold' }]
  if (warning !== '') {
    const as = watched === undefined || now - watched.at < oldMs ? '' : `as it was ${ageText(watched.at, now)} ago: `
    return [{ text: `${as}${warning}`, style: 'red' }]
  }
  if (mode.type === 'help') return [{ text: 'any key goes back', style: 'dim' }]
  if (mode.type === 'history') return [{ text: 'Esc goes back, ↑ ↓ scroll', style: 'dim' }]
  const place = placeOf(content, shown)
  return leftAndRight([{ text: keysFor(columns - widthOf(place) - 2), style: 'dim' }], [{ text: place, style: 'dim' }], columns)
}

const keys = [
  '? keys',
  'q quit',
  'p pause',
  'h hold',
  '/ find',
  'Enter node',
  'r resume',
  't retry',
  'u upgrade now',
  'm promote',
  'U undo',
]

/** As many as there is room for. */
function keysFor(columns: number): string {
  let text = ''
  for (const key of keys) {
    const more = text === '' ? key : `${text}  ${key}`
    if (widthOf(more) > columns) break
    text = more
  }
  return text
}

function placeOf({ watched }: ScreenContent, { page, top }: { readonly page: number; readonly top: number }): string {
  const all = watched?.rows.length ?? 0
  return all === 0 ? 'no nodes' : `${top + 1}–${Math.min(all, top + page)} of ${all}`
}
