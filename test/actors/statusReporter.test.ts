/** The rows of a host’s nodes in the upgrade database: which are sent, and when. */
import 'reflect-metadata'
import test from 'ava'
import type { NodeFigures } from '../../core/model/nodeRow.js'
import { gate } from '../support/testSystem.js'
import { endOf, leaseMs, nothingHeard, open, pass, row, scripted } from './statusReporterFixture.js'

test('a node that is reported is registered, and its lease is renewed for as long as the host has it', async (t) => {
  const { clock, statusReporter, settle, alive, database } = await open(t)
  statusReporter.report(row('n1'))
  await settle()
  t.deepEqual(await alive(), ['n1'])
  await pass(clock, 3 * leaseMs)
  t.deepEqual(await alive(), ['n1'])
  statusReporter.release('n1')
  await pass(clock, 2 * leaseMs)
  t.deepEqual(await alive(), [])
  t.is((await database.nodes()).length, 1)
})

test('a node that is released while it is being registered is not the host’s any more: its lease runs out', async (t) => {
  const { clock, statusReporter, settle, alive, changed, database } = await open(t)
  const answer = gate()
  changed.register = async (...args) => {
    const registered = await database.register(...args)
    await answer.pass()
    return registered
  }
  statusReporter.report(row('n1'))
  const settled = settle()
  statusReporter.release('n1')
  answer.open()
  await settled
  await pass(clock, 2 * leaseMs)
  t.deepEqual(await alive(), [])
})

test('a node that is released while its row is on its way is not reported again when that fails', async (t) => {
  const { clock, statusReporter, settle, changed, calls } = await open(t)
  statusReporter.report(row('n1'))
  await settle()
  const answer = gate()
  changed.report = () => answer.pass() as never
  statusReporter.report(row('n1', { version: 1 }))
  const settled = settle()
  statusReporter.release('n1')
  answer.fail(new Error('away'))
  await settled
  calls.length = 0
  await pass(clock, 2 * leaseMs)
  t.deepEqual(
    calls.filter((call) => call !== 'reportGone'),
    [],
  )
})

test('rows of one turn travel together, the newest of each node', async (t) => {
  const { statusReporter, settle, calls, database } = await open(t)
  for (const nodeId of ['n1', 'n2']) statusReporter.report(row(nodeId))
  await settle()
  calls.length = 0
  statusReporter.report(row('n1', { version: 1 }))
  statusReporter.report(row('n2', { version: 1 }))
  statusReporter.report(row('n1', { version: 2 }))
  await settle()
  t.deepEqual(calls, ['report'])
  t.deepEqual(
    (await database.nodes()).map(({ version }) => version),
    [2, 1],
  )
})

test('while the database is away rows wait, with one warning, and the newest ones are stored when it is back', async (t) => {
  const { clock, factory, statusReporter, settle, database, events } = await open(t)
  statusReporter.report(row('n1'))
  await settle()
  factory.away(true)
  statusReporter.report(row('n1', { version: 1 }))
  await settle()
  await pass(clock, 3_000)
  statusReporter.report(row('n1', { version: 2 }))
  await settle()
  t.is(events.filter(({ type }) => type === 'warning').length, 1)
  factory.away(false)
  await pass(clock, 3_000)
  t.is((await database.nodes())[0]!.version, 2)
  // It was heard of again: the next time is another time.
  factory.away(true)
  statusReporter.report(row('n1', { version: 3 }))
  await settle()
  t.is(events.filter(({ type }) => type === 'warning').length, 2)
})

test('the first failure of all is told of, and the pause before the next try doubles', async (t) => {
  const s = await scripted(t)
  s.says.register = async () => {
    throw new Error('away')
  }
  s.statusReporter.report(row('n1'))
  await s.after(0)
  t.deepEqual(s.warnings(), ['the upgrade database does not answer; trying again'])
  s.asked()
  // Each pause is up to a quarter longer.
  for (const pauseMs of [100, 200, 400, 400]) {
    await s.after(pauseMs - 1)
    t.deepEqual(s.asked(), [])
    await s.after(1 + pauseMs / 4)
    t.deepEqual(s.asked(), ['register n1 0'])
  }
  t.is(s.warnings().length, 1)
})

test('a status reporter that has stopped renews nothing and tries nothing again', async (t) => {
  const { clock, factory, statusReporter, settle, calls } = await open(t)
  statusReporter.report(row('n1'))
  await settle()
  factory.away(true)
  statusReporter.report(row('n1', { version: 1 }))
  clock.endTurn()
  await statusReporter.stop()
  factory.away(false)
  calls.length = 0
  await pass(clock, 3 * leaseMs)
  t.deepEqual(calls, [])
  t.is(clock.timers, 0)
})

test('who waits until all is stored waits for what is on its way', async (t) => {
  const { clock, statusReporter, changed, database } = await open(t)
  await statusReporter.settled()
  const answer = gate()
  changed.register = async (...args) => {
    await answer.pass()
    return database.register(...args)
  }
  statusReporter.report(row('n1'))
  clock.endTurn()
  let isSettled = false
  const settled = statusReporter.settled().then(() => {
    isSettled = true
  })
  await new Promise((resolve) => setImmediate(resolve))
  t.false(isSettled)
  answer.open()
  await settled
  t.is((await database.nodes()).length, 1)
})

test('figures that have changed are reported with the lease, and those that have not only renew it', async (t) => {
  const { clock, statusReporter, running, settle, calls, database } = await open(t)
  let figures: NodeFigures | undefined
  running.figuresOf = () => figures
  statusReporter.report(row('n1'))
  await settle()
  const said = async (next: Partial<NodeFigures>) => {
    figures = { ended: 0, threw: 0, timed: 0, ...next } as NodeFigures
    calls.length = 0
    await pass(clock, leaseMs / 3)
    const [how] = calls.filter((call) => call === 'report' || call === 'renew')
    return [how, (await database.nodes())[0]!.figures]
  }
  t.deepEqual(await said({}), ['renew', undefined])
  for (const next of [{ ended: 1 }, { ended: 1, threw: 1 }, { ended: 1, threw: 1, timed: 1 }]) {
    t.deepEqual(await said(next), ['report', { threw: 0, timed: 0, ...next }])
    t.is((await said(next))[0], 'renew')
  }
})

test('a row waits for the one that is on its way: an older one never comes after a newer one', async (t) => {
  const s = await scripted(t)
  await s.statusReporter.register(row('n1'))
  s.asked()
  const told = gate()
  s.says.report = async () => {
    await told.pass()
    return nothingHeard
  }
  for (const version of [1, 2, 3]) {
    s.statusReporter.report(row('n1', { version }))
    await s.after(0)
  }
  t.deepEqual(s.asked(), ['report n1 1'])
  told.open()
  await s.after(0)
  t.deepEqual(s.asked(), ['report n1 3'])
})

test('rows of nodes that have stopped before they could be stored are stored by nobody', async (t) => {
  const s = await scripted(t)
  const answer = gate()
  s.says.register = async () => {
    await answer.pass()
    return { registered: true }
  }
  for (const nodeId of ['n1', 'n2']) s.statusReporter.report(row(nodeId))
  await s.after(0)
  s.statusReporter.release('n2')
  answer.open()
  await s.after(0)
  t.deepEqual(s.asked(), ['register n1 0'])
})

test('a node that stops while others of its batch are registered is not among the rows that are told', async (t) => {
  const s = await scripted(t)
  for (const nodeId of ['n1', 'n3']) await s.statusReporter.register(row(nodeId))
  s.asked()
  const answer = gate()
  s.says.register = async () => {
    await answer.pass()
    return { registered: true }
  }
  for (const nodeId of ['n1', 'n3']) s.statusReporter.report(row(nodeId, { version: 1 }))
  s.statusReporter.report(row('n2'))
  await s.after(0)
  s.statusReporter.release('n1')
  answer.open()
  await s.after(0)
  t.deepEqual(s.asked(), ['register n2 0', 'report n3 1'])
})

test('a node that is being registered anew has not stopped, whatever it did before', async (t) => {
  const s = await scripted(t)
  await s.statusReporter.register(row('n1'))
  s.statusReporter.release('n1')
  const answer = gate()
  s.says.register = async () => {
    await answer.pass()
    return { registered: true }
  }
  const again = endOf(s.statusReporter.register(row('n1')))
  await s.after(leaseMs / 6)
  await s.statusReporter.stop()
  answer.open()
  await s.after(0)
  t.is(again.end, 'done')
  t.deepEqual(s.asked(), ['register n1 0', 'register n1 0'])
})

test('how far the records of a node have come is told with its figures', async (t) => {
  const s = await scripted(t)
  const figures = { ended: 0, threw: 0, timed: 0, tookMs: 0 }
  let passed = 1
  s.running.figuresOf = () => ({ ...figures, records: { passed } }) as unknown as NodeFigures
  await s.statusReporter.register(row('n1'))
  s.asked()
  for (const expected of ['report n1 0', 'renew n1']) {
    await s.after(leaseMs / 3)
    t.deepEqual(s.asked(), [expected])
  }
  passed = 2
  await s.after(leaseMs / 3)
  t.deepEqual(s.asked(), ['report n1 0'])
})
