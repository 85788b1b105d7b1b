/** Tables for people. */

export interface Column {
  readonly title: string
  /** Text is at the left, numbers are at the right. */
  readonly isText?: boolean
}

/** Rows with another first cell than the row before are set apart where `grouped`. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[], { grouped = false } = {}): string {
  const widths = columns.map(({ title }, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)))
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => (columns[i]!.isText ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join('  ')
      .trimEnd()
  const body: string[] = []
  rows.forEach((row, i) => {
    if (grouped && i > 0 && rows[i - 1]![0] !== row[0]) body.push('')
    body.push(line(row))
  })
  return [line(columns.map(({ title }) => title)), ...body].join('\n')
}

/** With thousands set apart. */
export function whole(value: number): string {
  return Math.round(value).toLocaleString('en')
}

/** Three digits, however small. */
export function brief(value: number): string {
  return value >= 100 ? whole(value) : value >= 10 ? value.toFixed(1) : value.toFixed(2)
}
