/**
 * Systems that call each other, each with its own upgrade server and version number (§3): a shop calls a
 * warehouse. N1, N2, N3, N4.
 */
import 'reflect-metadata'
import test, { type ExecutionContext } from 'ava'
import { pinLeaseMs } from '../../actors/neighbours/systemPin.js'
import { Fault } from '../../core/base/fault.js'
import { clientService, type NodeRow } from '../../core/model/nodeRow.js'
import { NodeObject, type Remote } from '../../index.js'
import { until } from '../support/eventually.js'
import { alice, bob } from '../support/signedManifests.js'
import { codeOf, TestSystem } from '../support/testSystem.js'
import {
  DoorV1,
  DoorV2,
  doorToV2,
  LampV1,
  lampToV2,
  StockV1,
  StockV2,
  stockToV2,
  TillV1,
  TillV2,
  tillToV2,
  warehouse,
} from './neighboursClasses.js'

const deaths = { deathDelay: 40, deathRound: 5 }
const asking = { askServerMs: 10, firstAnswerMs: 2_000, leaseMs: 1_000 }

async function openBoth(t: ExecutionContext) {
  const there = await TestSystem.start(t, asking, deaths, { name: warehouse })
  const neighbours = { [warehouse]: there.asNeighbour() }
  const shop = await TestSystem.start(t, asking, deaths, { name: 'shop', clock: there.clock, neighbours })
  const store = await there.host('store')
  const stock = await store.node(StockV1, 'stock1')
  const floor = await shop.host('floor')
  const till = await floor.node(TillV1, 'till1')
  const counter = await shop.host('counter')
  const sell = () => codeOf(counter.ref(TillV1, 'till1').sell())
  const undo = (system: TestSystem) => system.desk.running.operator.undo()
  return { there, shop, store, stock, floor, till, counter, sell, undo }
}

async function pinAt(system: TestSystem): Promise<NodeRow | undefined> {
  return (await system.database.nodes(clientService)).find(({ nodeId }) => nodeId === 'neighbour-shop')
}

const pinIs = (system: TestSystem, version: number) =>
  until(async () => (await pinAt(system))?.version === version, `the shop's pin is version ${version}`)

const isDead = (system: TestSystem, below: number) =>
  until(async () => (await system.database.dead()).inForce >= below, `versions before ${below} are dead`)

test('N1: a call to a neighbour has the version of the neighbour to which the named class belongs, whatever the caller’s own is', async (t) => {
  const { there, shop, stock, till, store, sell } = await openBoth(t)
  t.is(await sell(), 'answered "9 left"')
  await there.publish(stockToV2())
  await stock.reached(1)
  await shop.publish(lampToV2())
  await till.reached(1)
  // Stock.v1 is that of version 0 there: the past-SO answers.
  t.is(await sell(), 'answered "8 left"')

  await shop.publish(tillToV2())
  await till.reached(2)
  t.is(await sell(), 'answered "till1-3: 7"')
  t.deepEqual(await store.ref(StockV2, 'stock1').orders(), ['?', 'till1-3'])
  const left = (system: TestSystem) => system.desk.ref(TillV2, 'till1').left()
  t.is(await left(shop), 7)
})

test('the neighbour is told who calls, with its own version and not the caller’s', async (t) => {
  const { there, shop, store, till, sell } = await openBoth(t)
  await sell()
  await store.node(LampV1, 'lamp1')
  await there.publish(lampToV2())
  await until(() => store.last('lamp1')?.phase === 'current' && store.nodes.get('lamp1')?.version === 1, 'the lamp is there')
  await pinIs(there, 1)
  const last = async () => (await sell()) && (await there.desk.ref(StockV1, 'stock1').askedBy()).at(-1)
  await until(async () => (await last()) === 'till1 Till.v1 1', 'the shop has heard of the lamp')
  t.is((await there.desk.ref(StockV1, 'stock1').askedBy())[0], 'till1 Till.v1 0')
  // The shop has learned nothing of a version 1 of its own.
  t.is(till.version, 0)
  t.is(shop.desk.running.status().newestVersion, 0)
})

test('sends and queries go to a neighbour too, to one node or to a service', async (t) => {
  const { shop, there } = await openBoth(t)
  await shop.desk.ref(TillV1, 'till1').later()
  await until(async () => (await shop.desk.ref(TillV1, 'till1').left()) === 9, 'the send has arrived')
  t.is(await there.desk.ref(StockV1).left(), 9)
})

test('a class that is not declared can’t be called at a neighbour', async (t) => {
  const { shop } = await openBoth(t)
  const error = await t.throwsAsync(shop.desk.ref(TillV1, 'till1').wrong())
  t.regex(error.message, /Till\.v1 calls Stock\.v2 of system warehouse without saying so: .*\[StockV2\.of\('warehouse'\)\]/)
})

test('a host refuses a class that calls a system which is no neighbour of it, when a node starts', async (t) => {
  const shop = await TestSystem.start(t, {}, {}, { name: 'shop' })
  const error = await t.throwsAsync(shop.desk.node(TillV1, 'till1'))
  t.is((error as { code?: string }).code, 'config.invalid')
  t.regex(error.message, /Till\.v1 calls Stock\.v1 of system warehouse, which is no neighbour of this host: give "neighbours:/)
  t.throws(() => shop.desk.ref(StockV1.of(warehouse), 'stock1'), { message: /warehouse is no neighbour of this host/ })
})

test('code outside objects calls a neighbour as any client of it does', async (t) => {
  const { shop, there, stock } = await openBoth(t)
  const ref: Remote<StockV1> = shop.desk.ref(StockV1.of(warehouse), 'stock1')
  t.is(await ref.take(2), 8)
  await there.publish(stockToV2())
  await stock.reached(1)
  t.is(await ref.left(), 8)
  t.is(await shop.desk.ref(StockV2.of(warehouse), 'stock1').take(1, 'o1'), 'o1: 7')
  shop.desk.sender(StockV1.of(warehouse), 'stock1').take(1)
  await until(async () => (await ref.left()) === 6, 'the send has arrived')
})

test('N2: the shop’s pin keeps the version alive that its class calls, until its upgrade is final and the old version dead', async (t) => {
  const { there, shop, stock, till, counter, sell } = await openBoth(t)
  await pinIs(there, 0)
  await there.publish(stockToV2())
  await stock.reached(1)
  await there.clock.passes(500)
  t.is((await there.database.dead()).inForce, 0)
  t.is(await sell(), 'answered "9 left"')

  await shop.publish(tillToV2())
  await till.reached(1)
  await counter.stop()
  await isDead(shop, 1)
  await there.clock.passes(500)
  // The upgrade can be undone: then Stock.v1 is called again.
  t.is((await pinAt(there))?.version, 0)
  t.is((await there.database.dead()).inForce, 0)

  await shop.desk.running.operator.finalize(1)
  await pinIs(there, 1)
  await isDead(there, 1)
  t.is(await shop.desk.ref(TillV2, 'till1').sell(), 'till1-2: 8')
})

test('N2: the pin is set before the upgrade is installed that needs the version', async (t) => {
  const { there, shop, stock, till } = await openBoth(t)
  await there.publish(stockToV2())
  await stock.reached(1)
  await pinIs(there, 0)
  await shop.stopServer()
  // Nobody of the shop has called it yet; an operator there forgets the neighbour.
  await there.desk.running.operator.forget('neighbour-shop')
  await isDead(there, 1)
  await shop.startServer()
  await shop.publish(tillToV2())
  t.is((await pinAt(there))?.version, 1)
  await till.reached(1)
  t.is((await there.database.dead()).inForce, 1)
})

test('N3: an upgrade that needs a class which no version of the neighbour has is refused, and says which upgrade comes first', async (t) => {
  const { there, shop, stock, till, sell } = await openBoth(t)
  const error = await t.throwsAsync(shop.publish(tillToV2()))
  t.like(error, { code: 'upgrade.neighbour', details: { system: warehouse, className: 'Stock.v2' } })
  t.regex(
    error.message,
    /Till\.v2 calls Stock\.v2 of warehouse, and no version of warehouse has that class: its newest is 0\. The upgrade of warehouse that brings Stock\.v2 must be published first/,
  )
  t.is((await shop.database.head()).version, 0)

  // Published is enough: its nodes need not be there.
  await there.publish(stockToV2({ describe: 'never', run: () => new Promise(() => {}) } as never))
  await shop.publish(tillToV2())
  await till.reached(1)
  t.is(stock.version, 0)
  t.is(await sell(), 'answered "till1-1: 9"')
})

test('N3: an upgrade that needs a dead version of the neighbour is refused; its undo is not', async (t) => {
  const { there, shop, stock, till, undo } = await openBoth(t)
  await there.publish(stockToV2())
  await shop.publish(tillToV2())
  await Promise.all([stock.reached(1), till.reached(1)])
  await shop.stopServer()
  await there.desk.running.operator.forget('neighbour-shop')
  await isDead(there, 1)
  await shop.startServer()
  t.is(await undo(shop), 2)
  await till.reached(2)
  const why = async () =>
    shop.desk
      .ref(TillV1, 'till1')
      .sell()
      .then(String, (error: Error) => error.message)
  await until(async () => (await why()).startsWith('versions before 1 are dead'), 'the stock has heard of the death')

  class TillV3 extends TillV1 {
    static override readonly className: string = 'Till.v3'
    static override readonly service = 'till'
  }
  const error = await t.throwsAsync(
    shop.publish({
      ...tillToV2(),
      title: 'Back to the old stock',
      classUpgrades: tillToV2().classUpgrades.map((each) => ({ ...each, oldClass: TillV1, newClass: TillV3 as never })),
    }),
  )
  t.is((error as { code?: string }).code, 'upgrade.neighbour')
  t.regex(
    error.message,
    /Till\.v3 calls Stock\.v1 of warehouse, which belongs to version 0 there, and that version is dead: the oldest that lives is 1/,
  )
})

test('N3: an upgrade server that is not told of a neighbour installs no upgrade that needs it', async (t) => {
  const { shop, there } = await openBoth(t)
  await there.publish(stockToV2())
  const alone = await TestSystem.start(t, asking, deaths, { name: 'shop', clock: shop.clock })
  const error = await t.throwsAsync(alone.publish(tillToV2()))
  t.is((error as { code?: string }).code, 'upgrade.neighbour')
  t.regex(error.message, /warehouse, which is no neighbour of this upgrade server: give "neighbours:/)
})

for (const first of ['shop', 'warehouse'] as const) {
  test(`N4: an undo at the neighbour is the neighbour’s affair, where the nodes of the ${first} go first`, async (t) => {
    const { there, shop, stock, till, sell, undo } = await openBoth(t)
    const held = first === 'shop' ? 'stock1' : 'till1'
    const [early, late] = first === 'shop' ? [shop, there] : [there, shop]
    await late.desk.running.operator.hold(held, 'later')
    await there.publish(stockToV2())
    await shop.publish(tillToV2())
    await (early === shop ? till : stock).reached(1)
    t.is(await sell(), first === 'shop' ? 'answered "till1-1: 9"' : 'answered "9 left"')

    await undo(there)
    if (first === 'warehouse') await stock.reached(2)
    // The chain there answers the version that was undone.
    t.is(await sell(), first === 'shop' ? 'answered "till1-2: 8"' : 'answered "8 left"')
    await late.desk.running.operator.release(held)
    await Promise.all([stock.reached(2), till.reached(1)])
    t.is(await sell(), 'answered "till1-3: 7"')
    t.is(stock.className, 'Stock.v1')
    t.is(await there.desk.ref(StockV1, 'stock1').left(), 7)
    // Brought again, it is the newest version that has the class.
    await undo(there)
    await stock.reached(3)
    t.is(await sell(), 'answered "till1-4: 6"')
    await undo(shop)
    await till.reached(2)
    t.is(await sell(), 'answered "5 left"')
  })
}

test('a host that is not told of a neighbour rejects the upgrade that brings calls there, and takes it once it is told', async (t) => {
  const { there, shop } = await openBoth(t)
  const ignorant = await shop.host('porch', { neighbours: {} })
  const door = await ignorant.node(DoorV1, 'door1')
  await shop.publish(doorToV2())
  const { reason } = await ignorant.untilPhase('door1', 'rejected')
  t.regex(
    reason!,
    /version\.rejected: .*: Door\.v2 calls Stock\.v1 of system warehouse, which is no neighbour of this host: give "neighbours:/,
  )
  t.is(door.version, 0)
  const neighbours = { [warehouse]: there.asNeighbour() }
  const again = await shop.host('porch', { state: ignorant.kill(), neighbours })
  await (await again.node(DoorV1, 'door1')).reached(1)
  t.is(await again.ref(DoorV2, 'door1').rings(), 10)
})

/** Each order in which these steps can be taken, each list's own order kept. */
function* interleavings(a: readonly string[], b: readonly string[]): Generator<readonly string[]> {
  if (a.length === 0 || b.length === 0) yield [...a, ...b]
  else {
    for (const rest of interleavings(a.slice(1), b)) yield [a[0]!, ...rest]
    for (const rest of interleavings(a, b.slice(1))) yield [b[0]!, ...rest]
  }
}

const ofWarehouse = ['the warehouse publishes', 'its node goes', 'the warehouse undoes', 'the warehouse brings it again']
const ofShop = ['the shop publishes', 'the shop undoes', 'the shop brings it again']
const orders = [...interleavings(ofWarehouse, ofShop)].filter(
  (steps) => steps.indexOf(ofWarehouse[0]!) < steps.indexOf(ofShop[0]!),
)

test('in every order of upgrades, undos and their undos in both systems each sale takes one thing, and a restart in between changes nothing', async (t) => {
  t.is(orders.length, 20)
  for (const [i, steps] of orders.entries()) {
    const { there, shop, stock, floor, till, sell, undo } = await openBoth(t)
    const at = { shop: till, floor, sold: 0 }
    const one = async (step: string) => {
      const answer = await sell()
      at.sold++
      t.regex(answer, new RegExp(`: ${10 - at.sold}"$|"${10 - at.sold} left"$`), `${steps.join(', ')}: ${step}`)
    }
    const act: Record<string, () => Promise<unknown>> = {
      [ofWarehouse[0]!]: () => there.desk.running.operator.hold('stock1', 'later').then(() => there.publish(stockToV2())),
      [ofWarehouse[1]!]: () => there.desk.running.operator.release('stock1').then(() => stock.reached(1)),
      [ofWarehouse[2]!]: () => undo(there).then((version) => stock.reached(version)),
      [ofWarehouse[3]!]: () => undo(there).then((version) => stock.reached(version)),
      [ofShop[0]!]: () => shop.publish(tillToV2()).then((version) => at.shop.reached(version)),
      [ofShop[1]!]: () => undo(shop).then((version) => at.shop.reached(version)),
      [ofShop[2]!]: () => undo(shop).then((version) => at.shop.reached(version)),
    }
    await one('the beginning')
    for (const [k, step] of steps.entries()) {
      await act[step]!()
      await one(step)
      if (k !== i % steps.length) continue
      at.floor = await shop.host('floor', { state: at.floor.kill() })
      at.shop = await at.floor.node(TillV1, 'till1')
      await one('a restart')
    }
    t.is(await there.desk.ref(StockV1, 'stock1').left(), 10 - at.sold)
    await Promise.all([shop.stop(), there.stop()])
  }
})

test('a host of the shop starts again while the upgrade servers of the neighbour are away: it has the history on its disk', async (t) => {
  const { there, shop, stock, floor, sell } = await openBoth(t)
  t.is(await sell(), 'answered "9 left"')
  await there.stopServer()
  // Of a class that no upgrade names it must remember that it has asked.
  const again = await shop.host('floor', { state: floor.kill(), settings: { serverDeadlineMs: 100 } })
  await again.node(TillV1, 'till1')
  t.is(await sell(), 'answered "8 left"')

  await there.startServer()
  await there.publish(stockToV2())
  await stock.reached(1)
  await until(() => again.state !== undefined && sell().then((answer) => answer === 'answered "3 left"'), 'it has sold some')
  await there.stopServer()
  there.udb.away(true)
  const last = await shop.host('floor', { state: again.kill(), settings: { serverDeadlineMs: 100 } })
  await last.node(TillV1, 'till1')
  t.is(await sell(), 'answered "2 left"')
  there.udb.away(false)
})

test('N4: a neighbour that begins another history is told of, and known by it from the next start on', async (t) => {
  const { there, shop, stock, store, floor, sell } = await openBoth(t)
  await there.publish(lampToV2())
  await stock.reached(1)
  const last = async () => (await sell()) && (await there.desk.ref(StockV1, 'stock1').askedBy()).at(-1)
  await until(async () => (await last()) === 'till1 Till.v1 1', 'the shop has heard of the lamp')
  await Promise.all([store.stop(), there.desk.stop(), there.stopServer()])
  there.udb.empty()
  const anew = await TestSystem.start(t, asking, deaths, { name: warehouse, clock: there.clock })
  const neighbours = { [warehouse]: anew.asNeighbour() }
  const again = await shop.host('floor', { state: floor.kill(), neighbours })
  await (await anew.host('store')).node(StockV1, 'stock1')
  await anew.publish(stockToV2())
  await again.node(TillV1, 'till1')
  const told = /^neighbour warehouse: neighbour warehouse has another history than the one that is known here/
  await until(() => again.warnings().some((text) => told.test(text)), 'it is told of')
  const third = await shop.host('floor', { state: again.kill(), neighbours })
  t.true(third.warnings().some((text) => /is dropped: it has begun another one/.test(text)))
  await third.node(TillV1, 'till1')
  t.is(await codeOf(shop.desk.ref(TillV1, 'till1').sell()), 'answered "9 left"')
  t.false(third.warnings().some((text) => told.test(text)))
})

test('N4: a kept history that the keys of a neighbour have not signed is dropped, and had anew', async (t) => {
  const { there, shop, till, floor } = await openBoth(t)
  await there.publish(stockToV2())
  await shop.publish(tillToV2())
  await till.reached(1)
  const neighbours = { [warehouse]: { ...there.asNeighbour(), trust: [alice.publicKey] } }
  const again = await shop.host('floor', { state: floor.kill(), neighbours })
  t.true(
    again.warnings().some((text) => /that was kept here is dropped: .*(sign|nobody)/.test(text)),
    again.warnings().join(),
  )
  t.is(await codeOf(again.node(TillV1, 'till1')), 'upgrade.fetch')
})

test('a host starts while the transport of a neighbour is away, and calls it once it is there', async (t) => {
  const { there, shop, floor, sell } = await openBoth(t)
  t.is(await sell(), 'answered "9 left"')
  const away = { isAway: true, tries: 0 }
  const { transport, ...more } = there.asNeighbour()
  const connect = async (options?: object) => {
    away.tries++
    if (away.isAway) throw new Fault('unavailable.disconnected', 'nobody answers there')
    return await transport!.connect(options)
  }
  const neighbours = { [warehouse]: { ...more, transport: { connect } } }
  const again = await shop.host('floor', { state: floor.kill(), neighbours, settings: { callDeadlineMs: 500 } })
  await again.node(TillV1, 'till1')
  await t.throwsAsync(shop.desk.ref(TillV1, 'till1').sell(), { message: /not connected/ })
  t.true(again.warnings().some((text) => /^neighbour warehouse: the transport is not connected; it is tried again/.test(text)))
  await until(() => away.tries > 2, 'it is tried again')
  away.isAway = false
  await until(async () => (await sell()).startsWith('answered'), 'the neighbour answers')
  t.is(await again.ref(StockV1.of(warehouse), 'stock1').take(1), 7)
})

test('without a death too the label of a class that no upgrade names goes forward', async (t) => {
  const there = await TestSystem.start(t, asking, {}, { name: warehouse })
  const neighbours = { [warehouse]: there.asNeighbour() }
  const shop = await TestSystem.start(t, asking, {}, { name: 'shop', clock: there.clock, neighbours })
  const store = await there.host('store')
  await Promise.all([store.node(StockV1, 'stock1'), store.node(LampV1, 'lamp1')])
  await shop.desk.node(TillV1, 'till1')
  await there.publish(lampToV2())
  const last = async () => {
    await shop.desk.ref(TillV1, 'till1').sell()
    return (await there.desk.ref(StockV1, 'stock1').askedBy()).at(-1)
  }
  await until(async () => (await last()) === 'till1 Till.v1 1', 'the shop has heard of the lamp')
  t.is((await there.database.dead()).below, 0)
})

test('a host that has never had the history of a neighbour says so when a node starts, and why', async (t) => {
  const { there, shop } = await openBoth(t)
  await there.stopServer()
  const other = await shop.host('other', { settings: { serverDeadlineMs: 100, heldAnswerMs: 10 } })
  const error = await t.throwsAsync(other.node(TillV1, 'till2'))
  t.is((error as { code?: string }).code, 'upgrade.fetch')
  t.regex(
    error.message,
    /the history of neighbour warehouse is neither on this host's disk nor to be had, so the version of Stock\.v1 there is not known: no upgrade server of system warehouse answers/,
  )
})

test('a neighbour’s database that has lost the pin gets it again; one whose operator has forgotten the system does not', async (t) => {
  const { there, shop, floor } = await openBoth(t)
  await pinIs(there, 0)
  there.udb.empty()
  await pinIs(there, 0)
  await there.desk.running.operator.forget('neighbour-shop')
  await there.clock.passes(300)
  t.is(await pinAt(there), undefined)
  t.true(floor.warnings().some((text) => /an operator of neighbour warehouse has forgotten this system/.test(text)))
  await shop.stopServer()
})

test('the pin has no end of its own', async (t) => {
  const { there, shop, store, floor, counter } = await openBoth(t)
  await pinIs(there, 0)
  await Promise.all([shop.stopServer(), there.stopServer()])
  floor.kill()
  for (const host of [counter, shop.desk, there.desk, store]) await host.stop()
  await there.clock.passes(2 * pinLeaseMs)
  t.like(await pinAt(there), { version: 0, alive: false, className: 'Neighbour' })
})

test('N4: what the neighbour’s own keys have not signed gives no label', async (t) => {
  const { there, stock } = await openBoth(t)
  await there.publish(stockToV2())
  await stock.reached(1)
  const neighbours = { [warehouse]: { ...there.asNeighbour(), trust: [alice.publicKey] } }
  const shop = await TestSystem.start(t, asking, {}, { name: 'other-shop', clock: there.clock, neighbours })
  const host = await shop.host('floor')
  const error = await t.throwsAsync(host.node(TillV1, 'till1'))
  t.is((error as { code?: string }).code, 'upgrade.fetch')
  t.regex(error.message, /neighbour warehouse .*version 1 there is not one that this host accepts: is its trust right\?/)
  t.is((error as { code?: string }).code, 'upgrade.fetch')
  t.is(await codeOf(shop.publish(tillToV2())), 'upgrade.neighbour')
})

test('N4: a host that is told other keys of a neighbour than the neighbour has starts no node that calls it', async (t) => {
  const there = await TestSystem.start(t, asking, deaths, { name: warehouse, trust: [alice.publicKey] })
  const neighbours = { [warehouse]: { ...there.asNeighbour(), trust: [bob.publicKey] } }
  const shop = await TestSystem.start(t, asking, {}, { name: 'shop', clock: there.clock, neighbours })
  const host = await shop.host('floor')
  t.is(await codeOf(host.node(TillV1, 'till1')), 'config.other-trust')
})

test('a system is no neighbour of itself', async (t) => {
  const there = await TestSystem.start(t, {}, {}, { name: warehouse })
  await t.throwsAsync(there.host('h', { neighbours: { [warehouse]: there.asNeighbour() } }), {
    code: 'config.invalid',
    message: /system warehouse is no neighbour of itself/,
  })
  t.true(new (class extends NodeObject {})() instanceof NodeObject)
})
