/**
 * The terminal while a screen is on it: the other buffer, no cursor, keys as they are pressed.
 *
 * T1. It is given back as it was at every end: when it is closed, when the process exits or fails, at any
 *     signal, and while it is stopped.
 */
import type { ReadStream, WriteStream } from 'node:tty'
import { frameOf } from './frame.js'
import { type Key, KeyReader } from './keys.js'

/**
 * The other buffer; no cursor; lines that are too long don't wrap; what is pasted is told apart from keys.
 */
const take = '\u001b[?1049h\u001b[?25l\u001b[?7l\u001b[?2004h'
const giveBack = '\u001b[?2026l\u001b[m\u001b[?2004l\u001b[?7h\u001b[?25h\u001b[?1049l'

/**
 * For so long a lone escape may be the beginning of another key, and a sequence may stay without its end: it
 * may come in two packets.
 */
const waitsMs = { escape: 50, sequence: 500 } as const
/** A process that is alone in its session can't be stopped: nobody could wake it. */
const stopMs = 100

export interface TerminalListener {
  key(key: Key): void
  /** Its size is another one, or what it shows is lost. */
  changed(): void
  /** Nobody sits there any more, or somebody ends this process. */
  ended(): void
}

type Output = Pick<WriteStream, 'write' | 'on' | 'off' | 'columns' | 'rows'>
type Input = Pick<ReadStream, 'on' | 'off' | 'resume' | 'pause' | 'setEncoding'> &
  Partial<Pick<ReadStream, 'isTTY' | 'setRawMode'>>

const endings = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const

export class Terminal {
  #shown: readonly string[] | undefined
  #isTaken = false
  #isOpen = false
  readonly #keys = new KeyReader()
  #flushing: NodeJS.Timeout | undefined

  constructor(
    private readonly listener: TerminalListener,
    private readonly input: Input = process.stdin,
    private readonly output: Output = process.stdout,
  ) {}

  get size(): { readonly columns: number; readonly rows: number } {
    return { columns: this.output.columns || 80, rows: this.output.rows || 24 }
  }

  open(): void {
    this.#isOpen = true
    this.output.on('resize', this.#resized)
    if (this.input.isTTY) this.input.setEncoding('utf8').on('data', this.#read).on('end', this.#ended).on('error', this.#ended)
    for (const signal of endings) process.on(signal, this.#ended)
    if (process.platform !== 'win32') process.on('SIGTSTP', this.suspend).on('SIGCONT', this.#continued)
    process.on('exit', this.#release).on('uncaughtExceptionMonitor', this.#release)
    this.#take()
  }

  /** Shows these lines, by writing only what has changed. */
  show(lines: readonly string[]): void {
    if (!this.#isTaken) return
    const frame = frameOf(this.#shown, lines, this.size.columns)
    this.#shown = lines
    if (frame !== '') this.output.write(frame)
  }

  /** The whole frame is drawn anew. */
  redraw(): void {
    this.#shown = undefined
    this.listener.changed()
  }

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#release()
    this.output.off('resize', this.#resized)
    if (this.input.isTTY) this.input.off('data', this.#read).off('end', this.#ended).off('error', this.#ended).pause()
    for (const signal of endings) process.off(signal, this.#ended)
    process.off('SIGTSTP', this.suspend).off('SIGCONT', this.#continued)
    process.off('exit', this.#release).off('uncaughtExceptionMonitor', this.#release)
    clearTimeout(this.#flushing)
  }

  /**
   * Ctrl-Z: gives the terminal back and stops, with everything that was started along with it,
   * until somebody says to go on.
   */
  readonly suspend = (): void => {
    if (process.platform === 'win32') return
    this.#release()
    process.off('SIGTSTP', this.suspend)
    process.kill(0, 'SIGTSTP')
    setTimeout(() => {
      if (!this.#isTaken) this.#continued()
    }, stopMs)
  }

  readonly #continued = (): void => {
    if (!this.#isOpen) return
    process.off('SIGTSTP', this.suspend).on('SIGTSTP', this.suspend)
    this.#take()
    this.redraw()
  }

  #take(): void {
    this.#shown = undefined
    this.#isTaken = true
    if (this.input.isTTY) {
      this.input.setRawMode?.(true)
      this.input.resume()
    }
    this.output.write(take)
  }

  readonly #release = (): void => {
    if (!this.#isTaken) return
    this.#isTaken = false
    try {
      this.output.write(giveBack)
    } catch {
      // It has gone.
    }
    try {
      this.input.setRawMode?.(false)
    } catch {
      // The same.
    }
  }

  readonly #resized = (): void => this.redraw()
  readonly #ended = (): void => this.listener.ended()

  readonly #read = (chunk: string): void => {
    clearTimeout(this.#flushing)
    for (const key of this.#keys.read(chunk)) this.listener.key(key)
    const { waits } = this.#keys
    if (waits === undefined) return
    this.#flushing = setTimeout(() => {
      for (const key of this.#keys.flush()) this.listener.key(key)
    }, waitsMs[waits])
  }
}
