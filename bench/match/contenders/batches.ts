/** All calls of a turn in one message, and their answers in one: what batches are worth without a runtime. */

import { createInbox, type NatsConnection } from 'nats'
import { type Method, methods } from '../values.js'
import { packr } from './codec.js'
import type { Ask } from './contender.js'

/** More than any load has in flight. */
const openMax = 4_096

/**
 * How calls and answers are written that travel with many others in one message, one directly
 * after the other.
 */
export interface Batching {
  readonly subject: string
  readonly call: (seq: number, method: string, args: readonly unknown[]) => readonly unknown[]
  readonly readCall: (call: readonly unknown[]) => { seq: number; method: Method; args: [string] }
  readonly answer: (seq: number, value: unknown) => readonly unknown[]
  readonly readAnswer: (answer: readonly unknown[]) => { seq: number; value: unknown }
}

/** No more than is needed to find the method and the call again. */
export const leanBatching: Batching = {
  subject: 'bench.lean',
  call: (seq, method, args) => [seq, method, args],
  readCall: ([seq, method, args]) => ({ seq: seq as number, method: method as Method, args: args as [string] }),
  answer: (seq, value) => [seq, value],
  readAnswer: ([seq, value]) => ({ seq: seq as number, value }),
}

const caller = 'caller-12345678'
const expects = 'Values.v1'

/** The envelopes of docs/protocol.md, as Theseus sends them. Only what is needed is looked at. */
export const envelopeBatching: Batching = {
  subject: 'bench.whole',
  call: (seq, method, args) => [1, 1, 0, seq, method, args, 5_000, caller, 4_026_531_841, 'Client', 0, expects, null, null],
  readCall: (call) => ({ seq: call[3] as number, method: call[4] as Method, args: call[5] as [string] }),
  answer: (seq, value) => [1, 4, 0, seq, value, 'asked', expects, 0, 0],
  readAnswer: (answer) => ({ seq: answer[3] as number, value: answer[4] }),
}

function unpackAll(payload: Uint8Array): (readonly unknown[])[] {
  return packr.unpackMultiple(payload) as unknown[][]
}

/** The first call of a turn makes the message leave at its end. */
export function batchedCalls(connection: NatsConnection, { subject, call, readAnswer }: Batching): Ask {
  const inbox = createInbox()
  const open: ((answer: unknown) => void)[] = new Array(openMax)
  let batch: Uint8Array[] = []
  let calls = 0
  connection.subscribe(inbox, {
    callback: (_error, message) => {
      for (const envelope of unpackAll(message.data)) {
        const { seq, value } = readAnswer(envelope)
        open[seq % openMax]!(value)
      }
    },
  })
  const leave = (): void => {
    connection.publish(subject, Buffer.concat(batch), { reply: inbox })
    batch = []
  }
  return (method, key) =>
    new Promise((resolve) => {
      const seq = ++calls
      open[seq % openMax] = resolve
      if (batch.push(packr.pack(call(seq, method, [key]))) === 1) setImmediate(leave)
    })
}

export function answerBatches(connection: NatsConnection, { subject, readCall, answer }: Batching): void {
  connection.subscribe(subject, {
    callback: (_error, message) => {
      const answers: Uint8Array[] = []
      for (const envelope of unpackAll(message.data)) {
        const { seq, method, args } = readCall(envelope)
        answers.push(packr.pack(answer(seq, methods[method](...args))))
      }
      message.respond(Buffer.concat(answers))
    },
  })
}
