/**
 * Two systems that are each other's neighbour: a call from one leads back to it through the other. Nodes of
 * both have the same names.
 */
import 'reflect-metadata'
import test, { type ExecutionContext } from 'ava'
import type { NeighboursOption } from '../../compose.js'
import { command, NodeObject, query } from '../../index.js'
import { codeOf, TestSystem } from '../support/testSystem.js'

const asking = { askServerMs: 10, firstAnswerMs: 2_000, leaseMs: 1_000 }

/** Of the shop. Re-entrant: the warehouse may ask while an order runs. */
class DeskV1 extends NodeObject<{ orders: number }> {
  static override readonly className: string = 'Desk.v1'
  static override readonly reentrant = true
  static override readonly calls = () => [BayV1.of('warehouse')]
  static override initial() {
    return { orders: 0 }
  }

  @command async order(bay: string): Promise<string> {
    this.state.orders++
    return await this.ref(BayV1.of('warehouse'), bay).load(this.nodeId)
  }

  @query orders(): number {
    return this.state.orders
  }
}

/** Of the warehouse. */
class BayV1 extends NodeObject<object> {
  static override readonly className: string = 'Bay.v1'
  static override readonly calls = () => [BayV1, DeskV1.of('shop')]

  @command async load(desk: string): Promise<string> {
    return `loaded for ${await this.ref(DeskV1.of('shop'), desk).orders()}`
  }

  /** The same through another bay. */
  @command async passOn(bay: string, desk: string): Promise<string> {
    return await this.ref(BayV1, bay).load(desk)
  }
}

/** The same, not re-entrant. */
class StrictDeskV1 extends NodeObject<object> {
  static override readonly className: string = 'StrictDesk.v1'
  static override readonly calls = () => [StrictBayV1.of('warehouse')]

  @command async order(bay: string): Promise<string> {
    return await this.ref(StrictBayV1.of('warehouse'), bay).load(this.nodeId)
  }

  @query orders(): number {
    return 0
  }
}

class StrictBayV1 extends NodeObject<object> {
  static override readonly className: string = 'StrictBay.v1'
  static override readonly calls = () => [StrictDeskV1.of('shop')]

  @command async load(desk: string): Promise<string> {
    return `loaded for ${await this.ref(StrictDeskV1.of('shop'), desk).orders()}`
  }
}

async function openBoth(t: ExecutionContext, level: object = {}) {
  const neighbours: Record<string, NonNullable<NeighboursOption['neighbours']>[string]> = {}
  const warehouse = await TestSystem.start(t, asking, {}, { name: 'warehouse', neighbours, ...level })
  const ofShop = { warehouse: warehouse.asNeighbour() }
  const shop = await TestSystem.start(t, asking, {}, { name: 'shop', clock: warehouse.clock, neighbours: ofShop, ...level })
  neighbours.shop = shop.asNeighbour()
  const store = await warehouse.host('store')
  const floor = await shop.host('floor')
  await floor.node(DeskV1, 'n1')
  for (const nodeId of ['n1', 'n2']) await store.node(BayV1, nodeId)
  return { warehouse, shop, store, floor }
}

test('a call that comes back from a neighbour runs inside the one that it is made for, also where the node there has the same name', async (t) => {
  const { shop } = await openBoth(t)
  t.is(await codeOf(shop.desk.ref(DeskV1, 'n1').order('n2')), 'answered "loaded for 1"')
  t.is(await codeOf(shop.desk.ref(DeskV1, 'n1').order('n1')), 'answered "loaded for 2"')
})

test('a node of a neighbour calls a re-entrant node that has its own name', async (t) => {
  const { warehouse } = await openBoth(t)
  t.is(await codeOf(warehouse.desk.ref(BayV1, 'n2').load('n1')), 'answered "loaded for 0"')
  t.is(await codeOf(warehouse.desk.ref(BayV1, 'n1').load('n1')), 'answered "loaded for 0"')
  t.is(await codeOf(warehouse.desk.ref(BayV1, 'n1').passOn('n2', 'n1')), 'answered "loaded for 0"')
})

test('a call that comes back from a neighbour to a node that is not re-entrant is refused at once, whatever the names', async (t) => {
  const { shop, store, floor } = await openBoth(t)
  await floor.node(StrictDeskV1, 's1')
  for (const nodeId of ['s1', 's2']) await store.node(StrictBayV1, nodeId)
  for (const bay of ['s1', 's2'])
    t.is(await codeOf(shop.desk.ref(StrictDeskV1, 's1', { deadline: '60s' }).order(bay)), 'protocol.call-cycle', bay)
})
