/** The bare wire: MessagePack over the client's own calls, and nothing else. What a team would write that has no runtime. */

import { type Options, Packr } from 'msgpackr'
import type { NatsConnection } from 'nats'
import { initialValues } from './values.js'

// The options of core/codec.ts: standard MessagePack, as another language would speak it.
const standard = { useRecords: false, variableMapSize: true, encodeUndefinedAsNil: true, int64AsType: 'auto', copyBuffers: true }
const packr = new Packr(standard as unknown as Options)

export const bareSubject = 'bench.bare'
export const sendSubject = 'bench.send'

export function packCall(method: string, args: readonly unknown[]): Uint8Array {
  return packr.pack([method, args])
}

export function unpackAnswer(payload: Uint8Array): unknown {
  return packr.unpack(payload)
}

/** How calls and answers are written that travel with many others in one message, one directly after the other. */
export interface Batching {
  readonly subject: string
  readonly call: (seq: number, method: string, args: readonly unknown[]) => readonly unknown[]
  readonly readCall: (call: readonly unknown[]) => { seq: number; method: string; args: readonly unknown[] }
  readonly answer: (seq: number, value: unknown) => readonly unknown[]
  readonly readAnswer: (answer: readonly unknown[]) => { seq: number; value: unknown }
}

/** No more than is needed to find the method and the call again. */
export const lean: Batching = {
  subject: 'bench.lean',
  call: (seq, method, args) => [seq, method, args],
  readCall: ([seq, method, args]) => ({ seq: seq as number, method: method as string, args: args as unknown[] }),
  answer: (seq, value) => [seq, value],
  readAnswer: ([seq, value]) => ({ seq: seq as number, value }),
}

const caller = 'caller-12345678'
const expects = 'Values.v1'

/** The envelopes of docs/protocol.md, as Theseus sends them. Only what is needed is looked at. */
export const whole: Batching = {
  subject: 'bench.whole',
  call: (seq, method, args) => [1, 1, 0, seq, method, args, 5_000, caller, 4_026_531_841, 'Client', 0, expects, null, null],
  readCall: (call) => ({ seq: call[3] as number, method: call[4] as string, args: call[5] as unknown[] }),
  answer: (seq, value) => [1, 4, 0, seq, value, 'asked', expects, 0, 0],
  readAnswer: (answer) => ({ seq: answer[3] as number, value: answer[4] }),
}

export function packBatched(envelope: readonly unknown[]): Uint8Array {
  return packr.pack(envelope)
}

export function unpackBatch(payload: Uint8Array): (readonly unknown[])[] {
  return packr.unpackMultiple(payload) as unknown[][]
}

const methods: Record<string, (...args: any[]) => unknown> = { get: (key: string) => initialValues[key] ?? null }

/** The same for calls that came many in one message: their answers leave in one too. */
export function answerBatches(connection: NatsConnection, { subject, readCall, answer }: Batching): void {
  connection.subscribe(subject, {
    callback: (_error, message) => {
      const answers: Uint8Array[] = []
      for (const envelope of unpackBatch(message.data)) {
        const { seq, method, args } = readCall(envelope)
        answers.push(packBatched(answer(seq, methods[method]!(...args))))
      }
      message.respond(Buffer.concat(answers))
    },
  })
}

/** Carries out what is not answered. */
export function hearSends(connection: NatsConnection): void {
  connection.subscribe(sendSubject, {
    callback: (_error, message) => {
      const [method, args] = packr.unpack(message.data) as [string, string[]]
      methods[method]!(...args)
    },
  })
}

/** Answers `get(key)` from the process's memory. */
export function answerBareCalls(connection: NatsConnection): void {
  connection.subscribe(bareSubject, {
    callback: (_error, message) => {
      const [method, args] = packr.unpack(message.data) as [string, string[]]
      message.respond(packr.pack(methods[method]!(...args)))
    },
  })
}
