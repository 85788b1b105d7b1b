/** The bare wire: MessagePack over the client's own calls, and nothing else. What a team would write that has no runtime. */

import { type Options, Packr } from 'msgpackr'
import type { NatsConnection } from 'nats'
import { initialValues } from './values.js'

// The options of core/codec.ts: standard MessagePack, as another language would speak it.
const standard = { useRecords: false, variableMapSize: true, encodeUndefinedAsNil: true, int64AsType: 'auto', copyBuffers: true }
const packr = new Packr(standard as unknown as Options)

export const bareSubject = 'bench.bare'

export function packCall(method: string, args: readonly unknown[]): Uint8Array {
  return packr.pack([method, args])
}

export function unpackAnswer(payload: Uint8Array): unknown {
  return packr.unpack(payload)
}

/** Answers `get(key)` from the process's memory. */
export function answerBareCalls(connection: NatsConnection): void {
  const methods: Record<string, (...args: string[]) => unknown> = { get: (key) => initialValues[key!] ?? null }
  connection.subscribe(bareSubject, {
    callback: (_error, message) => {
      const [method, args] = packr.unpack(message.data) as [string, string[]]
      message.respond(packr.pack(methods[method]!(...args)))
    },
  })
}
