/**
 * A node on its own: how its life goes on when it serves, falls behind, crashes, and ends. Its parts write
 * down all that they are told.
 */
import 'reflect-metadata'
import test from 'ava'
import { defaultSettings } from '../../actors/base/settings.js'
import { Node } from '../../actors/node/node.js'
import { IncomingCall } from '../../actors/serving/incomingCall.js'
import { Journal } from '../../actors/state/journal.js'
import { Fault } from '../../core/base/fault.js'
import { InvariantViolation } from '../../core/base/invariant.js'
import { type NodeRecord, stateSlot } from '../../core/model/nodeRecord.js'
import { kinds } from '../../core/wire/envelope.js'
import { memoryStore } from '../../transports/memory/index.js'
import { gate } from '../support/testSystem.js'
import { turns } from './claiming.js'
import { ManualClock } from './manualClock.js'

/** Records that are still to be made. */
const lazy = {
  '0.1': { upgrade: 1, role: 'object', undoes: false, old: '0.0', beside: null, passed: 0, next: { notes: '' } },
} as const

async function open({ version = 1, oldest = 0, isLazy = false } = {}) {
  const clock = new ManualClock()
  const log: string[] = []
  const history = { dead: 0, final: 0, heard: 3, newest: 3, undoOf: () => null, wasIntroduced: () => false }
  const fence = { isHolding: false, goOn: () => {}, opened: async () => {} }
  const telemetry = { isAway: false }
  const journal = new Journal(await memoryStore().open(), clock)
  const starting = gate()
  const services = {
    ...{ clock, journal, history, telemetry },
    random: { next: () => 0 },
    settings: { ...defaultSettings, system: 'shop', hostId: 'h1' },
    statusReporter: { start: undefined, release: (id: string) => void log.push(`released ${id}`) },
    fence: {
      isClosed: () => false,
      opened: () => fence.opened(),
      holds(goOn: () => void) {
        fence.goOn = goOn
        return fence.isHolding
      },
    },
    wheel: { set() {}, clear() {} },
    backlog: { add() {}, remove() {} },
    classes: { lineage: () => ['Notes.v1'], recordRules: () => ({}) },
    observe: ({ type, error }: any) => void log.push(`${type} ${error?.message ?? ''}`.trim()),
    outbox: { add: () => {} },
  }
  const record: NodeRecord = {
    ...{ format: 2, nodeId: 'n1', service: 'notes', facts: {}, incarnation: 1, oldest, newest: version },
    generation: {
      number: 0,
      version,
      className: 'Notes.v1',
      object: stateSlot(0, version),
      simulations: {},
      ...(isLazy ? { lazy } : {}),
    },
    ...{ previous: null, upgrade: null },
  }
  const node = new Node(services as never, record, false)
  const told = (part: object, ...names: readonly string[]) => {
    const words = part.constructor.name
    for (const name of names) Object.assign(part, { [name]: () => void log.push(`${words}.${name}`) })
  }
  told(node.permit, 'release', 'stop')
  told(node.pass, 'start', 'stop')
  told(node.learning, 'dropDeadVersions', 'learn')
  Object.assign(node.learning, { stop: () => [] })
  told(node.manager, 'stop')
  told(node.receiving.subscriptions, 'joinService', 'hearNothing', 'close')
  Object.assign(node.receiving.subscriptions, {
    leaveService: async () => void log.push('leaves its service'),
    drain: async () => {},
  })
  let tellsAgain = false
  Object.assign(node.manager, { tellAgain: () => tellsAgain })
  Object.assign(node.status, { report: (...words: readonly unknown[]) => void log.push(`reports ${words.join(' ')}`) })
  told(node.software, 'discard')
  Object.assign(node.software, {
    stop: async () => void log.push('its object stops'),
    start: async () => {
      log.push('its object starts')
      await starting.pass()
    },
  })
  Object.assign(node.recordStore, { reload: () => void log.push('reads its record') })
  const lose = () => Object.defineProperty(node.state, 'isLost', { value: true })
  const again = () => {
    tellsAgain = true
  }
  return { node, clock, log, history, fence, starting, lose, again, done: () => log.splice(0) }
}

function callOf(node: Node, isOfTimer = false) {
  const answers: string[] = []
  const envelope = {
    ...{ kind: kinds.call, label: 1, seq: 1, method: 'all', args: [], deadlineMs: 1_000, caller: 'c', incarnation: 1 },
    ...{ callerClass: 'C', callerVersion: 0, expects: null, path: null, trace: null, together: false },
  }
  const timer = isOfTimer ? { begins: () => true } : undefined
  const call = new IncomingCall(node.receiving, envelope as never, undefined, 1e9, timer as never)
  call.refuse = (fault) => void answers.push(fault.code)
  return { call, answers }
}

test('a node serves: it gives its permit back, joins its service, opens, and passes over records that are to be made', async (t) => {
  const { node: lazyNode, done: doneLazily } = await open({ isLazy: true })
  lazyNode.serve()
  t.deepEqual(doneLazily(), ['UpgradePermit.release', 'NodeSubscriptions.joinService', 'RecordPass.start'])
  const { node, done, history } = await open()
  node.serve()
  t.deepEqual(done(), ['UpgradePermit.release', 'NodeSubscriptions.joinService'])
  t.true(node.mailbox.isOpen)
  t.is(node.life.state, 'serving')
  for (const [dead, final] of [
    [1, 0],
    [0, 1],
  ] as const) {
    Object.assign(history, { dead, final })
    node.serve()
    t.true(done().includes('NodeLearning.dropDeadVersions'), `${dead} ${final}`)
  }
})

test('a node at a dead version serves itself alone: waiting calls are refused, timers and work of the runtime wait on', async (t) => {
  const { node, done, history } = await open()
  history.dead = 2
  const { call, answers } = callOf(node)
  const timer = callOf(node, true)
  const ran: string[] = []
  timer.call.run = () => void ran.push('timer')
  node.mailbox.post(call)
  node.mailbox.post(timer.call)
  node.mailbox.add({ run: () => void ran.push('work') })
  node.serve()
  t.is(node.life.state, 'behind')
  t.true(done().includes('leaves its service'))
  t.deepEqual(answers, ['unavailable.upgrading'])
  t.deepEqual(timer.answers, [])
  t.deepEqual(ran, ['timer', 'work'])
})

test('a node whose version dies leaves its service, and stays there where it lives', async (t) => {
  const { node, done, history } = await open()
  node.serve()
  done()
  history.dead = 1
  node.versionsOver()
  t.deepEqual(done(), ['NodeLearning.dropDeadVersions'])
  t.is(node.life.state, 'serving')
  history.dead = 2
  node.versionsOver()
  t.deepEqual(done(), ['NodeLearning.dropDeadVersions', 'leaves its service'])
  t.is(node.life.state, 'behind')
})

test('calls that wait when a node closes are held: they hear of it in time; work of the runtime is not', async (t) => {
  const { node } = await open()
  const { call } = callOf(node)
  const held: string[] = []
  call.holdFor = (reason) => void held.push(reason)
  node.mailbox.add({ run: () => {} })
  node.mailbox.post(call)
  await node.close()
  t.deepEqual(held, ['unavailable.upgrading'])
})

test('a node that crashes restarts once, says so once, and serves again with what it had heard of', async (t) => {
  const { node, done, clock, starting } = await open()
  node.serve()
  done()
  node.crash(new Error('disk full'))
  node.crash(new Error('once more'))
  t.is(node.life.state, 'restarting')
  t.deepEqual(done(), ['nodeFailed disk full'])
  node.crash(new InvariantViolation('C2: twice'))
  t.deepEqual(done(), ['nodeFailed C2: twice'])
  let isOver = false
  const restarted = node.whenRestarted().then(() => (isOver = true))
  await turns(clock)
  t.false(isOver)
  t.deepEqual(done(), ['NodeSoftware.discard', 'NodeSoftware.discard', 'reads its record', 'its object starts'])
  node.serve()
  t.deepEqual(done(), [])
  starting.open()
  await restarted
  t.is(node.life.state, 'serving')
  t.deepEqual(done(), ['reports current  ', 'UpgradePermit.release', 'NodeSubscriptions.joinService', 'NodeLearning.learn'])
})

test('a node that crashes with a lost state reads its record at once; one that upgrades leaves that to the upgrade', async (t) => {
  const { node, done, lose, starting, again } = await open()
  lose()
  node.serve()
  done()
  node.beginUpgrade()
  t.true(node.isUpgrading)
  node.crash(new Error('disk full'))
  t.deepEqual(done(), [])
  t.is(node.life.state, 'upgrading')
  again()
  node.crashInUpgrade(new Error('no object'))
  t.false(node.isUpgrading)
  t.deepEqual(done(), ['reads its record', 'nodeFailed no object'])
  node.crashInUpgrade(new Error('again'))
  t.deepEqual(done(), [])
  starting.open()
  await node.whenRestarted()
  t.is(node.life.state, 'serving')
  t.false(done().some((entry) => entry.startsWith('reports')))
  const kept = await open()
  kept.node.beginUpgrade()
  kept.node.crashInUpgrade(new Error('no object'))
  t.deepEqual(kept.done(), ['nodeFailed no object'])
  const lost = await open()
  lost.node.serve()
  lost.lose()
  lost.done()
  lost.node.crash(new Error('disk full'))
  t.deepEqual(lost.done(), ['reads its record', 'nodeFailed disk full'])
})

test('a node that leaves runs nothing more once it has crashed, and one that has stopped does not crash', async (t) => {
  const { node, done } = await open()
  node.serve()
  const running = gate()
  node.mailbox.post({ run: () => running.pass() })
  const leaving = node.leave()
  node.crash(new Error('disk full'))
  t.is(node.life.state, 'leaving')
  t.false(node.mailbox.isOpen)
  running.open()
  await leaving
  const stopping = node.stop()
  t.is(node.stop(), stopping)
  await stopping
  done()
  node.crash(new InvariantViolation('C2: late'))
  t.deepEqual(done(), [])
  node.serve()
  t.is(node.life.state, 'stopped')
  t.deepEqual(done(), [])
})

test('what crashes while it serves keeps its mailbox open until the restart closes it, and a restart that ends late serves nothing', async (t) => {
  const { node, starting, done, clock } = await open()
  node.serve()
  node.crash(new Error('disk full'))
  await turns(clock)
  const leaving = node.leave()
  done()
  starting.open()
  await node.whenRestarted()
  await leaving
  t.deepEqual(
    done().filter((entry) => entry.startsWith('reports') || entry === 'NodeSubscriptions.joinService'),
    [],
  )
  t.false(node.mailbox.isOpen)
})

test('a node that another host takes is elsewhere after the time that is left, and nothing that waited goes on then', async (t) => {
  const { node, clock, fence } = await open()
  const ran: string[] = []
  node.serve()
  node.leaveToOthers(500)
  t.false(node.isElsewhere)
  t.true(await node.mayGoOn())
  const opening = gate()
  fence.opened = () => opening.pass()
  let mayGoOn: boolean | undefined
  const asked = node.mayGoOn().then((may) => (mayGoOn = may))
  await turns(clock)
  t.is(mayGoOn, undefined)
  opening.open()
  await asked
  t.true(mayGoOn)
  const early = gate()
  fence.isHolding = true
  node.mailbox.post({ run: () => early.pass() })
  node.mailbox.post({ run: () => void ran.push('early') })
  early.open()
  await turns(clock)
  t.deepEqual(ran.splice(0), [])
  fence.isHolding = false
  fence.goOn()
  await turns(clock)
  t.deepEqual(ran.splice(0), ['early'])
  fence.isHolding = true
  const first = gate()
  node.mailbox.post({ run: () => first.pass() })
  node.mailbox.post({ run: () => void ran.push('second') })
  first.open()
  await turns(clock)
  t.deepEqual(ran, [])
  clock.advance(500)
  t.true(node.isElsewhere)
  t.false(await node.mayGoOn())
  fence.isHolding = false
  fence.goOn()
  await turns(clock)
  t.deepEqual(ran, [])
})

test('the functions that make an upgrade’s records are asked for once', async (t) => {
  const { node } = await open()
  const lazy = { upgrade: 1, role: 'object' } as never
  const rules = node.rulesOf(lazy)
  t.is(node.rulesOf(lazy), rules)
  t.not(node.rulesOf({ upgrade: 2, role: 'object' } as never), rules)
  t.is(node.rulesOf(lazy), rules)
})

test('a node calls in the trace of the call that runs, and else in none', async (t) => {
  const { node } = await open()
  t.is(node.trace, null)
  const changing = { trace: '00-1-2-01' }
  Object.defineProperty(node.software, 'changeover', { value: changing, configurable: true })
  t.is(node.trace, '00-1-2-01')
})

test('a node that crashes again soon after its restart waits before the next one', async (t) => {
  const { node, done, clock, starting } = await open()
  starting.open()
  node.serve()
  node.crash(new Error('disk full'))
  await node.whenRestarted()
  done()
  node.crash(new Error('still full'))
  await turns(clock)
  t.false(done().includes('its object starts'))
  t.is(node.life.state, 'restarting')
  clock.advance(defaultSettings.backoffMsMax)
  await node.whenRestarted()
  t.true(done().includes('its object starts'))
})

test('only a restart that is under way ends: a node that serves is not told twice', async (t) => {
  const { node, done } = await open()
  node.serve()
  done()
  node.restarted()
  t.deepEqual(done(), [])
})

test('nothing that waits runs where another host has the node, though its own host may serve', async (t) => {
  const { node, clock, fence } = await open()
  const ran: string[] = []
  node.serve()
  const running = gate()
  node.mailbox.post({ run: () => running.pass() })
  node.mailbox.post({ run: () => void ran.push('late') })
  node.leaveToOthers(0)
  t.false(fence.isHolding)
  running.open()
  await turns(clock)
  t.deepEqual(ran, [])
})

test('a node listens for the events of its chain, from when it has one', async (t) => {
  const { node } = await open()
  const [own, service] = ['theseus.shop.node.n1', 'theseus.shop.service.notes']
  t.deepEqual(node.subjects, [own, service])
  const chain = { links: [{ hears: new Map([['opened', 1]]) }] }
  Object.defineProperties(node.software, { hasChain: { value: true }, chain: { value: chain } })
  t.deepEqual(node.subjects, [own, service, 'theseus.shop.event.opened'])
  const heard: unknown[] = []
  Object.assign(node.receiving.subscriptions, { hear: (of: unknown) => void heard.push(of) })
  node.chainChanged(chain as never)
  t.deepEqual(heard, [chain])
})

test('what comes for a part of the node goes to that part', async (t) => {
  const { node } = await open()
  const log: unknown[] = []
  const note =
    (what: string) =>
    (...more: readonly unknown[]) =>
      void log.push([what, ...more])
  Object.assign(node.pass, { failed: note('pass') })
  Object.assign(node.receiving, { accept: note('accept'), callSelf: note('callSelf') })
  const fault = new Fault('upgrade.record', 'no')
  node.recordFailed(fault)
  const { call } = callOf(node)
  node.accept(call)
  const timer = { begins: () => true } as never
  node.callSelf(timer, 2, 'all', [1])
  t.deepEqual(log, [
    ['pass', fault],
    ['accept', call],
    ['callSelf', timer, 2, 'all', [1]],
  ])
})
