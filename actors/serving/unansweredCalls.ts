/**
 * The calls of one node that wait or run and have no answer yet, by their ids. A query that is sent again
 * meanwhile joins its first copy: run by itself, each copy of a slow one would occupy the node as long as the
 * first. They are bounded as the mailbox and the held calls are.
 */
import { isDeepStrictEqual } from 'node:util'
import { type CallEnvelope, callId } from '../../core/wire/envelope.js'

/** Numbers from here on are drawn at random: each is of one call. Below, callers may count. */
const randomSeqMin = 2 ** 32

type CallFields = Pick<CallEnvelope, 'caller' | 'incarnation' | 'seq' | 'label' | 'method' | 'args'>

export class UnansweredCalls<Call extends { readonly envelope: CallFields }> {
  readonly #byId = new Map<number | string, Call>()

  get size(): number {
    return this.#byId.size
  }

  add(call: Call): void {
    this.#byId.set(keyOf(call.envelope), call)
  }

  delete(call: Call): void {
    const key = keyOf(call.envelope)
    if (this.#byId.get(key) === call) this.#byId.delete(key)
  }

  /** The call of which this one is a copy. */
  find(copy: CallFields): Call | undefined {
    if (this.#byId.size === 0) return undefined
    const call = this.#byId.get(keyOf(copy))
    return call !== undefined && isSame(call.envelope, copy) ? call : undefined
  }
}

/** A number is found in a fraction of the time. */
function keyOf(call: CallFields): number | string {
  return call.seq >= randomSeqMin ? call.seq : callId(call)
}

function isSame(a: CallFields, b: CallFields): boolean {
  if (a.caller !== b.caller || a.incarnation !== b.incarnation || a.label !== b.label || a.method !== b.method) return false
  return isDeepStrictEqual(a.args, b.args)
}
