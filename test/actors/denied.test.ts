/**
 * Calls that are denied: by the class's rules, by the host's filter, by the number of calls a
 * second. None of them is executed.
 */
import 'reflect-metadata'
import test, { type ExecutionContext } from 'ava'
import { decodeAuditEntry } from '../../core/control/audit.js'
import { subjectsOf } from '../../core/wire/subjects.js'
import {
  type ArrivingCall,
  command,
  createHost,
  defineUpgrade,
  eagerly,
  event,
  futureSO,
  type HostEvent,
  type HostOptions,
  hears,
  NodeObject,
  pastSO,
  query,
  upgradeClass,
} from '../../index.js'
import { memoryStore } from '../../transports/memory/index.js'
import { until } from '../support/eventually.js'
import { codeOf, TestSystem } from '../support/testSystem.js'

const filed = event<[text: string]>('filed')
const wrote: string[] = []

class FilesV1 extends NodeObject<{ files: string[] }> {
  static override readonly className: string = 'Files.v1'
  static override initial() {
    return { files: [] as string[] }
  }

  @query all(): string[] {
    return this.state.files
  }

  @command({ allow: ['alice', 'role:clerks', 'service:archive'] })
  put(text: string): number {
    wrote.push(text)
    return this.state.files.push(text)
  }

  @command putLater(text: string): void {
    this.after(1, 'put', text)
  }

  @hears(filed)
  @command({ allow: 'service:archive' })
  heard(text: string): void {
    this.state.files.push(`heard ${text}`)
  }
}

/** From this version on, everybody may read that far and no more. */
class FilesV2 extends FilesV1 {
  static override readonly className: string = 'Files.v2'
  @query({ allow: 'alice' }) override all(): string[] {
    return this.state.files
  }

  @command({ allow: '*' }) override put(text: string): number {
    wrote.push(text)
    return this.state.files.push(text)
  }
}

const methods = ['all', 'put', 'putLater', 'heard'] as const
const filesUpgrade = () =>
  defineUpgrade({
    title: 'files',
    classUpgrades: [
      upgradeClass({
        oldClass: FilesV1,
        newClass: FilesV2,
        futureSO: futureSO({ simulates: FilesV2, over: FilesV1, initial: () => ({}), delegates: methods, methods: {} }),
        pastSO: pastSO({ simulates: FilesV1, over: FilesV2, initial: () => ({}), delegates: methods, methods: {} }),
        transform: (state) => state,
        schedule: eagerly(),
      }),
    ],
  })

class ArchiveV1 extends NodeObject {
  static override readonly className = 'Archive.v1'
  static override readonly calls = [FilesV1]
  static override readonly publishes = [filed]
  @command async put(text: string): Promise<number> {
    return await this.ref(FilesV1, 'f1').put(text)
  }
  @command file(text: string): void {
    this.publish(filed, text)
  }
}
class OtherV1 extends NodeObject {
  static override readonly className = 'Other.v1'
  static override readonly publishes = [filed]
  @command file(text: string): void {
    this.publish(filed, text)
  }
}

async function host(t: ExecutionContext, system: TestSystem, hostId: string, more: Partial<HostOptions> = {}) {
  const events: HostEvent[] = []
  const running = await createHost({
    ...{ ...system.ways(), hostId, as: hostId, callers: 'named' as const, state: memoryStore() },
    ...{ bundles: system.repository, discovery: false, observe: (each: HostEvent) => void events.push(each) },
    ...more,
  })
  t.teardown(() => running.stop())
  const denied = () => events.flatMap((each) => (each.type === 'denied' ? [each] : []))
  return { running, denied, events }
}

async function files(t: ExecutionContext, more: Partial<HostOptions> = {}) {
  const system = await TestSystem.start(t, {}, {}, { callers: 'named' })
  const front = await host(t, system, 'front', { roles: { clerks: ['carol'] }, ...more })
  await front.running.node(FilesV1, 'f1')
  const refOf = async (name: string) => (await system.host(name)).ref(FilesV1, 'f1', { version: 0 })
  return { system, front, refOf }
}

test('a method is for those whom its class allows; others are denied, and nothing runs', async (t) => {
  const { front, refOf } = await files(t)
  t.is(await (await refOf('alice')).put('by alice'), 1)
  t.is(await (await refOf('carol')).put('by carol'), 2, 'she is a clerk')
  const bob = await refOf('bob')
  const before = wrote.length
  const error = await t.throwsAsync(bob.put('by bob'), { code: 'denied.caller' } as never)
  t.is(error?.message, 'Files.v1.put is for alice, role:clerks, service:archive, and not for bob')
  t.is(wrote.length, before)
  t.deepEqual(await bob.all(), ['by alice', 'by carol'], 'what has no rule is for everybody')
  const [denied] = front.denied()
  t.like(denied, { nodeId: 'f1', caller: { name: 'bob', className: 'Client' }, method: 'put', label: 0, count: 1 })
})

test('a node is allowed by what it says of itself; its events too', async (t) => {
  const { system, front, refOf } = await files(t)
  const back = await system.host('back')
  await back.node(ArchiveV1, 'a1')
  await back.node(OtherV1, 'o1')
  const desk = await refOf('alice')
  t.is(await system.desk.ref(ArchiveV1, 'a1', { version: 0 }).put('nested'), 1)
  await system.desk.ref(OtherV1, 'o1', { version: 0 }).file('one')
  await system.desk.ref(ArchiveV1, 'a1', { version: 0 }).file('two')
  await until(async () => (await desk.all()).length === 2, 'the event is heard')
  t.deepEqual(await desk.all(), ['nested', 'heard two'])
  t.deepEqual(
    front.denied().map(({ method, caller }) => [method, caller.node]),
    [['filed', 'o1']],
  )
})

test('an object’s timers are its own: no rule holds them', async (t) => {
  const { refOf } = await files(t)
  const bob = await refOf('bob')
  await bob.putLater('by the timer')
  await until(async () => (await bob.all()).length === 1, 'the timer is due')
  t.deepEqual(await bob.all(), ['by the timer'])
})

test('a version’s rule holds for calls at that version, before the upgrade and after it', async (t) => {
  const { system, refOf } = await files(t)
  await system.publish(filesUpgrade())
  const bob0 = await refOf('bob')
  const bob1 = system.desk.ref(FilesV2, 'f1', { version: 1 })
  const judged = async () => [
    await codeOf(bob0.put('x')),
    await codeOf(bob0.all()),
    await codeOf(bob1.put('x')),
    await codeOf(bob1.all()),
  ]
  const verdict = ['denied.caller', 'answered', 'answered', 'denied.caller']
  const first = await judged()
  t.deepEqual(
    first.map((each) => each.split(' ')[0]),
    verdict,
  )
  await until(
    async () => (await system.database.nodes()).every(({ version, service }) => service !== 'files' || version === 1),
    'it is upgraded',
  )
  t.deepEqual(
    (await judged()).map((each) => each.split(' ')[0]),
    verdict,
  )
})

test('a host’s filter is asked of every call, and what it does not let in does not run', async (t) => {
  const asked: ArrivingCall[] = []
  const filter = (call: ArrivingCall) => {
    asked.push(call)
    if (call.method === 'all') return true
    if (call.caller.name === 'alice') throw new Error('broken')
    return call.caller.name === 'carol' ? false : 'files are closed today'
  }
  const { front, refOf } = await files(t, { filter })
  const [alice, bob, carol] = [await refOf('alice'), await refOf('bob'), await refOf('carol')]
  t.deepEqual(await bob.all(), [])
  const bobs = { name: 'bob', node: 'bob', className: 'Client', version: 0 }
  t.deepEqual(asked.at(-1), {
    ...{ caller: { ...bobs, system: front.running.system, host: 'bob' }, node: 'f1', service: 'files' },
    ...{ kind: 'call', method: 'all', label: 0 },
  })
  await t.throwsAsync(bob.put('x'), { message: 'node f1 does not take put of bob: files are closed today' })
  await t.throwsAsync(carol.put('x'), { message: 'node f1 does not take put of carol' })
  await t.throwsAsync(alice.put('x'), { message: /^node f1 does not take put of alice: the filter has failed: broken$/ })
  t.deepEqual(await bob.all(), [])
  t.deepEqual(
    front.denied().map(({ fault }) => fault.code),
    ['denied.filter', 'denied.filter', 'denied.filter'],
  )
})

test('a caller that calls too often is told to wait, and the others are not', async (t) => {
  const { front, refOf } = await files(t, { settings: { callsPerSecond: 50, callsBurst: 5 } })
  const [bob, carol] = [await refOf('bob'), await refOf('carol')]
  const many = Promise.all(Array.from({ length: 15 }, () => codeOf(bob.all())))
  t.is(await codeOf(carol.all()), 'answered []')
  t.deepEqual([...new Set(await many)], ['answered []'], 'they are made again, a little later')
  t.deepEqual([...new Set(front.denied().map(({ fault, caller }) => `${fault.code} ${caller.name}`))], ['denied.rate bob'])
})

test('many calls that are denied are told of together', async (t) => {
  const { front, refOf } = await files(t, { settings: { denialsMs: 50, denialsMax: 2 } })
  const bob = await refOf('bob')
  await Promise.all(Array.from({ length: 100 }, () => codeOf(bob.put('x'))))
  await until(() => front.denied().reduce((sum, { count }) => sum + count, 0) === 100, 'all are told of')
  t.true(front.denied().length < 10, `${front.denied().length} for 100`)
})

test('calls that a host has denied are in the audit, by caller and method, with the name of the host; none has an entry of its own', async (t) => {
  const { system, refOf } = await files(t, { settings: { denialReportMs: 20 } })
  const bob = await refOf('bob')
  await Promise.all(Array.from({ length: 100 }, () => codeOf(bob.put('x'))))
  const denied = async () =>
    (await system.database.audit(1, 1_000)).map(decodeAuditEntry).flatMap(({ what }) => (what.act === 'denied' ? what.calls : []))
  await until(async () => (await denied()).length > 0, 'it is told')
  t.like((await denied())[0], {
    ...{ host: { name: 'front', id: 'front' }, caller: { name: 'bob', id: 'bob' } },
    ...{ method: 'put', code: 'denied.caller' },
  })
  t.is((await system.database.auditHead()).number, 1)
})

test('a host that stops tells that its nodes are free before it tells of denied calls, whatever becomes of that', async (t) => {
  const system = await TestSystem.start(t, {}, {}, { callers: 'named' })
  const front = await system.host('front')
  await front.node(FilesV1, 'f1')
  t.is(await codeOf((await system.host('bob')).ref(FilesV1, 'f1', { version: 0 }).put('x')), 'denied.caller')
  const told: string[] = []
  front.changeDatabase({
    reportGone: async (nodeIds) => {
      told.push(...nodeIds)
    },
  })
  const { teach } = subjectsOf(system.name)
  system.broker.filter = ({ message: { subject } }) => {
    if (!subject.startsWith(teach)) return 'deliver'
    told.push('denied calls')
    return 'drop'
  }
  await front.stop()
  t.deepEqual(told, ['f1', 'denied calls'])
})
