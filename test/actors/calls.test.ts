/** Calls between callers and nodes: deadlines, retries of what was not executed, bounds (DESIGN §4, C4). */
import test, { type ExecutionContext } from 'ava'
import { type CallOptions, command, NodeObject, query, schedule } from '../../index.js'
import { until } from '../support/eventually.js'
import { codeOf, gate, type Settings, TestSystem } from '../support/testSystem.js'
import { gates, NotesV1, NotesV2, toV2 } from './notesClasses.js'

class Desk extends NodeObject<{ done: string[] }> {
  static override readonly className: string = 'Desk.v1'
  static override initial() {
    return { done: [] as string[] }
  }

  @command do(what: string): number {
    return this.state.done.push(what)
  }

  @command async doSlowly(what: string, name: string): Promise<number> {
    await gates.get(name)!.pass()
    return this.state.done.push(what)
  }

  @query async look(name: string): Promise<string[]> {
    await gates.get(name)?.pass()
    return this.state.done
  }

  @query done(): string[] {
    return this.state.done
  }

  @query where(): string {
    return this.nodeId
  }

  @query async nested(other: string, name: string): Promise<string> {
    return await codeOf(this.ref(Desk, other).look(name))
  }
}

/** Held calls are answered so long before their deadline that a busy machine makes no difference. */
const noticeably = { heldAnswerMs: 1_500 }

async function start(t: ExecutionContext, settings: Settings = {}) {
  const system = await TestSystem.start(t, settings)
  const host = await system.host('h1')
  const node = await host.node(Desk, 'd1')
  const held = gate()
  gates.set(system.name, held)
  t.teardown(() => held.open())
  const ref = (deadline: number) => system.desk.ref(Desk, 'd1', { version: 0, deadline })
  return { system, host, node, gate: held, name: system.name, ref, patient: ref(30_000) }
}

/** The messages from the desk to the node: dropped as long as `drop` says so. */
function dropCalls(system: TestSystem, drop: (count: number) => boolean) {
  const counted = { calls: 0 }
  system.broker.filter = ({ from, message }) => {
    if (from !== 'desk' || !message.subject.endsWith('.node.d1')) return 'deliver'
    return drop(counted.calls++) ? 'drop' : 'deliver'
  }
  return counted
}

test('a call that is not answered by its deadline ends with timeout.deadline', async (t) => {
  const s = await start(t)
  t.is(await codeOf(s.ref(60).doSlowly('x', s.name)), 'timeout.deadline')
  s.gate.open()
  t.deepEqual(await s.patient.done(), ['x'])
})

test('what can’t be done in time is not done', async (t) => {
  const s = await start(t)
  const slow = s.patient.doSlowly('slow', s.name)
  await until(() => s.gate.waiting === 1, 'the call runs')
  t.is(await codeOf(s.ref(60).do('too late')), 'timeout.deadline')
  // The callee counts from when the call arrived: a second one that waits longer lets that pass too.
  t.is(await codeOf(s.ref(1_500).done()), 'timeout.deadline')
  s.gate.open()
  await slow
  t.deepEqual(await s.patient.done(), ['slow'])
})

test('the deadline of a call is the deadline of the calls made for it', async (t) => {
  const s = await start(t)
  await s.host.node(Desk, 'd2')
  const outer = s.ref(150).nested('d2', s.name)
  // Which of the two is told first is chance.
  t.regex(await codeOf(outer), /timeout\.deadline/)
  // With a deadline of its own the nested call would keep the node busy for five seconds.
  t.deepEqual(await s.ref(4_000).done(), [])
})

test('a call to a node that nobody runs is tried again until its deadline, and then says that it was not executed', async (t) => {
  const s = await start(t, { retryPauseMs: 1_000, retryPauseMsMax: 1_000 })
  t.is(await codeOf(s.system.desk.ref(Desk, 'd9', { version: 0, deadline: 2_400 }).do('x')), 'unavailable.no-responders')
  const early = s.system.desk.ref(Desk, 'd3', { version: 0 }).do('x')
  await s.host.node(Desk, 'd3')
  t.is(await early, 1)
})

test('a query whose message is lost is sent again; a command is not, for it may have been executed', async (t) => {
  const s = await start(t, { queryResendMs: 30 })
  const sent = dropCalls(s.system, (count) => count < 2)
  t.deepEqual(await s.patient.done(), [])
  // One more, where its answer took longer than the pause.
  t.true(sent.calls >= 3, `${sent.calls} copies`)
  const commands = dropCalls(s.system, () => true)
  t.is(await codeOf(s.ref(150).do('x')), 'timeout.deadline')
  t.is(commands.calls, 1)
})

test('a query whose answer is lost is asked again, a command’s answer is not', async (t) => {
  const s = await start(t, { queryResendMs: 30 })
  let lost = 1
  s.system.broker.filter = ({ from, to }) => (from === 'h1' && to === 'desk' && lost-- > 0 ? 'drop' : 'deliver')
  t.deepEqual(await s.patient.done(), [])
  // Also answers to further copies of the query, which are late.
  lost = Number.POSITIVE_INFINITY
  t.is(await codeOf(s.ref(150).do('x')), 'timeout.deadline')
  lost = 0
  t.deepEqual(await s.patient.done(), ['x'])
})

test('a slow query that is sent again and again is carried out once, and occupies its node once', async (t) => {
  const s = await start(t, { queryResendMs: 30 })
  let lets = true
  const sent = dropCalls(s.system, () => !lets)
  const slow = s.patient.look(s.name)
  await until(() => sent.calls >= 4, 'copies are sent')
  lets = false
  const waiting = sent.calls
  await until(() => sent.calls > waiting, 'the copies before have come')
  t.is(s.gate.waiting, 1)
  s.gate.open()
  t.deepEqual(await slow, [])
  lets = true
  t.is(await s.patient.do('next'), 1)
  t.is(s.gate.waiting, 1, 'no copy has begun, before the answer or after it')
})

// C4. Of a query that was sent again, every copy counts.
test('a query whose first copy runs without an answer, and whose later copies are refused, does not end as not executed', async (t) => {
  const s = await start(t, { queryResendMs: 30 })
  const end = codeOf(s.ref(400).look(s.name))
  await until(() => s.gate.waiting === 1, 'the first copy runs')
  s.host.kill()
  t.is(await end, 'timeout.deadline')
})

test('calls made while the connection is away are sent when it is back', async (t) => {
  const s = await start(t)
  s.system.desk.transport.disconnect()
  const call = s.patient.do('x')
  t.is(await codeOf(s.ref(60).do('never')), 'unavailable.disconnected')
  s.system.desk.transport.reconnect()
  t.is(await call, 1)
  t.deepEqual(await s.patient.done(), ['x'])
})

test('a full mailbox refuses with unavailable.overloaded, and the refused call is carried out later', async (t) => {
  // Few tries, each with time for its answer: of one that has none at the deadline nobody knows.
  const s = await start(t, { mailboxCallsMax: 2, retryPauseMs: 1_000, retryPauseMsMax: 1_000 })
  const first = s.patient.doSlowly('first', s.name)
  await until(() => s.gate.waiting === 1, 'the call runs')
  const waiting = [s.patient.do('second'), s.patient.do('third')]
  t.is(await codeOf(s.ref(2_400).do('too many')), 'unavailable.overloaded')
  const later = s.patient.do('fourth')
  s.gate.open()
  await Promise.all([first, ...waiting, later])
  t.deepEqual((await s.patient.done()).toSorted(), ['first', 'fourth', 'second', 'third'])
})

test('a full table of open calls refuses with unavailable.overloaded before anything is sent', async (t) => {
  const s = await start(t)
  const caller = await s.system.host('caller', { settings: { openCallsMax: 2 } })
  const ref = caller.ref(Desk, 'd1', { version: 0 })
  // The host's own first question to the upgrade server has its answer by then.
  await until(() => ref.done().catch(() => undefined), 'the table is empty')
  const open = [ref.doSlowly('a', s.name), ref.do('b')]
  t.is(await codeOf(ref.do('c')), 'unavailable.overloaded')
  s.gate.open()
  t.deepEqual(await Promise.all(open), [1, 2])
  t.is(await ref.do('d'), 3)
})

test('calls of unknown versions beyond the bound are refused with unavailable.overloaded', async (t) => {
  const s = await start(t, { heldCallsMax: 1, ...noticeably })
  s.system.broker.filter = ({ from, message }) => (from === 'h1' && message.subject.endsWith('.server') ? 'drop' : 'deliver')
  const far = s.system.desk.ref(Desk, 'd1', { version: 7, deadline: 4_000 })
  const codes = await Promise.all([codeOf(far.done()), codeOf(far.done())])
  // The first may be sent once more when it has been answered, and find the second in its place.
  t.true(codes.includes('unavailable.overloaded'), codes.join(', '))
  for (const code of codes) t.regex(code, /^unavailable\.(fetching|overloaded)$/)
})

test('a call held by an upgrade that outlasts it is answered unavailable.upgrading before its deadline, and not executed', async (t) => {
  const system = await TestSystem.start(t, noticeably)
  const host = await system.host('h1')
  const node = await host.node(NotesV1, 'n1')
  const form = gate()
  t.teardown(() => form.open())
  await system.publish(toV2({ beforeTransform: () => form.pass() }))
  await until(() => form.waiting === 1, 'the transform waits')
  const impatient = system.desk.ref(NotesV1, 'n1', { version: 0, deadline: 4_000 })
  t.is(await codeOf(impatient.add('not executed')), 'unavailable.upgrading')
  form.open()
  await until(() => node.version === 1, 'the upgrade ends')
  t.deepEqual(await system.desk.ref(NotesV2, 'n1', { version: 1 }).all(), [])
})

test('a one-way send is carried out once and nothing comes back; while nobody listens it is gone', async (t) => {
  const s = await start(t)
  const sender = s.system.desk.sender(Desk, 'd1', { version: 0 })
  t.is(sender.do('a') as unknown, undefined)
  s.system.desk.sender(Desk, 'nobody', { version: 0 }).do('lost')
  await until(async () => (await s.patient.done()).length === 1, 'the send has arrived')
  t.deepEqual(await s.patient.done(), ['a'])
})

test('calls to a service reach nodes that serve, and not the one that upgrades', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  const form = gate()
  t.teardown(() => form.open())
  const nodes = [await host.node(NotesV1, 'n1'), await host.node(NotesV1, 'n2')]
  const go = gate()
  await system.publish(
    toV2({
      beforeTransform: () => form.pass(),
      schedule: schedule('only n1, at first', (view) => (view.nodeId === 'n1' ? Promise.resolve() : go.pass())),
    }),
  )
  await until(() => form.waiting === 1, 'n1 transforms')
  const service = system.desk.ref(NotesV1, undefined, { version: 0, deadline: 2_000 })
  for (let i = 0; i < 20; i++) await service.add(`${i}`)
  t.is((await system.desk.ref(NotesV1, 'n2', { version: 0 }).all()).length, 20)
  form.open()
  await until(() => nodes[0]!.version === 1, 'n1 is upgraded')
  for (let i = 0; i < 40; i++) await service.add(`${i}`)
  t.true((await system.desk.ref(NotesV1, 'n1', { version: 0 }).all()).length > 0)
  go.open()
})

test('a node that stops refuses what waits as not executed; the running call finishes', async (t) => {
  const s = await start(t)
  const running = s.patient.doSlowly('first', s.name)
  await until(() => s.gate.waiting === 1, 'the call runs')
  const waiting = codeOf(s.ref(3_000).do('second'))
  const stopped = s.node.stop()
  s.gate.open()
  t.is(await running, 1)
  await stopped
  t.regex(await waiting, /^unavailable\./)
  await s.host.node(Desk, 'd1')
  t.deepEqual(await s.patient.done(), ['first'])
})

test('two hosts of one process have nodes of the same class without sharing anything', async (t) => {
  const s = await start(t)
  const other = await s.system.host('h2')
  await other.node(Desk, 'd2')
  await s.patient.do('on d1')
  t.deepEqual(await s.system.desk.ref(Desk, 'd2', { version: 0 }).done(), [])
  await other.stop()
  t.is(await s.patient.do('still there'), 2)
})

class Shy extends Desk {
  static override readonly className = 'Shy.v1'
  static override readonly calls = [Desk]
  static failures = 1
  protected override start(): void {
    if (Shy.failures-- > 0) throw new Error('not today')
  }
}

test('a node that could not be started leaves nothing behind that takes its calls', async (t) => {
  const s = await start(t, { retryPauseMs: 1_000, retryPauseMsMax: 1_000 })
  await t.throwsAsync(s.host.running.node(Shy, 'shy'), { message: /not today/ })
  const call = s.system.desk.ref(Desk, 'shy', { version: 0, deadline: 2_400 })
  t.is(await codeOf(call.do('x')), 'unavailable.no-responders')
})

/** Two of them can wait for each other. */
class Pair extends NodeObject<{ done: string[] }> {
  static override readonly className: string = 'Pair.v1'
  static override initial() {
    return { done: [] as string[] }
  }

  @command async meet(others: readonly string[], name: string, deadline?: number): Promise<string> {
    await gates.get(name)?.pass()
    const [other, ...rest] = others
    if (other === undefined) return this.nodeId
    const options: CallOptions = deadline === undefined ? {} : { deadline }
    return await this.ref(Pair, other, options).meet(rest, '')
  }

  @command async meetAll(others: readonly string[], name: string): Promise<string[]> {
    await gates.get(name)?.pass()
    return await Promise.all(others.map((other) => codeOf(this.ref(Pair, other).meet([], ''))))
  }

  @command async tell(other: string, name: string): Promise<void> {
    this.sender(Pair, other, { deadline: 1 }).meet([], name)
  }
}

async function pairs(t: ExecutionContext) {
  const system = await TestSystem.start(t, { callDeadlineMs: 60_000 })
  const hosts = [await system.host('h1'), await system.host('h2')] as const
  const held = gate()
  gates.set(system.name, held)
  t.teardown(() => held.open())
  for (const [i, id] of ['a', 'b', 'c'].entries()) await hosts[i % 2]!.node(Pair, id)
  const ref = (id: string, deadline = 60_000) => system.desk.ref(Pair, id, { version: 0, deadline })
  return { system, held, name: system.name, ref, now: () => system.clock.monotonicMs() }
}

test('two nodes that wait for each other are told of it soon: one call fails, and the other one is answered', async (t) => {
  const s = await pairs(t)
  const ends = [s.ref('a').meet(['b'], s.name), s.ref('b').meet(['a'], s.name)]
  await until(() => s.held.waiting === 2, 'both run')
  const began = s.now()
  s.held.open()
  const [first, second] = await Promise.allSettled(ends)
  t.is(first!.status === 'fulfilled' && first!.value, 'b', 'its node has the lesser id: it has refused the call of the other')
  const fault = (second as PromiseRejectedResult).reason
  t.is(fault.code, 'protocol.call-cycle')
  t.regex(fault.message, /nodes a and b wait for each other: a is busy with meet, which has called meet of b/)
  t.deepEqual(fault.details, { nodes: ['a', 'b'] })
  t.true(s.now() - began < 2_000, `${s.now() - began} ms`)
  t.is(await s.ref('b').meet(['a'], ''), 'a', 'nobody is busy any more')
})

test('three nodes in a ring are told of it, and a node that waits for several at once', async (t) => {
  const s = await pairs(t)
  const began = s.now()
  const ring = [s.ref('a').meet(['b', 'c'], s.name), s.ref('c').meet(['a'], s.name)]
  await until(() => s.held.waiting === 2, 'both run')
  s.held.open()
  const codes = await Promise.all(ring.map((call) => codeOf(call)))
  t.true(codes.includes('protocol.call-cycle'), codes.join(', '))
  t.true(s.now() - began < 5_000, `${s.now() - began} ms`)
})

test('a call that waits for a busy node is in no cycle, however long that takes', async (t) => {
  const s = await pairs(t)
  const busy = s.ref('b').meet([], s.name)
  await until(() => s.held.waiting === 1, 'b is busy')
  const waits = [s.ref('a').meet(['b'], ''), s.ref('c').meet(['a'], '')]
  const all = s.ref('a').meetAll(['b'], '')
  await s.system.clock.passes(3_000)
  s.held.open()
  t.deepEqual(await Promise.all([busy, ...waits, all]), ['b', 'b', 'a', ['answered "b"']])
})

test('a call has the deadline that its reference says, and never a later one than the call it is made for', async (t) => {
  const s = await pairs(t)
  const busy = s.ref('b').meet([], s.name)
  await until(() => s.held.waiting === 1, 'b is busy')
  let began = s.now()
  t.is(await codeOf(s.ref('a').meet(['b'], '', 300)), 'application.error')
  t.true(s.now() - began >= 300 && s.now() - began < 3_000, `${s.now() - began} ms`)
  began = s.now()
  t.regex(await codeOf(s.ref('a', 400).meet(['b'], '', 60_000)), /^(timeout\.deadline|application\.error)$/)
  t.true(s.now() - began < 3_000, 'the outer call had no longer')
  await s.ref('a').tell('b', '')
  s.held.open()
  t.is(await busy, 'b')
  t.is(await codeOf(s.ref('a').meet(['b'], '', -1)), 'application.error', 'no duration')
  t.is(await s.ref('a').meet(['b'], ''), 'b')
})
