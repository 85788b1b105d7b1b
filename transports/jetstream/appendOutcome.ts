/** The meaning of JetStream's answer to an append (H1, H3). */
import { Fault } from '../../core/base/fault.js'
import type { Appended, Position } from '../../core/ports/log.js'
import { type Answer, type ApiError, apiAnswerOf, errorCodes, silenceText } from './jetStreamAnswer.js'

export interface Append {
  readonly stream: string
  readonly after: Position
}

const appended: Appended = { kind: 'appended' }
const conflict: Appended = { kind: 'conflict' }

export function appendOutcome(answer: Answer, append: Append): Appended {
  if (answer.kind === 'denied') return refused('config.invalid', append, silenceText(answer))
  if (answer.kind !== 'message') return unknown(append, silenceText(answer))
  const read = apiAnswerOf(answer.message)
  if (read === undefined) return unknown(append, 'its answer can’t be read')
  if (read.error !== undefined) return outcomeOfError(read.error, append)
  const { stream, seq, duplicate } = read.body
  if (stream !== append.stream)
    return refused('config.invalid', append, `the stream ${String(stream)} took its entry: let no other have its subject`)
  // No append has a message id, so no server takes one for another. The entry behind `after` tells.
  if (duplicate === true) return conflict
  if (seq === append.after + 1) return appended
  return refused(
    'config.invalid',
    append,
    `the server ignored where its writer expected its end, and put the entry at ${String(seq)}: it is no fence`,
  )
}

/**
 * An error that is not known here may be of one replica alone, or of this moment: it is unknown whether the
 * entry counts.
 */
function outcomeOfError({ errorCode, description }: ApiError, append: Append): Appended {
  switch (errorCode) {
    case errorCodes.wrongLastSequence:
      return conflict
    case errorCodes.messageTooLarge:
      return refused('protocol.too-large', append, `${description}: raise max_msg_size of the stream`)
    case errorCodes.accountResourcesExceeded:
    case errorCodes.insufficientResources:
    case errorCodes.storageResourcesExceeded:
      return refused('unavailable.storage', append, `${description}: give JetStream more room`)
    case errorCodes.storeFailed:
      // Each replica comes to the same about a limit of the stream. A full disk is one replica's.
      if (/^maximum (bytes|messages)/.test(description))
        return refused('unavailable.storage', append, `${description}: raise the stream's limit`)
      return unknown(append, description)
    case errorCodes.otherStreamExpected:
    case errorCodes.sealed:
      return refused('config.invalid', append, description)
    default:
      return unknown(append, `${description} (${errorCode})`)
  }
}

function unknown({ stream }: Append, why: string): Appended {
  return { kind: 'unknown', fault: new Fault('unavailable.storage', `${stream}: ${why}: nobody knows whether the entry counts`) }
}

function refused(
  code: 'config.invalid' | 'protocol.too-large' | 'unavailable.storage',
  { stream }: Append,
  why: string,
): Appended {
  return { kind: 'refused', fault: new Fault(code, `${stream}: the entry was refused: ${why}`) }
}
