/** What a command needs of natsctl to be added to it. */
import type { Command } from 'commander'
import type { ExitCode } from './exitCodes.js'

/** What a command is added to: its action returns the exit code. */
export interface Program {
  readonly command: Command
  /** Wraps an action, so that its exit code becomes that of natsctl. */
  action<A extends readonly unknown[]>(act: (...args: A) => Promise<ExitCode>): (...args: A) => Promise<void>
}
