/**
 * One call that a node received, from its dispatch to its reply: what it does to the state, when it is
 * answered and with what. Its node is written here; state, journal, mailbox and messages are the real ones.
 */
import 'reflect-metadata'
import test from 'ava'
import { defaultSettings } from '../../actors/base/settings.js'
import { Outbox } from '../../actors/calls/outbox.js'
import { Answers } from '../../actors/serving/answers.js'
import { Backlog } from '../../actors/serving/backlog.js'
import type { Callee } from '../../actors/serving/callee.js'
import { IncomingCall } from '../../actors/serving/incomingCall.js'
import { Mailbox } from '../../actors/serving/mailbox.js'
import type { DueTimer } from '../../actors/serving/objectTimers.js'
import { WatchedCall } from '../../actors/serving/watchedCall.js'
import { Departures } from '../../actors/state/departures.js'
import { Journal } from '../../actors/state/journal.js'
import { NodeState } from '../../actors/state/nodeState.js'
import { TimerWheel } from '../../actors/timerWheel.js'
import { Fault } from '../../core/base/fault.js'
import { InvariantViolation } from '../../core/base/invariant.js'
import type { CallReceived, ReceivedWatch, Telemetry } from '../../core/inspection/telemetry.js'
import type { Rule } from '../../core/model/allow.js'
import type { MethodKind } from '../../core/model/methods.js'
import type { AnyMethod, MethodEntry } from '../../core/model/methodTable.js'
import { keys, stateSlot } from '../../core/model/nodeRecord.js'
import { type Link, ObjectChain } from '../../core/model/objectChain.js'
import type { StateStore, Write } from '../../core/ports/stateStore.js'
import type { Transport } from '../../core/ports/transport.js'
import { decode, pack, unpack } from '../../core/wire/codec.js'
import { type CallEnvelope, type FaultEnvelope, kinds, type ReplyEnvelope } from '../../core/wire/envelope.js'
import { gate } from '../support/testSystem.js'
import { ownerOf } from './mailboxOwner.js'
import { ManualClock } from './manualClock.js'

const replier = { node: 'n1', className: 'Counter.v1', version: 0 }
const own = stateSlot(1, 0)
const settled = () => new Promise((resolve) => setImmediate(resolve))

interface State {
  n: number
}

/** The code of a test's object in a call: reads and writes `state`, and answers. */
type Work = (state: State, ...args: any[]) => unknown

/** Writes, and answers. */
function written<T>(state: State, answer: T): T {
  state.n++
  return answer
}

/** Methods are commands unless their name says so. */
function open(methods: Record<string, Work> = {}, telemetry?: Telemetry) {
  const clock = new ManualClock()
  const disk = { data: new Map<string, Uint8Array>(), hold: undefined as Promise<unknown> | undefined, isFull: false }
  const store: StateStore = {
    directoryId: 'd',
    durability: 'none',
    get: (key) => disk.data.get(key),
    range: () => [],
    async commit(writes: readonly Write[]) {
      await disk.hold
      if (disk.isFull) throw new Error('disk full')
      for (const [key, value] of writes) if (value !== null) disk.data.set(key, value)
    },
    async close() {},
  }
  const root = keys.root('n1', own)
  disk.data.set(root, pack({ n: 0 }))
  const journal = new Journal(store, clock)
  const lost: unknown[] = []
  const state = new NodeState('n1', journal, {
    lazyOf: () => undefined,
    rulesOf: () => ({}),
    recordFailed() {},
    stateLost: (error) => void lost.push(error),
  })
  const holder = { state: { n: 0 } as State }
  state.open(own, holder)
  const entries = new Map<string, MethodEntry>()
  const define = (name: string, work: Work) => {
    const kind: MethodKind = /^get$|Query$/.test(name) ? 'query' : 'command'
    const method: AnyMethod = (...args) => work(holder.state, ...args)
    entries.set(name, { kind, hops: 0, level: 0, method, touches: kind === 'command' })
  }
  define('add', (state, n: number) => (state.n += n))
  define('get', (state) => state.n)
  for (const [name, work] of Object.entries(methods)) define(name, work)
  const link: Link = {
    version: 0,
    className: 'Counter.v1',
    role: 'object',
    methods: { level: 0, entries },
    receivers: [{ self: holder, touch: () => state.touch(own) }],
    hears: new Map([['told', { method: 'add' }]]),
    tally: { calls: 0 },
  }
  const dead = new Fault('version.dead', 'version −1 is dead')
  const messages: (ReplyEnvelope | FaultEnvelope)[] = []
  const transport = {
    payloadBytesMax: 100_000,
    publish: (_: string, payload: Uint8Array) => void messages.push(...(decode(payload) as (ReplyEnvelope | FaultEnvelope)[])),
  }
  const outbox = new Outbox(transport as unknown as Transport, clock, { ...defaultSettings, system: 's', hostId: 'h' })
  const told: string[] = []
  /** Not the numbers of calls. */
  let marks = 5
  const node = {
    chain: new ObjectChain(0, [link], () => dead, undefined),
    roles: new Map(),
    denials: { tell: (_: unknown): void => {} },
    random: { next: () => marks++ / 2 ** 53 },
    state,
    replier,
    isElsewhere: false,
    replyBytesMax: 1_000,
    wheel: new TimerWheel(clock),
    heldAnswerMs: 100,
    rebuilding: undefined as (() => Promise<void>) | undefined,
    standsFor: [] as string[],
    monotonicMs: () => clock.monotonicMs(),
    departures: new Departures(state, {
      nodeId: 'n1',
      get isElsewhere(): boolean {
        return node.isElsewhere
      },
      crash: (error) => node.crash(error),
    }),
    isAt: (_: Link, expected: string) => node.standsFor.includes(expected),
    hold: (call: IncomingCall) => void told.push(`hold ${call.envelope.label}`),
    rebuild: async () => {
      told.push('rebuild')
      await node.rebuilding?.()
    },
    crash: (error: unknown) => void told.push(`crash ${(error as Error).message}`),
    count: (outcome: string, beganMs: number, label: number) =>
      void told.push(`${outcome} ${label}, ${clock.monotonicMs() - beganMs} ms`),
    countFailure: (label: number, fault: Fault | undefined) => void told.push(`failure ${label} ${fault?.code ?? 'expired'}`),
    undelivered: (_: IncomingCall, fault: Fault) => void told.push(`undelivered ${fault.code}`),
  }
  const mailbox = new Mailbox(
    clock,
    100,
    ownerOf((error) => void told.push(`thrown ${String(error)}`)),
  )
  mailbox.open()
  let seq = 0
  return {
    clock,
    disk,
    state,
    holder,
    link,
    node,
    told,
    lost,
    mailbox,
    define,
    onDisk: () => (unpack(disk.data.get(root)!) as State).n,
    answersOf: () => new Answers(outbox, 'inbox.desk.1', () => {}),
    /** A call that has arrived now. */
    arrived(method: string, args: readonly unknown[] = [], of: Partial<CallEnvelope> = {}, timer?: DueTimer): IncomingCall {
      const envelope: CallEnvelope = {
        kind: kinds.call,
        label: 0,
        seq: ++seq,
        method,
        args,
        deadlineMs: 10_000,
        caller: 'desk',
        incarnation: 1,
        callerClass: 'Client',
        callerVersion: 0,
        expects: null,
        path: null,
        trace: null,
        together: true,
        ...of,
      }
      const answers = envelope.kind === kinds.call ? this.answersOf() : undefined
      const about = [node as unknown as Callee, envelope, answers, clock.monotonicMs() + envelope.deadlineMs, timer] as const
      return telemetry === undefined ? new IncomingCall(...about) : new WatchedCall(telemetry, 'counters', ...about)
    },
    /** The same, in its turn of the mailbox. */
    call(method: string, args: readonly unknown[] = [], of: Partial<CallEnvelope> = {}): IncomingCall {
      const call = this.arrived(method, args, of)
      mailbox.post(call)
      return call
    },
    /** The answers that have left, once all is quiet. */
    async answers(): Promise<string[]> {
      for (let i = 0; i < 10; i++) {
        await settled()
        clock.endTurn()
      }
      return messages
        .splice(0)
        .map((each) => `${each.seq} ${each.kind === kinds.reply ? JSON.stringify(each.value) : each.fault.code}`)
    },
    /** Through how many SOs the answers have come. */
    async hops(): Promise<number[]> {
      for (let i = 0; i < 10; i++) {
        await settled()
        clock.endTurn()
      }
      return messages.splice(0).map((each) => (each as ReplyEnvelope).hops)
    },
    async faults(): Promise<Fault[]> {
      for (let i = 0; i < 10; i++) {
        await settled()
        clock.endTurn()
      }
      return messages.splice(0).map((each) => (each as FaultEnvelope).fault)
    },
  }
}

/** Commits wait until it is opened. */
function heldDisk(s: ReturnType<typeof open>) {
  const held = gate()
  s.disk.hold = held.pass()
  return held
}

test('an answer says through how many SOs its call went, be it at once or after a commit', async (t) => {
  const s = open({ list: () => [1], listQuery: () => [1], oneQuery: () => 1 })
  for (const name of ['add', 'list', 'listQuery', 'oneQuery']) {
    const entry = s.link.methods.entries.get(name)!
    ;(s.link.methods.entries as Map<string, MethodEntry>).set(name, { ...entry, hops: 2 })
  }
  s.call('oneQuery')
  s.call('add', [1])
  for (const name of ['list', 'listQuery', 'oneQuery']) s.call(name)
  t.deepEqual(await s.hops(), [2, 2, 2, 2, 2])
})

test('a command is answered when what it wrote is on disk, and a query that has seen it too (C3, C12)', async (t) => {
  const s = open()
  const disk = heldDisk(s)
  s.call('add', [2])
  s.call('get')
  t.deepEqual(await s.answers(), [])
  t.is(s.onDisk(), 0)
  disk.open()
  t.deepEqual(await s.answers(), ['1 2', '2 2'])
  t.is(s.onDisk(), 2)
  s.call('get')
  t.deepEqual(await s.answers(), ['3 2'])
  t.deepEqual(s.told, ['answered 0, 0 ms', 'answered 0, 0 ms', 'answered 0, 0 ms'])
  t.is(s.link.tally.calls, 3)
})

test('calls whose writes, or what they have seen of others’, never reach the disk fail as storage does', async (t) => {
  const s = open()
  const disk = heldDisk(s)
  s.disk.isFull = true
  s.call('add', [2])
  s.call('get')
  s.call('nothing')
  s.define('send', (state) => {
    state.n++
    send.sends!.push(() => t.fail('it is lost'))
  })
  const send = s.arrived('send', [], { kind: kinds.send })
  s.mailbox.post(send)
  t.deepEqual(await s.answers(), [])
  disk.open()
  const faults = await s.faults()
  t.deepEqual(
    faults.map(({ code }) => code),
    ['unavailable.storage', 'unavailable.storage', 'unavailable.storage'],
  )
  t.is(s.lost.length, 1)
  s.told.splice(0)
  // It is opened anew from disk by the node's restart, and not by a failed call.
  s.define('late', (state) => {
    state.n = 99
    throw new Error('late')
  })
  s.call('late')
  t.deepEqual(await s.answers(), ['5 unavailable.storage'])
  t.deepEqual(s.told, ['threw 0, 0 ms', 'failed 0, 0 ms', 'failure 0 application.error'])
})

test('a send is carried out, whatever its method answers, and nobody hears how it ended', async (t) => {
  const s = open({ odd: (state) => written(state, new Map()), fail: () => Promise.reject(new Error('no')) })
  for (const method of ['odd', 'get', 'fail', 'remove']) s.call(method, [], { kind: kinds.send })
  t.deepEqual(await s.answers(), [])
  t.is(s.onDisk(), 1)
  t.deepEqual(s.told, [
    'answered 0, 0 ms',
    'answered 0, 0 ms',
    'threw 0, 0 ms',
    'failed 0, 0 ms',
    'failure 0 application.error',
    'failed 0, 0 ms',
    'failure 0 protocol.no-such-method',
    'undelivered protocol.no-such-method',
  ])
  s.told.splice(0)
  s.call('get', [], { kind: kinds.send })
  t.deepEqual(await s.answers(), [])
  t.deepEqual(s.told, ['answered 0, 0 ms'])
})

test('a query that writes is refused, and its writes are taken back', async (t) => {
  const s = open({ writesQuery: (state) => written(state, 'read') })
  s.call('writesQuery')
  t.deepEqual(await s.answers(), ['1 protocol.query-writes'])
  t.is(s.holder.state.n, 0)
  t.true(s.told.includes('rebuild'))
})

test('an answer has the value as it was when its method ended, whatever becomes of it before it leaves', async (t) => {
  const list = ['a']
  const s = open({
    list: (state) => written(state, list),
    text: (state, length: number) => written(state, 'x'.repeat(length)),
  })
  const disk = heldDisk(s)
  s.call('list')
  s.call('text', [64])
  s.call('text', [65])
  list.push('b')
  disk.open()
  t.deepEqual(await s.answers(), ['1 ["a"]', `2 "${'x'.repeat(64)}"`, `3 "${'x'.repeat(65)}"`])
})

test('a result that can’t travel fails its command, which leaves no trace', async (t) => {
  const s = open({
    odd: (state) => written(state, new Map()),
    large: (state) => written(state, ['x'.repeat(2_000)]),
    largeText: (state) => written(state, 'x'.repeat(2_000)),
    oddQuery: () => new Map(),
  })
  for (const method of ['odd', 'large', 'largeText', 'oddQuery']) s.call(method)
  const faults = await s.faults()
  t.deepEqual(
    faults.map(({ code }) => code),
    ['protocol.bad-arguments', 'protocol.too-large', 'protocol.too-large', 'protocol.bad-arguments'],
  )
  t.regex(faults[1]!.message, /^a result of 2\d\d\d bytes; the transport takes 1000$/)
  t.is(s.holder.state.n, 0)
  t.is(s.onDisk(), 0)
  s.call('get')
  t.deepEqual(await s.answers(), ['5 0'])
})

test('a result that is exactly as large as a reply may be travels', async (t) => {
  const s = open({ text: (state, length: number) => written(state, 'x'.repeat(length)) })
  s.call('text', [2_000])
  const bytes = Number(/\d+/.exec((await s.faults())[0]!.message)![0])
  s.node.replyBytesMax = bytes
  s.call('text', [2_000])
  t.deepEqual(await s.answers(), [`2 "${'x'.repeat(2_000)}"`])
})

const failingMethods: Record<string, Work> = {
  refuse: () => Promise.reject(new Error('no')),
  late(state) {
    state.n = 99
    throw new Error('late')
  },
  lateQuery: () => Promise.reject(new Error('no')),
}

test('what throws before it writes is refused; what throws after leaves no trace, and the object is built anew first', async (t) => {
  const s = open(failingMethods)
  const rebuilt = gate()
  s.node.rebuilding = () => rebuilt.pass()
  s.call('refuse')
  s.call('lateQuery')
  t.deepEqual(await s.answers(), ['1 application.error', '2 application.error'])
  t.deepEqual(s.told.splice(0), [
    'threw 0, 0 ms',
    'failed 0, 0 ms',
    'failure 0 application.error',
    'threw 0, 0 ms',
    'failed 0, 0 ms',
    'failure 0 application.error',
  ])
  s.clock.advance(5)
  s.call('late')
  s.call('get')
  t.deepEqual(await s.answers(), [], 'the next call waits for the new object')
  t.deepEqual(s.told.splice(0), ['threw 0, 0 ms', 'rebuild'])
  rebuilt.open()
  t.deepEqual(await s.answers(), ['3 application.error', '4 0'])
  t.is(s.onDisk(), 0)
})

test('a call that asked for a record that can’t be made fails for that reason, whatever its method throws', async (t) => {
  const s = open({
    fail() {
      throw new Error('of the method')
    },
  })
  Object.defineProperty(s.state, 'spoilt', { get: () => new Fault('upgrade.record', 'b has no author') })
  s.call('fail')
  t.deepEqual(await s.answers(), ['1 upgrade.record'])
})

test('an object that can’t be built anew restarts its node; the failed call is answered all the same', async (t) => {
  const s = open(failingMethods)
  s.node.rebuilding = () => Promise.reject(new Error('start failed'))
  s.call('late')
  t.deepEqual(await s.answers(), ['1 application.error'])
  t.deepEqual(s.told, ['threw 0, 0 ms', 'rebuild', 'failed 0, 0 ms', 'failure 0 application.error', 'crash start failed'])
})

test('a broken invariant restarts the node, and its call is not answered', async (t) => {
  const s = open({
    broken(state) {
      state.n = 99
      throw new InvariantViolation('C1: broken')
    },
  })
  s.call('broken')
  t.deepEqual(await s.answers(), [])
  t.deepEqual(s.told, ['crash C1: broken'])
  t.is(s.holder.state.n, 0)
})

test('a fault of another call that a method made is no fault of this one (C4)', async (t) => {
  const thrown: Fault[] = []
  const s = open({ failQuery: () => Promise.reject(thrown.at(-1)) })
  const passed = async (fault: Fault) => {
    thrown.push(fault)
    s.told.splice(0)
    s.call('failQuery')
    const [heard] = await s.faults()
    t.is(s.told.includes('threw 0, 0 ms'), heard!.kind === 'application', 'only what user code threw counts as thrown')
    return [heard!.code, heard!.retryable, heard!.details]
  }
  for (const code of ['application.full', 'simulation.refused', 'protocol.no-such-method', 'unavailable.storage'] as const)
    t.deepEqual(await passed(new Fault(code, 'm', { a: 1 }, { retryable: false })), [code, false, { a: 1 }])
  for (const code of ['version.dead', 'unavailable.overloaded', 'unavailable.upgrading', 'timeout.deadline'] as const)
    t.deepEqual(await passed(new Fault(code, 'm')), ['application.error', false, { code }])
  // A code of a newer release, which says that it was not executed.
  const code = 'protocol.too-early' as 'protocol.format'
  t.deepEqual(await passed(new Fault(code, 'm', {}, { retryable: true })), ['application.error', false, { code }])
})

test('a call whose time is over is not carried out, and nobody is told', async (t) => {
  const s = open()
  const call = s.arrived('add', [1], { deadlineMs: 500 })
  s.clock.advance(499)
  t.is(call.deadline, s.clock.monotonicMs() + 1)
  s.clock.advance(1)
  s.mailbox.post(call)
  t.deepEqual(await s.answers(), [])
  t.deepEqual(s.told, ['expired 0, 0 ms', 'failure 0 expired'])
  t.is(s.holder.state.n, 0)
})

test('a method that is not there, a class that the caller does not expect, a version that is dead: each is said', async (t) => {
  const s = open()
  s.call('remove')
  const [none] = await s.faults()
  t.is(none!.code, 'protocol.no-such-method')
  t.is(none!.message, 'Counter.v1 has no method remove; it has add, get')
  t.deepEqual(s.told.splice(0), ['failed 0, 0 ms', 'failure 0 protocol.no-such-method'])
  s.call('get', [], { expects: 'Counter.v1' })
  s.call('get', [], { expects: 'Ledger.v1' })
  s.node.standsFor.push('Ledger.v1')
  s.call('get', [], { expects: 'Ledger.v1' })
  s.call('get', [], { expects: 'Other.v1' })
  t.deepEqual(await s.answers(), ['2 0', '3 protocol.wrong-class', '4 0', '5 protocol.wrong-class'])
  s.told.splice(0)
  s.node.chain = new ObjectChain(1, [{ ...s.link, version: 1 }], () => new Fault('version.dead', 'dead'), undefined)
  s.call('get', [], { label: 0 })
  t.deepEqual(await s.answers(), ['6 version.dead'])
  s.told.splice(0)
  s.call('get', [], { label: 2 })
  t.deepEqual(await s.answers(), [])
  t.deepEqual(s.told, ['hold 2'])
  t.is(s.link.tally.calls, 2)
})

test('an event runs the method that hears it; one that the class does not hear is nothing', async (t) => {
  const s = open()
  s.call('told', [5], { kind: kinds.event })
  s.call('other', [5], { kind: kinds.event })
  // The name of a method is no name of an event.
  s.call('add', [5], { kind: kinds.event })
  t.deepEqual(await s.answers(), [])
  t.is(s.onDisk(), 5)
  t.deepEqual(s.told, ['answered 0, 0 ms'])
})

test('sends of a command leave with its commit, before its answer, and those of one that fails never', async (t) => {
  const left: string[] = []
  const calls: IncomingCall[] = []
  const s = open({
    send(state) {
      state.n++
      for (const name of ['first', 'second']) calls.at(-1)!.sends!.push(() => left.push(name))
    },
    fail(state) {
      state.n++
      calls.at(-1)!.sends!.push(() => left.push('of the failed one'))
      throw new Error('no')
    },
    lookQuery: () => left.push(`a query: ${calls.at(-1)!.sends}`),
  })
  const call = (method: string, kind: CallEnvelope['kind'] = kinds.call) => {
    calls.push(s.arrived(method, [], { kind }))
    s.mailbox.post(calls.at(-1)!)
  }
  const disk = heldDisk(s)
  call('send')
  t.deepEqual(await s.answers(), [])
  t.deepEqual(left, [])
  disk.open()
  t.deepEqual(await s.answers(), ['1 undefined'])
  t.deepEqual(left.splice(0), ['first', 'second'])
  s.node.rebuilding = async () => void left.push(`while it is built anew: ${calls.at(-1)!.sends}`)
  call('fail')
  t.deepEqual(await s.answers(), ['2 application.error'])
  t.deepEqual(left.splice(0), ['while it is built anew: undefined'])
  call('send', kinds.send)
  t.deepEqual(await s.answers(), [])
  t.deepEqual(left.splice(0), ['first', 'second'], 'of a send too')
  call('lookQuery')
  t.deepEqual(left.splice(0), ['a query: undefined'])
  s.node.isElsewhere = true
  call('send')
  t.deepEqual(await s.answers(), ['4 1'])
  t.deepEqual(left, [])
})

test('a command that fails says so to what was to leave with its commit, also that of calls inside it; one that is kept does not', async (t) => {
  const givenUp: string[] = []
  const s = outerCall('outerFails')
  s.outer.whenFailed(() => givenUp.push('outer'))
  const slow = s.inside('slow')
  slow.whenFailed(() => givenUp.push('inside'))
  s.define('add2', (state) => {
    kept.whenFailed(() => givenUp.push('kept'))
    return (state.n += 2)
  })
  s.inner.open()
  t.deepEqual(await s.answers(), ['2 "slow"'])
  t.deepEqual(givenUp, [])
  s.ends.open()
  await s.answers()
  t.deepEqual(givenUp, ['outer', 'inside'])
  const kept = s.arrived('add2')
  s.mailbox.post(kept)
  t.deepEqual(await s.answers(), ['3 2'])
  t.deepEqual(givenUp, ['outer', 'inside'])
})

test('what a node did that another host has meanwhile is acknowledged to nobody', async (t) => {
  const s = open(failingMethods)
  const disk = heldDisk(s)
  s.call('add', [1])
  s.call('get')
  s.call('refuse')
  await settled()
  s.node.isElsewhere = true
  disk.open()
  t.deepEqual(await s.answers(), [])
  t.is(s.onDisk(), 1)
})

test('C3: a command whose node has stopped without waiting for it is not acknowledged; a query is answered', async (t) => {
  const ends = gate()
  const s = open({
    async slow(state) {
      await ends.pass()
      state.n++
    },
    slowQuery: () => ends.pass().then(() => 'read'),
  })
  s.call('slow')
  s.state.closeAll()
  ends.open()
  const [fault] = await s.faults()
  t.is(fault!.code, 'unavailable.storage')
  t.regex(fault!.message, /^node n1 stopped before the call ended; the call left no trace on it$/)
  t.is(s.onDisk(), 0)
  s.state.open(own, s.holder)
  s.call('slowQuery')
  s.state.closeAll()
  t.deepEqual(await s.answers(), ['2 "read"'])
  s.state.open(own, s.holder)
  const disk = heldDisk(s)
  s.call('add', [1])
  s.call('slowQuery')
  s.state.closeAll()
  t.deepEqual(await s.answers(), [])
  disk.open()
  t.deepEqual(await s.answers(), ['3 1', '4 "read"'])
})

test('a call that was left behind fails because its node has stopped, whatever its object refused it after that', async (t) => {
  const stopped = new Fault('protocol.not-here', 'this object has stopped (node n1)')
  const ends = gate()
  const late = async () => {
    await ends.pass()
    throw stopped
  }
  const s = open({ slow: late, slowQuery: late })
  s.call('slow')
  s.state.closeAll()
  s.state.open(own, s.holder)
  ends.open()
  const [ofCommand] = await s.faults()
  s.call('slowQuery')
  s.state.closeAll()
  const [ofQuery] = await s.faults()
  for (const fault of [ofCommand, ofQuery]) {
    t.is(fault!.code, 'unavailable.storage')
    t.regex(fault!.message, /^node n1 stopped before the call ended/)
  }
})

test('a held call that gets its turn in time is answered once, by its turn', async (t) => {
  const s = open()
  const call = s.arrived('add', [1])
  call.holdFor('unavailable.upgrading')
  t.false(call.isRefused)
  s.mailbox.post(call)
  t.deepEqual(await s.answers(), ['1 1'])
  s.clock.advance(20)
  t.is(s.clock.timers, 0, 'nothing is waited for')
  s.clock.advance(20_000)
  call.due()
  t.deepEqual(await s.answers(), [])
  t.deepEqual(s.told, ['answered 0, 0 ms'])
  t.false(call.isRefused)
})

test('a held call that is refused before its turn is not carried out, and holds no place of the wheel', async (t) => {
  const s = open()
  const call = s.arrived('add', [1])
  call.holdFor('unavailable.upgrading')
  call.refuse(new Fault('unavailable.stopped', 'the node stops'))
  t.true(call.isRefused)
  s.clock.advance(20)
  t.is(s.clock.timers, 0)
  s.mailbox.post(call)
  call.holdFor('unavailable.fetching')
  s.clock.advance(20_000)
  call.due()
  t.deepEqual(await s.answers(), ['1 unavailable.stopped'])
  t.is(s.holder.state.n, 0)
})

test('a call with little time is refused while it is held with a quarter of it left', async (t) => {
  const s = open()
  s.arrived('get', [], { deadlineMs: 200 }).holdFor('unavailable.fetching')
  s.clock.advance(149)
  t.deepEqual(await s.answers(), [])
  s.clock.advance(6)
  t.deepEqual(await s.answers(), ['1 unavailable.fetching'])
})

test('a timer’s call waits for as long as it takes, and calls nothing when its object has stopped', async (t) => {
  const s = open()
  const timer = { isSet: true, begin: () => timer.isSet }
  const ring = () => s.arrived('add', [1], { kind: kinds.send }, timer)
  const [first, second] = [ring(), ring()]
  t.true(first.isOfTimer)
  t.false(s.arrived('add').isOfTimer)
  first.holdFor('unavailable.upgrading')
  t.is(s.clock.timers, 0)
  s.mailbox.post(first)
  t.is(s.holder.state.n, 1)
  timer.isSet = false
  s.mailbox.post(second)
  t.is(s.holder.state.n, 1)
  t.deepEqual(s.told, ['answered 0, 0 ms'])
})

test('a call knows whom it is made for, and who waits for it', (t) => {
  const s = open()
  const outside = s.arrived('get')
  t.is(outside.id, 'desk/1/1')
  t.is(outside.entryInPaths, undefined, 'it has made no call')
  t.false(outside.isMadeFor(outside.entryInPaths))
  t.deepEqual(outside.path, ['desk/1/5'], 'its caller and a mark')
  t.deepEqual(outside.path, outside.path, 'the same for all its calls')
  t.is(outside.entryInPaths, 'desk/1/5')
  t.false(outside.isMadeFor('desk/1/5'))
  t.true(outside.isFromOutside)
  t.false(s.arrived('get', [], { kind: kinds.send }).isFromOutside, 'nobody waits for a send')
  const nested = s.arrived('get', [], { path: ['a/1/1', 'n1/1/2'], caller: 'm', trace: 'trace' })
  t.false(nested.isFromOutside)
  t.deepEqual(nested.path, ['a/1/1', 'n1/1/2', 'm/1/6'])
  t.true(nested.isMadeFor('a/1/1'))
  t.false(nested.isMadeFor('m/1/3'))
  t.is(nested.outerAt('n1'), 'a/1/1')
  t.is(nested.trace, 'trace')
  t.is(outside.trace, null)
  t.deepEqual(outside.caller, { name: null, node: 'desk', className: 'Client', version: 0 })
  const named = new IncomingCall(s.node as unknown as Callee, outside.envelope, undefined, outside.deadline, undefined, 'ann')
  t.is(named.caller.name, 'ann', 'as the transport vouches for')
})

test('a method that is not for this caller is refused, and the operator hears of it; a timer of the object may call it', async (t) => {
  const s = open()
  const rule: Rule = { allows: ({ name }) => name === 'ann', text: 'ann' }
  const denied: unknown[] = []
  s.node.denials = { tell: (denial) => void denied.push(denial) }
  s.node.chain = new ObjectChain(
    0,
    [{ ...s.link, allows: new Map([['add', rule]]) }],
    () => new Fault('version.dead', ''),
    undefined,
  )
  const call = (name: string | undefined, method = 'add') => {
    const { envelope, deadline } = s.arrived(method, [1])
    s.mailbox.post(new IncomingCall(s.node as unknown as Callee, envelope, s.answersOf(), deadline, undefined, name))
  }
  call('bob')
  call(undefined)
  const faults = await s.faults()
  t.deepEqual(
    faults.map(({ code, message }) => `${code}: ${message}`),
    [
      'denied.caller: Counter.v1.add is for ann, and not for bob',
      'denied.caller: Counter.v1.add is for ann, and not for desk, which has no name',
    ],
  )
  t.like(denied[0], { nodeId: 'n1', method: 'add', label: 0, caller: { name: 'bob', node: 'desk' } })
  t.is(s.link.tally.calls, 0)
  call('ann')
  call('bob', 'get')
  s.mailbox.post(s.arrived('add', [1], { kind: kinds.send }, { begin: () => true }))
  t.deepEqual(await s.answers(), ['3 1', '4 1'])
  t.is(s.onDisk(), 2)
  t.is(denied.length, 2)
})

test('C4: a call that has begun does not end as one that was not executed', async (t) => {
  const ends = gate()
  const s = open({ slow: () => ends.pass() })
  const call = s.call('slow')
  call.refuse(new Fault('unavailable.upgrading', 'too late'))
  t.deepEqual(await s.answers(), [])
  t.deepEqual(s.told, ['crash C4: slow has run, and would end with unavailable.upgrading'])
  call.refuse(new Fault('application.error', 'it has ended'))
  t.deepEqual(await s.answers(), ['1 application.error'])
  // Before it has begun it may.
  const other = open()
  other.arrived('get').refuse(new Fault('unavailable.upgrading', 'too late'))
  t.deepEqual(await other.answers(), ['1 unavailable.upgrading'])
})

test('C4: whatever a store says about what is lost, the call may have run', async (t) => {
  const s = open()
  s.state.whenCommitted = (waiter) => waiter.settled(new Fault('unavailable.disconnected', 'the store is away'))
  s.call('add', [1])
  const [fault] = await s.faults()
  t.deepEqual([fault!.code, fault!.message, fault!.retryable], ['unavailable.storage', 'the store is away', false])
})

test('C12: an answer that would leave before what it has seen is on disk restarts the node instead', async (t) => {
  const s = open({
    send: (state) =>
      written(
        state,
        send.sends!.push(() => t.fail('it leaves')),
      ),
  })
  heldDisk(s)
  s.state.whenCommitted = (waiter) => waiter.settled(undefined)
  const send = s.arrived('send')
  s.mailbox.post(send)
  s.call('get')
  s.call('remove')
  t.deepEqual(await s.answers(), [])
  const early = (method: string) => `crash C12: the answer to ${method} would leave before what it has seen is on disk`
  t.deepEqual(
    s.told.filter((what) => what.startsWith('crash')),
    [early('send'), early('get'), early('remove')],
  )
})

test('C12: a query that would be answered after its end has written restarts the node instead', async (t) => {
  const s = open()
  const keep = s.state.keep.bind(s.state)
  s.state.keep = (ticket) => {
    s.state.batch = (s.state.batch + 1) as typeof s.state.batch
    return keep(ticket)
  }
  s.call('get')
  t.deepEqual(await s.answers(), [])
  t.deepEqual(s.told, ['crash C12: the answer to get would leave before what it has seen is on disk'])
})

test('what goes wrong before a method begins is its caller’s to know, unless it is a broken invariant', async (t) => {
  const s = open()
  s.arrived('get').refuseFor(new Error('odd'))
  s.arrived('get').refuseFor(new InvariantViolation('C1: broken'))
  t.deepEqual(await s.answers(), ['1 application.error'])
  t.true(s.told.includes('crash C1: broken'))
})

// --- Calls inside a call (C2)

/** A call whose method waits for `ends`, while others run inside it. */
function outerCall(method: 'outer' | 'outerQuery' | 'outerFails' | 'outerBreaks' = 'outer') {
  const ends = gate()
  const inner = gate()
  const s = open({
    async outer(state) {
      state.n++
      await ends.pass()
      return state.n
    },
    async outerFails(state) {
      state.n++
      await ends.pass()
      throw new Error('outer')
    },
    async outerBreaks(state) {
      state.n++
      await ends.pass()
      throw new InvariantViolation('C1: broken')
    },
    async slow(state) {
      state.n += 10
      await inner.pass()
      return 'slow'
    },
    failInside(state) {
      state.n += 10
      throw new Error('inside')
    },
    oddInside: () => new Map(),
    brokenInside() {
      throw new InvariantViolation('C2: broken')
    },
    async outerQuery(state) {
      await ends.pass()
      return state.n
    },
    async failQuery() {
      throw new Error('inside')
    },
  })
  const outer = s.call(method)
  const inside = (name: string, args: readonly unknown[] = [], of: Partial<CallEnvelope> = {}, waiting = outer) => {
    const call = s.arrived(name, args, { path: [...waiting.path], caller: 'm', ...of })
    call.runInside(waiting)
    return call
  }
  return { ...s, outer, inside, ends, inner }
}

const entryOf = (call: IncomingCall) => call.path.at(-1)!

test('a call that runs inside another one is answered with what both have written, before that one’s writes are kept', async (t) => {
  const s = outerCall()
  t.is(s.outer.running(entryOf(s.outer)), s.outer)
  t.is(s.outer.running('nobody/1/1'), undefined)
  t.is(s.outer.running(s.outer.id), undefined, 'its caller knows the id')
  s.clock.advance(7)
  s.inside('add', [5])
  s.inside('get')
  t.deepEqual(await s.answers(), ['2 6', '3 6'])
  t.deepEqual(s.told.splice(0), ['answered 0, 0 ms', 'answered 0, 0 ms'])
  t.is(s.onDisk(), 0)
  s.ends.open()
  t.deepEqual(await s.answers(), ['1 6'])
  t.is(s.onDisk(), 6)
  t.is(s.outer.running(entryOf(s.outer)), undefined)
})

test('what runs inside is found by its entry while it runs, and what is sent meanwhile is sent for it', async (t) => {
  const s = outerCall()
  t.is(s.outer.current, s.outer)
  const slow = s.inside('slow')
  t.is(s.outer.running(entryOf(slow)), slow)
  t.is(s.outer.current, s.outer, 'other code')
  const seen: unknown[] = []
  s.define('look', () => void seen.push(s.outer.current))
  const look = s.inside('look')
  t.deepEqual(await s.answers(), ['3 undefined'])
  t.is(seen[0], look)
  t.is(slow.sends, s.outer.sends)
  s.inner.open()
  s.ends.open()
  t.deepEqual(await s.answers(), ['2 "slow"', '1 11'])
  t.is(s.outer.running(entryOf(slow)), undefined)
})

test('calls inside a call inside belong to the outermost one', async (t) => {
  const s = outerCall()
  const slow = s.inside('slow')
  s.inside('add', [5], {}, slow)
  const third = s.inside('slow', [], {}, slow)
  t.is(s.outer.running(entryOf(third)), third)
  t.is(third.sends, s.outer.sends)
  s.ends.open()
  t.deepEqual(await s.answers(), ['3 16'], 'the outermost one waits for those inside')
  s.inner.open()
  t.deepEqual(await s.answers(), ['2 "slow"', '4 "slow"', '1 26'])
  t.is(s.onDisk(), 26)
})

test('a call ends when the last of those inside it has ended, in whatever order they began', async (t) => {
  const s = outerCall()
  const ends = gate()
  s.inside('slow')
  s.define('later', () => ends.pass())
  s.inside('later')
  s.ends.open()
  await settled()
  ends.open()
  t.deepEqual(await s.answers(), [])
  s.inner.open()
  t.deepEqual(await s.answers(), ['3 undefined', '2 "slow"', '1 11'])
})

test('a command inside that fails takes the outer one with it, whatever that makes of it', async (t) => {
  const s = outerCall()
  s.inside('failInside')
  t.deepEqual(await s.answers(), ['2 application.error'])
  s.ends.open()
  const [fault] = await s.faults()
  t.is(fault!.message, 'inside')
  t.is(s.onDisk(), 0)
  t.is(s.holder.state.n, 0)
  t.deepEqual(s.told.filter((what) => what === 'rebuild').length, 1)
})

test('of several commands inside that fail, the first one is the reason', async (t) => {
  const s = outerCall()
  s.define('failOtherwise', () => {
    throw new Error('otherwise')
  })
  s.inside('failInside')
  s.inside('failOtherwise')
  s.ends.open()
  const faults = await s.faults()
  t.deepEqual(
    faults.map(({ message }) => message),
    ['inside', 'otherwise', 'inside'],
  )
})

test('a query inside that fails harms nobody', async (t) => {
  const s = outerCall()
  s.inside('failQuery')
  t.deepEqual(await s.answers(), ['2 application.error'])
  s.ends.open()
  t.deepEqual(await s.answers(), ['1 1'])
  t.is(s.onDisk(), 1)
})

test('a result inside that can’t travel fails its call, and the outer one', async (t) => {
  const s = outerCall()
  s.inside('oddInside')
  t.deepEqual(await s.answers(), ['2 protocol.bad-arguments'])
  s.ends.open()
  t.deepEqual(await s.answers(), ['1 protocol.bad-arguments'])
  t.is(s.onDisk(), 0)
})

test('a broken invariant inside restarts the node, and is not answered', async (t) => {
  const s = outerCall()
  s.inside('brokenInside')
  t.deepEqual(await s.answers(), [])
  t.true(s.told.includes('crash C2: broken'))
})

test('an invariant that the outer method breaks: what has ended inside fails with it', async (t) => {
  const s = outerCall('outerBreaks')
  s.inside('slow')
  s.ends.open()
  await settled()
  s.inner.open()
  t.deepEqual(await s.answers(), ['2 application.error'])
  t.true(s.told.includes('crash C1: broken'))
})

test('a query inside leads to no command either, though the outermost call is one', async (t) => {
  const s = outerCall()
  const ends = gate()
  s.define('waitsQuery', () => ends.pass())
  const query = s.inside('waitsQuery')
  s.inside('add', [5], {}, query)
  t.deepEqual(await s.answers(), ['3 protocol.query-writes'])
  ends.open()
  s.ends.open()
  t.deepEqual(await s.answers(), ['2 undefined', '1 1'])
})

test('a query leads to no command of its own node, and to any query', async (t) => {
  const s = outerCall('outerQuery')
  s.inside('add', [5])
  s.inside('get')
  const [fault] = await s.faults()
  t.is(fault!.code, 'protocol.query-writes')
  t.regex(fault!.message, /may not lead to a command of its own node: add$/)
  s.ends.open()
  t.deepEqual(await s.answers(), ['1 0'])
})

test('a call inside whose time is over, or that has no method here, does not run', async (t) => {
  const s = outerCall()
  const late = s.arrived('add', [5], { path: [...s.outer.path], caller: 'm', deadlineMs: 100 })
  const inTime = s.arrived('add', [5], { path: [...s.outer.path], caller: 'm', deadlineMs: 101 })
  s.clock.advance(100)
  late.runInside(s.outer)
  t.deepEqual(s.told.splice(0), ['expired 0, 0 ms', 'failure 0 expired'])
  inTime.runInside(s.outer)
  s.inside('remove')
  t.deepEqual(await s.answers(), ['3 6', '4 protocol.no-such-method'])
  s.ends.open()
  t.deepEqual(await s.answers(), ['1 6'])
})

test('a call that was held and runs inside another one is not refused when its time to be held is over', async (t) => {
  const s = outerCall()
  const held = () => {
    const call = s.arrived('slow', [], { path: [...s.outer.path], caller: 'm', deadlineMs: 1_000 })
    call.holdFor('unavailable.fetching')
    return call
  }
  const [running, refused] = [held(), held()]
  running.runInside(s.outer)
  s.clock.advance(950)
  t.deepEqual(await s.answers(), ['3 unavailable.fetching'])
  refused.runInside(s.outer)
  s.inner.open()
  const answers = await s.answers()
  t.deepEqual(answers, ['2 "slow"'])
  t.deepEqual(
    s.told.filter((line) => line.startsWith('crash')),
    [],
  )
})

test('a send that runs inside is carried out, and not answered', async (t) => {
  const s = outerCall()
  s.inside('add', [5], { kind: kinds.send })
  s.inside('slow', [], { kind: kinds.send })
  s.inside('oddInside', [], { kind: kinds.send })
  s.ends.open()
  await settled()
  s.inner.open()
  t.deepEqual(await s.answers(), ['1 16'])
  t.is(s.onDisk(), 16)
})

test('a call inside that ends after the outer method is answered when it is known what becomes of its writes', async (t) => {
  const kept = outerCall()
  kept.inside('slow')
  kept.ends.open()
  t.deepEqual(await kept.answers(), [])
  kept.inner.open()
  t.deepEqual(await kept.answers(), ['2 "slow"', '1 11'])
  t.is(kept.onDisk(), 11)
  const dropped = outerCall('outerFails')
  dropped.inside('slow')
  dropped.ends.open()
  t.deepEqual(await dropped.answers(), [])
  dropped.inner.open()
  t.deepEqual(await dropped.answers(), ['2 application.error', '1 application.error'])
  t.is(dropped.onDisk(), 0)
})

test('a query that others run inside ends when they have', async (t) => {
  const s = outerCall('outerQuery')
  const ends = gate()
  s.define('slowQuery', () => ends.pass().then(() => 'slow'))
  s.inside('slowQuery')
  s.ends.open()
  t.deepEqual(await s.answers(), [])
  ends.open()
  t.deepEqual(await s.answers(), ['1 0', '2 "slow"'])
})

test('an answer from inside tells nothing of earlier calls that is not on disk', async (t) => {
  const s = outerCall('outerQuery')
  s.ends.open()
  t.deepEqual(await s.answers(), ['1 0'])
  for (const becomes of ['kept', 'elsewhere', 'lost'] as const) {
    const ends = gate()
    s.define('waitsQuery', () => ends.pass())
    const disk = heldDisk(s)
    s.call('add', [1])
    const outer = s.call('waitsQuery')
    s.inside('get', [], {}, outer)
    t.deepEqual(await s.answers(), [], becomes)
    s.node.isElsewhere = becomes === 'elsewhere'
    s.disk.isFull = becomes === 'lost'
    disk.open()
    const heard = (await s.answers()).map((answer) => answer.slice(answer.indexOf(' ') + 1))
    ends.open()
    s.node.isElsewhere = false
    await s.answers()
    if (becomes === 'kept') t.deepEqual(heard, ['1', '1'])
    if (becomes === 'elsewhere') t.deepEqual(heard, [])
    if (becomes === 'lost') t.deepEqual(heard, ['unavailable.storage', 'unavailable.storage'])
  }
})

test('C12: an answer from inside that would leave before what it has seen is on disk restarts the node instead', async (t) => {
  const s = outerCall('outerQuery')
  s.ends.open()
  await s.answers()
  const ends = gate()
  s.define('waitsQuery', () => ends.pass())
  const disk = heldDisk(s)
  s.call('add', [1])
  const outer = s.call('waitsQuery')
  s.state.whenCommitted = (waiter) => waiter.settled(undefined)
  s.inside('get', [], {}, outer)
  t.deepEqual(await s.answers(), [])
  t.is(s.told.at(-1), 'crash C12: the answer to get would leave before what it has seen is on disk')
  disk.open()
  ends.open()
  await s.answers()
})

test('a call that was held, and runs inside another one, waits no more', async (t) => {
  const s = outerCall()
  const backlog = new Backlog({ ...defaultSettings, system: 's', hostId: 'h' })
  const call = s.arrived('add', [1], { path: [...s.outer.path], caller: 'm' })
  call.weigh(backlog, 100)
  call.runInside(s.outer)
  t.is(backlog.bytes, 0)
  t.false(call.isWaiting)
  s.ends.open()
  await s.answers()
})

// --- Watched by telemetry

function watched(watch?: Partial<ReceivedWatch> | null) {
  const heard: string[] = []
  const received: CallReceived[] = []
  const telemetry: Telemetry = {
    received(call) {
      received.push(call)
      heard.push(`received ${call.envelope.method}`)
      if (watch === null) return undefined
      return { trace: 'of the watch', ended: (outcome, fault) => void heard.push(`${outcome} ${fault?.code}`), ...watch }
    },
  }
  return { telemetry, heard, received }
}

test('telemetry is told of a call when its turn has come: who answers it, and how long it has waited', async (t) => {
  const { telemetry, heard, received } = watched()
  const held = gate()
  const s = open({ wait: () => held.pass() }, telemetry)
  s.call('wait')
  await settled()
  s.clock.advance(50)
  s.call('add', [2])
  s.clock.advance(70)
  held.open()
  t.deepEqual(await s.answers(), ['1 undefined', '2 2'])
  t.deepEqual(heard, ['received wait', 'answered undefined', 'received add', 'answered undefined'])
  t.deepEqual(
    received.map(({ waitedMs }) => waitedMs),
    [0, 70],
  )
  t.is(received[1]!.link, s.link)
  t.like(received[1], { service: 'counters', replier, hops: 0, envelope: { method: 'add', args: [2] } })
})

test('a method runs inside its watch, and what is called for it has the watch’s trace', async (t) => {
  const { telemetry, heard } = watched({
    run(method) {
      heard.push('in')
      const found = method()
      heard.push('out')
      return found
    },
  })
  const s = open({ look: () => heard.push('runs') && call.trace }, telemetry)
  const call = s.arrived('look', [], { trace: 'of the caller' })
  t.is(call.trace, 'of the caller', 'before it runs')
  s.mailbox.post(call)
  t.deepEqual(await s.answers(), ['1 "of the watch"'])
  t.deepEqual(heard, ['received look', 'in', 'runs', 'out', 'answered undefined'])
  t.deepEqual(s.told, ['answered 0, 0 ms'])
})

test('a call that fails is told with its fault, also where no method has run', async (t) => {
  const { telemetry, heard, received } = watched()
  const s = open(
    {
      fail() {
        throw new Error('no')
      },
    },
    telemetry,
  )
  s.call('fail')
  s.call('nothing')
  s.call('get', [], { label: -1 })
  await s.answers()
  t.deepEqual(heard, [
    ...['received fail', 'failed application.error'],
    ...['received nothing', 'failed protocol.no-such-method'],
    ...['received get', 'failed version.dead'],
  ])
  for (const { link, hops } of received.slice(1)) t.deepEqual([link, hops], [undefined, 0])
})

test('a call that came too late, or breaks its node, is told too', async (t) => {
  const { telemetry, heard } = watched()
  const held = gate()
  const s = open(
    {
      wait: () => held.pass(),
      broken() {
        throw new InvariantViolation('C1: broken')
      },
    },
    telemetry,
  )
  s.call('wait')
  await settled()
  s.call('get', [], { deadlineMs: 10 })
  s.clock.advance(20)
  held.open()
  await s.answers()
  t.deepEqual(heard.splice(0).toSorted(), ['answered undefined', 'expired undefined', 'received get', 'received wait'])
  s.call('broken')
  await s.answers()
  t.deepEqual(heard, ['received broken', 'failed application.error'])
  t.true(s.told.includes('crash C1: broken'))
})

test('telemetry that does not care for a call is asked once; one that hears of none is not asked', async (t) => {
  const { telemetry, heard } = watched(null)
  const s = open({}, telemetry)
  s.call('add', [1], { trace: 'of the caller' })
  t.deepEqual(await s.answers(), ['1 1'])
  t.deepEqual(heard, ['received add'])
  const deaf = open({ trace: () => call.trace }, {})
  const call = deaf.arrived('trace', [], { trace: 'of the caller' })
  deaf.mailbox.post(call)
  t.deepEqual(await deaf.answers(), ['1 "of the caller"'])
})

test('a call that waits a second time counts again as what waits, and leaves nothing behind', (t) => {
  const s = open()
  const backlog = new Backlog({ ...defaultSettings, system: 's', hostId: 'h' })
  const call = s.arrived('add', [1], { label: 7 })
  call.weigh(backlog, 100)
  t.is(backlog.bytes, 100)
  void call.run()
  t.deepEqual(s.told, ['hold 7'])
  t.is(backlog.bytes, 100, 'it is held')
  call.refuse(new Fault('version.unknown', 'there is no such version'))
  t.is(backlog.bytes, 0)
  call.take()
  t.is(backlog.bytes, 0, 'once')
})

test('a call that meets a broken invariant before it begins waits no more', (t) => {
  const s = open()
  const call = s.arrived('add', [1])
  call.refuseFor(new InvariantViolation('C9'))
  t.false(call.isWaiting)
  t.deepEqual(s.told, ['crash C9'])
})
