/**
 * How natsctl ends: the exit codes, and the one line on stderr that goes with each
 * (docs/natsctl.md repeats the table).
 */
import { CommanderError } from 'commander'
import { isFault } from 'theseus-actors'
import { oneLine, withoutSeeds } from './output.js'
import { asTyped } from './typed.js'

export const exitCodes = {
  done: 0,
  error: 1,
  /** A wrong flag or argument, or a wrong config of `up`. */
  usage: 2,
  /** A node is stalled, rejected or failed, or the version that was waited for was undone. */
  degraded: 3,
  /** The rollout is paused. */
  paused: 4,
  timedOut: 5,
  noResponder: 6,
  /** Ctrl-C before what was waited for. */
  interrupted: 130,
} as const

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

/** An expected end that is no fault of Theseus: a message for people, and an exit code. */
export class Failure extends Error {
  constructor(
    readonly exitCode: ExitCode,
    message: string,
    options?: { readonly cause?: unknown },
  ) {
    super(message, options)
  }
}

export function usageFailure(message: string): Failure {
  return new Failure(exitCodes.usage, `error: ${message}`)
}

export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof Failure) return error.exitCode
  // Commander throws for --help and --version too, once they are printed.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage
  if (!isFault(error)) return exitCodes.error
  switch (error.code) {
    case 'timeout.deadline':
    case 'timeout.unknown':
      return exitCodes.timedOut
    case 'unavailable.no-responders':
      return exitCodes.noResponder
    default:
      return exitCodes.error
  }
}

/**
 * The text to print on stderr; nothing when commander has printed it already. The stack is for
 * who asks for it.
 */
export function explain(error: unknown, env: NodeJS.ProcessEnv = process.env): string {
  if (error instanceof CommanderError) return ''
  const stack = env.THESEUS_DEBUG === '1' ? `${stackOf(error)}\n` : ''
  return asTyped(withoutSeeds(`${lineOf(error)}\n${stack}`))
}

function lineOf(error: unknown): string {
  // A failure's message may be of several lines on purpose: those of a compiler.
  if (error instanceof Failure) return error.message
  if (isFault(error)) return oneLine(`${error.code}: ${error.message}`)
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return oneLine(`unexpected ${message} (THESEUS_DEBUG=1 shows where)`)
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause === undefined ? '' : `\ncaused by ${stackOf(error.cause)}`
  return `${error.stack ?? error.message}${cause}`
}
