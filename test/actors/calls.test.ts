/** Calls between callers and nodes: deadlines, retries of what was not executed, bounds (DESIGN §4, C4). */
import test, { type ExecutionContext } from 'ava'
import { command, NodeObject, query, schedule } from '../../index.js'
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
