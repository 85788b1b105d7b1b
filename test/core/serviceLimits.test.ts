/** How many nodes of a service may be away at once, and which versions may die. */
import test from 'ava'
import { phases } from '../../core/base/phases.js'
import { checkDeath, deathDelayMsMax, nothingDead } from '../../core/control/upgradeDatabase.js'
import { oldestPossible } from '../../core/model/nodeRow.js'
import { allOf, andThen, anyOf, atMost, within } from '../../core/schedules/combine.js'
import { eagerly } from '../../core/schedules/eagerly.js'
import { defaultServiceLimit, limitOf, permitsAllowed, strictestLimit } from '../../core/schedules/serviceLimit.js'

test('a share of a service is rounded down, and is one node at least', (t) => {
  t.deepEqual(
    [0, 1, 7, 8, 11].map((registered) => permitsAllowed({ percent: 25 }, registered)),
    [1, 1, 1, 2, 2],
  )
})

test('of a count and a share the smaller holds', (t) => {
  t.is(permitsAllowed({ nodes: 3 }, 100), 3)
  t.is(permitsAllowed({ nodes: 3, percent: 25 }, 100), 3)
  t.is(permitsAllowed({ nodes: 3, percent: 2 }, 100), 2)
  t.is(permitsAllowed({}, 100), Number.POSITIVE_INFINITY)
})

test('a quarter of a service may be away where nobody says otherwise', (t) => {
  t.deepEqual(defaultServiceLimit, { percent: 25 })
  t.is(permitsAllowed(defaultServiceLimit, 40), 10)
})

test('a schedule may be stricter than the hosts, and one that takes all is not bound by their limit', (t) => {
  const quarter = { percent: 25 }
  t.deepEqual(limitOf(quarter, {}), quarter)
  t.deepEqual(limitOf(quarter, atMost(2)), { nodes: 2, percent: 25 })
  t.deepEqual(limitOf(quarter, atMost('50%')), quarter)
  t.deepEqual(limitOf(quarter, atMost('all')), { percent: 100 })
  t.deepEqual(limitOf({ nodes: 1 }, atMost('all')), { percent: 100 })
  t.is(permitsAllowed(limitOf({ nodes: 1 }, atMost('all')), 7), 7)
  t.deepEqual(limitOf(quarter, allOf(atMost('all'), atMost(3))), { nodes: 3, percent: 100 })
  t.deepEqual(limitOf(quarter, andThen(eagerly(), atMost('all'))), { percent: 100 })
  t.deepEqual(limitOf(quarter, within({ from: '02:00', for: '2h' }, atMost('all'))), { percent: 100 })
  t.deepEqual(limitOf(quarter, anyOf(eagerly(), atMost('all'))), quarter)
  t.deepEqual(limitOf(quarter, anyOf(atMost('all'), atMost('all'))), { percent: 100 })
})

test('of several limits all hold', (t) => {
  t.deepEqual(strictestLimit([{ nodes: 5 }, { percent: 10 }, { nodes: 2, percent: 50 }]), { nodes: 2, percent: 10 })
  t.deepEqual(strictestLimit([{ nodes: 5 }, {}]), { nodes: 5 })
  t.deepEqual(strictestLimit([{}, { percent: 5 }]), { percent: 5 })
  t.deepEqual(strictestLimit([]), {})
})

test('a node that recovers may be found at the version before, any other one at its own', (t) => {
  for (const phase of phases) t.is(oldestPossible({ version: 3, phase }), phase === 'recovering' ? 2 : 3, phase)
  t.is(oldestPossible({ version: 0, phase: 'recovering' }), 0)
})

test('at first nothing is dead', (t) => {
  t.deepEqual(nothingDead, { below: 0, sinceMs: 0, inForce: 0 })
})

test('a death is of a version, in whole milliseconds from now', (t) => {
  t.is(deathDelayMsMax, 2_147_483_647)
  for (const delayMs of [0, 1, deathDelayMsMax]) t.notThrows(() => checkDeath(0, delayMs))
  for (const below of [-1, 1.5, 2 ** 32, '1' as never])
    t.throws(() => checkDeath(below, 0), {
      code: 'config.invalid',
      message: `dead below ${JSON.stringify(below)}: use a version number`,
    })
  for (const delayMs of [-1, 0.5, deathDelayMsMax + 1, '1' as never])
    t.throws(() => checkDeath(1, delayMs), {
      code: 'config.invalid',
      message: `a death in ${JSON.stringify(delayMs)} ms: use whole milliseconds, from 0 to 2147483647`,
    })
})

test('a wrong version of great length is shown by its beginning', (t) => {
  t.throws(() => checkDeath('a'.repeat(100) as never, 0), { message: `dead below "${'a'.repeat(63)}: use a version number` })
})
