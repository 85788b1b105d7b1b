/**
 * The text that is written to a terminal so that it shows these lines: only those that have
 * changed, each in its place, in one synchronized update
 * (https://gist.github.com/christianparpart/d8a62cc1ab659194337d73e399004036), so that no half
 * of a picture is ever seen.
 */
import { stripVTControlCharacters } from 'node:util'
import { widthOf } from '../output/width.js'

const esc = '\u001b['
const beginUpdate = `${esc}?2026h`
const endUpdate = `${esc}?2026l`

/**
 * Empty when nothing has changed.
 * @param shown what the terminal shows now; undefined when that is not known
 */
export function frameOf(shown: readonly string[] | undefined, next: readonly string[], columns: number): string {
  let changes = shown === undefined ? `${esc}m${esc}2J` : ''
  for (let row = 0; row < Math.max(next.length, shown?.length ?? 0); row++) {
    const line = next[row] ?? ''
    if (line === (shown?.[row] ?? '')) continue
    // Erased after it is written where something is left of the line before; a full line first, for beyond
    // its last column there is nothing to erase.
    const isFull = widthOf(stripVTControlCharacters(line)) >= columns
    changes += `${esc}${row + 1};1H${isFull ? `${esc}K` : ''}${line}${isFull ? '' : `${esc}K`}`
  }
  return changes === '' ? '' : `${beginUpdate}${changes}${endUpdate}`
}
