/**
 * A command at a real terminal, by `script` of util-linux: what it writes goes to an emulator, keys go to it.
 * Around it runs a shell, so that it is seen what is left of the terminal afterwards.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import type { ExecutionContext } from 'ava'
import { until } from './eventually.js'
import { TerminalEmulator } from './terminalEmulator.js'

export interface TerminalOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly columns?: number
  readonly rows?: number
  /** Instead of running the command: a shell with job control, which waits for one. */
  readonly isShell?: boolean
}

export class PseudoTerminal {
  readonly emulator: TerminalEmulator
  readonly child: ChildProcess
  raw = ''
  readonly ended: Promise<void>

  constructor(t: ExecutionContext<any>, command: readonly string[], options: TerminalOptions = {}) {
    const { env = {}, columns = 120, rows = 30, isShell = false } = options
    this.emulator = new TerminalEmulator(columns, rows)
    const quoted = command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ')
    const script = isShell
      ? `stty rows ${rows} cols ${columns}; exec env PS1='$ ' bash --norc --noprofile -i`
      : // Ctrl-C goes to the shell as well: without the trap some shells end there, and say nothing of how the command ended.
        `trap : INT; stty rows ${rows} cols ${columns}; echo "on $(tty)"; ${quoted}; echo "ended with $?"; stty -a | tr ' ' '\\n' | grep -E '^-?(icanon|echo|isig);?$' | tr '\\n' ' '; echo over`
    this.child = spawn('script', ['-qfc', script, '/dev/null'], {
      // `script` takes the shell from here: the same one on every machine.
      env: { ...process.env, SHELL: '/bin/sh', TERM: 'xterm-256color', ...env },
      stdio: ['pipe', 'pipe', 'inherit'],
      detached: true,
    })
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.raw += text
      this.emulator.write(text)
    })
    this.ended = new Promise((resolve) => this.child.once('close', () => resolve()))
    t.teardown(async () => {
      this.child.kill('SIGKILL')
      await this.ended
    })
  }

  press(keys: string): void {
    this.child.stdin!.write(keys)
  }

  /** Waits until the screen is like that; says what it showed when it never was. */
  async shows(pattern: RegExp | ((text: string) => boolean), what = String(pattern)): Promise<string> {
    const isThere = (text: string) => (typeof pattern === 'function' ? pattern(text) : pattern.test(text))
    try {
      await until(() => isThere(this.emulator.text), what)
    } catch (error) {
      throw new Error(`${(error as Error).message}; it shows\n${this.emulator.text}`)
    }
    return this.emulator.text
  }

  /** As somebody does who pulls at the window. */
  resize(columns: number, rows: number): void {
    const [, tty] = /on (\/dev\/\S+)/.exec(this.raw) ?? []
    if (tty === undefined || !existsSync(tty)) throw new Error(`the terminal has no name: ${this.raw.slice(0, 200)}`)
    this.emulator.resize(columns, rows)
    execFileSync('stty', ['-F', tty, 'rows', String(rows), 'cols', String(columns)])
  }
}
