/** Upgrade-specific tables (§4): the upgrader changes them, scheduling functions read them. */
import test from 'ava'
import { defineUpgrade, schedule } from '../../index.js'
import { until } from '../support/eventually.js'
import { TestSystem } from '../support/testSystem.js'
import { NotesV1, toV2 } from './notesClasses.js'

const whenAuthorized = schedule('when the table says so', async (view) => {
  while ((await view.table('authorized')).get(view.nodeId) !== 'yes') await view.sleep(2)
})

test('a scheduling function reads the upgrader’s table, and goes on when it changes', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  const [first, second] = [await host.node(NotesV1, 'n1'), await host.node(NotesV1, 'n2')]
  await system.publish(toV2({ schedule: whenAuthorized }))
  await host.untilPhase('n1', 'scheduled')
  await system.database.setInTable('authorized', 'n1', 'yes')
  await until(() => first.version === 1, 'the node that is authorized upgrades')
  t.is(second.version, 0)
  system.udb.away(true)
  system.udb.away(false)
  await system.database.setInTable('authorized', 'n2', 'yes')
  await until(() => second.version === 1, 'the other one upgrades')
})

test('tables that an upgrade defines are there when it is installed; what is changed later counts', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  const [first, second] = [await host.node(NotesV1, 'n1'), await host.node(NotesV1, 'n2')]
  const upgrade = toV2({ schedule: whenAuthorized })
  await system.publish({ ...upgrade, tables: { authorized: { n1: 'yes', n2: 'no' } } })
  await first.reached(1)
  t.is(second.version, 0)
  t.deepEqual(
    [...(await system.database.table('authorized'))],
    [
      ['n1', 'yes'],
      ['n2', 'no'],
    ],
  )
  await system.database.setInTable('authorized', 'n2', 'yes')
  await second.reached(1)
})

test('tables that an upgrade defines are taken back by its undo, and brought again by the undo of that', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  const node = await host.node(NotesV1, 'n1')
  const table = async () => Object.fromEntries(await system.database.table('authorized'))
  await system.database.setInTable('authorized', 'n2', 'before')
  const upgrade = toV2({ schedule: whenAuthorized })
  await system.publish({ ...upgrade, tables: { authorized: { n1: 'yes', n2: 'no', n3: 'no' } } })
  await node.reached(1)
  await system.database.setInTable('authorized', 'n3', 'later')
  await system.desk.running.operator.undo()
  await node.reached(2)
  t.deepEqual(await table(), { n2: 'before', n3: 'later' })
  // The undo of the undo is a rollout as that of the upgrade was: it needs its table.
  await system.desk.running.operator.undo()
  await node.reached(3)
  t.deepEqual(await table(), { n1: 'yes', n2: 'no', n3: 'later' })
})

test('a table that can’t be is refused when the upgrade is defined', (t) => {
  const { title, classUpgrades } = toV2()
  const refused = { code: 'config.invalid', message: /table "a b": use 1 to 64 letters/ }
  t.throws(() => defineUpgrade({ title, classUpgrades, tables: { 'a b': { n1: 'yes' } } }), refused)
  t.throws(() => defineUpgrade({ title, classUpgrades, tables: { authorized: { n1: 1 as never } } }), { code: 'config.invalid' })
})
