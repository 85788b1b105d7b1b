/** The names of callers, for which the broker vouches, and where answers may go (docs/security.md). */
import 'reflect-metadata'
import test, { type ExecutionContext } from 'ava'
import { keys } from '../../core/model/nodeRecord.js'
import { decode, encodeCall } from '../../core/wire/codec.js'
import { kinds } from '../../core/wire/envelope.js'
import { subjectsOf } from '../../core/wire/subjects.js'
import {
  type CallerInfo,
  command,
  createHost,
  defineUpgrade,
  eagerly,
  event,
  futureSO,
  hears,
  NodeObject,
  pastSO,
  query,
  upgradeClass,
} from '../../index.js'
import { memoryTransport } from '../../transports/memory/index.js'
import { until } from '../support/eventually.js'
import { gate, TestSystem } from '../support/testSystem.js'

const rang = event<[text: string]>('rang')

class DoorV1 extends NodeObject<{ callers: CallerInfo[] }> {
  static override readonly className: string = 'Door.v1'
  static override initial() {
    return { callers: [] as CallerInfo[] }
  }

  @query who(): CallerInfo {
    return this.caller
  }

  @command async ring(): Promise<CallerInfo> {
    await Promise.resolve()
    this.state.callers.push({ ...this.caller })
    return this.caller
  }

  @command ringLater(): void {
    this.after(1, 'ring')
  }

  @hears(rang)
  @command
  heard(): void {
    this.state.callers.push({ ...this.caller })
  }

  @query rings(): CallerInfo[] {
    return this.state.callers
  }
}

class DoorV2 extends DoorV1 {
  static override readonly className = 'Door.v2'
  @query whoElse(): CallerInfo {
    return this.caller
  }
}

const doorMethods = ['who', 'ring', 'ringLater', 'heard', 'rings'] as const

const doorUpgrade = () =>
  defineUpgrade({
    title: 'doors',
    classUpgrades: [
      upgradeClass({
        oldClass: DoorV1,
        newClass: DoorV2,
        futureSO: futureSO({
          simulates: DoorV2,
          over: DoorV1,
          initial: () => ({}),
          delegates: doorMethods,
          methods: {
            whoElse(): CallerInfo {
              return this.caller
            },
          },
        }),
        pastSO: pastSO({ simulates: DoorV1, over: DoorV2, initial: () => ({}), delegates: doorMethods, methods: {} }),
        transform: (state) => state,
        schedule: eagerly(),
      }),
    ],
  })

class VisitorV1 extends NodeObject {
  static override readonly className = 'Visitor.v1'
  static override readonly calls = [DoorV1]
  static override readonly publishes = [rang]
  @command async visit(door: string): Promise<CallerInfo> {
    return await this.ref(DoorV1, door).who()
  }

  @command shout(): void {
    this.publish(rang, 'hello')
  }

  protected override start(): void {
    if (this.nodeId === 'v9') starts.push([this.nodeId, this.#whoCalls()])
  }

  #whoCalls(): string {
    try {
      return this.caller.node
    } catch (error) {
      return (error as { code: string }).code
    }
  }
}
const starts: (readonly [string, string])[] = []

async function named(t: ExecutionContext) {
  const system = await TestSystem.start(t, {}, {}, { callers: 'named' })
  const front = await system.host('front')
  await front.node(DoorV1, 'door1')
  return { system, front }
}

/** A connection that publishes what it likes. */
function stranger(system: TestSystem, t: ExecutionContext) {
  const transport = memoryTransport(system.broker)
  t.teardown(() => transport.close())
  const call = (method: string, args: readonly unknown[] = [], together = false) =>
    encodeCall({
      kind: kinds.call,
      label: 0,
      seq: 1,
      method,
      args,
      deadlineMs: 5_000,
      caller: 'stranger',
      incarnation: 1,
      callerClass: 'Client',
      callerVersion: 0,
      expects: null,
      path: null,
      trace: null,
      together,
    })
  return { transport, call }
}

test('a method sees who calls it: the name of the caller’s process, and what it says of itself', async (t) => {
  const { system } = await named(t)
  const who = await system.desk.ref(DoorV1, 'door1').who()
  t.deepEqual(who, { name: 'desk', node: 'desk', className: 'Client', version: 0, system: system.name, host: 'desk' })
  const back = await system.host('back')
  await back.node(VisitorV1, 'v1')
  t.deepEqual(await system.desk.ref(VisitorV1, 'v1').visit('door1'), {
    name: 'back',
    node: 'v1',
    className: 'Visitor.v1',
    version: 0,
    system: system.name,
    host: 'back',
  })
  t.like(await system.desk.ref(DoorV1).who(), { name: 'desk' }, 'of a call to the service too')
})

test('callers without names have none, and say of themselves who they are', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('h')
  await host.node(DoorV1, 'door1')
  t.deepEqual(await system.desk.ref(DoorV1, 'door1').who(), {
    ...{ name: null, node: 'desk', className: 'Client', version: 0 },
    ...{ system: system.name, host: 'desk' },
  })
})

test('the caller is the same after an await, of an event’s publisher, and the node itself of a timer’s call', async (t) => {
  const { system, front } = await named(t)
  const back = await system.host('back')
  await back.node(VisitorV1, 'v1')
  const door = system.desk.ref(DoorV1, 'door1')
  t.like(await door.ring(), { name: 'desk' })
  await system.desk.ref(VisitorV1, 'v1').shout()
  await until(async () => (await door.rings()).length === 2, 'the event arrives')
  await door.ringLater()
  await until(async () => (await door.rings()).length === 3, 'the timer rings')
  t.deepEqual(
    (await door.rings()).map(({ name, node }) => [name, node]),
    [
      ['desk', 'desk'],
      ['back', 'v1'],
      [null, 'door1'],
    ],
  )
  t.is(front.events.filter(({ type }) => type === 'warning').length, 0)
})

test('every object of a chain sees the same caller', async (t) => {
  const { system } = await named(t)
  await system.publish(doorUpgrade())
  const at1 = system.desk.ref(DoorV2, 'door1', { version: 1 })
  t.like(await at1.whoElse(), { name: 'desk', className: 'Client', version: 1 })
  t.like(await at1.who(), { name: 'desk' })
  await until(async () => (await system.database.nodes()).every(({ version }) => version === 1), 'it is upgraded')
  t.like(await at1.whoElse(), { name: 'desk', version: 1 })
  t.like(await system.desk.ref(DoorV1, 'door1', { version: 0 }).who(), { name: 'desk', version: 0 })
})

test.serial('nobody calls an object that starts', async (t) => {
  const { system } = await named(t)
  starts.length = 0
  await (await system.host('back')).node(VisitorV1, 'v9')
  t.deepEqual(starts, [['v9', 'protocol.not-here']])
})

test('where callers are named, a message without a name is heard by nobody', async (t) => {
  const { system } = await named(t)
  const { transport, call } = stranger(system, t)
  const answers: boolean[] = []
  transport.subscribe('_INBOX.x.*', ({ noResponders }) => void answers.push(noResponders))
  transport.publish(subjectsOf(system.name).node('door1'), call('who'), '_INBOX.x.1')
  await until(() => answers.length === 1, 'it is told')
  t.deepEqual(answers, [true])
})

test('while a system goes from one to the other, both are heard, and told apart', async (t) => {
  const system = await TestSystem.start(t, {}, {}, { callers: 'either' })
  const host = await system.host('h')
  await host.node(DoorV1, 'door1')
  for (const id of ['door1', undefined]) t.like(await system.desk.ref(DoorV1, id, { version: 0 }).who(), { name: 'desk' })
  const { transport, call } = stranger(system, t)
  const answers: unknown[] = []
  transport.subscribe(
    '_INBOX.x.*',
    ({ payload }) => void answers.push(...decode(payload).map((each) => (each as { value?: unknown }).value)),
  )
  const { node, service } = subjectsOf(system.name)
  transport.publish(node('door1'), call('who'), '_INBOX.x.1')
  transport.publish(service('door'), call('who'), '_INBOX.x.2')
  await until(() => answers.length === 2, 'both are answered')
  for (const answer of answers) t.like(answer, { name: null, node: 'stranger' })
})

test('a caller with a name is answered in its own inbox alone', async (t) => {
  const { system, front } = await named(t)
  const { transport, call } = stranger(system, t)
  const heard: string[] = []
  for (const inbox of ['_INBOX.desk.1', '_INBOX.eve.1', '_INBOX.eve2.1', '_R_.1'])
    transport.subscribe(inbox, ({ subject }) => void heard.push(subject))
  const subject = `${subjectsOf(system.name).node('door1')}.eve`
  for (const inbox of ['_INBOX.desk.1', '_INBOX.eve2.1', '_R_.1', '_INBOX.eve.1']) transport.publish(subject, call('ring'), inbox)
  await until(() => heard.includes('_INBOX.eve.1'), 'the last one is answered')
  t.deepEqual(heard, ['_R_.1', '_INBOX.eve.1'])
  t.is((await system.desk.ref(DoorV1, 'door1').rings()).length, 2, 'what can’t be answered is not carried out')
  const warnings = front.events.flatMap((each) => (each.type === 'warning' ? [String((each.error as Error).message)] : []))
  t.is(warnings.length, 2)
  t.regex(warnings[0]!, /the inboxes of eve begin with _INBOX\.eve\./)
})

test('nobody has an event of another taken for one that has come before', async (t) => {
  const { system, front } = await named(t)
  const transport = memoryTransport(system.broker)
  t.teardown(() => transport.close())
  const disk = gate()
  front.state.beforeCommit = (writes) => (writes.some(([key]) => key === keys.manifest(1)) ? disk.pass() : undefined)
  await system.publish(doorUpgrade())
  await until(() => disk.waiting > 0, 'the manifest is on its way')
  const { event: subjectOf } = subjectsOf(system.name)
  const publish = (as: string, text: string) =>
    transport.publish(
      `${subjectOf('rang')}.${as}`,
      encodeCall({
        ...{ kind: kinds.event, label: 1, seq: 1, method: 'rang', args: [text], deadlineMs: 5_000, caller: 'v1' },
        ...{ incarnation: 1, callerClass: 'Visitor.v1', callerVersion: 1, expects: null, path: null, trace: null },
        together: false,
      }),
    )
  // Of a version that is on its way it is not known which events it has brought: they are carried out once.
  let copies = 0
  front.transport.subscribe(`${subjectOf('rang')}.*`, () => copies++)
  publish('eve', 'forged')
  publish('back', 'true')
  publish('back', 'the same again')
  await until(() => copies === 3 && front.running.status().nodes[0]!.fetching > 0, 'all have come, and wait')
  disk.open()
  const door = system.desk.ref(DoorV1, 'door1', { version: 0 })
  await until(async () => (await door.rings()).length >= 2, 'both are heard')
  t.deepEqual(
    (await door.rings()).map(({ name }) => name),
    ['eve', 'back'],
  )
})

for (const name of ['a.b', '-x', '_', 'x'.repeat(65)]) {
  test(`a subject that ends with no name of a caller reaches nobody: ${JSON.stringify(name)}`, async (t) => {
    const { system } = await named(t)
    const { transport, call } = stranger(system, t)
    const subject = subjectsOf(system.name).node('door1')
    transport.publish(`${subject}.${name}`, call('ring'))
    t.is((await system.desk.ref(DoorV1, 'door1').rings()).length, 0)
  })
}

for (const as of ['', 'a.b', '*', 'x'.repeat(65), 'é'])
  test(`a name that can be no token of a subject is refused: ${JSON.stringify(as.slice(0, 5))}`, async (t) => {
    const error = await t.throwsAsync(createHost({ system: 'names', as, state: { open: async () => t.fail() as never } }))
    t.regex(String(error?.message), /^as .*: use 1 to 64 letters/)
  })

/** Where an attacker would like the host to write to. */
const destinations = (system: string): Record<string, string> => ({
  'another node': `${subjectsOf(system).node('door2')}.x`,
  'a service': `${subjectsOf(system).service('door')}.x`,
  'the upgrade servers': `${subjectsOf(system).server}.x`,
  'another system': 'theseus.other.node.n1',
  JetStream: '$JS.API.STREAM.DELETE.orders',
  'a subject of the user’s': 'orders.cancel',
  'no subject': '_INBOX.a b',
  'a wildcard': '_INBOX.>',
})

for (const where of Object.keys(destinations('any')))
  for (const to of ['a node', 'the upgrade server'])
    test(`nobody is answered anywhere but in an inbox: ${to} is to answer ${where}`, async (t) => {
      const system = await TestSystem.start(t)
      const host = await system.host('h')
      for (const id of ['door1', 'door2']) await host.node(DoorV1, id)
      const { transport, call } = stranger(system, t)
      const replyTo = destinations(system.name)[where]!
      const heard: unknown[] = []
      if (!/[ >]/.test(replyTo)) transport.subscribe(replyTo, ({ payload }) => void heard.push(decode(payload)))
      const { node, server } = subjectsOf(system.name)
      const door = system.desk.ref(DoorV1, 'door2', { version: 0 })
      for (let round = 0; round < 5; round++) {
        const asked = [door.who(), door.ring()]
        try {
          const subject = to === 'a node' ? node('door1') : server
          transport.publish(subject, call(to === 'a node' ? 'ring' : 'head', [], true), replyTo)
        } catch {
          t.regex(replyTo, /[ >]/, 'only what is no subject can’t be sent at all')
        }
        await Promise.all(asked)
      }
      t.is((await door.rings()).length, 5, 'the calls of others go where they are to go')
      t.deepEqual(heard, [])
      t.is((await system.desk.ref(DoorV1, 'door1', { version: 0 }).rings()).length, 0, 'and nothing is carried out for it')
      const letters = host.events.filter((each) => each.type === 'deadLetter')
      if (to === 'a node' && !/[ >]/.test(replyTo))
        t.regex((letters[0] as { fault: Error }).fault.message, /no inbox: use a reply subject/)
    })
