/** The history that a host knows: questions about it, versions that nobody has, and manifests on disk. */
import 'reflect-metadata'
import test from 'ava'
import { Fault } from '../../core/base/fault.js'
import { keys } from '../../core/model/nodeRecord.js'
import { gate } from '../support/testSystem.js'
import { turns } from './claiming.js'
import { message, open } from './upgradeHistoryFixture.js'

// --- Questions

test('a host that has asked says so, tells of newer versions once, and of what the server misses', async (t) => {
  const { history, through, server, newer, asked } = await open()
  t.false(history.hasAsked)
  server.wanted = ['d1']
  t.is(await through(history.ask()), 0)
  t.true(history.hasAsked)
  t.deepEqual([history.dead, history.final, history.heard], [0, 0, 0])
  t.deepEqual(newer, [])
  t.deepEqual(asked, ['head', 'teach [{"version":0,"digest":null},["d1"]]'])
  server.install()
  t.is(await through(history.ask()), 1)
  t.deepEqual(newer, [1])
  t.is(history.heard, 1)
  t.is(history.newest, 0)
  await through(history.fetch(1))
  await through(history.ask())
  t.deepEqual(newer, [1])
  t.is(history.newest, 1)
})

test('those who ask at once share one question, and the next ones ask another', async (t) => {
  const { history, through, count, waits } = await open()
  const held = gate()
  waits.set('head', held)
  const both = Promise.all([history.ask(), history.ask()])
  held.open()
  await through(both)
  t.is(count('head'), 1)
  await through(history.ask())
  t.is(count('head'), 2)
})

test('a manifest that could not be had is told of with each answer; one that is unfit is not', async (t) => {
  const { history, through, server, newer } = await open()
  server.install()
  server.install({ system: 'another' })
  await through(history.ask())
  await through(history.ask())
  t.deepEqual(newer, [2, 2])
  await through(history.fetch(2))
  t.is(history.newest, 1)
  await through(history.ask())
  t.deepEqual(newer, [2, 2])
  server.install()
  await through(history.ask())
  await through(history.ask())
  t.deepEqual(newer, [2, 2, 3])
})

test('the newest answer counts: a server that tells of fewer versions is believed', async (t) => {
  const { history, through, server, heard } = await open()
  server.version = 9
  await through(history.ask())
  t.is(history.heard, 9)
  server.version = 2
  await through(history.ask())
  t.is(history.heard, 2)
  t.deepEqual(heard, [0, 9, 2])
})

test('a contact that runs a newer version has the server asked for it', async (t) => {
  const { contacts, history, through, server, heard, count } = await open()
  server.version = 3
  contacts.newer.emit(2)
  t.is(count('head'), 1)
  await through(history.ask())
  t.deepEqual(heard, [0, 3])
  contacts.newer.emit(3)
  t.is(count('head'), 1, 'it is known')
})

test('a version whose manifest the server does not have was never there; a server that is away says nothing of it', async (t) => {
  const { history, through, server, heard } = await open()
  server.install()
  await through(history.fetch(1))
  server.version = 9
  await through(history.ask())
  server.refusals.set('manifests', new Fault('unavailable.no-responders', 'away'))
  await t.throwsAsync(through(history.fetch(9)), { code: 'unavailable.no-responders' })
  server.refusals.set('manifests', Object.assign(new Error('odd'), { code: 'upgrade.fetch' }) as Fault)
  await t.throwsAsync(through(history.fetch(9)), message('odd'))
  t.is(history.heard, 9)
  server.refusals.set('manifests', new Fault('upgrade.fetch', 'no such version'))
  await t.throwsAsync(through(history.fetch(9)), { code: 'upgrade.fetch' })
  t.is(history.heard, 1)
  t.deepEqual(heard, [0, 1, 9, 1])
})

test('what the server says that can not be is warned of once, until it says something else', async (t) => {
  const { history, through, server, events } = await open()
  for (const nonsense of [null, 'a', 'a', 'b', null, null, 'b']) {
    server.nonsense = nonsense
    await through(history.ask())
  }
  const warning = (text: string) => ({ type: 'warning' as const, message: text, error: undefined })
  t.deepEqual(events, [warning('a'), warning('b'), warning('b')])
})

test('a host that the server refuses for its trust warns once, says why, and forgets it once it is answered', async (t) => {
  const { history, through, server, events } = await open()
  const fails = async (error: Error) => {
    server.refusals.set('head', error as Fault)
    t.is(await t.throwsAsync(through(history.ask())), error)
  }
  await fails(new Fault('unavailable.no-responders', 'away'))
  await fails(Object.assign(new Error('odd'), { code: 'config.other-trust' }))
  t.is(history.refusal, undefined)
  const [refused, again] = [new Fault('config.other-trust', 'others'), new Fault('config.other-trust', 'others again')]
  await fails(refused)
  t.is(history.refusal, refused)
  await fails(again)
  t.is(history.refusal, again)
  await fails(new Fault('unavailable.no-responders', 'away'))
  const warning = (error: Fault) => ({ type: 'warning' as const, message: 'the upgrade server refuses this host', error })
  t.deepEqual(events, [warning(refused)])
  server.refusals.delete('head')
  await through(history.ask())
  t.is(history.refusal, undefined)
  await fails(refused)
  t.deepEqual(events, [warning(refused), warning(refused)])
})

test('a host believes no version dead or final that it has not verified, and takes neither back', async (t) => {
  const { history, through, server, ended } = await open()
  for (let i = 0; i < 3; i++) server.install()
  server.dead = 2
  server.final = 1
  await through(history.ask())
  t.deepEqual([history.dead, history.final, ended()], [2, 1, 1])
  await through(history.ask())
  t.is(ended(), 1)
  server.dead = 1
  server.final = 3
  await through(history.ask())
  t.deepEqual([history.dead, history.final, ended()], [2, 3, 2])
  server.dead = 3
  server.final = 0
  await through(history.ask())
  t.deepEqual([history.dead, history.final, ended()], [3, 3, 3])
  const forged = await open()
  forged.server.install()
  forged.server.install({ system: 'another' })
  forged.server.dead = 2
  forged.server.final = 2
  await forged.through(forged.history.ask())
  t.deepEqual([forged.history.dead, forged.history.final, forged.ended()], [1, 1, 1])
  await forged.through(forged.history.ask())
  t.is(forged.ended(), 1)
})

test('an answer that tells of deaths counts when they are believed', async (t) => {
  const { history, server, clock, waits, through } = await open()
  server.install()
  server.dead = 1
  const held = gate()
  waits.set('manifests', held)
  let isOver = false
  const asking = history.ask().then(() => (isOver = true))
  await turns(clock)
  t.false(isOver)
  held.open()
  await through(asking)
  t.is(history.dead, 1)
})

// --- Versions that nobody has installed

test('a version that the server does not have is remembered as unknown for a while', async (t) => {
  const { history, through, server, count, clock } = await open()
  t.true(await history.knows(0))
  t.is(count('head'), 0)
  t.false(history.isUnknown(1))
  t.false(await through(history.knows(1)))
  t.is(count('head'), 1)
  t.true(history.isUnknown(1))
  t.false(history.isUnknown(2))
  server.install()
  clock.advance(99)
  t.false(await history.knows(1))
  t.is(count('head'), 1)
  clock.advance(1)
  t.false(history.isUnknown(1))
  t.true(await through(history.knows(1)))
  t.is(count('head'), 2)
  t.true(await history.knows(1))
  t.is(count('head'), 2)
})

test('a version that was heard of meanwhile is not unknown any more', async (t) => {
  const { history, through, server } = await open()
  await through(history.knows(1))
  await through(history.knows(2))
  server.install()
  await through(history.ask())
  t.false(history.isUnknown(1))
  t.true(history.isUnknown(2))
  t.true(await history.knows(1))
})

test('an answer to a question that left before does not make a version unknown: it is asked about once more', async (t) => {
  const { history, through, server, waits, count } = await open()
  const held = gate()
  waits.set('head', held)
  const before = history.ask()
  const known = [history.knows(1), history.knows(2)]
  server.install()
  held.open()
  await through(before)
  t.deepEqual(await through(Promise.all(known)), [true, false])
  t.is(count('head'), 2)
})

test('so many unknown versions are remembered that nobody can fill the memory with them', async (t) => {
  const { history, through } = await open()
  for (let version = 1; version <= 64; version++) await through(history.knows(version))
  t.true(history.isUnknown(1))
  t.true(history.isUnknown(64))
  await through(history.knows(65))
  t.false(history.isUnknown(1))
  t.true(history.isUnknown(65))
})

// --- Manifests

test('manifests are on disk before the host knows of them, and told of once they are here', async (t) => {
  const { history, through, server, memory, clock, events, store } = await open()
  server.install()
  server.install()
  const held = gate()
  memory.beforeCommit = () => held.pass()
  const fetching = history.fetch(2)
  for (let i = 0; i < 5; i++) {
    clock.endTurn()
    await turns(clock)
  }
  t.is(history.newest, 0)
  held.open()
  await through(fetching)
  t.is(history.newest, 2)
  t.is([...store.range(...keys.allManifests)].length, 2)
  t.deepEqual(events, [{ type: 'learned', version: 2 }])
  await through(history.fetch(2))
  t.is(events.length, 1)
})

test('of a version that a node has fetched by itself, and of which no answer has told, all nodes hear once', async (t) => {
  const { server, history, through, newer, heard } = await open()
  server.install()
  await through(history.ask())
  await through(history.fetch(1))
  t.deepEqual(newer.splice(0), [1])
  server.install()
  await through(history.fetch(2))
  t.deepEqual(newer.splice(0), [2])
  t.is(heard.at(-1), 2)
  await through(history.ask())
  t.deepEqual(newer, [])
})

test('manifests that are on disk are verified anew when the host starts', async (t) => {
  const first = await open()
  first.server.install()
  await first.through(first.history.fetch(1))
  await first.store.close()
  const again = await open(first.server, first.memory)
  t.is(again.history.newest, 1)
  t.is(again.history.manifests.length, 1)
})

test('one fetch at a time is enough for a whole host', async (t) => {
  const { history, through, server, count } = await open()
  server.install()
  server.install()
  await through(Promise.all([history.fetch(1), history.fetch(1), history.fetch(2)]))
  t.is(history.newest, 2)
  t.is(count('manifests'), 2)
})

test('a fetch ends before the first manifest that is unfit, whose load says why until an operator has looked', async (t) => {
  const { history, through, server, events, asked } = await open()
  server.install()
  server.install({ system: 'another' })
  server.install()
  await through(history.fetch(3))
  t.is(history.newest, 1)
  t.deepEqual(events, [{ type: 'learned', version: 1 }])
  t.deepEqual(asked.slice(1), ['does not follow 1'])
  await through(history.fetch(3))
  t.is(asked.length, 2)
  await t.throwsAsync(history.load(2), message(/it is for system another/))
  history.reconsider(2)
  await t.throwsAsync(history.load(2), message('no manifest of version 2 here'))
  server.manifests.splice(1)
  server.install()
  await through(history.fetch(2))
  t.is(history.newest, 2)
})

test('a manifest that follows and is unfit otherwise says nothing of the server’s history; what is no fault is thrown on', async (t) => {
  const broken = await open()
  broken.server.install()
  broken.server.manifests[0] = { bytes: new TextEncoder().encode('{}'), signature: null }
  await broken.through(broken.history.fetch(1))
  t.is(broken.history.newest, 0)
  t.is(broken.count('does not follow'), 0)
  await t.throwsAsync(broken.history.load(1), { code: 'upgrade.invalid' })
  t.deepEqual(broken.events, [])
  const odd = await open()
  odd.server.install()
  odd.server.manifests[0] = undefined as never
  await t.throwsAsync(odd.through(odd.history.fetch(1)), { instanceOf: TypeError })
})
