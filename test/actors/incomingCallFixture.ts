/**
 * A node of a test's own with calls that it receives: state, journal, mailbox and messages are the real ones.
 */
import 'reflect-metadata'
import { defaultSettings } from '../../actors/base/settings.js'
import { Outbox } from '../../actors/calls/outbox.js'
import { Answers } from '../../actors/serving/answers.js'
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
import type { Telemetry } from '../../core/inspection/telemetry.js'
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

export const replier = { node: 'n1', className: 'Counter.v1', version: 0 }
export const own = stateSlot(1, 0)
export const settled = () => new Promise((resolve) => setImmediate(resolve))

export interface State {
  n: number
}

/** The code of a test's object in a call: reads and writes `state`, and answers. */
export type Work = (state: State, ...args: any[]) => unknown

/** Writes, and answers. */
export function written<T>(state: State, answer: T): T {
  state.n++
  return answer
}

/** Methods are commands unless their name says so. */
export function open(methods: Record<string, Work> = {}, telemetry?: Telemetry) {
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
      isFenced: false,
      holds: () => false,
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
export function heldDisk(s: ReturnType<typeof open>) {
  const held = gate()
  s.disk.hold = held.pass()
  return held
}

export const failingMethods: Record<string, Work> = {
  refuse: () => Promise.reject(new Error('no')),
  late(state) {
    state.n = 99
    throw new Error('late')
  },
  lateQuery: () => Promise.reject(new Error('no')),
}

/** A call whose method waits for `ends`, while others run inside it. */

export function outerCall(method: 'outer' | 'outerQuery' | 'outerFails' | 'outerBreaks' = 'outer') {
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
