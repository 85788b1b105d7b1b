/**
 * The disk fails in the middle of learning, advancing or upgrading: the node ends at one version, whole, and
 * its record says which.
 */
import { setImmediate as turnOfLoop } from 'node:timers/promises'
import test from 'ava'
import type { Write } from '../../core/ports/stateStore.js'
import { schedule } from '../../index.js'
import type { MemoryRepository } from '../../transports/memory/index.js'
import { until } from '../support/eventually.js'
import { codeOf, gate, TestSystem } from '../support/testSystem.js'
import { gates, NotesV1, NotesV2, NotesV3, tickerUpgrade, toV2, toV3 } from './notesClasses.js'
import { fill, oneNode, servesBoth } from './oneNode.js'

const never = schedule('never', (view) => view.sleep(3_600_000))
const writes = (batch: readonly Write[], key: string) => batch.some(([written]) => written === key)

test('a recovery whose commit fails, and whose object does not start then, is flipped back like any other', async (t) => {
  const one = await oneNode(t)
  await fill(one)
  const start = gate()
  let starts = 0
  const newClass = class extends NotesV2 {
    protected override start(): void {
      if (++starts > 1) throw new Error('no start')
      let failures = 1
      one.host.state.beforeCommit = (batch) => {
        if (writes(batch, 'n/n1') && failures-- > 0) throw new Error('disk full')
      }
    }
  }
  await one.system.publish(toV2({ newClass, schedule: schedule('gate', () => start.pass()) }))
  await one.host.untilPhase('n1', 'scheduled')
  await one.v1.star(0)
  start.open()
  const stalled = await until(() => one.host.last('n1')?.phase === 'stalled', 'the upgrade is stalled').catch(() => false)
  if (!stalled) one.host.kill()
  t.true(stalled)
  await servesBoth(t, one, ['first'])
})

// Bug 25: the version in memory is ahead of the disk, the upgrade stalls at a version that the
// node says it has passed.
test('an advance whose commit fails is made again', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  const node = await host.node(NotesV1, 'n1')
  let failures = 1
  host.running.observe((event) => {
    if (event.type !== 'phase' || event.phase !== 'verifying') return
    host.state.beforeCommit = (batch) => {
      if (node.version === 1 && writes(batch, 'n/n1') && failures-- > 0) throw new Error('disk full')
    }
  })
  await system.publish(tickerUpgrade())
  await until(() => failures < 1, 'the commit fails')
  const last = await until(() => host.last('n1')?.phase === 'current' && node.version === 1, 'the node advances').catch(
    () => host.last('n1')!.phase,
  )
  t.true(last)
})

// Bug 26: #extend() takes the version it was asked for, whatever the record says by then: version 1 has no
// slot, and never will.
test('a node that loses what it learned while it learns more learns it again, without a gap', async (t) => {
  const system = await TestSystem.start(t)
  const before = await system.host('h0')
  const taught = await before.node(NotesV1, 'n0')
  await system.publish(toV2({ schedule: never }))
  await system.publish(toV3())
  await until(() => taught.chain.length === 3, 'both manifests and bundles are on disk')
  const [held, loaded] = [gate(), gate()]
  t.teardown(() => [held, loaded].map((each) => each.open()))
  // The second upgrade is loaded while what was learned of the first is on its way to the disk.
  let loads = 0
  const repository: MemoryRepository = Object.create(system.repository, {
    load: {
      value: async (digest: string) => {
        if (++loads === 2) await loaded.pass()
        return await system.repository.load(digest, new Uint8Array())
      },
    },
  })
  const host = await system.host('h1', { state: before.kill(), repository })
  host.state.beforeCommit = (batch) => (writes(batch, 's/n1/0.1/r') ? held.pass() : undefined)
  const node = await host.node(NotesV1, 'n1')
  const v0 = system.desk.ref(NotesV1, 'n1', { version: 0 })
  await until(() => held.waiting === 1 && loaded.waiting === 1, 'the second is being loaded')
  host.state.beforeCommit = undefined
  held.fail(new Error('disk full'))
  await until(() => host.events.some(({ type }) => type === 'nodeFailed'), 'the node restarts')
  loaded.open()
  await until(() => node.chain.length === 3, 'it has learned both')
  const v2 = system.desk.ref(NotesV3, 'n1', { version: 2, deadline: 1_000 })
  const codes = [await codeOf(v2.stars(0)), await codeOf(v0.mood())]
  const state = host.kill()
  const again = await system.host('h2', { state })
  const restarted = await codeOf(again.node(NotesV1, 'n1').then(({ id }) => id))
  t.deepEqual([...codes, restarted], ['answered {"stars":0,"pinned":false}', 'answered "calm"', 'answered "n1"'])
})

test('a drain waits for what the last call wrote: what the disk does not take is not in what the transform is given', async (t) => {
  const { system, host, node, v0 } = await oneNode(t)
  await v0.add('kept')
  const [go, disk] = [gate(), gate()] as const
  const given: (readonly string[])[] = []
  await system.publish(
    toV2({
      schedule: schedule('when told', () => go.opened),
      pastInitial: (old) => {
        given.push([...(old as unknown as { notes: string[] }).notes])
        return { mood: old.mood }
      },
    }),
  )
  await host.untilPhase('n1', 'scheduled')
  const slow = gate()
  gates.set(system.name, slow)
  const lost = codeOf(v0.addSlowly('lost', system.name))
  await until(() => slow.waiting === 1, 'the last call runs')
  go.open()
  await host.untilPhase('n1', 'draining')
  for (let i = 0; i < 30; i++) await turnOfLoop()
  host.state.beforeCommit = () => disk.pass()
  slow.open()
  await until(() => disk.waiting === 1, 'its commit waits')
  for (let i = 0; i < 30; i++) await turnOfLoop()
  t.deepEqual(given, [])
  t.is(host.last('n1')!.phase, 'draining')
  host.state.beforeCommit = undefined
  disk.fail(new Error('disk full'))
  t.is(await lost, 'unavailable.storage')
  await node.reached(1)
  t.true(given.length > 0)
  for (const notes of given) t.deepEqual(notes, ['kept'])
  t.deepEqual(await v0.all(), ['kept'])
})
