/**
 * Objects of one node share nothing: what one hands to another is a copy, and so is what is kept until later.
 */
import test from 'ava'
import {
  applicationFault,
  command,
  defineUpgrade,
  type Fault,
  futureSO,
  isFault,
  NodeObject,
  none,
  onlyNodes,
  query,
  schedule,
  type Upgrade,
  upgradeClass,
} from '../../index.js'
import { until } from '../support/eventually.js'
import { TestSystem } from '../support/testSystem.js'

interface Item {
  name: string
  tags: string[]
}

class ListV1 extends NodeObject<{ items: Item[]; log: string[] }> {
  static override readonly className: string = 'List.v1'
  static override initial() {
    return { items: [{ name: 'b', tags: ['x'] }] as Item[], log: [] as string[] }
  }
  @query items(): Item[] {
    return this.state.items
  }
  @query async itemsLater(): Promise<Item[]> {
    await null
    return this.state.items
  }
  @command keep(items: Item[]): void {
    this.state.items = items
  }
  @query refuse(): void {
    throw applicationFault('refused', 'no', { items: this.state.items })
  }
  @command later(item: Item): void {
    this.after(1, 'keep', [item])
    item.name = 'changed after after()'
    item.tags.push('changed')
  }
}

function sortedByChanging(items: Item[]): Item[] {
  for (const item of items) item.tags.push('changed')
  items.push({ name: 'a', tags: [] })
  return items.sort((a, b) => (a.name < b.name ? -1 : 1))
}

/**
 * A line of versions, each with an SO that passes on what the one before gave it, and changes
 * it before or after.
 */
const classes: (typeof ListV1)[] = [
  ListV1,
  ...[2, 3].map(
    (n) =>
      class extends ListV1 {
        static override readonly className = `List.v${n}`
      },
  ),
]

function upgradeTo(version: number): Upgrade {
  const [oldClass, newClass] = [classes[version - 1]!, classes[version]!]
  return defineUpgrade({
    title: `List ${version}`,
    classUpgrades: [
      upgradeClass({
        oldClass,
        newClass,
        futureSO: futureSO({
          simulates: newClass,
          over: oldClass,
          initial: (): { kept: Item[] } => ({ kept: [] }),
          delegates: ['later'],
          methods: {
            async items() {
              return sortedByChanging(await this.next.items())
            },
            async itemsLater() {
              const items = await this.next.itemsLater()
              // Two promises of one answer.
              return sortedByChanging(items)
            },
            async keep(items) {
              const kept = this.next.keep(items)
              sortedByChanging(items)
              await kept
              sortedByChanging(items)
              this.state.kept = items
            },
            async refuse() {
              try {
                await this.next.refuse()
              } catch (error) {
                if (isFault(error)) sortedByChanging(error.details.items as Item[])
                throw error
              }
            },
          },
        }),
        pastSO: none,
        transform: (old) => old,
        schedule: onlyNodes(),
      }),
    ],
  })
}

async function chain(t: Parameters<typeof TestSystem.start>[0]) {
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  const node = await host.node(ListV1, 'l')
  for (const version of [1, 2]) await system.publish(upgradeTo(version))
  const at = (version: number) => system.desk.ref(classes[version]!, 'l', { version })
  await at(2).items()
  return { system, node, at }
}

const untouched = [{ name: 'b', tags: ['x'] }]

for (const method of ['items', 'itemsLater'] as const)
  test(`${method}: a simulation object that changes an answer changes nothing of the object below, in a chain of two neither`, async (t) => {
    const { at } = await chain(t)
    for (const version of [1, 2]) {
      const answer = await at(version)[method]()
      t.is(answer.length, 1 + version)
      t.deepEqual(await at(0).items(), untouched)
    }
  })

test('a simulation object that changes an argument, before or after it was taken, changes nothing of the object below', async (t) => {
  const { at } = await chain(t)
  await at(2).keep([{ name: 'k', tags: [] }])
  t.deepEqual(await at(0).items(), [{ name: 'k', tags: [] }])
  // Its own state refers to what it was given, and the object's does not.
  await at(2).keep([{ name: 'm', tags: [] }])
  t.deepEqual(await at(0).items(), [{ name: 'm', tags: [] }])
})

test('a simulation object that changes the details of a fault changes nothing of the object that threw it', async (t) => {
  const { at } = await chain(t)
  const fault = await t.throwsAsync<Fault>(at(2).refuse())
  t.is(fault!.code, 'application.refused')
  t.is((fault!.details.items as Item[]).length, 3)
  t.deepEqual(await at(0).items(), untouched)
})

test('what a timer is given is as it was when it was set', async (t) => {
  const { at } = await chain(t)
  await at(0).later({ name: 'first', tags: [] })
  await until(async () => (await at(0).items())[0]!.name === 'first', 'the timer has come')
  t.deepEqual(await at(0).items(), [{ name: 'first', tags: [] }])
})

test('what can’t travel can’t be handed to another object of the node either', async (t) => {
  class OddV1 extends NodeObject {
    static override readonly className: string = 'Odd.v1'
    @query map(): unknown {
      return new Map()
    }
    @command timer(): void {
      this.after(1, 'map', () => {})
    }
    @query take(_value: unknown): void {}
  }
  class OddV2 extends OddV1 {
    static override readonly className = 'Odd.v2'
  }
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  await host.node(OddV1, 'o')
  await system.publish(
    defineUpgrade({
      title: 'odd',
      classUpgrades: [
        upgradeClass({
          oldClass: OddV1,
          newClass: OddV2,
          futureSO: futureSO({
            simulates: OddV2,
            over: OddV1,
            delegates: ['timer'],
            methods: {
              async map() {
                return [...((await this.next.map()) as Map<unknown, unknown>).keys()]
              },
              async take() {
                await this.next.take(() => {})
              },
            },
          }),
          pastSO: none,
          transform: (old) => old,
          schedule: onlyNodes(),
        }),
      ],
    }),
  )
  const ref = system.desk.ref(OddV2, 'o', { version: 1 })
  for (const call of [ref.map(), ref.take(1), ref.timer()])
    t.is((await t.throwsAsync<Fault>(call))!.code, 'protocol.bad-arguments')
})

class Basket extends NodeObject<{ n: number; got: unknown[] }> {
  static override readonly className = 'Basket.v1'
  static override initial() {
    return { n: 0, got: [] as unknown[] }
  }
  @command put(items: Item[]): void {
    this.state.got.push(items.map(({ name }) => name))
  }
  @query got(): unknown[] {
    return this.state.got
  }
  @query names(items: Item[]): string[] {
    return items.map(({ name }) => name)
  }
  /** Where an earlier write is not on disk yet, the call leaves later. */
  @command async pass(): Promise<string[]> {
    const items = [{ name: 'as it was', tags: [] }]
    const names = this.ref(Basket, 'other').names(items)
    items[0]!.name = 'changed'
    return await names
  }
}

/** Makes a call and changes its argument at once; how the argument arrived. */
async function changedAtOnce<T>(call: (items: Item[]) => Promise<T>): Promise<T> {
  const items = [{ name: 'as it was', tags: [] }]
  const answer = call(items)
  items[0]!.name = 'changed'
  items.push({ name: 'new', tags: [] })
  return await answer
}

test('an argument that its caller changes arrives as it was when the call was made, whenever that leaves', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  await host.node(Basket, 'b')
  await host.node(Basket, 'other')
  // The first call of a reference waits until its version is found.
  const first = system.desk.ref(Basket, 'b')
  t.deepEqual(await changedAtOnce((items) => first.names(items)), ['as it was'])
  t.deepEqual(await changedAtOnce((items) => first.names(items)), ['as it was'])
  const [, passed] = await Promise.all([first.put([]), first.pass()])
  t.deepEqual(passed, ['as it was'])
  // While the transport is away, and where nobody listens yet, it is sent again.
  system.desk.transport.disconnect()
  const waiting = changedAtOnce((items) => first.put(items))
  const late = changedAtOnce((items) => system.desk.ref(Basket, 'late', { version: 0 }).put(items))
  system.desk.transport.reconnect()
  await host.node(Basket, 'late')
  await Promise.all([waiting, late])
  t.deepEqual(await first.got(), [[], ['as it was']])
  t.deepEqual(await system.desk.ref(Basket, 'late', { version: 0 }).got(), [['as it was']])
})

test('a query whose answer is lost is sent again with the arguments that it had', async (t) => {
  const system = await TestSystem.start(t, { queryResendMs: 30 })
  const host = await system.host('h1')
  await host.node(Basket, 'b')
  let dropped = 0
  system.broker.filter = ({ from, message }) =>
    from === 'desk' && message.subject.endsWith('.node.b') && dropped++ === 0 ? 'drop' : 'deliver'
  const ref = system.desk.ref(Basket, 'b', { version: 0 })
  t.deepEqual(await changedAtOnce((items) => ref.names(items)), ['as it was'])
  t.true(dropped > 1)
})

test('the rows that a schedule is given are nobody’s to change: nodes of a host share one reading', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  for (const nodeId of ['n1', 'n2']) await host.node(ListV1, nodeId)
  class ListV2 extends ListV1 {
    static override readonly className = 'List.v2'
  }
  const changes = [(rows: any[]) => rows.reverse(), (rows: any[]) => (rows[0].version = 7), (rows: any[]) => rows.pop()]
  const refused: string[] = []
  await system.publish(
    defineUpgrade({
      title: 'a schedule that sorts what it was given',
      classUpgrades: [
        upgradeClass({
          oldClass: ListV1,
          newClass: ListV2,
          futureSO: none,
          pastSO: none,
          transform: (old) => old,
          schedule: schedule('changes', async (view) => {
            for (const service of [undefined, 'list'])
              for (const change of changes) {
                const rows = (await view.nodes(service)) as any[]
                t.throws(() => change(rows), { instanceOf: TypeError })
                refused.push(view.nodeId)
              }
          }),
        }),
      ],
    }),
  )
  await until(() => host.running.status().nodes.every(({ version }) => version === 1), 'both have gone')
  t.is(refused.length, 12)
})
