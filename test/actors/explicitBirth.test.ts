/** Nodes of a sharded service that begin by a call that says so, and by no other. */
import test from 'ava'
import { describeClass } from '../../core/model/nodeObject.js'
import { neededInterface } from '../../core/upgrade/runtimeInterface.js'
import { command, defineUpgrade, eagerly, futureSO, NodeObject, pastSO, query, type Upgrade, upgradeClass } from '../../index.js'
import { until } from '../support/eventually.js'
import { codeOf, type TestHost, TestSystem } from '../support/testSystem.js'

class OrderV1 extends NodeObject<{ lines: string[]; owner: string }> {
  static override readonly className: string = 'Order.v1'
  static override readonly shards = 4
  static override readonly birth = 'explicit'
  static override initial() {
    return { lines: [] as string[], owner: '' }
  }
  @command({ creates: true }) open(owner: string): void {
    if (this.state.owner !== '') throw new Error(`it is ${this.state.owner}'s already`)
    this.state.owner = owner
  }
  @command add(line: string): number {
    return this.state.lines.push(line)
  }
  @query lines(): string[] {
    return this.state.lines
  }
}

class BasketV1 extends NodeObject<{ lines: string[] }> {
  static override readonly className = 'Basket.v1'
  static override readonly shards = 4
  static override initial() {
    return { lines: [] as string[] }
  }
  @command add(line: string): number {
    return this.state.lines.push(line)
  }
  @query lines(): string[] {
    return this.state.lines
  }
}

/** From now on a basket has to be opened. */
class BasketV2 extends NodeObject<{ lines: string[]; owner: string }> {
  static override readonly className = 'Basket.v2'
  static override readonly shards = 4
  static override readonly birth = 'explicit'
  static override initial() {
    return { lines: [] as string[], owner: '' }
  }
  @command({ creates: true }) open(owner: string): void {
    this.state.owner = owner
  }
  @command add(line: string): number {
    return this.state.lines.push(line)
  }
  @query lines(): string[] {
    return this.state.lines
  }
}

/** And then no more. */
class BasketV3 extends NodeObject<{ lines: string[] }> {
  static override readonly className = 'Basket.v3'
  static override readonly shards = 4
  static override initial() {
    return { lines: [] as string[] }
  }
  @command add(line: string): number {
    return this.state.lines.push(line)
  }
  @query lines(): string[] {
    return this.state.lines
  }
}

const toV2 = (): Upgrade =>
  defineUpgrade({
    title: 'Baskets are opened',
    classUpgrades: [
      upgradeClass({
        oldClass: BasketV1,
        newClass: BasketV2,
        futureSO: futureSO({
          simulates: BasketV2,
          over: BasketV1,
          initial: () => ({ owner: '' }),
          delegates: ['add', 'lines'],
          methods: {
            open(owner) {
              this.state.owner = owner
            },
          },
        }),
        pastSO: pastSO({ simulates: BasketV1, over: BasketV2, initial: () => ({}), delegates: ['add', 'lines'], methods: {} }),
        transform: (old, future) => ({ lines: old.lines, owner: future.owner }),
        schedule: eagerly(),
      }),
    ],
  })

const toV3 = (): Upgrade =>
  defineUpgrade({
    title: 'Baskets are not opened',
    classUpgrades: [
      upgradeClass({
        oldClass: BasketV2,
        newClass: BasketV3,
        futureSO: futureSO({
          simulates: BasketV3,
          over: BasketV2,
          initial: () => ({}),
          delegates: ['add', 'lines'],
          methods: {},
        }),
        pastSO: pastSO({
          simulates: BasketV2,
          over: BasketV3,
          initial: () => ({}),
          delegates: ['add', 'lines'],
          methods: { open() {} },
        }),
        transform: (old) => ({ lines: old.lines }),
        schedule: eagerly(),
      }),
    ],
  })

async function offeringOrders(system: TestSystem): Promise<TestHost> {
  const host = await system.host('a')
  await host.offer(OrderV1)
  await until(() => host.running.shards.length === 4, 'the host has all shards')
  return host
}

test('a node is made by the command that is marked for it, and by no other call', async (t) => {
  const system = await TestSystem.start(t)
  await offeringOrders(system)
  const order = (id: string) => system.desk.ref(OrderV1, id, { deadline: '30s' })
  t.is(await codeOf(order('o1').add('tea')), 'unavailable.no-such-node')
  t.is(await codeOf(order('o1').lines()), 'unavailable.no-such-node')
  system.desk.sender(OrderV1, 'o1').add('tea')
  await system.desk.running.flush()
  t.is(await codeOf(order('o1').lines()), 'unavailable.no-such-node')
  await order('o1').open('alice')
  t.is(await order('o1').add('tea'), 1)
  t.deepEqual(await order('o1').lines(), ['tea'])
  // On a node that is there it is a command as any other.
  await t.throwsAsync(order('o1').open('bob'), { message: /alice's already/ })
})

test('calls that come with the one that makes the node find it', async (t) => {
  const system = await TestSystem.start(t)
  await offeringOrders(system)
  const order = system.desk.ref(OrderV1, 'o1', { deadline: '30s' })
  const [, count, lines] = await Promise.all([order.open('alice'), order.add('tea'), order.lines()])
  t.deepEqual([count, lines], [1, ['tea']])
})

test('an upgrade may change how nodes begin: the version of the caller decides', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('a')
  await host.offer(BasketV1)
  await until(() => host.running.shards.length === 4, 'the host has all shards')
  const v1 = (id: string) => system.desk.ref(BasketV1, id, { deadline: '30s' })
  const v2 = (id: string) => system.desk.ref(BasketV2, id, { deadline: '30s' })
  const v3 = (id: string) => system.desk.ref(BasketV3, id, { deadline: '30s' })
  t.is(await v1('b1').add('tea'), 1)
  await system.publish(toV2())
  // The host may not have heard of the version yet.
  t.is(await codeOf(v2('b2').add('tea')), 'unavailable.no-such-node')
  t.is(await v2('b1').add('milk'), 2)
  await v2('b2').open('alice')
  t.is(await v2('b2').add('tea'), 1)
  t.is(await v1('b3').add('tea'), 1, 'a caller of before makes a node as before')
  t.deepEqual(await v2('b3').lines(), ['tea'])
  await system.publish(toV3())
  t.is(await v3('b4').add('tea'), 1)
  t.is(await codeOf(v2('b5').add('tea')), 'unavailable.no-such-node')
  await v2('b5').open('bob')
  t.deepEqual(await v3('b5').lines(), [])
})

test('a call of a version that nobody has makes no node that is made explicitly', async (t) => {
  const system = await TestSystem.start(t, { serverDeadlineMs: 200 })
  await offeringOrders(system)
  const { operator } = system.desk.running
  const [shard] = await operator.shards()
  const called = operator.call({ node: 'o9', shardOf: shard! }, 'add', ['tea'], { version: 77, deadlineMs: 10_000 })
  t.is(await codeOf(called), 'unavailable.no-such-node')
})

test('a class that can’t be meant so is refused', (t) => {
  class NothingMakes extends NodeObject {
    static override readonly className = 'NothingMakes.v1'
    static override readonly shards = 4
    static override readonly birth = 'explicit'
    @command set(): void {}
  }
  class Local extends NodeObject {
    static override readonly className = 'Local.v1'
    static override readonly birth = 'explicit'
    @command({ creates: true }) open(): void {}
  }
  class Unsaid extends NodeObject {
    static override readonly className = 'Unsaid.v1'
    static override readonly shards = 4
    @command({ creates: true }) open(): void {}
  }
  class Wrong extends NodeObject {
    static override readonly className = 'Wrong.v1'
    static override readonly shards = 4
    static override readonly birth = 'command' as 'explicit'
    @command set(): void {}
  }
  const refused = (definition: Parameters<typeof describeClass>[0], message: RegExp) =>
    t.throws(() => describeClass(definition), { code: 'config.invalid', message })
  refused(NothingMakes, /nothing makes its nodes: mark a command with @command\(\{ creates: true \}\)/)
  refused(Local, /birth = 'explicit' is for sharded services/)
  refused(Unsaid, /open creates nodes: the class needs "static override readonly birth = 'explicit'"/)
  refused(Wrong, /birth is 'explicit', or left out/)
  t.throws(() => query({ creates: true } as never), { code: 'config.invalid', message: /@query\(\{ creates: … \}\)/ })
})

test('a bundle with a class whose nodes are made on purpose is for runtime interface 2', (t) => {
  t.is(neededInterface(toV2().classUpgrades), 2)
})

test('a class that inherits from one keeps the command that makes nodes', (t) => {
  class Special extends OrderV1 {
    static override readonly className: string = 'Special.v1'
    override open(owner: string): void {
      super.open(owner)
    }
  }
  t.deepEqual([...describeClass(Special).creating], ['open'])
})
