/**
 * The output of natsctl: data on stdout as a table or as JSON, everything else on stderr. Reasons, titles and
 * results come from other machines, so no control character of theirs reaches the terminal.
 */
import { styleText } from 'node:util'
import { asTyped } from './typed.js'
import { printable, widthOf } from './width.js'

type Style = Parameters<typeof styleText>[0]

export type Cell = string | number | { readonly text: string; readonly style: Style }

/** Whether stdout shows colours: a terminal, and nobody who said no (https://no-color.org). */
export function hasColour(): boolean {
  return process.stdout.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb'
}

export function paint(style: Style, text: string, colour = hasColour()): string {
  return colour ? styleText(style, text, { validateStream: false }) : text
}

export function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

/** One JSON document on one line: a program reads line by line, whether there is one or a stream of them. */
export function printJson(value: unknown): void {
  print(toJson(value))
}

/** Progress and warnings. */
export function note(line: string): void {
  process.stderr.write(`${asTyped(withoutSeeds(oneLine(line)))}\n`)
}

/** A seed that was given where a file or a key is expected must not be in the terminal's history as well. */
export function withoutSeeds(text: string): string {
  return text.replace(/\bS[A-Z][A-Z2-7]{40,}/g, '(a seed)')
}

/**
 * JSON of anything that can be in an envelope: bytes become base64, integers beyond 2⁵³ decimal text; no
 * control character is left as it is.
 */
export function toJson(value: unknown, indent?: number): string {
  const replace = function (this: Record<string, unknown>, key: string, json: unknown): unknown {
    // From `this`, since a Buffer has turned itself into JSON of its own before `json` arrives.
    const raw = this[key]
    if (raw instanceof Uint8Array) return Buffer.from(raw).toString('base64')
    return typeof raw === 'bigint' ? String(raw) : json
  }
  const text = JSON.stringify(value ?? null, replace, indent)
  return text.replace(controlCharacters, (characters) => characters.replace(/[^\n]/g, escapedInJson))
}

/** One unit of UTF-16, as JSON counts. */
function escapedInJson(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/** The characters that a terminal may obey, or show in another order. */
export const controlCharacters = /[\p{Cc}\p{Cf}\u2028\u2029]+/gu

/** Text of others for one line of a terminal. */
export function oneLine(text: string): string {
  return text.replace(controlCharacters, ' ').trim()
}

/** The lines of a table, its header first; columns as wide as their widest cell, no space at the ends. */
export function tableLines(header: readonly string[], rows: readonly (readonly Cell[])[], colour = hasColour()): string[] {
  const texts = rows.map((row) => row.map(textOf))
  const widths = header.map((title, column) =>
    texts.reduce((width, row) => Math.max(width, widthOf(row[column]!)), widthOf(title)),
  )
  const line = (cells: readonly string[], styled: (text: string, column: number) => string): string => {
    const last = cells.findLastIndex((text) => text !== '')
    return cells
      .slice(0, last + 1)
      .map((text, column) => styled(text, column) + (column === last ? '' : ' '.repeat(widths[column]! - widthOf(text))))
      .join('  ')
  }
  return [
    line(header, (text) => paint('bold', text, colour)),
    ...rows.map((row, index) => line(texts[index]!, (text, column) => styledCell(row[column]!, text, colour))),
  ]
}

export function printTable(header: readonly string[], rows: readonly (readonly Cell[])[]): void {
  for (const line of tableLines(header, rows)) print(line)
}

function textOf(cell: Cell): string {
  return oneLine(printable(typeof cell === 'object' ? cell.text : String(cell)))
}

function styledCell(cell: Cell, text: string, colour: boolean): string {
  return typeof cell === 'object' && text !== '' ? paint(cell.style, text, colour) : text
}

/** How long ago, in the two largest units that count. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  if (seconds < 60) return `${seconds}s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes}m${seconds % 60}s`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? `${hours}h${minutes % 60}m` : `${Math.floor(hours / 24)}d${hours % 24}h`
}

/** `1 node`, `2 nodes`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
