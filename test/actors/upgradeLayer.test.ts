/**
 * The messages that a node sends out: with which label, for whom, until when, and when they leave (§3, C12).
 */
import 'reflect-metadata'
import test from 'ava'
import { defaultSettings } from '../../actors/base/settings.js'
import { CallTable } from '../../actors/calls/callTable.js'
import { Contacts } from '../../actors/calls/contacts.js'
import { Outbox } from '../../actors/calls/outbox.js'
import type { RunningCall } from '../../actors/calls/runningCall.js'
import { type LabelledNode, UpgradeLayer } from '../../actors/calls/upgradeLayer.js'
import { Departures } from '../../actors/state/departures.js'
import type { Waiter } from '../../actors/state/journal.js'
import type { NodeState } from '../../actors/state/nodeState.js'
import { TimerWheel } from '../../actors/timerWheel.js'
import type { Transport } from '../../core/ports/transport.js'
import { decode } from '../../core/wire/codec.js'
import { type CallEnvelope, kinds } from '../../core/wire/envelope.js'
import { command, NodeObject, query } from '../../index.js'
import { codeOf } from '../support/testSystem.js'
import { ManualClock } from './manualClock.js'

class Notes extends NodeObject<object> {
  static override readonly className: string = 'Notes.v1'
  static override readonly service: string = 'notes'
  static override initial() {
    return {}
  }
  @command add(_: unknown): void {}
  @query all(): string[] {
    return []
  }
}

type Sent = CallEnvelope & { readonly subject: string }

function open() {
  const clock = new ManualClock()
  const left: Sent[] = []
  const transport = {
    payloadBytesMax: 100_000,
    status: 'connected',
    newInbox: () => '_INBOX.h',
    subscribe() {},
    publish(subject: string, payload: Uint8Array) {
      for (const envelope of decode(payload)) left.push({ ...(envelope as CallEnvelope), subject })
    },
  } as unknown as Transport
  const settings = { ...defaultSettings, system: 's', hostId: 'h', callDeadlineMs: 5_000 }
  const outbox = new Outbox(transport, clock, settings)
  const contacts = new Contacts(clock, settings)
  const calls = new CallTable(transport, clock, { next: () => 0 }, settings, () => {}, outbox, contacts, new TimerWheel(clock))
  const waiting: Waiter[] = []
  const introduced = new Set<string>()
  const disk = { isCommitted: true, isEarly: false }
  const crashes: string[] = []
  const state = {
    batch: 1,
    isOnDisk: () => disk.isCommitted,
    get isCommitted() {
      return disk.isCommitted
    },
    whenCommitted(waiter: Waiter) {
      if (disk.isCommitted || disk.isEarly) waiter.settled(undefined)
      else waiting.push(waiter)
    },
  }
  const node = {
    services: {
      calls,
      clock,
      settings,
      history: { isIntroduced: (name: string, label: number) => introduced.has(`${name} ${label}`) },
    },
    departures: new Departures(state as unknown as NodeState, {
      nodeId: 'n1',
      get isElsewhere(): boolean {
        return node.isElsewhere
      },
      isFenced: false,
      holds: () => false,
      crash: (error) => void crashes.push((error as Error).message),
    }),
    caller: { nodeId: 'n1', incarnation: 7, className: 'Desk.v1', version: 2 },
    running: undefined as RunningCall | undefined,
    isElsewhere: false,
  }
  const layer = new UpgradeLayer(node as unknown as LabelledNode)
  return {
    clock,
    calls,
    disk,
    crashes,
    node,
    introduced,
    layer,
    ref: (nodeId: string | undefined, label = 2) => layer.ref(Notes, nodeId, () => label) as Notes,
    sender: (nodeId: string | undefined, label = 2) => layer.sender(Notes, nodeId, () => label) as Notes,
    commit(error?: unknown) {
      disk.isCommitted = error === undefined
      for (const waiter of waiting.splice(0)) waiter.settled(error)
      disk.isCommitted = true
    },
    async leaving(): Promise<readonly Sent[]> {
      await new Promise((resolve) => setImmediate(resolve))
      clock.endTurn()
      return left.splice(0)
    },
  }
}

const forget = (promise: unknown) => void (promise as Promise<unknown>).catch?.(() => {})

/** The call that is being answered while something is sent. */
function running(deadline: number, sends?: (() => void)[], whenFailed = (_: () => void): void => {}): RunningCall {
  return { deadline, path: ['desk/1/1', 'n1/7/2'], sends, whenFailed, trace: 'trace', caller: undefined }
}

test('a call has the label that it is made with, and says who the node is', async (t) => {
  const s = open()
  forget(s.ref('n2', 1).add('text'))
  forget(s.ref(undefined, 3).all())
  const [toNode, toService] = await s.leaving()
  t.like(toNode, {
    subject: 'theseus.s.node.n2',
    kind: kinds.call,
    label: 1,
    method: 'add',
    args: ['text'],
    deadlineMs: 5_000,
    caller: 'n1',
    incarnation: 7,
    callerClass: 'Desk.v1',
    callerVersion: 2,
    expects: null,
    path: null,
    trace: null,
  })
  t.like(toService, { subject: 'theseus.s.service.notes', label: 3, method: 'all' })
  s.node.caller = { ...s.node.caller, className: 'Desk.v2', version: 3 }
  forget(s.ref('n2').add('text'))
  t.like((await s.leaving())[0], { callerClass: 'Desk.v2', callerVersion: 3 }, 'the node as it is now')
})

test('what is made for a call has its path and trace, and no longer than it has', async (t) => {
  const s = open()
  s.node.running = running(s.clock.monotonicMs() + 1_000)
  forget(s.ref('n2').add(1))
  s.node.running = running(s.clock.monotonicMs() + 60_000)
  forget(s.ref('n2').add(2))
  const [short, long] = await s.leaving()
  t.like(short, { deadlineMs: 1_000, path: ['desk/1/1', 'n1/7/2'], trace: 'trace' })
  t.is(long!.deadlineMs, 5_000)
})

test('a call does not leave before what it may have seen is on disk, and then as it was made', async (t) => {
  const s = open()
  s.disk.isCommitted = false
  const args = { n: 1 }
  forget(s.ref('n2').add(args))
  args.n = 2
  s.node.caller = { ...s.node.caller, version: 3 }
  t.deepEqual(await s.leaving(), [])
  s.commit()
  t.like((await s.leaving())[0], { args: [{ n: 1 }], callerVersion: 2 })
  s.disk.isCommitted = false
  const lost = codeOf(s.ref('n2').add(args) as unknown as Promise<unknown>)
  const odd = codeOf(s.ref('n2').add(new Map()) as unknown as Promise<unknown>)
  s.commit(new Error('disk full'))
  t.regex(await lost, /disk full/)
  t.is(await odd, 'protocol.bad-arguments')
  t.deepEqual(await s.leaving(), [])
})

test('a send leaves at once where nothing has to be waited for, else with the commit', async (t) => {
  const s = open()
  s.sender('n2').add('at once')
  t.like(await s.leaving(), [
    { subject: 'theseus.s.node.n2', kind: kinds.send, args: ['at once'], path: null, deadlineMs: 5_000 },
  ])
  s.disk.isCommitted = false
  const args = { n: 1 }
  s.sender(undefined).add(args)
  args.n = 2
  t.deepEqual(await s.leaving(), [])
  s.commit()
  t.like(await s.leaving(), [{ subject: 'theseus.s.service.notes', args: [{ n: 1 }] }])
  for (const becomes of ['lost', 'elsewhere'] as const) {
    s.disk.isCommitted = false
    s.sender('n2').add(1)
    s.node.isElsewhere = becomes === 'elsewhere'
    s.commit(becomes === 'lost' ? new Error('disk full') : undefined)
    t.deepEqual(await s.leaving(), [], becomes)
  }
  t.deepEqual(s.crashes, [])
})

test('what a running command sends waits for that command, and what can’t be packed fails it', async (t) => {
  const s = open()
  const sends: (() => void)[] = []
  s.node.running = running(s.clock.monotonicMs() + 1_000, sends)
  s.sender('n2').add('text')
  s.layer.publish('moved', ['home'], 2)
  t.throws(() => s.sender('n2').add(new Map()), { code: 'protocol.bad-arguments' })
  t.deepEqual(await s.leaving(), [])
  t.is(sends.length, 2)
  for (const send of sends) send()
  t.like(await s.leaving(), [
    { kind: kinds.send, args: ['text'] },
    { kind: kinds.event, method: 'moved' },
  ])
  s.node.running = undefined
})

test('an event goes to all who hear it; one that an upgrade has brought, to those as well who do not know of it yet', async (t) => {
  const s = open()
  s.introduced.add('sold 2')
  s.layer.publish('moved', ['home'], 2)
  s.layer.publish('sold', [], 1)
  t.like(await s.leaving(), [
    { subject: 'theseus.s.event.moved', kind: kinds.event, method: 'moved', args: ['home'], label: 2, path: null },
    { subject: 'theseus.s.event.sold', label: 1 },
  ])
  s.layer.publish('sold', [], 2)
  const both = await s.leaving()
  t.is(both.length, 2)
  t.is(new Set(both.map(({ subject }) => subject)).size, 2)
  t.true(both.every(({ method, label }) => method === 'sold' && label === 2))
})

test('what is left for a commit runs with it, or when all that was written before is on disk', async (t) => {
  const s = open()
  const log: string[] = []
  const sends: (() => void)[] = []
  const givenUp: (() => void)[] = []
  s.node.running = running(0, sends, (giveUp) => void givenUp.push(giveUp))
  s.layer.leaveWithCommit(() => log.push('with the command'))
  const giveUp = () => {}
  s.layer.leaveWithCommit(() => {}, giveUp)
  t.deepEqual(givenUp, [giveUp])
  s.node.running = running(0, undefined, () => t.fail('no commit is waited for'))
  s.layer.leaveWithCommit(() => log.push('of a query'), giveUp)
  t.deepEqual(log.splice(0), ['of a query'])
  s.node.running = undefined
  s.disk.isCommitted = false
  s.layer.leaveWithCommit(() => log.push('after the commit'))
  t.deepEqual(log, [])
  s.commit()
  t.deepEqual(log, ['after the commit'])
  t.is(sends.length, 2)
})

test('C12: what would leave before what the node has written is on disk restarts the node instead', async (t) => {
  const s = open()
  s.disk.isCommitted = false
  s.disk.isEarly = true
  const call = codeOf(s.ref('n2').add(1) as unknown as Promise<unknown>)
  s.sender('n2').add(2)
  t.deepEqual(await s.leaving(), [])
  t.deepEqual(
    s.crashes,
    ['a call', 'a message'].map((what) => `C12: ${what} of n1 would leave before what it has seen is on disk`),
  )
  t.regex(await call, /C12/)
})
