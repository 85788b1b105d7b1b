/**
 * Invariants of the house (DESIGN §6), each broken once in a running node: a part of it is made to do
 * something else. The node tells of it, and loses nothing that was acknowledged. One after the other, for
 * each test breaks the parts of all nodes of this process.
 */
import 'reflect-metadata'
import anyTest, { type ExecutionContext, type TestFn } from 'ava'
import { Node } from '../../actors/node/node.js'
import { IncomingCall } from '../../actors/serving/incomingCall.js'
import { Mailbox } from '../../actors/serving/mailbox.js'
import { NestedCalls } from '../../actors/serving/nestedCalls.js'
import { NodeRecordStore } from '../../actors/software/nodeRecordStore.js'
import { NodeSoftware } from '../../actors/software/nodeSoftware.js'
import { LazyRecords } from '../../actors/state/lazyRecords.js'
import { NodeState } from '../../actors/state/nodeState.js'
import { CompanionChange } from '../../actors/upgrade/companionChange.js'
import { NodeUpgrade } from '../../actors/upgrade/nodeUpgrade.js'
import type { SharedMoments } from '../../actors/upgrade/objectChange.js'
import type { UpgradingNode } from '../../actors/upgrade/upgradingNode.js'
import { Fault, faultCodes } from '../../core/base/fault.js'
import { InvariantViolation } from '../../core/base/invariant.js'
import { keys, type NodeRecord } from '../../core/model/nodeRecord.js'
import type { Write } from '../../core/ports/stateStore.js'
import { unpack } from '../../core/wire/codec.js'
import { command, NodeObject, query } from '../../index.js'
import { until } from '../support/eventually.js'
import { codeOf, gate, type TestHost, TestSystem } from '../support/testSystem.js'
import { TillV1, toV2 as tillsToV2, withDisplay } from './groupClasses.js'
import { gates, NotesV1, toV2 } from './notesClasses.js'
import { fill, oneNode, servesBoth } from './oneNode.js'
import { ShelfV1, toShelfV2 } from './shelfClasses.js'

const test = (anyTest as TestFn).serial

/** Puts another method in place of one until the test ends, or until the result is called. */
function broken<Part, Name extends keyof Part>(t: ExecutionContext, part: Part, name: Name, method: Part[Name]): () => void {
  const whole = part[name]
  const mend = () => {
    part[name] = whole
  }
  part[name] = method
  t.teardown(mend)
  return mend
}

/** The nodes that serve from now on, from within. */
function nodesFrom(t: ExecutionContext): Map<string, Node> {
  const found = new Map<string, Node>()
  const { serve } = Node.prototype
  broken(t, Node.prototype, 'serve', function (this: Node) {
    found.set(this.id, this)
    serve.call(this)
  })
  return found
}

function violations(host: TestHost): readonly string[] {
  return host.events.flatMap((event) =>
    event.type === 'nodeFailed' && (event.error as Error).name === 'InvariantViolation' ? [(event.error as Error).message] : [],
  )
}

async function untilViolated(host: TestHost): Promise<void> {
  await until(() => violations(host).length > 0, 'the broken invariant is told')
}

async function untilStalled(host: TestHost): Promise<string> {
  await host.untilPhase('n1', 'stalled', 1)
  return host.last('n1')!.reason!
}

test('C2: a call that begins while another runs is noticed, and neither writes into the other', async (t) => {
  const one = await oneNode(t, { callDeadlineMs: 400 })
  gates.set(t.title, gate())
  const slow = gates.get(t.title)!
  const { run } = IncomingCall.prototype
  const mend = broken(t, IncomingCall.prototype, 'run', function (this: IncomingCall) {
    void run.call(this)
  })
  const first = codeOf(one.v0.addSlowly('slow', t.title))
  await until(() => slow.waiting === 1, 'the first call runs')
  const second = codeOf(one.v0.add('beside'))
  await untilViolated(one.host)
  mend()
  slow.open()
  t.deepEqual(violations(one.host), ['C2: n1: a command began while a command was running'])
  t.is(await first, 'unavailable.storage')
  t.is(await second, 'timeout.deadline')
  t.deepEqual(await one.v0.all(), [])
  t.is(await one.v0.add('after'), 1)
})

class Echo extends NodeObject<{ n: number }> {
  static override readonly className = 'Echo.v1'
  static override readonly reentrant = true
  static override readonly calls = () => [Echo]
  static override initial() {
    return { n: 0 }
  }
  /** Does not await what it leads to. */
  @command async leave(name: string): Promise<void> {
    this.state.n = 1
    void this.ref(Echo, this.nodeId)
      .slow(name)
      .catch(() => {})
    await until(() => gates.get(name)!.waiting > 0, 'the call inside runs')
  }
  @command async slow(name: string): Promise<void> {
    await gates.get(name)!.pass()
    this.state.n += 10
  }
  @query n(): number {
    return this.state.n
  }
}

test('C2: a call that would end before one that runs inside it is noticed, and neither is kept', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  await host.node(Echo, 'e')
  gates.set(t.title, gate())
  const mend = broken(t, NestedCalls.prototype, 'returned', () => undefined)
  const left = codeOf(system.desk.ref(Echo, 'e', { deadline: 400 }).leave(t.title))
  await untilViolated(host)
  mend()
  gates.get(t.title)!.open()
  t.deepEqual(violations(host), ['C2: leave would end before a call that runs inside it'])
  t.is(await left, 'timeout.deadline')
  t.is(await system.desk.ref(Echo, 'e').n(), 0)
})

/** The record that these writes have of a node, if any. */
function recordIn(writes: readonly Write[]): NodeRecord | undefined {
  const found = writes.find(([key]) => key === keys.record('n1'))
  return found === undefined ? undefined : (unpack(found[1]!) as NodeRecord)
}

test('C3: a flip that the store has confirmed and not carried out is noticed, and the old version serves', async (t) => {
  const one = await oneNode(t)
  await fill(one)
  one.host.state.beforeCommit = (writes) => {
    if (recordIn(writes)?.upgrade?.phase === 'recovering') (writes as Write[]).splice(0)
  }
  await one.system.publish(toV2())
  t.is(await untilStalled(one.host), 'C3: n1: its record is not what was committed')
  t.deepEqual(violations(one.host), ['C3: n1: its record is not what was committed'])
  await one.v1.star(0)
  await servesBoth(t, one, ['first'])
})

test('C3: a node that is pointed to another state without a commit is noticed, and keeps its own', async (t) => {
  const one = await oneNode(t)
  await fill(one)
  broken(t, NodeRecordStore.prototype, 'commit', async function (this: NodeRecordStore, record) {
    this.write(record)
  })
  await one.system.publish(toV2())
  const message = 'C3: n1: slot 0.0 is left for 1.1 without a commit'
  t.is(await untilStalled(one.host), message)
  t.deepEqual(violations(one.host), [message])
  await one.v1.star(0)
  await servesBoth(t, one, ['first'])
})

test('C3: a node whose state is missing on disk does not start without it', async (t) => {
  const one = await oneNode(t)
  await fill(one)
  const state = one.host.kill()
  const store = await state.open()
  await store.commit([[keys.root('n1', '0.0'), null]])
  await store.close()
  const again = await one.system.host('h2', { state })
  await t.throwsAsync(again.node(NotesV1, 'n1'), { name: 'InvariantViolation', message: 'C3: n1: no state in slot 0.0' })
})

class Failing extends NodeObject<{ runs: number }> {
  static override readonly className = 'Failing.v1'
  static override initial() {
    return { runs: 0 }
  }
  static ran = 0
  @command fail(): void {
    Failing.ran++
    throw new Error('as it was told')
  }
  @command count(): number {
    return ++this.state.runs
  }
}

test('C4: a call that has run and would end as not executed is noticed, and not made again', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  await host.node(Failing, 'f')
  const entry: { retryable: boolean } = faultCodes['application.error']
  entry.retryable = true
  t.teardown(() => {
    entry.retryable = false
  })
  t.is(await codeOf(system.desk.ref(Failing, 'f', { deadline: 300 }).fail()), 'timeout.deadline')
  entry.retryable = false
  t.deepEqual(violations(host), ['C4: fail has run, and would end with application.error'])
  t.is(Failing.ran, 1)
  t.is(await system.desk.ref(Failing, 'f').count(), 1)
})

test('C4: what a store throws does not say that a call was not executed', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  await host.node(Failing, 'f')
  const ref = system.desk.ref(Failing, 'f', { deadline: '5s' })
  host.state.failNextCommit(new Fault('unavailable.overloaded', 'the disk is busy'))
  t.is(await codeOf(ref.count()), 'unavailable.storage')
  t.is(await until(() => ref.count().catch(() => undefined), 'the node is back'), 1)
})

test('C7: a state that is written to after the transform has read it is noticed, and the write is not lost', async (t) => {
  const one = await oneNode(t)
  await fill(one)
  const form = gate()
  const mends = [
    broken(t, Mailbox.prototype, 'close', () => Promise.resolve()),
    broken(t, NodeSoftware.prototype, 'stop', () => Promise.resolve()),
  ]
  await one.system.publish(toV2({ beforeTransform: () => form.pass() }))
  await until(() => form.waiting === 1, 'the transform waits')
  t.is(await one.v0.add('second'), 2)
  for (const mend of mends) mend()
  form.open()
  const message = 'C7: n1 was written to after its transform had read it'
  t.is(await untilStalled(one.host), message)
  t.deepEqual(violations(one.host), [message])
  await one.v1.star(0)
  await servesBoth(t, one, ['first', 'second'])
})

test('C8: a version that is dropped and not dead is noticed, and goes on being answered', async (t) => {
  const nodes = nodesFrom(t)
  const one = await oneNode(t)
  await fill(one)
  await one.system.publish(toV2())
  await one.node.reached(1)
  const { history } = nodes.get('n1')!.services
  gates.set(t.title, gate())
  const slow = gates.get(t.title)!
  const running = one.v0.addSlowly('slow', t.title)
  await until(() => slow.waiting === 1, 'a call runs')
  // It hears of a death that is none, and drops the version once the call has ended.
  Object.defineProperty(history, 'dead', { configurable: true, value: 1 })
  nodes.get('n1')!.versionsOver()
  Reflect.deleteProperty(history, 'dead')
  slow.open()
  t.is(await running, 3)
  await untilViolated(one.host)
  t.deepEqual(violations(one.host), ['C8: n1: version 0 is dropped, and not dead'])
  t.deepEqual(await one.v0.all(), ['first', 'slow…', 'slow'])
  t.is(await one.v0.mood(), 'merry')
})

test('C10: an upgrade that stalls without a reason is noticed, and says that', async (t) => {
  const one = await oneNode(t)
  await fill(one)
  const { entered } = NodeUpgrade.prototype
  const mend = broken(t, NodeUpgrade.prototype, 'entered', function (this: NodeUpgrade, phase) {
    entered.call(this, phase, null)
  })
  await one.system.publish(toV2({ beforeTransform: () => Promise.reject(new Error('as it was told')) }))
  const told = await one.host.untilPhase('n1', 'stalled', 1)
  mend()
  const message = 'C10: n1 is stalled without a reason'
  const reasons = one.host.events.flatMap((event) => (event.type === 'phase' && event.phase === 'stalled' ? [event.reason] : []))
  t.is(reasons[0], message)
  t.deepEqual(violations(one.host), [message])
  t.is(told.phase, 'stalled')
  await one.v1.star(0)
  await servesBoth(t, one, ['first'])
})

test('C10: a phase that can’t be written does not end the upgrade without a word', async (t) => {
  const one = await oneNode(t)
  await fill(one)
  const { write } = NodeRecordStore.prototype
  const mend = broken(t, NodeRecordStore.prototype, 'write', function (this: NodeRecordStore, record) {
    if (record.upgrade?.phase === 'stalled') throw new Error('as it was told')
    write.call(this, record)
  })
  await one.system.publish(toV2({ beforeTransform: () => Promise.reject(new Error('no form')) }))
  t.is(await untilStalled(one.host), 'upgrade.transform: no form')
  mend()
  t.true(one.host.warnings().includes('n1: its phase could not be told'))
  one.node.retry()
  await until(() => one.host.phases('n1').filter((phase) => phase === 'stalled').length > 1, 'it is tried again')
  t.is(one.host.last('n1')!.reason, 'upgrade.transform: no form')
})

test('C10: an upgrade whose statechart fails is told of, and begins anew', async (t) => {
  const one = await oneNode(t)
  await fill(one)
  const whole = Object.getOwnPropertyDescriptor(NodeUpgrade.prototype, 'isUndone')!
  const mend = () => Object.defineProperty(NodeUpgrade.prototype, 'isUndone', whole)
  t.teardown(mend)
  Object.defineProperty(NodeUpgrade.prototype, 'isUndone', {
    ...whole,
    get() {
      throw new Error('as it was told')
    },
  })
  await one.system.publish(toV2())
  await untilViolated(one.host)
  mend()
  t.regex(violations(one.host)[0]!, /^C10: the upgrade of n1 to version 1 ended nowhere: /)
  await one.node.reached(1)
  t.deepEqual(await one.v0.all(), ['first'])
})

test('C11: a node that takes calls while it flips is noticed, and serves its old version with all that was acknowledged', async (t) => {
  const one = await oneNode(t)
  await fill(one)
  const form = gate()
  const mend = broken(t, Mailbox.prototype, 'close', () => Promise.resolve())
  await one.system.publish(toV2({ beforeTransform: () => form.pass() }))
  await until(() => form.waiting === 1, 'the transform waits')
  mend()
  form.open()
  t.is(await untilStalled(one.host), 'C11: a call runs beside the flip')
  t.deepEqual(violations(one.host), ['C11: a call runs beside the flip'])
  t.is(one.node.version, 0)
  t.deepEqual(await one.v0.all(), ['first'])
})

const atOnce: NodeState['whenCommitted'] = (waiter) => waiter.settled(undefined)

test('C12: an answer that would leave before its write is on disk is noticed, and the write is kept', async (t) => {
  const one = await oneNode(t, { callDeadlineMs: 300 })
  const mend = broken(t, NodeState.prototype, 'whenCommitted', atOnce)
  const early = codeOf(one.v0.add('early'))
  await untilViolated(one.host)
  mend()
  t.is(await early, 'timeout.deadline')
  t.deepEqual(violations(one.host), ['C12: the answer to add would leave before what it has seen is on disk'])
  t.deepEqual(await one.v0.all(), ['early'])
})

test('C12: a query that has written is noticed, and answers nothing', async (t) => {
  const one = await oneNode(t, { callDeadlineMs: 300 })
  await fill(one)
  const { keep } = NodeState.prototype
  const mend = broken(t, NodeState.prototype, 'keep', function (this: NodeState, ticket) {
    this.write('s/n1/0.0/c/shelf/own', null)
    return keep.call(this, ticket)
  })
  t.is(await codeOf(one.v0.all()), 'timeout.deadline')
  mend()
  t.is(violations(one.host)[0], 'C12: the answer to all would leave before what it has seen is on disk')
  t.deepEqual(await one.v0.all(), ['first'])
})

test('C12: a send that would leave before what the node has written is noticed, and does not leave', async (t) => {
  const nodes = nodesFrom(t)
  const one = await oneNode(t)
  const node = nodes.get('n1')!
  const mend = broken(t, NodeState.prototype, 'whenCommitted', atOnce)
  let left = 0
  node.state.write('s/n1/0.0/c/shelf/own', null)
  node.departures.addSends([() => left++])
  mend()
  t.is(left, 0)
  t.deepEqual(violations(one.host), ['C12: a message of n1 would leave before what it has seen is on disk'])
  t.is(await one.v0.add('after'), 1)
})

test('C13: a commit that would take a group apart is noticed, and does not take place', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  const group = await host.running.group('g', withDisplay)
  const mend = broken(t, CompanionChange.prototype, 'flip', function (this: CompanionChange) {
    const { shared, node } = this as unknown as { shared: SharedMoments; node: UpgradingNode }
    return shared.commit(() => node.recordStore.record)
  })
  await system.publish(tillsToV2())
  const reason = 'C13: one commit would leave a group at versions 1 and 0'
  for (const id of ['g_till', 'g_display']) t.is((await host.untilPhase(id, 'stalled')).reason, reason)
  mend()
  t.deepEqual([...new Set(violations(host))], [reason])
  t.is(group.version, 0)
  t.deepEqual(await system.desk.ref(TillV1, 'g_till', { version: 0 }).sell(1), ['v1', 'v1'])
})

test('an invariant that is broken before a call has begun is told, and does not travel as a fault', async (t) => {
  const one = await oneNode(t, { callDeadlineMs: 300 })
  const mend = broken(t, Mailbox.prototype, 'post', () => {
    throw new InvariantViolation('C2: as it was told')
  })
  const call = codeOf(one.v0.add('lost'))
  await untilViolated(one.host)
  mend()
  t.is(await call, 'timeout.deadline')
  t.deepEqual(violations(one.host), ['C2: as it was told'])
  t.is(await one.v0.add('after'), 1)
})

test('a pass over records that breaks an invariant restarts its node, and not the host', async (t) => {
  const system = await TestSystem.start(t, { passPauseMs: 2, passPauseMsMax: 10 })
  const host = await system.host('h1')
  const node = await host.node(ShelfV1, 's1')
  const shelf = system.desk.ref(ShelfV1, 's1', { version: 0 })
  await shelf.put('a', 'title of a')
  const mend = broken(t, LazyRecords.prototype, 'pass', () => {
    throw new InvariantViolation('Z1: as it was told')
  })
  await system.publish(toShelfV2())
  await untilViolated(host)
  mend()
  t.is(violations(host)[0], 'Z1: as it was told')
  await until(() => node.records === null, 'the records are made')
  t.deepEqual(await shelf.titles(), ['a title of a'])
})
