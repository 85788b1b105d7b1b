/** Upgrade-specific tables (§4): the upgrader changes them, scheduling functions read them. */
import test from 'ava'
import { schedule } from '../../index.js'
import { until } from '../support/eventually.js'
import { TestSystem } from '../support/testSystem.js'
import { NotesV1, toV2 } from './notes.js'

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
