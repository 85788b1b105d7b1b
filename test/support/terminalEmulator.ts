/**
 * A small terminal: what is written to it becomes rows of cells. It knows the sequences that natsctl uses,
 * and throws at any other, so that nothing that another machine said can have moved its cursor.
 */

/** East Asian wide characters and emoji of the tests. */
const wide = /^[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}]$/u
const combining = /^\p{M}$/u

interface Cell {
  text: string
  /** The second half of a wide character before it. */
  isTail: boolean
  style: string
}

interface Buffer {
  cells: Cell[][]
  row: number
  column: number
}

export class TerminalEmulator {
  #main: Buffer
  #other: Buffer | undefined
  #style = ''
  #rest = ''
  readonly modes = new Map<number, boolean>([
    [7, true],
    [25, true],
  ])
  /** Synchronized updates that ended. */
  updates = 0
  /** Visible changes outside of them. */
  tears = 0
  bytes = 0

  constructor(
    public columns: number,
    public rows: number,
  ) {
    this.#main = this.#blank()
  }

  get isOther(): boolean {
    return this.#other !== undefined
  }

  get isCursorShown(): boolean {
    return this.modes.get(25) === true
  }

  /** The rows, without spaces at their ends. */
  get screen(): readonly string[] {
    return this.#buffer.cells.map((row) =>
      row
        .map(({ text }) => text)
        .join('')
        .trimEnd(),
    )
  }

  get text(): string {
    return this.screen.join('\n').trimEnd()
  }

  resize(columns: number, rows: number): void {
    Object.assign(this, { columns, rows })
    this.#main = this.#blank()
    if (this.#other !== undefined) this.#other = this.#blank()
  }

  write(data: string): void {
    this.bytes += bytesOf(data)
    let text = this.#rest + data
    this.#rest = ''
    while (text !== '') {
      if (text.startsWith('\u001b')) {
        const after = text.slice(1)
        const csi = /^\[([?]?)([\d;]*)([@-~])/.exec(after)
        if (csi === null) {
          if (!/^(\[[?\d;]*)?$/.test(after))
            throw new Error(`an escape sequence that is not known: ${JSON.stringify(text.slice(0, 16))}`)
          this.#rest = text
          return
        }
        this.#sequence(csi[1]!, csi[2]!, csi[3]!)
        text = after.slice(csi[0].length)
      } else {
        const character = String.fromCodePoint(text.codePointAt(0)!)
        this.#character(character)
        text = text.slice(character.length)
      }
    }
  }

  get #buffer(): Buffer {
    return this.#other ?? this.#main
  }

  #blank(): Buffer {
    const cells = Array.from({ length: this.rows }, () => this.#blankRow())
    return { cells, row: 0, column: 0 }
  }

  #blankRow(): Cell[] {
    return Array.from({ length: this.columns }, () => ({ text: ' ', isTail: false, style: '' }))
  }

  #changed(): void {
    if (this.#other !== undefined && this.modes.get(2026) !== true) this.tears++
  }

  #character(character: string): void {
    const at = this.#buffer
    if (character === '\r') at.column = 0
    else if (character === '\n') this.#newLine()
    else if (character < ' ') throw new Error(`a control character: ${JSON.stringify(character)}`)
    else if (combining.test(character)) {
      const cell = at.cells[at.row]![Math.max(0, at.column - 1)]!
      cell.text += character
    } else this.#put(character, wide.test(character) ? 2 : 1)
  }

  #put(character: string, width: number): void {
    this.#changed()
    const at = this.#buffer
    if (at.column + width > this.columns) {
      if (this.modes.get(7)) {
        at.column = 0
        this.#newLine()
      } else at.column = this.columns - width
    }
    const row = at.cells[at.row]!
    row[at.column] = { text: character, isTail: false, style: this.#style }
    if (width === 2) row[at.column + 1] = { text: '', isTail: true, style: this.#style }
    at.column += width
  }

  #newLine(): void {
    const at = this.#buffer
    if (at.row < this.rows - 1) at.row++
    else {
      at.cells.shift()
      at.cells.push(this.#blankRow())
    }
  }

  #sequence(mark: string, parameters: string, final: string): void {
    const at = this.#buffer
    const numbers = parameters.split(';').map((number) => Number(number || 0))
    if (mark === '?' && (final === 'h' || final === 'l')) this.#mode(numbers[0]!, final === 'h')
    else if (mark !== '') throw new Error(`a private sequence that is not known: ${mark}${parameters}${final}`)
    else if (final === 'm')
      this.#style =
        parameters === '' || parameters === '0' ? '' : parameters.startsWith('2') && parameters.length === 2 ? '' : parameters
    else if (final === 'H') {
      at.row = Math.min(this.rows, Math.max(1, numbers[0]!)) - 1
      at.column = Math.min(this.columns, Math.max(1, numbers[1] ?? 1)) - 1
    } else if (final === 'K' && numbers[0] === 0) {
      this.#changed()
      // Beyond the last column it stands on it still.
      for (let i = Math.min(at.column, this.columns - 1); i < this.columns; i++)
        at.cells[at.row]![i] = { text: ' ', isTail: false, style: '' }
    } else if (final === 'J' && numbers[0] === 2) {
      this.#changed()
      at.cells = this.#blank().cells
    } else throw new Error(`a sequence that is not known: ${parameters}${final}`)
  }

  #mode(mode: number, isSet: boolean): void {
    if (![7, 25, 1049, 2004, 2026].includes(mode)) throw new Error(`a mode that is not known: ${mode}`)
    if (mode === 1049) this.#other = isSet ? this.#blank() : undefined
    if (mode === 2026 && !isSet && this.modes.get(2026)) this.updates++
    this.modes.set(mode, isSet)
  }
}

function bytesOf(text: string): number {
  return new TextEncoder().encode(text).length
}
