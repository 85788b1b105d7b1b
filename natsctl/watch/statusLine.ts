/**
 * The last line: a question, what is sought, what came of an order, what is wrong, or which keys there are.
 */

import { widthOf } from '../output/width.js'
import { between, type Line } from './line.js'
import type { Picture } from './picture.js'
import { questionOf } from './screenState.js'
import { ago } from './words.js'

/** A look that is older is told. */
const oldMs = 2_000

export function statusLine(picture: Picture, shown: { readonly page: number; readonly top: number }, columns: number): Line {
  const { state, system, warning, watched, now } = picture
  const { mode, message } = state
  if (mode.type === 'ask') return [{ text: questionOf(mode.order, system), style: ['bold', 'yellow'] }]
  if (mode.type === 'find' && message === undefined)
    return [{ text: '/', style: 'bold' }, mode.text, { text: ' ', style: 'inverse' }]
  if (mode.type === 'find') return [{ text: '/', style: 'bold' }, `${mode.text}  `, { text: message!.text, style: 'yellow' }]
  if (message !== undefined) return [{ text: message.text, style: message.isFault ? 'red' : 'bold' }]
  if (warning !== '') {
    const as = watched === undefined || now - watched.at < oldMs ? '' : `as it was ${ago(watched.at, now)} ago: `
    return [{ text: `${as}${warning}`, style: 'red' }]
  }
  if (mode.type === 'help') return [{ text: 'any key goes back', style: 'dim' }]
  if (mode.type === 'history') return [{ text: 'Esc goes back, ↑ ↓ scroll', style: 'dim' }]
  const place = placeOf(picture, shown)
  return between([{ text: keysFor(columns - widthOf(place) - 2), style: 'dim' }], [{ text: place, style: 'dim' }], columns)
}

const keys = ['? keys', 'q quit', 'p pause', 'h hold', '/ find', 'Enter node', 'r resume', 't retry', 'u upgrade now']

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

function placeOf({ watched }: Picture, { page, top }: { readonly page: number; readonly top: number }): string {
  const all = watched?.rows.length ?? 0
  return all === 0 ? 'no nodes' : `${top + 1}–${Math.min(all, top + page)} of ${all}`
}
