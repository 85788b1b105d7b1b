/**
 * Undos where an upgrade could not be used, where answers are lost, and where nodes are born
 * (DESIGN §5, "Undo", "Birth").
 */

import test, { type ExecutionContext } from 'ava'
import { Fault } from '../../core/base/fault.js'
import { draftManifest, undoDraft } from '../../core/upgrade/draftManifest.js'
import { checkUndo } from '../../core/upgrade/lineageCheck.js'
import { decode } from '../../core/wire/codec.js'
import { type Envelope, kinds } from '../../core/wire/envelope.js'
import { onlyNodes, schedule } from '../../index.js'
import { memoryRepository } from '../../transports/memory/index.js'
import { until } from '../support/eventually.js'
import { gate, TestSystem } from '../support/testSystem.js'
import { NotesV1, toV2 } from './notesClasses.js'
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
  // State that the new version alone knows begins when the undo is undone.
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

test('a node that waited for a permit when its upgrade was undone is told of as current', async (t) => {
  const { system, operator } = await open(t)
  const host = await system.host('h1')
  const node = await host.node(NotesV1, 'n1')
  const claims = gate()
  host.changeDatabase({
    claimPermit: async () => {
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

test('a permit that was claimed without anybody hearing of it is given back when the upgrade is undone', async (t) => {
  const { system, operator } = await open(t)
  const host = await system.host('h1')
  const node = await host.node(NotesV1, 'n1')
  const answer = gate()
  host.changeDatabase({
    claimPermit: async (...claim) => {
      await system.database.claimPermit(...claim)
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

test('an upgrade that is undone while it claims its permit does not give back what the next one has claimed', async (t) => {
  const { system, operator } = await open(t)
  const host = await system.host('h1')
  const node = await host.node(NotesV1, 'n1')
  const answers = [gate(), gate()]
  let claims = 0
  host.changeDatabase({
    claimPermit: async (...claim) => {
      const answer = await system.database.claimPermit(...claim)
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
  const desk = await system.host('desk2', { settings: { queryResendMs: 200 } })
  let isCutOff = false
  let wasCutOff = false
  const isInstall = (envelope: Envelope) => envelope.kind === kinds.call && envelope.method === 'install'
  system.broker.filter = ({ from, to, message }) => {
    if (from === 'desk2' && !wasCutOff && message.subject.endsWith('install') && decode(message.payload).some(isInstall))
      isCutOff = wasCutOff = true
    return isCutOff && to === 'desk2' ? 'drop' : 'deliver'
  }
  const published = desk.running.publish(system.build(toV2()))
  await until(async () => (await system.database.head()).version === 1, 'it is installed')
  t.is(await operator.undo(), 2)
  isCutOff = false
  t.is(await published, 1)
  t.is((await system.database.head()).version, 2)
})

test('the undo of an undo is a rollout like the upgrade itself: its schedule, its gate, its limit, and a pause hold it', async (t) => {
  const { system, operator } = await open(t)
  const host = await system.host('h1')
  const nodes = await Promise.all(['n1', 'n2', 'n3'].map((id) => host.node(NotesV1, id)))
  const [canary, ...others] = nodes
  await system.publish(toV2({ schedule: onlyNodes('n1') }))
  await canary!.reached(1)
  await operator.undo()
  await canary!.reached(2)
  await operator.pause(3, 'not again')
  await operator.undo()
  await until(() => nodes.every((node) => node.phase === 'scheduled'), 'all wait')
  t.deepEqual(
    nodes.map(({ version, className }) => [version, className]),
    Array(3).fill([2, 'Notes.v1']),
  )
  const [first, , third] = await operator.history()
  t.deepEqual(third!.classUpgrades, first!.classUpgrades)
  t.not(first!.gate, null)
  t.deepEqual(third!.gate, first!.gate)
  await until(() => host.last('n1')?.reason?.includes('the pause of version 3'), 'the canary waits for the end of the pause')
  await operator.resume(3)
  await canary!.reached(3)
  t.deepEqual(
    others.map(({ version, phase }) => [version, phase]),
    Array(2).fill([2, 'scheduled']),
  )
  t.deepEqual(await slotHolders(system, 'notes'), [])
  // The undo of that takes back once more, and nothing holds it.
  await operator.pause(4, 'in vain')
  await operator.undo()
  await until(() => nodes.every(({ version, phase }) => version === 4 && phase === 'current'), 'all are back')
  t.deepEqual((await operator.history())[3]!.classUpgrades, (await operator.history())[1]!.classUpgrades)
  t.is((await operator.history())[3]!.gate, null)
})

test('a node that has not gone back yet when the undo is undone stays as it is, without waiting', async (t) => {
  const { system, operator } = await open(t)
  const host = await system.host('h1')
  const node = await host.node(NotesV1, 'n1')
  await system.publish(toV2())
  await node.reached(1)
  await operator.hold('n1', 'stays')
  await operator.undo()
  await until(() => node.phase === 'scheduled', 'it is held')
  await operator.pause(3, 'not again')
  await operator.undo()
  await until(() => node.version === 3 && node.phase === 'current', 'it means the same again')
  t.is(node.className, 'Notes.v2')
})

test('the upgrade server takes the undo of an undo as release 0.1.0 writes it, and no other than the upgrade that comes back', async (t) => {
  const { system, operator } = await open(t)
  await system.publish(toV2({ schedule: onlyNodes('n1') }))
  await operator.undo()
  const [first, second] = await operator.history()
  const old = undoDraft({ ...second!, undoes: null })
  t.is(old.classUpgrades[0]!.schedule, 'eagerly')
  const again = undoDraft(second!, [first!, second!])
  t.is(again.classUpgrades[0]!.schedule, 'onlyNodes(n1)')
  const candidate = { ...second!, version: 3, undoes: 2 }
  const history = [first!, second!]
  t.notThrows(() => checkUndo({ ...candidate, ...again }, second, 0, history))
  t.notThrows(() => checkUndo({ ...candidate, ...old }, second, 0, history))
  const wrong = { ...again, classUpgrades: [{ ...again.classUpgrades[0]!, schedule: 'gradually' }] }
  t.throws(() => checkUndo({ ...candidate, ...wrong }, second, 0, history), { code: 'upgrade.invalid' })
  t.throws(() => checkUndo({ ...candidate, ...again, gate: { ...again.gate!, callsMin: 1 } }, second, 0, history), {
    code: 'upgrade.invalid',
  })
})

test('the undo of a named version is the same however often it is asked for, also at the same time', async (t) => {
  const { system, operator } = await open(t)
  const other = (await system.host('desk2')).running.operator
  await system.publish(toV2())
  t.deepEqual(await Promise.all([operator.undo({ version: 1 }), other.undo({ version: 1 })]), [2, 2])
  t.is(await operator.undo({ version: 1 }), 2)
  t.is(await operator.undo({ version: 2 }), 3)
  t.is(await operator.undo({ version: 2 }), 3)
  // Version 1 stands again, by version 3.
  await t.throwsAsync(operator.undo({ version: 1 }), { code: 'upgrade.conflict' })
  t.is((await operator.history()).length, 3)
})

test('an undo is refused when its version becomes final between the check and the installation', async (t) => {
  const { system, operator } = await open(t)
  await system.publish(toV2())
  await system.stopServer()
  await system.startServer({
    udb: {
      open: async (name, clock) => {
        const database = await system.udb.open(name, clock)
        const install: typeof database.install = async (...args) => {
          t.is(await system.database.finalize(1), 1)
          return database.install(...args)
        }
        return new Proxy(database, {
          get(target, key) {
            const method: unknown = key === 'install' ? install : Reflect.get(target, key)
            return typeof method === 'function' ? method.bind(target) : method
          },
        })
      },
    },
  })
  await t.throwsAsync(operator.undo(), { code: 'upgrade.invalid', message: /version 1 is final/ })
  t.is((await system.database.head()).version, 1)
})

test('an upgrade whose undo would lose the collections of its future-SO is refused where it is built', (t) => {
  const uses = {
    add(this: { collection(name: string): unknown }) {
      return this.collection('drafts')
    },
  }
  const others = Object.fromEntries(Object.keys(uses).map((name) => [name, () => 0]))
  const [made] = toV2().classUpgrades
  const withInverse = (methods: object, inverse: object) => ({
    ...toV2(),
    classUpgrades: [
      { ...made!, futureSO: { ...(made!.futureSO as object), methods } as never, inverse: { ...made!.inverse!, ...inverse } },
    ],
  })
  const build = (methods: object, inverse: object) => () => draftManifest(withInverse(methods, inverse), new Uint8Array())
  const nothing = { future: undefined, futureRecords: null }
  t.throws(build(uses, nothing), {
    code: 'upgrade.invalid',
    message: /would lose the collections of the future-SO, which add uses/,
  })
  t.notThrows(build(uses, { ...nothing, future: () => ({}) }))
  t.notThrows(build(uses, { ...nothing, futureRecords: {} }))
  t.notThrows(build(others, nothing))
})
