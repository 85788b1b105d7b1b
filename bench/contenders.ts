/** Who competes: each makes a call when asked for one, checks its answer, and knows nothing of how many others are in flight. */
import { join } from 'node:path'
import { connect, createInbox, type NatsConnection } from 'nats'
import { createHost, type RunningHost } from 'theseus'
import { memoryStore } from 'theseus/memory'
import { nats } from 'theseus/nats'
import { redis } from 'theseus/redis'
import { type Role, system } from './agreed.js'
import { bareSubject, packCall, unpackAnswer } from './bare.js'
import { type Load, loads } from './load.js'
import { askedNode, initialValues, keys, spreadNodes, toldNode, Values } from './values.js'

/** Makes the n-th call. Rejects when the answer is not the right one. */
export type Call = (n: number) => Promise<unknown>

/** Which callee answers. */
export type Side = 'bare' | 'theseus'

export interface Contender {
  readonly name: string
  readonly side: Side
  readonly loads: readonly Load[]
  /** In the caller's process. */
  enter(role: Role): Promise<{ readonly call: Call; close(): Promise<void> }>
}

const { one, closed, paced } = loads
const deadlineMs = 5_000

/** The first one is what the others are compared with. */
export const contenders: readonly Contender[] = [
  bare('nc.request()', [one, ...closed, paced], {}, requests),
  bare('nc.request(), noAsyncTraces', [...closed, paced], { noAsyncTraces: true }, requests),
  bare('own inbox, plain callback', [one, ...closed, paced], {}, inboxCalls),
  theseus('Theseus query, 1 node', [one, ...closed, paced], asks([askedNode])),
  theseus(`Theseus query, ${spreadNodes.length} nodes`, [...closed, paced], asks(spreadNodes)),
  theseus('Theseus command, root', closed, (host) => {
    const ref = host.ref(Values, toldNode)
    return (n) => ref.put(keyOf(n), `value ${n}`)
  }),
  theseus('Theseus command, collection', closed, (host) => {
    const ref = host.ref(Values, toldNode)
    return (n) => ref.putRecord(keyOf(n), `value ${n}`)
  }),
]

export const referenceName = contenders[0]!.name

function bare(
  name: string,
  at: readonly Load[],
  options: { noAsyncTraces?: boolean },
  callsOver: (connection: NatsConnection) => Call,
): Contender {
  return {
    name,
    side: 'bare',
    loads: at,
    enter: async ({ natsUrl }) => {
      const connection = await connect({ servers: natsUrl, ...options })
      return { call: callsOver(connection), close: () => connection.close() }
    },
  }
}

function theseus(name: string, at: readonly Load[], callsOver: (host: RunningHost) => Call): Contender {
  return {
    name,
    side: 'theseus',
    loads: at,
    enter: async ({ natsUrl, redisUrl, directory }) => {
      const host = await createHost({
        system,
        transport: nats(natsUrl),
        udb: redis(redisUrl),
        state: memoryStore(),
        bundles: join(directory, 'bundles'),
      })
      return { call: callsOver(host), close: () => host.stop() }
    },
  }
}

function requests(connection: NatsConnection): Call {
  return async (n) => {
    const key = keyOf(n)
    const answer = await connection.request(bareSubject, packCall('get', [key]), { timeout: deadlineMs })
    check(key, unpackAnswer(answer.data))
  }
}

/** The least that a call can be: no deadline, no word about who answers, nothing that notices a subject without a listener. */
function inboxCalls(connection: NatsConnection): Call {
  const inbox = createInbox()
  const open = new Map<string, (answer: unknown) => void>()
  let calls = 0
  connection.subscribe(`${inbox}.*`, {
    callback: (_error, message) => {
      const token = message.subject.slice(inbox.length + 1)
      const resolve = open.get(token)!
      open.delete(token)
      resolve(unpackAnswer(message.data))
    },
  })
  return async (n) => {
    const key = keyOf(n)
    const token = (++calls).toString(36)
    const answer = await new Promise<unknown>((resolve) => {
      open.set(token, resolve)
      connection.publish(bareSubject, packCall('get', [key]), { reply: `${inbox}.${token}` })
    })
    check(key, answer)
  }
}

function asks(nodeIds: readonly string[]): (host: RunningHost) => Call {
  return (host) => {
    const refs = nodeIds.map((nodeId) => host.ref(Values, nodeId))
    return async (n) => {
      const key = keyOf(n)
      check(key, await refs[n % refs.length]!.get(key))
    }
  }
}

function keyOf(n: number): string {
  return keys[n % keys.length]!
}

function check(key: string, answer: unknown): void {
  if (answer !== initialValues[key]) throw new Error(`get(${key}) answered ${JSON.stringify(answer)}`)
}
