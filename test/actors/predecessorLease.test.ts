/** Until when an earlier start may still serve a node, by what a database tells that may lose that. */
import test from 'ava'
import { PredecessorLease } from '../../actors/registration/predecessorLease.js'

const other = (leftMs: number) => ({ session: 's', hostId: 'h0', leftMs })

test('nobody is waited for of whom the database has not told', (t) => {
  const before = new PredecessorLease()
  before.update(undefined, 'e1', 1_000)
  t.is(before.leftMs(1_000), 0)
})

test('its lease is waited for, as the newest answer has it, or until it has said that it is over', (t) => {
  const before = new PredecessorLease()
  before.update(other(500), 'e1', 1_000)
  t.deepEqual([before.leftMs(1_200), before.leftMs(1_500), before.leftMs(2_000)], [300, 0, 0])
  before.update(other(100), 'e1', 1_200)
  t.is(before.leftMs(1_200), 100)
  before.update(undefined, 'e1', 1_250)
  t.is(before.leftMs(1_250), 0)
})

test('the same of a database that does not say in which epoch it is', (t) => {
  const before = new PredecessorLease()
  before.update(other(500), undefined, 1_000)
  before.update(other(100), undefined, 1_200)
  t.is(before.leftMs(1_200), 100)
  before.update(undefined, undefined, 1_250)
  t.is(before.leftMs(1_250), 0)
})

test('a database that has lost it says nothing of it: the lease is waited for all the same', (t) => {
  const before = new PredecessorLease()
  before.update(other(500), 'e1', 1_000)
  before.update(undefined, 'e2', 1_100)
  t.is(before.leftMs(1_100), 400)
})

test('one that may be lost is waited for, and one of which the database knows after all as long as that says', (t) => {
  const before = new PredecessorLease()
  before.update(undefined, 'e1', 1_000)
  before.mayBeLost(1_500)
  before.update(undefined, 'e1', 1_100)
  t.is(before.leftMs(1_100), 400)
  before.update(other(700), 'e1', 1_100)
  t.is(before.leftMs(1_100), 700)
  before.update(undefined, 'e1', 1_200)
  t.is(before.leftMs(1_200), 0)
})

test('an older copy of the database has an older lease, whose end says nothing; a newer one counts', (t) => {
  const before = new PredecessorLease()
  before.update(other(500), 'e1', 1_000)
  before.update(other(50), 'e2', 1_100)
  before.update(undefined, 'e2', 1_200)
  t.is(before.leftMs(1_200), 300)
  before.update(other(600), 'e2', 1_200)
  t.is(before.leftMs(1_200), 600)
  before.update(undefined, 'e2', 1_300)
  t.is(before.leftMs(1_300), 0)
})

test('where nothing may be lost, the word of the database that told of it still counts', (t) => {
  const before = new PredecessorLease()
  before.update(other(500), 'e1', 1_000)
  before.mayBeLost(Number.NEGATIVE_INFINITY)
  t.is(before.leftMs(1_100), 400)
  before.update(undefined, 'e1', 1_100)
  t.is(before.leftMs(1_100), 0)
})

test('a database in another epoch that has the same lease knows no more of it', (t) => {
  const before = new PredecessorLease()
  before.update(other(500), 'e1', 1_000)
  before.update(other(500), 'e2', 1_000)
  before.update(undefined, 'e2', 1_100)
  t.is(before.leftMs(1_100), 400)
  before.update(undefined, 'e1', 1_200)
  t.is(before.leftMs(1_200), 0)
})
