/** The nodes that a node has exchanged calls with, kept for its next start on the same state directory. */
import 'reflect-metadata'
import test from 'ava'
import { defaultSettings } from '../../actors/base/settings.js'
import { Contacts } from '../../actors/calls/contacts.js'
import { KeptContacts } from '../../actors/calls/nodeContacts.js'
import { Journal } from '../../actors/state/journal.js'
import { pack } from '../../core/wire/codec.js'
import { memoryStore } from '../../transports/memory/index.js'
import { ManualClock } from './manualClock.js'

const limits = { contactsMax: 3, contactsOfHostMax: 100, contactsKeptMs: 1_000, contactsPerTurnMax: 2 }

async function open(settings: Partial<typeof limits> = {}, store = memoryStore()) {
  const clock = new ManualClock()
  const opened = await store.open()
  const commits: string[][] = []
  const counted = {
    ...opened,
    get: opened.get.bind(opened),
    range: opened.range.bind(opened),
    async commit(writes: Parameters<typeof opened.commit>[0]) {
      commits.push(writes.map(([key]) => key))
      await opened.commit(writes)
    },
  }
  const start = () => {
    const all = { ...defaultSettings, system: 's', hostId: 'h', ...limits, ...settings }
    const journal = new Journal(counted as never, clock)
    const contacts = new Contacts(clock, all)
    const kept = new KeptContacts(contacts, journal, clock, all)
    return { contacts, kept, journal, open: (nodeId: string) => kept.open(nodeId) }
  }
  const committed = async (journal: Journal) => {
    clock.endTurn()
    await journal.idle()
    return commits.splice(0)
  }
  return { clock, store: opened, start, committed, commits }
}

const idsOf = (list: readonly { readonly nodeId: string }[]) => list.map(({ nodeId }) => nodeId)

test('contacts are each node’s own, and what the host hears is nobody’s', async (t) => {
  const { clock, start } = await open()
  const host = start()
  const [a, b] = [host.open('a'), host.open('b')]
  a.hear('x', 'X.v1', 0, clock.monotonicMs())
  host.contacts.hear('y', 'Y.v1', 0)
  t.deepEqual([idsOf(a.list()), idsOf(b.list()), idsOf(host.contacts.list())], [['x'], [], ['y']])
})

test('a node that starts again on its directory knows them, with their versions and ages', async (t) => {
  const { clock, start, committed } = await open()
  const before = start()
  const a = before.open('a')
  a.hear('x', 'X.v1', 0, clock.monotonicMs())
  clock.advance(400)
  a.hear('y', 'Y.v2', 1, clock.monotonicMs())
  clock.advance(100)
  a.close(true)
  await committed(before.journal)
  clock.advance(2_000)
  t.deepEqual(start().open('a').list(), [
    { nodeId: 'y', className: 'Y.v2', version: 1, ageMs: 2_100 },
    { nodeId: 'x', className: 'X.v1', version: 0, ageMs: 2_500 },
  ])
})

test('K1: nothing is written while calls come; a node that hears only what it knows writes nothing more', async (t) => {
  const { clock, start, committed } = await open()
  const { journal, ...host } = start()
  const a = host.open('a')
  const hear = (version: number) => a.hear('x', 'X.v1', version, clock.monotonicMs())
  hear(0)
  clock.advance(999)
  t.deepEqual(await committed(journal), [])
  clock.advance(1)
  t.deepEqual(await committed(journal), [['c/a']])
  for (let i = 0; i < 10; i++) {
    hear(0)
    clock.advance(1_000)
  }
  t.deepEqual(await committed(journal), [])
  t.is(clock.timers, 0)
  hear(1)
  clock.advance(1_000)
  t.deepEqual(await committed(journal), [['c/a']])
})

test('K1: contacts of many nodes are written together after a while, so many in one go', async (t) => {
  const { clock, start, committed } = await open()
  const { journal, ...host } = start()
  for (const id of ['a', 'b', 'c']) host.open(id).hear('x', 'X.v1', 0, clock.monotonicMs())
  clock.advance(1_000)
  t.deepEqual(await committed(journal), [['c/a', 'c/b'], ['c/c']])
  t.is(clock.timers, 0)
})

test('a node that stops while another has it keeps nothing, and hears no more; no timer is left', async (t) => {
  const { clock, start, committed } = await open()
  const { journal, ...host } = start()
  const a = host.open('a')
  a.hear('x', 'X.v1', 0, clock.monotonicMs())
  a.close(false)
  a.hear('y', 'X.v1', 0, clock.monotonicMs())
  a.close(true)
  t.deepEqual([a.list(), clock.timers, await committed(journal)], [[], 0, []])
})

test('the nodes of a host share so many places: a node that has none gets none', async (t) => {
  const { clock, start } = await open({ contactsOfHostMax: 2 })
  const host = start()
  const [a, b] = [host.open('a'), host.open('b')]
  const now = clock.monotonicMs()
  for (const id of ['x', 'y', 'z']) a.hear(id, 'X.v1', 0, now)
  b.hear('x', 'X.v1', 0, now)
  t.deepEqual([idsOf(a.list()), b.list()], [['y', 'z'], []])
  a.close(false)
  b.hear('x', 'X.v1', 0, now)
  t.deepEqual(idsOf(b.list()), ['x'])
})

test('a node that learns of a newer version from its contacts tells its host', async (t) => {
  const { clock, start } = await open()
  const host = start()
  const newer: number[] = []
  host.contacts.newer.on((version) => newer.push(version))
  host.contacts.know(1)
  const a = host.open('a')
  for (const version of [1, 2]) a.hear('x', 'X.v1', version, clock.monotonicMs())
  t.deepEqual(newer, [2])
})

for (const [what, bytes] of Object.entries({
  'of another format': pack({ format: 2, heard: [['x', 'X.v1', 0, 0]] }),
  'no record': pack('text'),
  'no MessagePack': new Uint8Array([0xc1]),
  'with entries of another shape': pack({ format: 1, heard: ['x', ['x'], ['x', 'X.v1', -1, 0], ['x', 'X.v1', 0, 'now'], null] }),
}))
  test(`K2: contacts that are ${what} are as good as none`, async (t) => {
    const { store, start } = await open()
    await store.commit([['c/a', bytes]])
    t.deepEqual(start().open('a').list(), [])
  })
