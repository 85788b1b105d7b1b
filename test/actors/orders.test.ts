/** The orders of upgraders at an upgrade server: the log of directives is read before one is carried out. */
import test from 'ava'
import { InstalledHistory } from '../../actors/server/installedHistory.js'
import { Orders } from '../../actors/server/orders.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import { signed } from '../../core/trust/signed.js'
import { memoryDatabase } from '../../transports/memory/index.js'
import { nkeySignatures } from '../../transports/nkeys/nkeys.js'
import { changedDatabase } from '../support/changedDatabase.js'
import { until } from '../support/eventually.js'
import { ManualClock } from '../support/manualClock.js'
import { alice, system } from '../support/signedManifests.js'
import { gate } from '../support/testSystem.js'

async function open(changed: (stored: UpgradeDatabase) => Partial<UpgradeDatabase> = () => ({})) {
  const clock = new ManualClock()
  const stored = await memoryDatabase().open(system, clock)
  const { id } = await stored.directiveLog()
  const database = changedDatabase(stored, changed(stored))
  const history = new InstalledHistory({ system, database, signatures: nkeySignatures, trust: [alice.publicKey] })
  const noticed: number[] = []
  const orders = new Orders({ system, database, clock }, history, ({ count }) => void noticed.push(count))
  const directive = {
    ...{ format: 2, system, number: 1, createdAt: '1970-01-01T00:16:40.000Z', upgrader: alice.publicKey, head: null, log: id },
    what: { order: 'setInTable', table: 'allowed', key: 'n1', value: 'yes' },
  }
  const { bytes, signature } = signed('directive', new TextEncoder().encode(JSON.stringify(directive)), alice)
  const direct = () => orders.direct(bytes, signature, { by: [], isDone: false })
  return { stored, direct, noticed }
}

test('an order is carried out when the log has been read, and told of, not before', async (t) => {
  const held = gate()
  const { stored, direct, noticed } = await open((of) => ({
    async directiveLog(doubt) {
      await held.pass()
      return await of.directiveLog(doubt)
    },
  }))
  const order = direct()
  await until(() => held.waiting === 1, 'the log is read')
  t.is((await stored.directiveLog()).count, 0)
  held.open()
  t.deepEqual(await order, { result: true })
  t.deepEqual(noticed, [0])
  t.deepEqual([...(await stored.table('allowed'))], [['n1', 'yes']])
})

test('an order is not carried out where the log can’t be read', async (t) => {
  const { stored, direct } = await open(() => ({ directiveLog: () => Promise.reject(new Error('away')) }))
  await t.throwsAsync(direct(), { message: 'away' })
  t.deepEqual([...(await stored.table('allowed'))], [])
})
