/** The birth of a node where an upgrade of its line can't be had or fails: as far as it can, and from there like any node (C10). */
import test from 'ava'
import { schedule, type Upgrade } from '../../index.js'
import { memoryRepository } from '../../transports/memory/index.js'
import { until } from '../support/eventually.js'
import { codeOf, TestSystem } from '../support/testSystem.js'
import { NotesV1, NotesV2, toV2 } from './notes.js'

// The version is complete, for the nodes that there are are of another service; the first of this one could never be born.
test('a node is born before an upgrade that is rejected, says why, and takes it when it can be had', async (t) => {
  const system = await TestSystem.start(t)
  const broken = memoryRepository()
  const host = await system.host('h1', { repository: broken })
  const upgrade: Upgrade = toV2()
  await system.publish(upgrade)
  const node = await host.node(NotesV1, 'n1')
  const rejected = await host.untilPhase('n1', 'rejected')
  t.regex(rejected.reason!, /no upgrade with digest/)
  t.is(node.version, 0)
  t.is(await codeOf(system.desk.ref(NotesV1, 'n1', { version: 0 }).add('x')), 'answered 1')
  broken.load = (digest, bundle) => system.repository.load(digest, bundle)
  node.retry()
  await until(() => node.version === 1, 'the upgrade ends')
})

test('a node is born before an upgrade whose transform fails, and is stalled there', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  let isWell = false
  const form = () => (isWell ? undefined : Promise.reject(new Error('no form')))
  await system.publish(toV2({ beforeTransform: form, schedule: schedule('at once', async () => {}) }))
  const node = await host.node(NotesV1, 'n1')
  const stalled = await host.untilPhase('n1', 'stalled')
  t.regex(stalled.reason!, /no form/)
  t.is(await codeOf(system.desk.ref(NotesV2, 'n1', { version: 1 }).add('x')), 'answered 1')
  isWell = true
  node.retry()
  await until(async () => (await system.database.nodes('notes'))[0]?.version === 1, 'the upgrade ends')
  t.is(node.version, 1)
})
