/** Undos where an upgrade could not be used, where answers are lost, and where nodes are born (DESIGN §5, "Undo", "Birth"). */
import test, { type ExecutionContext } from 'ava'
import { Fault } from '../../core/fault.js'
import { schedule } from '../../index.js'
import { memoryRepository } from '../../transports/memory/index.js'
import { until } from '../support/eventually.js'
import { gate, TestSystem } from '../support/testSystem.js'
import { NotesV1, toV2 } from './notes.js'
import { slotHolders } from './slots.js'

async function open(t: ExecutionContext) {
  const system = await TestSystem.start(t, { limit: { percent: 100 } }, { deathRound: 10, deathDelay: 20 })
  const { operator } = system.desk.running
  const call = (nodeId: string, version: number, method: string, ...args: readonly unknown[]) =>
    operator.call({ node: nodeId }, method, args, { version })
  const inForce = async () => (await system.database.dead()).inForce
  return { system, operator, call, inForce }
}

/** Bundles whose loading fails until the test says otherwise. */
function broken(system: TestSystem) {
  const repository = memoryRepository()
  let isBroken = true
  const load = async (digest: string, bundle: Uint8Array) => {
    if (isBroken) throw new Fault('upgrade.invalid', 'the loading of this bundle fails')
    return system.repository.load(digest, bundle)
  }
  return { repository: Object.assign(repository, { load }), mend: () => void (isBroken = false) }
}

test('an upgrade that was rejected, undone, and brought again is taken at a retry once its bundle can be loaded', async (t) => {
  const { system, operator, call } = await open(t)
  const { repository, mend } = broken(system)
  const host = await system.host('h1', { repository })
  const node = await host.node(NotesV1, 'n1')
  await call('n1', 0, 'add', 'first')
  await system.publish(toV2())
  await host.untilPhase('n1', 'rejected')
  await operator.undo()
  await until(() => node.version === 2 && node.phase === 'current', 'the node is past the undo')
  await operator.undo()
  await until(() => node.phase === 'rejected', 'the node rejects it again')
  mend()
  node.retry()
  await until(() => node.version === 3 && node.phase === 'current', 'the node takes it')
  t.is(node.className, 'Notes.v2')
  t.deepEqual(await call('n1', 3, 'all'), ['first'])
})

test('a host that starts when the bundle can be loaded that its nodes had rejected, and saw undone, serves all the same', async (t) => {
  const { system, operator, call } = await open(t)
  const { repository, mend } = broken(system)
  const host = await system.host('h1', { repository })
  const node = await host.node(NotesV1, 'n1')
  await call('n1', 0, 'add', 'first')
  await system.publish(toV2())
  await host.untilPhase('n1', 'rejected')
  await operator.undo()
  await until(() => node.version === 2 && node.phase === 'current', 'the node is past the undo')
  mend()
  const again = await (await system.host('h2', { state: host.kill(), repository })).node(NotesV1, 'n1')
  t.deepEqual(await call('n1', 2, 'all'), ['first'])
  // What the new version alone knows begins when the undo is undone.
  await operator.undo()
  await again.reached(3)
  t.deepEqual(await call('n1', 3, 'all'), ['first'])
  await call('n1', 3, 'star', 0)
  t.is(await call('n1', 3, 'stars', 0), 1)
})

test('a node that is born when all before the newest version is dead can go back all the same', async (t) => {
  const { system, operator, call, inForce } = await open(t)
  const host = await system.host('h1')
  const old = await host.node(NotesV1, 'n1')
  await system.publish(toV2())
  await old.reached(1)
  await until(async () => (await inForce()) === 1, 'version 0 is dead')
  const young = await host.node(NotesV1, 'n2')
  t.is(young.version, 1)
  await call('n2', 1, 'add', 'first')
  await operator.undo()
  await young.reached(2)
  t.is(young.className, 'Notes.v1')
  t.deepEqual(await call('n2', 2, 'all'), ['first'])
  t.is(await call('n2', 2, 'mood'), 'calm')
})

test('a node that waited for a slot when its upgrade was undone is told of as current', async (t) => {
  const { system, operator } = await open(t)
  const host = await system.host('h1')
  const node = await host.node(NotesV1, 'n1')
  const claims = gate()
  host.changeDatabase({
    claimSlot: async () => {
      await claims.pass()
      return { claimed: false, heldBy: ['n0'] }
    },
  })
  await system.publish(toV2({ schedule: schedule('at once', async () => {}) }))
  await until(() => claims.waiting === 1, 'the node asks for a slot')
  await operator.undo()
  await until(() => node.version === 2 && node.phase === 'current', 'the node is past the undo')
  claims.open()
  await host.node(NotesV1, 'n2')
  t.is(node.phase, 'current')
})

test('a slot that was claimed without anybody hearing of it is given back when the upgrade is undone', async (t) => {
  const { system, operator } = await open(t)
  const host = await system.host('h1')
  const node = await host.node(NotesV1, 'n1')
  const answer = gate()
  host.changeDatabase({
    claimSlot: async (...claim) => {
      await system.database.claimSlot(...claim)
      await answer.pass()
      throw new Error('the answer is lost')
    },
  })
  await system.publish(toV2({ schedule: schedule('at once', async () => {}) }))
  await until(() => answer.waiting === 1, 'the slot is claimed')
  t.deepEqual(await slotHolders(system, 'notes'), ['n1'])
  await operator.undo()
  await until(() => node.version === 2 && node.phase === 'current', 'the node is past the undo')
  answer.open()
  await until(async () => (await slotHolders(system, 'notes')).length === 0, 'the slot is free')
  t.is(node.phase, 'current')
})

test('an upgrade that is undone while it claims its slot does not give back what the next one has claimed', async (t) => {
  const { system, operator } = await open(t)
  const host = await system.host('h1')
  const node = await host.node(NotesV1, 'n1')
  const answers = [gate(), gate()]
  let claims = 0
  host.changeDatabase({
    claimSlot: async (...claim) => {
      const answer = await system.database.claimSlot(...claim)
      await answers[claims++]?.pass()
      return answer
    },
  })
  let holders: Promise<readonly string[]> | undefined
  host.running.observe((event) => {
    if (event.type === 'phase' && event.phase === 'transforming' && event.target === 3) holders = slotHolders(system, 'notes')
  })
  const atOnce = schedule('at once', async () => {})
  await system.publish(toV2({ schedule: atOnce }))
  await until(() => answers[0]!.waiting === 1, 'the first upgrade claims')
  await operator.undo()
  await until(() => node.version === 2, 'the node is past the undo')
  await system.publish(toV2({ schedule: atOnce }))
  await host.untilPhase('n1', 'scheduled', 3)
  answers[0]!.open()
  await until(() => answers[1]!.waiting === 1, 'the other upgrade claims')
  await new Promise((resolve) => setImmediate(resolve))
  answers[1]!.open()
  await until(() => node.version === 3, 'the node is at version 3')
  t.deepEqual(await holders, ['n1'])
})

test('a publication whose answer was lost is not made once more when others have undone it meanwhile', async (t) => {
  const { system, operator } = await open(t)
  const desk = await system.host('desk2')
  let sent = 0
  let isCutOff = false
  system.broker.filter = ({ from, to, message }) => {
    // The bundle first, then the manifest.
    if (from === 'desk2' && message.subject.endsWith('install') && ++sent === 2) isCutOff = true
    return isCutOff && to === 'desk2' ? 'drop' : 'deliver'
  }
  const published = desk.running.publish(system.build(toV2()))
  await until(async () => (await system.database.head()).version === 1, 'it is installed')
  t.is(await operator.undo(), 2)
  isCutOff = false
  t.is(await published, 1)
  t.is((await system.database.head()).version, 2)
})
