import { thrownText } from '../core/base/thrownText.js'
import type { Transport } from '../core/ports/transport.js'

/** The options of a host for its connection. */
export interface TransportOptions {
  /** How the connection is called in the server's own monitoring, or in a broker's filter. */
  readonly name?: string
  /** The name of this caller, which its inboxes carry: `_INBOX.<name>.`. Left out: it has none. */
  readonly as?: string
  /**
   * Told what a subscription's handler threw, and what the server objects to. Without it,
   * errors become process warnings.
   */
  readonly onError?: (error: unknown) => void
}

/** The facts that a factory tells of the way that it opens, for production mode. */
export interface ConnectionFacts {
  /**
   * Whether it asks for TLS, or stays on this machine: no server and nobody on the way can talk
   * it out of that.
   */
  readonly isEncrypted: boolean
  /** How it is made so. */
  readonly howToEncrypt: string
  /** Files with keys and passwords. */
  readonly secretFiles: readonly string[]
}

/** The `transport` that a user passes. Every call of `connect` makes a connection of its own. */
export interface TransportFactory {
  /**
   * Rejects with `unavailable.disconnected` when nobody answers there, with `config.invalid` when the
   * settings are refused.
   */
  connect(options?: TransportOptions): Promise<Transport>
  /** Left out: nothing is known. */
  readonly facts?: ConnectionFacts
}

/** An `onError` that never throws: an exception that leaves a handler would end the connection's reader. */
export function safeErrorHandler(onError: TransportOptions['onError']): (error: unknown) => void {
  return (error) => {
    try {
      if (onError === undefined) warn(error)
      else onError(error)
    } catch (worse) {
      warn(worse)
    }
  }
}

function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? String(error.stack ?? thrownText(error)) : thrownText(error), 'TransportWarning')
}
