/** The parts of natsctl that a command needs to be added to it. */
import type { Command } from 'commander'
import type { ExitCode } from './exitCodes.js'

/** The program that a command is added to: its action returns the exit code. */
export interface Program {
  readonly command: Command
  /** Wraps an action, so that its exit code becomes that of natsctl. */
  action<A extends readonly unknown[]>(act: (...args: A) => Promise<ExitCode>): (...args: A) => Promise<void>
}
