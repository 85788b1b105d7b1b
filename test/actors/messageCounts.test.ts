/**
 * The cost of a call, as counts that no machine changes: messages, commits, timers. They guard orders of
 * magnitude; the bench measures time.
 */
import 'reflect-metadata'
import test, { type ExecutionContext } from 'ava'
import { wheelTickMs } from '../../actors/timerWheel.js'
import type { Clock } from '../../core/ports/clock.js'
import type { StateStore } from '../../core/ports/stateStore.js'
import { command, createHost, NodeObject, query, type RunningHost, startUpgradeServer } from '../../index.js'
import { MemoryBroker, memoryDatabase, memoryRepository, memoryStore, memoryTransport } from '../../transports/memory/index.js'
import { systemClock } from '../../transports/systemClock.js'
import { systemRandom } from '../../transports/systemRandom.js'

class Counter extends NodeObject<{ count: number }> {
  static override readonly className = 'Counter.v1'
  static override initial() {
    return { count: 0 }
  }
  @query value(): number {
    return this.state.count
  }
  @command add(by: number): number {
    return (this.state.count += by)
  }
}

const nodeIds = Array.from({ length: 16 }, (_, i) => `n${i}`)
const callsOfATurn = 160

let systems = 0

/** A host with nodes and one that calls them, and counts of what they do. */
async function counted(t: ExecutionContext) {
  const system = `counts-${++systems}`
  const broker = new MemoryBroker({ clock: systemClock, random: systemRandom })
  const counts = { questions: 0, answers: 0, commits: 0, timers: 0 }
  const clock: Clock = {
    ...systemClock,
    after: (ms, action) => {
      counts.timers++
      return systemClock.after(ms, action)
    },
  }
  const state = {
    open: async () => {
      const store = await memoryStore().open()
      return new Proxy(store, {
        get: (target, name: keyof StateStore) => {
          if (name === 'commit') counts.commits++
          const found = target[name]
          return typeof found === 'function' ? found.bind(target) : found
        },
      })
    },
  }
  const ways = (counting: 'questions' | 'answers' | undefined) => ({
    system,
    transport: {
      connect: async (options: object) => {
        const transport = memoryTransport(broker, options)
        const publish = transport.publish.bind(transport)
        transport.publish = (subject, payload, replyTo) => {
          const isAnswer = subject.startsWith('_INBOX')
          if (counting !== undefined && isAnswer === (counting === 'answers')) counts[counting]++
          publish(subject, payload, replyTo)
        }
        return transport
      },
    },
    udb,
  })
  const udb = memoryDatabase()
  const server = await startUpgradeServer(ways(undefined))
  const bundles = memoryRepository()
  const callee = await createHost({ ...ways('answers'), hostId: 'callee', state, bundles })
  const caller = await createHost({ ...ways('questions'), hostId: 'caller', state: memoryStore(), bundles, clock })
  t.teardown(async () => {
    await caller.stop()
    await callee.stop()
    await server.stop()
  })
  for (const nodeId of nodeIds) await callee.node(Counter, nodeId)
  // The caller's version is looked up once.
  await caller.ref(Counter, nodeIds[0]!).value()
  let startMs = 0
  const reset = () => {
    Object.assign(counts, { questions: 0, answers: 0, commits: 0, timers: 0 })
    startMs = systemClock.monotonicMs()
  }
  /**
   * The timers that may have been set however few calls there were: one for each tick of the
   * wheel, and a few of the host's own.
   */
  const timersMax = () => (systemClock.monotonicMs() - startMs) / wheelTickMs + 5
  return { caller, counts, reset, timersMax }
}

function nodes(caller: RunningHost, count: number) {
  return nodeIds.slice(0, count).map((nodeId) => caller.ref(Counter, nodeId))
}

test('calls of one turn to one node travel in one message, and so do their answers', async (t) => {
  const { caller, counts, reset, timersMax } = await counted(t)
  const [node] = nodes(caller, 1)
  await node!.value()
  reset()
  const answers = await Promise.all(Array.from({ length: callsOfATurn }, () => node!.value()))
  t.deepEqual(answers, Array(callsOfATurn).fill(0))
  t.is(counts.questions, 1)
  t.is(counts.answers, 1)
  t.true(counts.timers <= timersMax(), `${counts.timers} timers`)
})

test('calls of one turn to 16 nodes of one host take 16 messages, and their answers one', async (t) => {
  const { caller, counts, reset } = await counted(t)
  const refs = nodes(caller, 16)
  await Promise.all(refs.map((ref) => ref.value()))
  reset()
  await Promise.all(Array.from({ length: callsOfATurn }, (_, i) => refs[i % 16]!.value()))
  t.is(counts.questions, 16)
  t.is(counts.answers, 1)
})

test('commands of one turn, to however many nodes, share few commits, and their answers few messages', async (t) => {
  const { caller, counts, reset } = await counted(t)
  const refs = nodes(caller, 16)
  await Promise.all(refs.map((ref) => ref.add(1)))
  reset()
  await Promise.all(Array.from({ length: callsOfATurn }, (_, i) => refs[i % 16]!.add(1)))
  t.true(counts.commits <= 2, `${counts.commits} commits`)
  t.true(counts.answers <= 2, `${counts.answers} messages`)
  t.is(await refs[0]!.value(), 1 + callsOfATurn / 16)
})

test('sends of one turn to one node travel in one message', async (t) => {
  const { caller, counts, reset, timersMax } = await counted(t)
  const sender = caller.sender(Counter, nodeIds[0])
  const [node] = nodes(caller, 1)
  await node!.value()
  sender.add(1)
  await node!.value()
  reset()
  for (let i = 0; i < callsOfATurn; i++) sender.add(1)
  t.is(await node!.value(), 1 + callsOfATurn)
  t.true(counts.questions <= 2, `${counts.questions} messages`)
  t.true(counts.timers <= timersMax(), `${counts.timers} timers`)
})

test('calls one after the other need no timer each', async (t) => {
  const { caller, counts, reset, timersMax } = await counted(t)
  const [node] = nodes(caller, 1)
  reset()
  for (let i = 0; i < 100; i++) await node!.value()
  t.true(counts.timers <= timersMax(), `${counts.timers} timers`)
})
