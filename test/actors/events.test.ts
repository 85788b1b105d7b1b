/**
 * Events (§2, §8): published by a node of one version, heard by nodes of others through their
 * own simulation objects.
 */
import test from 'ava'
import { subjectsOf } from '../../core/wire/subjects.js'
import {
  command,
  defineUpgrade,
  event,
  futureSO,
  hears,
  NodeObject,
  none,
  pastSO,
  query,
  schedule,
  upgradeClass,
  uses,
} from '../../index.js'
import { until } from '../support/eventually.js'
import { codeOf, gate, TestSystem } from '../support/testSystem.js'

const sold = event<[item: string]>('sold')
const soldMany = event<[item: string, count: number]>('sold', { revision: 2 })

class ShopV1 extends NodeObject<{ sold: number }> {
  static override readonly className: string = 'Shop.v1'
  static override readonly publishes = [sold]
  static override initial() {
    return { sold: 0 }
  }
  @command sell(item: string): void {
    this.state.sold++
    this.publish(sold, item)
    if (item === 'a bomb') throw new Error('not for sale')
  }
}

class ShopV2 extends NodeObject<{ sold: number }> {
  static override readonly className: string = 'Shop.v2'
  static override readonly publishes = [soldMany]
  static override initial() {
    return { sold: 0 }
  }
  @command sell(item: string): void {
    this.sellMany(item, 1)
  }
  @command sellMany(item: string, count: number): void {
    this.state.sold += count
    this.publish(soldMany, item, count)
  }
}

class LedgerV1 extends NodeObject<{ lines: string[] }> {
  static override readonly className: string = 'Ledger.v1'
  static override initial() {
    return { lines: [] as string[] }
  }
  @hears(sold) enter(item: string): void {
    this.state.lines.push(item)
  }
  @query lines(): string[] {
    return this.state.lines
  }
}

class LedgerV2 extends NodeObject<{ lines: { item: string; count: number }[] }> {
  static override readonly className: string = 'Ledger.v2'
  static override initial() {
    return { lines: [] as { item: string; count: number }[] }
  }
  @hears(soldMany) enterMany(item: string, count: number): void {
    this.state.lines.push({ item, count })
  }
  @command enter(item: string): void {
    this.state.lines.push({ item, count: 1 })
  }
  @query lines(): string[] {
    return this.state.lines.map(({ item, count }) => (count === 1 ? item : `${count} ${item}`))
  }
}

/** Tells nodes of a service when to upgrade. */
function doors() {
  const open = { shop: gate(), ledger: gate() }
  const when = schedule('when the test says so', (view) => open[view.service as 'shop' | 'ledger'].pass())
  return { ...open, when }
}

const counted = (when = doors().when) =>
  defineUpgrade({
    title: 'Things are sold by the dozen',
    classUpgrades: [
      upgradeClass({
        oldClass: ShopV1,
        newClass: ShopV2,
        futureSO: futureSO({ simulates: ShopV2, over: ShopV1, delegates: ['sell'], refuses: ['sellMany'], methods: {} }),
        pastSO: pastSO({ simulates: ShopV1, over: ShopV2, delegates: ['sell'], methods: {} }),
        transform: (old) => ({ sold: old.sold }),
        schedule: when,
      }),
      upgradeClass({
        oldClass: LedgerV1,
        newClass: LedgerV2,
        futureSO: futureSO({
          simulates: LedgerV2,
          over: LedgerV1,
          delegates: ['enter', 'lines'],
          methods: {
            async enterMany(item, count) {
              for (let i = 0; i < count; i++) await this.next.enter(item)
            },
          },
        }),
        pastSO: pastSO({ simulates: LedgerV1, over: LedgerV2, delegates: ['enter', 'lines'], methods: {} }),
        transform: (old) => ({ lines: old.lines.map((item) => ({ item, count: 1 })) }),
        schedule: when,
      }),
    ],
  })

async function open(t: Parameters<typeof TestSystem.start>[0]) {
  const system = await TestSystem.start(t)
  const [here, there] = [await system.host('a'), await system.host('b')]
  const shop = await here.node(ShopV1, 's1')
  const ledgers = [await here.node(LedgerV1, 'l1'), await there.node(LedgerV1, 'l2')]
  const { operator } = system.desk.running
  const call = (node: string, method: string, args: readonly unknown[], version = 0, kind: 'command' | 'query' = 'command') =>
    operator.call({ node }, method, args, { version, kind })
  const lines = (node: string) => call(node, 'lines', [], 0, 'query') as Promise<string[]>
  /** Events are one-way: what a call after them finds is what they did. */
  const heard = async (node: string, expected: readonly string[]) => {
    await until(async () => (await lines(node)).length >= expected.length, `${node} hears ${expected.length}`)
    t.deepEqual(await lines(node), expected)
  }
  return { system, here, there, shop, ledgers, call, lines, heard }
}

test('an event reaches every node that hears it, on every host, once', async (t) => {
  const { call, heard } = await open(t)
  await call('s1', 'sell', ['a book'])
  await call('s1', 'sell', ['a pen'])
  for (const ledger of ['l1', 'l2']) await heard(ledger, ['a book', 'a pen'])
})

test('an event leaves with the commit of its command, and not at all if that fails', async (t) => {
  const { call, heard } = await open(t)
  t.is(await codeOf(call('s1', 'sell', ['a bomb'])), 'application.error')
  await call('s1', 'sell', ['a pen'])
  for (const ledger of ['l1', 'l2']) await heard(ledger, ['a pen'])
})

test('hearers of other versions receive an event through their own SOs, in both directions', async (t) => {
  const { system, shop, ledgers, call, heard } = await open(t)
  const { when, shop: shopDoor, ledger: ledgerDoor } = doors()
  await system.publish(counted(when))
  await until(() => shopDoor.waiting === 1 && ledgerDoor.waiting === 2, 'all are scheduled')
  // From version 0 to version 0; then from version 1 to version 0, through the future-SO.
  await call('s1', 'sell', ['a book'])
  shopDoor.open()
  await shop.reached(1)
  await call('s1', 'sellMany', ['pen', 2], 1)
  for (const ledger of ['l1', 'l2']) await heard(ledger, ['a book', 'pen', 'pen'])
  ledgerDoor.open()
  await Promise.all(ledgers.map((ledger) => ledger.reached(1)))
  await call('s1', 'sellMany', ['pen', 12], 1)
  for (const ledger of ['l1', 'l2']) await heard(ledger, ['a book', 'pen', 'pen', '12 pen'])
})

test('an event of an older version reaches upgraded hearers through their past-SOs', async (t) => {
  const { system, ledgers, call, heard } = await open(t)
  const { when, ledger: ledgerDoor } = doors()
  await system.publish(counted(when))
  ledgerDoor.open()
  await Promise.all(ledgers.map((ledger) => ledger.reached(1)))
  await call('s1', 'sell', ['a book'])
  for (const ledger of ['l1', 'l2']) await heard(ledger, ['a book'])
})

test('an event of a version that a hearer has never heard of teaches it', async (t) => {
  const { system, there, shop, call, heard } = await open(t)
  const { when, shop: shopDoor } = doors()
  there.transport.disconnect()
  await system.publish(counted(when))
  shopDoor.open()
  await shop.reached(1)
  there.transport.reconnect()
  await call('s1', 'sellMany', ['pen', 2], 1)
  await heard('l2', ['pen', 'pen'])
})

test('while a hearer upgrades, events wait for it', async (t) => {
  const { system, ledgers, call, heard } = await open(t)
  const upgrade = counted(schedule('at once', async () => {}))
  const [shopUpgrade, ledgerUpgrade] = upgrade.classUpgrades
  const transforming = gate()
  const slow = {
    ...ledgerUpgrade!,
    transform: async (...args: Parameters<NonNullable<typeof ledgerUpgrade>['transform']>) => {
      await transforming.pass()
      return await ledgerUpgrade!.transform(...args)
    },
  }
  await system.publish({ ...upgrade, classUpgrades: [shopUpgrade!, slow] })
  await until(() => transforming.waiting === 1, 'a ledger transforms')
  await call('s1', 'sell', ['a book'])
  transforming.open()
  await Promise.all(ledgers.map((ledger) => ledger.reached(1)))
  for (const ledger of ['l1', 'l2']) await heard(ledger, ['a book'])
})

test('a node that has stopped hears nothing more, and its host nothing it does not need', async (t) => {
  const { system, here, ledgers, call, heard, there } = await open(t)
  /** The hosts that an event is on its way to. */
  const reached: string[] = []
  const subject = subjectsOf(system.name).event('sold')
  system.broker.filter = ({ to, message }) => {
    if (message.subject === subject) reached.push(to)
    return 'deliver'
  }
  await ledgers[0]!.stop()
  await call('s1', 'sell', ['a book'])
  await heard('l2', ['a book'])
  t.deepEqual(reached, ['b'])
  await here.node(LedgerV1, 'l1')
  await call('s1', 'sell', ['a pen'])
  await heard('l1', ['a pen'])
  await heard('l2', ['a book', 'a pen'])
  t.deepEqual(reached.slice(1).sort(), ['a', 'b'])
  t.deepEqual([...here.warnings(), ...there.warnings()], [])
})

test('what a class publishes or calls it must declare', async (t) => {
  class Secretive extends NodeObject {
    static override readonly className = 'Secretive.v1'
    @command tell(): void {
      this.publish(sold, 'a secret')
    }
    @command tellRevised(): void {
      this.publish(soldMany, 'a secret', 2)
    }
    @query async ask(): Promise<string[]> {
      // Not by the class's name: that would be refused when the node starts.
      const [other] = [LedgerV1]
      return await this.ref(other!, 'l1').lines()
    }
  }
  const { here } = await open(t)
  await here.node(Secretive, 'x')
  for (const method of ['tell', 'tellRevised', 'ask'] as const) {
    const failed = await t.throwsAsync(here.ref(Secretive, 'x')[method]())
    t.regex(failed!.message, /without saying so: add/)
  }
})

test('two methods that hear one event are refused when the class is registered', async (t) => {
  class Twice extends NodeObject {
    static override readonly className = 'Twice.v1'
    @hears(sold) one(_item: string): void {}
    @hears(sold) two(_item: string): void {}
  }
  const { here } = await open(t)
  await t.throwsAsync(here.node(Twice, 'x'), { code: 'config.invalid', message: /both hear event sold/ })
})

test('an upgrade that changes an event and leaves its publisher behind is refused, with both classes', async (t) => {
  const { system } = await open(t)
  const { classUpgrades } = counted()
  const half = defineUpgrade({ title: 'Ledgers count, shops do not', classUpgrades: classUpgrades.slice(1) })
  await t.throwsAsync(system.publish(half), {
    code: 'upgrade.invalid',
    message: /revision 1 of event sold|revision 2 of event sold/,
  })
  // The build finds it too, where the upgrade names who goes on as they are.
  const named = defineUpgrade({ title: 'The same', classUpgrades: classUpgrades.slice(1), unaffected: [ShopV1] })
  await t.throwsAsync(system.publish(named), { code: 'upgrade.invalid', message: /Shop.v1/ })
  await t.notThrowsAsync(system.publish(counted()))
})

test('an upgrade that changes a type and leaves behind who calls it is refused; a subtype is taken', async (t) => {
  class ReaderV1 extends NodeObject {
    static override readonly className: string = 'Reader.v1'
    static override readonly calls = () => [LedgerV1]
    @query async read(): Promise<string[]> {
      const ledger = this.ref(LedgerV1, 'l1')
      return await ledger.lines()
    }
  }
  const { system, here } = await open(t)
  await here.node(ReaderV1, 'r1')
  await until(async () => (await system.database.nodes()).some(({ nodeId }) => nodeId === 'r1'), 'the reader is registered')
  await t.throwsAsync(system.publish(counted()), {
    code: 'upgrade.invalid',
    message: /Reader.v1 calls Ledger.v1, whose type Ledger.v2 changes/,
  })
  await system.database.forget('r1')
  await t.notThrowsAsync(system.publish(counted()))
})

test('an upgrade leaves those behind who call only what it does not change, and nobody may call more than it says', async (t) => {
  class CarefulV1 extends NodeObject {
    static override readonly className: string = 'Careful.v1'
    static override readonly calls = { ledger: uses(LedgerV1, ['lines']) }
    @query async read(): Promise<string[]> {
      const ledger = this.ref(LedgerV1, 'l1')
      return await ledger.lines()
    }
    @command async write(): Promise<void> {
      const ledger = this.ref(LedgerV1, 'l1')
      await ledger.enter('pen')
    }
    @command tell(): void {
      const ledger = this.sender(LedgerV1, 'l1')
      ledger.enter('pen')
    }
  }
  class HastyV1 extends CarefulV1 {
    static override readonly className = 'Hasty.v1'
    @command async dash(): Promise<void> {
      await this.ref(LedgerV1, 'l1').enter('pen')
    }
  }
  const { system, here, call, shop, ledgers } = await open(t)
  const careful = await here.node(CarefulV1, 'c1')
  const why = 'calls Ledger.v1.enter without saying so: add \'enter\' to uses(LedgerV1, [ … ]) in "calls" of its class'
  await t.throwsAsync(here.node(HastyV1, 'c2'), { code: 'config.invalid', message: `Hasty.v1 ${why}` })
  for (const method of ['write', 'tell'])
    await t.throwsAsync(call('c1', method, []), { code: 'application.error', message: `Careful.v1 ${why}` })
  await until(async () => (await system.database.nodes()).some(({ nodeId }) => nodeId === 'c1'), 'it is registered')
  const door = doors()
  await system.publish(counted(door.when))
  door.shop.open()
  door.ledger.open()
  await Promise.all([careful, shop, ...ledgers].map((node) => node.reached(1)))
  t.is(careful.className, 'Careful.v1')
  await call('s1', 'sellMany', ['pen', 2], 1)
  await until(async () => ((await call('c1', 'read', [], 1, 'query')) as string[]).length > 0, 'it reads the new ledger')
  t.deepEqual(await call('c1', 'read', [], 1, 'query'), ['2 pen'])
})

test('an eager upgrade without SOs drops events of the other version', async (t) => {
  const { system, shop, call, lines } = await open(t)
  const { when, shop: shopDoor } = doors()
  const upgrade = counted(when)
  const without = upgrade.classUpgrades.map((classUpgrade) => ({ ...classUpgrade, pastSO: none, futureSO: none }))
  await system.publish({ ...upgrade, classUpgrades: without })
  shopDoor.open()
  await shop.reached(1)
  await call('s1', 'sellMany', ['pen', 2], 1)
  t.is(await codeOf(call('l1', 'lines', [], 1, 'query')), 'version.cut')
  t.deepEqual(await lines('l1'), [])
})
