/**
 * A host that stops while its calls are open: C4, a call that fails with a retryable fault was not executed.
 */
import test, { type ExecutionContext } from 'ava'
import { isFault } from '../../index.js'
import { until } from '../support/eventually.js'
import { gate, TestSystem } from '../support/testSystem.js'
import { gates, NotesV1 } from './notesClasses.js'

async function setUp(t: ExecutionContext) {
  const system = await TestSystem.start(t)
  const [host, client] = [await system.host('h'), await system.host('client')]
  await host.node(NotesV1, 'n1')
  const held = gate()
  gates.set(system.name, held)
  t.teardown(() => held.open())
  return {
    system,
    client,
    gate: held,
    name: system.name,
    notes: client.ref(NotesV1, 'n1', { version: 0 }),
    /** The calls that have been carried out, as another host sees it. */
    all: () => system.desk.ref(NotesV1, 'n1', { version: 0 }).all(),
  }
}

/** How a call ends. */
async function endOf(call: Promise<unknown>): Promise<string> {
  try {
    return `answered ${JSON.stringify(await call)}`
  } catch (error) {
    return isFault(error) ? `${error.code}, ${error.retryable ? 'not executed' : 'perhaps executed'}` : String(error)
  }
}

const unknown = 'timeout.unknown, perhaps executed'
const stopped = 'unavailable.stopped, not executed'

test('a command that runs when its caller’s host stops ends as unknown: it may be carried out', async (t) => {
  const s = await setUp(t)
  const end = endOf(s.notes.addSlowly('once', s.name))
  await until(() => s.gate.waiting === 1, 'the command runs')
  await s.client.stop()
  t.is(await end, unknown)
  s.gate.open()
  await until(async () => (await s.all()).length === 2, 'the command has been carried out')
})

test('a call that is on its way, or leaves in the turn in which its host stops, ends as unknown', async (t) => {
  const s = await setUp(t)
  s.system.broker.filter = ({ from, to }) => (from === 'client' && to === 'h' ? { delayMs: 100 } : 'deliver')
  const early = endOf(s.notes.add('early'))
  await s.client.running.flush()
  const late = endOf(s.notes.add('late'))
  const query = endOf(s.notes.all())
  await s.client.stop()
  t.deepEqual(await Promise.all([early, late, query]), [unknown, unknown, unknown])
  t.deepEqual(await until(async () => (await s.all()).length === 2 && s.all(), 'both were carried out'), ['early', 'late'])
})

test('a call whose connection was lost under way ends as unknown when its host stops', async (t) => {
  const s = await setUp(t)
  const end = endOf(s.notes.addSlowly('once', s.name))
  await until(() => s.gate.waiting === 1, 'the command runs')
  s.client.transport.disconnect()
  await s.client.stop()
  t.is(await end, unknown)
})

test('a call that waits for its connection when its host stops was not executed', async (t) => {
  const s = await setUp(t)
  s.client.transport.disconnect()
  const end = endOf(s.notes.add('never'))
  await s.client.stop()
  t.is(await end, stopped)
  t.deepEqual(await s.all(), [])
})

test('a call that waits to be sent again, for nobody has carried it out, was not executed', async (t) => {
  const s = await setUp(t)
  const end = endOf(s.client.ref(NotesV1, 'nobody', { version: 0 }).add('never'))
  await s.client.running.flush()
  await s.client.stop()
  t.is(await end, stopped)
})

test('a call that still looks for its version when its host stops was not executed', async (t) => {
  const s = await setUp(t)
  s.system.broker.filter = ({ from, message }) => (from === 'client' && message.subject.endsWith('.server') ? 'drop' : 'deliver')
  const end = endOf(s.client.ref(NotesV1, 'n1').add('never'))
  await s.client.running.flush()
  await s.client.stop()
  t.is(await end, stopped)
  t.deepEqual(await s.all(), [])
})

test('a call that is made after its host has stopped was not executed', async (t) => {
  const s = await setUp(t)
  await s.client.stop()
  t.is(await endOf(s.notes.add('never')), stopped)
  t.is(await endOf(s.client.ref(NotesV1, 'n1').add('never')), stopped)
  t.deepEqual(await s.all(), [])
})
