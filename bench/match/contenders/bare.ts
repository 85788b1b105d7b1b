/**
 * The bare wire: MessagePack over the client's own calls, and nothing else. The code that a team would write
 * that has no runtime.
 */

import { connect, createInbox, type NatsConnection } from 'nats'
import { type Load, loads } from '../load.js'
import { check, checkRecord, initialValues, keyOf, keys, type Method, methods, records } from '../values.js'
import { batchedCalls, envelopeBatching, leanBatching } from './batches.js'
import { packr } from './codec.js'
import { type Ask, type Contender, callsOf, type RunningContender } from './contender.js'

const callSubject = 'bench.bare'
const sendSubject = 'bench.send'
const bytesSubject = 'bench.bytes'
const deadlineMs = 5_000
const { one, closed, paced, sends } = loads
const inFlight: readonly Load[] = [...closed, paced, loads.records]

export const request = 'nc.request()'
export const publish = 'nc.publish()'

export const bareContenders: readonly Contender[] = [
  bare(`${request}, no codec`, [one, ...inFlight], {}, bytesCalls),
  bare(request, [one, ...inFlight], {}, (connection) => callsOf(requests(connection))),
  bare(`${request}, noAsyncTraces`, inFlight, { noAsyncTraces: true }, (connection) => callsOf(requests(connection))),
  bare('own inbox, plain callback', [one, ...inFlight], {}, (connection) => callsOf(inboxCalls(connection))),
  bare('own inbox, batches', inFlight, {}, (connection) => callsOf(batchedCalls(connection, envelopeBatching))),
  bare('own inbox, lean batches', inFlight, {}, (connection) => callsOf(batchedCalls(connection, leanBatching))),
]

export const bareSends: Contender = bare(publish, [sends], {}, publications)

function bare(
  name: string,
  at: readonly Load[],
  options: { noAsyncTraces?: boolean },
  callsOver: (connection: NatsConnection) => Omit<RunningContender, 'close'>,
): Contender {
  return {
    name,
    callee: 'bare',
    loads: at,
    enter: async ({ natsUrl }) => {
      const connection = await connect({ servers: natsUrl, ...options })
      return { ...callsOver(connection), close: () => connection.close() }
    },
  }
}

function packCall(method: string, args: readonly unknown[]): Uint8Array {
  return packr.pack([method, args])
}

/** The client's own way: a deadline for each call. */
export function requests(connection: NatsConnection, subject: (method: Method) => string = () => callSubject): Ask {
  return (method, key) =>
    connection
      .request(subject(method), packCall(method, [key]), { timeout: deadlineMs })
      .then((answer) => packr.unpack(answer.data))
}

/** Keys and answers are bytes that were made before. */
function bytesCalls(connection: NatsConnection): Omit<RunningContender, 'close'> {
  const questions = keys.map((key) => Buffer.from(key))
  const ask = (method: Method, n: number) =>
    connection.request(`${bytesSubject}.${method}`, questions[n % keys.length], { timeout: deadlineMs })
  return {
    call: async (n) => check(keyOf(n), (await ask('get', n)).string()),
    recordCall: async (n) => {
      const { data } = await ask('record', n)
      if (recordBytes[n % keys.length]!.compare(data) !== 0) checkRecord(n, packr.unpack(data))
    },
  }
}

/**
 * The least that a call can be: no deadline, no word about who answers, nothing that notices a
 * subject without a listener.
 */
function inboxCalls(connection: NatsConnection): Ask {
  const inbox = createInbox()
  const open = new Map<string, (answer: unknown) => void>()
  let calls = 0
  connection.subscribe(`${inbox}.*`, {
    callback: (_error, message) => {
      const token = message.subject.slice(inbox.length + 1)
      const resolve = open.get(token)!
      open.delete(token)
      resolve(packr.unpack(message.data))
    },
  })
  return (method, key) =>
    new Promise((resolve) => {
      const token = (++calls).toString(36)
      open.set(token, resolve)
      connection.publish(callSubject, packCall(method, [key]), { reply: `${inbox}.${token}` })
    })
}

/** Many publications, and a request when they have arrived: nats-server keeps the order. */
function publications(connection: NatsConnection): Omit<RunningContender, 'close'> {
  const { call } = callsOf(requests(connection))
  return {
    call: async (n) => {
      for (let i = 0; i < sends.sendsBefore!; i++) connection.publish(sendSubject, packCall('get', [keyOf(i)]))
      await call(n)
    },
  }
}

const recordBytes = keys.map((key) => packr.pack(records[key]))

/** The callee's side of all of the above. */
export function answerBareCalls(connection: NatsConnection): void {
  const answers: Record<Method, Map<string, Uint8Array>> = {
    get: new Map(keys.map((key) => [key, Buffer.from(initialValues[key]!)])),
    record: new Map(keys.map((key, i) => [key, recordBytes[i]!])),
  }
  for (const method of ['get', 'record'] as const) {
    connection.subscribe(`${bytesSubject}.${method}`, {
      callback: (_error, message) => message.respond(answers[method].get(message.string())),
    })
  }
  connection.subscribe(callSubject, { callback: (_error, message) => message.respond(packedAnswer(message.data)) })
  connection.subscribe(sendSubject, {
    callback: (_error, message) => {
      const [method, args] = packr.unpack(message.data) as [Method, [string]]
      methods[method](...args)
    },
  })
}

function packedAnswer(call: Uint8Array): Uint8Array {
  const [method, args] = packr.unpack(call) as [Method, [string]]
  return packr.pack(methods[method](...args))
}
