/** Events that travel twice are carried out once. */
import test from 'ava'
import { RecentEvents } from '../../actors/serving/recentEvents.js'

test('an event is new once; the oldest of the last thousand or so are forgotten first', (t) => {
  const recent = new RecentEvents()
  const ids = Array.from({ length: 1_024 }, (_, i) => `cart/1/${i}`)
  for (const id of ids) t.true(recent.isNew(id))
  for (const id of ids) t.false(recent.isNew(id))
  t.true(recent.isNew('one more'))
  for (const id of ids.slice(1)) t.false(recent.isNew(id))
  // Forgotten, it would be new; and the next oldest is forgotten for it.
  t.true(recent.isNew(ids[0]!))
  t.true(recent.isNew(ids[1]!))
  t.false(recent.isNew('one more'))
})
