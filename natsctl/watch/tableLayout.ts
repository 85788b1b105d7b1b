/**
 * Tables that fit: where the terminal is too narrow for all columns, the least important ones are left out.
 */
import { type Cell, oneLine } from '../output/output.js'
import { fitted, printable, widthOf } from '../output/width.js'
import type { Line, Span } from './styledLine.js'

export interface Column<R> {
  readonly title: string
  /** 1 is the last to go. */
  readonly rank: number
  readonly cell: (row: R) => Cell
  /** Kept also where its cells are narrower, so that columns stand still while rows change. */
  readonly min?: number
  readonly max?: number
  readonly align?: 'right'
  /**
   * Takes all room that is left, at least `min`; what matters less than it goes until it has
   * this much. One column may.
   */
  readonly wants?: number
}

export interface FittedTable {
  readonly header: Line
  readonly lines: readonly Line[]
}

const gap = '  '

export function layOutTable<R>(columns: readonly Column<R>[], rows: readonly R[], width: number): FittedTable {
  const cells = rows.map((row) => columns.map((column) => column.cell(row)))
  const texts = cells.map((row) => row.map((cell) => oneLine(printable(String(typeof cell === 'object' ? cell.text : cell)))))
  const widths = columns.map(({ title, min = 0, max = Number.POSITIVE_INFINITY, wants }, i) => {
    if (wants !== undefined) return Math.max(min, title.length)
    return Math.min(
      max,
      texts.reduce((widest, row) => Math.max(widest, widthOf(row[i]!)), Math.max(title.length, min)),
    )
  })
  const kept = columnsThatFit(columns, widths, width)
  const rest = width - total(kept.map((i) => widths[i]!))
  const lineOf = (textAt: (i: number) => string, spanAt: (i: number, text: string) => Span): Line =>
    kept.flatMap((i, place) => {
      const { wants, align } = columns[i]!
      const span = spanAt(i, fitted(textAt(i), Math.max(0, widths[i]! + (wants === undefined ? Math.min(0, rest) : rest)), align))
      return place === 0 ? [span] : [gap, span]
    })
  return {
    header: lineOf(
      (i) => columns[i]!.title,
      (_, text) => ({ text, style: 'bold' }),
    ),
    lines: cells.map((row, r) =>
      lineOf(
        (i) => texts[r]![i]!,
        (i, text) => {
          const cell = row[i]!
          return typeof cell === 'object' ? { text, style: cell.style } : text
        },
      ),
    ),
  }
}

function columnsThatFit<R>(columns: readonly Column<R>[], widths: readonly number[], width: number): readonly number[] {
  let kept = columns.map((_, i) => i)
  while (kept.length > 1) {
    const least = kept.reduce((worst, i) => (columns[i]!.rank > columns[worst]!.rank ? i : worst))
    const wanted = kept.map((i) => (i === least ? widths[i]! : Math.max(widths[i]!, columns[i]!.wants ?? 0)))
    if (total(wanted) <= width) return kept
    kept = kept.filter((i) => i !== least)
  }
  return kept
}

function total(widths: readonly number[]): number {
  return widths.reduce((sum, width) => sum + width, 0) + gap.length * (widths.length - 1)
}
