/**
 * DESIGN §5, "The upgrade of one node": the table's rows, as far as nothing crashes. Crashes are in
 * upgradeCrash.test.ts.
 */
import test, { type ExecutionContext } from 'ava'
import { schedule } from '../../index.js'
import { memoryRepository } from '../../transports/memory/index.js'
import { until } from '../support/eventually.js'
import { codeOf, gate } from '../support/testSystem.js'
import { gates, NotesV1, NotesV2, toV2 } from './notesClasses.js'
import { fill, oneNode, servesBoth } from './oneNode.js'
import { isSlotHolder } from './slots.js'

const never = schedule('never', (view) => view.sleep(3_600_000))

test('an upgrade passes every phase in the order of the table, and nothing that callers wrote at either version is lost', async (t) => {
  const one = await oneNode(t)
  await fill(one)
  const start = gate()
  await one.system.publish(toV2({ schedule: schedule('when the gate opens', () => start.pass()) }))
  await one.host.untilPhase('n1', 'scheduled')
  await one.v1.star(0)
  await servesBoth(t, one, ['first'])
  start.open()
  await one.host.untilPhase('n1', 'current')
  t.deepEqual(one.host.phases('n1'), [
    'current',
    'fetching',
    'verifying',
    'scheduled',
    'draining',
    'transforming',
    'checking',
    'flipping',
    'recovering',
    'current',
  ])
  t.is(one.node.className, 'Notes.v2')
  t.deepEqual(
    one.node.chain.map(({ version, role }) => [version, role]),
    [
      [0, 'pastSO'],
      [1, 'object'],
    ],
  )
  t.is(await one.v1.stars(0), 1)
  t.is(await one.v0.mood(), 'merry')
  t.deepEqual(await one.v0.shelf(), [['k', 'kept']])
  t.deepEqual(await one.v1.all(), ['first', 'more'])
  const rows = await until(async () => {
    const found = await one.system.database.nodes('notes')
    return found[0]?.phase === 'current' && found[0].version === 1 ? found : undefined
  }, 'the database hears of version 1')
  t.is(rows![0]!.className, 'Notes.v2')
})

test('fetching that fails is tried again until it succeeds; meanwhile version 0 is answered', async (t) => {
  const one = await oneNode(t)
  await fill(one)
  let lost = 0
  one.system.broker.filter = ({ from, message }) => {
    const isChunk = from === 'h1' && message.subject.endsWith('.server') && Buffer.from(message.payload).includes('chunk')
    return isChunk && lost++ < 3 ? 'drop' : 'deliver'
  }
  await one.system.publish(toV2())
  await until(() => lost > 0, 'the bundle is asked for')
  t.is(await one.v0.add('meanwhile'), 2)
  await one.host.untilPhase('n1', 'current', undefined)
  await until(() => one.node.version === 1, 'the upgrade ends')
  t.true(lost >= 3)
  t.deepEqual(await one.v1.all(), ['first', 'meanwhile'])
})

test('while a bundle can’t be fetched, a call of the new version is answered unavailable.fetching before its deadline', async (t) => {
  // So long before that a busy machine makes no difference.
  const one = await oneNode(t, { heldAnswerMs: 350 })
  one.system.broker.filter = ({ from, message }) =>
    from === 'h1' && message.subject.endsWith('.server') && Buffer.from(message.payload).includes('chunk') ? 'drop' : 'deliver'
  await one.system.publish(toV2())
  const v1 = one.system.desk.ref(NotesV2, 'n1', { version: 1, deadline: 1_500 })
  t.is(await codeOf(v1.add('x')), 'unavailable.fetching')
  t.is(await one.v0.add('y'), 1)
  one.system.broker.filter = undefined
  await one.host.untilPhase('n1', 'current')
  await until(() => one.node.version === 1, 'the upgrade ends')
  t.deepEqual(await one.v1.all(), ['y'])
})

const rejectionReasons: Record<string, RegExp> = {
  'a bundle that is not what its manifest says': /the bundle upgrades Notes.v1 → Notes.v2; its manifest says Notes.v1 → Notes.v9/,
  'a bundle built for a later runtime': /runtime interface 99/,
  'a bundle that can’t be loaded': /no upgrade with digest/,
}
const rejections: Record<string, (one: Awaited<ReturnType<typeof oneNode>>) => Promise<unknown>> = {
  'a bundle that is not what its manifest says': ({ system }) =>
    system.publish(toV2(), (draft) => ({
      ...draft,
      classUpgrades: draft.classUpgrades.map((entry) => ({ ...entry, newClass: 'Notes.v9' })),
    })),
  'a bundle built for a later runtime': ({ system }) => system.publish(toV2(), (draft) => ({ ...draft, runtime: 99 })),
  'a bundle that can’t be loaded': ({ system }) => {
    const { load } = system.repository
    const broken = { ...system.repository, load }
    Object.assign(system.repository, { add: () => {} })
    return system.publish(toV2()).finally(() => Object.assign(system.repository, broken))
  },
}

for (const [what, publish] of Object.entries(rejections)) {
  test(`${what} is rejected: the node serves on at version 0, callers at version 1 get version.rejected`, async (t) => {
    const one = await oneNode(t)
    await fill(one)
    await publish(one)
    const { reason } = await one.host.untilPhase('n1', 'rejected')
    t.regex(reason!, rejectionReasons[what]!)
    t.is(await codeOf(one.v1.add('x')), 'version.rejected')
    t.is(await one.v0.add('second'), 2)
    t.is(one.node.version, 0)
    await until(async () => (await one.system.database.nodes('notes'))[0]?.phase === 'rejected', 'the database knows')
  })
}

test('a bundle with another digest than the manifest’s is rejected', async (t) => {
  const one = await oneNode(t)
  await one.system.publish(toV2({ schedule: never }))
  await one.host.untilPhase('n1', 'scheduled')
  // A second node on a new host, after the stored bundle was changed.
  const chunks = one.system.database
  const [manifest] = await one.system.desk.running.operator.history()
  await chunks.putChunk(manifest!.bundle.digest, 0, new Uint8Array(manifest!.bundle.bytes))
  // The server that has handed it out still has it in memory, as it was.
  await one.system.stopServer()
  await one.system.startServer()
  const other = await one.system.host('h2')
  await other.node(NotesV1, 'n2')
  const { reason } = await other.untilPhase('n2', 'rejected')
  t.regex(reason!, /the bytes have another digest/)
  t.is(await codeOf(one.system.desk.ref(NotesV2, 'n2', { version: 1 }).all()), 'version.rejected')
  t.deepEqual(await one.system.desk.ref(NotesV1, 'n2', { version: 0 }).all(), [])
})

test('retry() lets a rejected upgrade be verified once more', async (t) => {
  const one = await oneNode(t)
  const broken = memoryRepository()
  const host = await one.system.host('h2', { repository: broken })
  const node = await host.node(NotesV1, 'n2')
  await one.system.publish(toV2())
  await host.untilPhase('n2', 'rejected')
  broken.load = (digest, bundle) => one.system.repository.load(digest, bundle)
  node.retry()
  await until(() => node.version === 1, 'the upgrade ends')
  t.is(await codeOf(one.system.desk.ref(NotesV2, 'n2', { version: 1 }).add('x')), 'answered 1')
})

test('a flip whose commit fails stalls the upgrade with the old object serving', async (t) => {
  const one = await oneNode(t)
  await fill(one)
  let failures = 1
  one.host.running.observe((event) => {
    if (event.type === 'phase' && event.phase === 'flipping' && failures-- > 0)
      one.host.state.failNextCommit(new Error('disk full'))
  })
  await one.system.publish(toV2())
  const { reason } = await one.host.untilPhase('n1', 'stalled')
  t.regex(reason!, /disk full/)
  t.deepEqual(await one.v0.all(), ['first'])
  t.is(await one.v0.mood(), 'merry')
  t.is(await one.v1.star(0), 1)
  one.node.retry()
  await until(() => one.node.version === 1, 'the upgrade ends')
  t.is(await one.v1.stars(0), 1)
})

test('calls that arrive from draining to recovering are held and answered by the new object', async (t) => {
  const one = await oneNode(t)
  const form = gate()
  await one.system.publish(toV2({ beforeTransform: () => form.pass() }))
  await one.host.untilPhase('n1', 'transforming')
  const held = [one.v0.add('old caller'), one.v1.add('new caller')]
  await until(() => form.waiting === 1, 'the transform waits')
  form.open()
  t.deepEqual(await Promise.all(held), [1, 2])
  t.is(one.node.version, 1)
})

/** A slow call runs, and the upgrade is about to drain. */
async function slowCallBeforeDrain(t: ExecutionContext, drainTimeout: number) {
  const one = await oneNode(t)
  const call = gate()
  const start = gate()
  gates.set(one.system.name, call)
  t.teardown(() => call.open())
  await one.system.publish(toV2({ drainTimeout, schedule: schedule('when the gate opens', () => start.pass()) }))
  await one.host.untilPhase('n1', 'scheduled')
  const slow = one.v0.addSlowly('slow', one.system.name)
  await until(() => call.waiting === 1, 'the call runs')
  start.open()
  return { ...one, slow, call }
}

test('the running call finishes before the node drains, and what it wrote is in the new version', async (t) => {
  const one = await slowCallBeforeDrain(t, 10_000)
  await one.host.untilPhase('n1', 'draining')
  one.call.open()
  t.is(await one.slow, 2)
  await one.host.untilPhase('n1', 'current')
  t.deepEqual(await one.v1.all(), ['slow…', 'slow'])
})

test('a call that does not finish in time puts the drain off; after five tries the upgrade is stalled and the call still ends well', async (t) => {
  const one = await slowCallBeforeDrain(t, 10)
  const { reason } = await one.host.untilPhase('n1', 'stalled')
  t.regex(reason!, /upgrade\.drain/)
  t.is(one.host.phases('n1').filter((phase) => phase === 'draining').length, 5)
  t.false(await isSlotHolder(one.system, 'notes', 'n1'))
  one.call.open()
  t.is(await one.slow, 2)
  one.node.retry()
  await until(() => one.node.version === 1, 'the upgrade ends')
  t.deepEqual(await one.v1.all(), ['slow…', 'slow'])
})
