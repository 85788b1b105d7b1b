/** The nodes that code of a host outside of any object has exchanged calls with lately. */
import 'reflect-metadata'
import test from 'ava'
import { defaultSettings } from '../../actors/base/settings.js'
import { Contacts } from '../../actors/calls/contacts.js'
import { ManualClock } from './manualClock.js'

function open(contactsMax = 3) {
  const clock = new ManualClock()
  return { clock, contacts: new Contacts(clock, { ...defaultSettings, system: 's', hostId: 'h', contactsMax }) }
}

test('contacts are listed with what they said last, the newest first', (t) => {
  const { clock, contacts } = open()
  contacts.hear('a', 'A.v1', 0)
  clock.advance(10)
  contacts.hear('b', 'B.v1', 0)
  clock.advance(10)
  t.deepEqual(contacts.list(), [
    { nodeId: 'b', className: 'B.v1', version: 0, ageMs: 10 },
    { nodeId: 'a', className: 'A.v1', version: 0, ageMs: 20 },
  ])
  contacts.hear('a', 'A.v2', 1)
  clock.advance(5)
  t.deepEqual(contacts.list(), [
    { nodeId: 'a', className: 'A.v2', version: 1, ageMs: 5 },
    { nodeId: 'b', className: 'B.v1', version: 0, ageMs: 15 },
  ])
})

test('so many contacts are remembered; one that was not heard of again is forgotten for a new one', (t) => {
  const { contacts } = open()
  for (const nodeId of ['a', 'b', 'c', 'a', 'd']) contacts.hear(nodeId, 'A.v1', 0)
  t.deepEqual(
    contacts
      .list()
      .map(({ nodeId }) => nodeId)
      .sort(),
    ['a', 'c', 'd'],
  )
})

test('a version above the newest that is known is told each time, and no other', (t) => {
  const { contacts } = open()
  const newer: number[] = []
  contacts.newer.on((version) => newer.push(version))
  contacts.hear('a', 'A.v1', 0)
  contacts.hear('a', 'A.v2', 1)
  contacts.hear('a', 'A.v2', 1)
  contacts.know(1)
  contacts.hear('a', 'A.v2', 1)
  contacts.hear('b', 'A.v3', 2)
  t.deepEqual(newer, [1, 1, 2])
})
