/** Who competes: each makes a call when asked for one, checks its answer, and knows nothing of how many others are in flight. */
import { join } from 'node:path'
import { connect, createInbox, type NatsConnection } from 'nats'
import { createHost, type RunningHost } from 'theseus'
import { memoryStore } from 'theseus/memory'
import { nats } from 'theseus/nats'
import { redis } from 'theseus/redis'
import { type Role, system } from './agreed.js'
import { type Batching, bareSubject, lean, packBatched, packCall, sendSubject, unpackAnswer, unpackBatch, whole } from './bare.js'
import { type Load, loads } from './load.js'
import { askedNode, initialValues, keys, spreadNodes, toldNode, toldNodes, Values } from './values.js'

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

const { one, closed, paced, sends } = loads
const deadlineMs = 5_000
/** More than any load has in flight. */
const openMax = 4_096

export const contenders: readonly Contender[] = [
  bare('nc.request()', [one, ...closed, paced], {}, requests),
  bare('nc.request(), noAsyncTraces', [...closed, paced], { noAsyncTraces: true }, requests),
  bare('own inbox, plain callback', [one, ...closed, paced], {}, inboxCalls),
  bare('own inbox, batches', [...closed, paced], {}, batchedCalls(whole)),
  bare('own inbox, lean batches', [...closed, paced], {}, batchedCalls(lean)),
  theseus('Theseus query, 1 node', [one, ...closed, paced], asks([askedNode])),
  theseus(`Theseus query, ${spreadNodes.length} nodes`, [...closed, paced], asks(spreadNodes)),
  theseus(`Theseus query, ${toldNodes.length} nodes`, closed, asks(spreadNodes.slice(0, toldNodes.length))),
  theseus('Theseus command, root', closed, (host) => {
    const ref = host.ref(Values, toldNode)
    return (n) => ref.put(keyOf(n), `value ${n}`)
  }),
  theseus(`Theseus command, ${toldNodes.length} nodes`, closed, (host) => {
    const refs = toldNodes.map((nodeId) => host.ref(Values, nodeId))
    return (n) => refs[n % refs.length]!.put(keyOf(n), `value ${n}`)
  }),
  theseus('Theseus command, collection', closed, (host) => {
    const ref = host.ref(Values, toldNode)
    return (n) => ref.putRecord(keyOf(n), `value ${n}`)
  }),
  bare('nc.publish()', [sends], {}, publications),
  theseus('Theseus sends, 1 node', [sends], (host) => {
    const sender = host.sender(Values, askedNode)
    const ask = asks([askedNode])(host)
    return async (n) => {
      for (let i = 0; i < sends.sendsBefore!; i++) sender.get(keyOf(i))
      await ask(n)
    }
  }),
]

/** Whoever is at a load is the one that the others at that load are compared with. */
export const references: readonly string[] = ['nc.request()', 'nc.publish()']

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

/**
 * The same with all calls of a turn in one message, and their answers in one. Whoever starts a turn's first call makes the message leave at
 * its end.
 */
function batchedCalls({ subject, call, readAnswer }: Batching): (connection: NatsConnection) => Call {
  return (connection) => {
    const inbox = createInbox()
    const open: ((answer: unknown) => void)[] = new Array(openMax)
    let batch: Uint8Array[] = []
    let calls = 0
    connection.subscribe(inbox, {
      callback: (_error, message) => {
        for (const envelope of unpackBatch(message.data)) {
          const { seq, value } = readAnswer(envelope)
          open[seq % openMax]!(value)
        }
      },
    })
    const leave = (): void => {
      connection.publish(subject, Buffer.concat(batch), { reply: inbox })
      batch = []
    }
    return async (n) => {
      const key = keyOf(n)
      const answer = await new Promise<unknown>((resolve) => {
        const seq = ++calls
        open[seq % openMax] = resolve
        if (batch.push(packBatched(call(seq, 'get', [key]))) === 1) setImmediate(leave)
      })
      check(key, answer)
    }
  }
}

/** Many publications, and a request when they have arrived: nats-server keeps the order. */
function publications(connection: NatsConnection): Call {
  const request = requests(connection)
  return async (n) => {
    for (let i = 0; i < sends.sendsBefore!; i++) connection.publish(sendSubject, packCall('get', [keyOf(i)]))
    await request(n)
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
