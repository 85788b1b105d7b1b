/** A question to who sits at a terminal. It goes to stderr: stdout is for data. */
import { createInterface } from 'node:readline'

export type Answer = 'yes' | 'no' | 'interrupted'

/** Whether there is somebody to ask. */
export function isTerminal(): boolean {
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
