/** The bare wire: MessagePack over the client's own calls, and nothing else. What a team would write that has no runtime. */

import { type Options, Packr } from 'msgpackr'
import type { NatsConnection } from 'nats'
import { initialValues } from './values.js'

// The options of core/codec.ts: standard MessagePack, as another language would speak it.
const standard = { useRecords: false, variableMapSize: true, encodeUndefinedAsNil: true, int64AsType: 'auto', copyBuffers: true }
const packr = new Packr(standard as unknown as Options)

export const bareSubject = 'bench.bare'
export const batchSubject = 'bench.batch'
export const sendSubject = 'bench.send'

export function packCall(method: string, args: readonly unknown[]): Uint8Array {
  return packr.pack([method, args])
}

export function unpackAnswer(payload: Uint8Array): unknown {
  return packr.unpack(payload)
}

/** What travels with many others in one message, one directly after the other. */
export type BatchedCall = readonly [seq: number, method: string, args: readonly unknown[]]
export type BatchedAnswer = readonly [seq: number, answer: unknown]

export function packBatched(envelope: BatchedCall | BatchedAnswer): Uint8Array {
  return packr.pack(envelope)
}

export function unpackBatch(payload: Uint8Array): unknown[] {
  return packr.unpackMultiple(payload) as unknown[]
}

const methods: Record<string, (...args: any[]) => unknown> = { get: (key: string) => initialValues[key] ?? null }

/** The same for calls that came many in one message: their answers leave in one too. */
export function answerBatches(connection: NatsConnection): void {
  connection.subscribe(batchSubject, {
    callback: (_error, message) => {
      const answers = (unpackBatch(message.data) as BatchedCall[]).map(([seq, method, args]) =>
        packBatched([seq, methods[method]!(...args)]),
      )
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
