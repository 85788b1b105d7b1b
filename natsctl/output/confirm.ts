/** A question to who sits at a terminal. It goes to stderr: stdout is for data. */
import { createInterface } from 'node:readline'
import { type ExitCode, exitCodes, Failure, usageFailure } from './exitCodes.js'

export interface AskFlags {
  readonly yes?: true
  /** False with `--no-input`. */
  readonly input: boolean
}

export interface Question {
  /** The act, after "this": "forgets node p1 for good". */
  readonly does: string
  readonly question: string
  /** The text after a no. */
  readonly refused: string
  /** The facts to know before answering, on stderr. */
  readonly before?: () => void
}

/** Undefined for a yes, or else how the command ends. Where nobody can be asked, `--yes` is needed. */
export async function requireConfirmation(
  flags: AskFlags,
  { does, question, refused, before }: Question,
): Promise<ExitCode | undefined> {
  if (flags.yes === true) return undefined
  if (!flags.input || !isTerminal()) throw usageFailure(`this ${does}: give --yes`)
  before?.()
  const answer = await confirm(question)
  if (answer === 'interrupted') return exitCodes.interrupted
  if (answer === 'no') throw new Failure(exitCodes.error, refused)
  return undefined
}

export type Answer = 'yes' | 'no' | 'interrupted'

/** Whether there is somebody to ask. */
function isTerminal(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true
}

/** Anything but a yes is a no, and so is the end of the input. */
export function confirm(
  question: string,
  input: NodeJS.ReadableStream = process.stdin,
  output: NodeJS.WritableStream = process.stderr,
): Promise<Answer> {
  const lines = createInterface({ input, output })
  return new Promise((resolve) => {
    const end = (answer: Answer) => {
      resolve(answer)
      lines.close()
    }
    lines.once('SIGINT', () => {
      output.write('\n')
      end('interrupted')
    })
    lines.once('close', () => resolve('no'))
    lines.question(`${question} [y/N] `, (text) => end(/^\s*y(es)?\s*$/i.test(text) ? 'yes' : 'no'))
  })
}
