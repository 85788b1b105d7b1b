/**
 * Events that an upgrade brings reach nodes whose hosts have not learned that upgrade: an event
 * teaches as a call does (§8).
 */
import test, { type ExecutionContext } from 'ava'
import { keys } from '../../core/model/nodeRecord.js'
import { introducedEvents } from '../../core/upgrade/agreement.js'
import { subjectsOf } from '../../core/wire/subjects.js'
import {
  command,
  defineUpgrade,
  event,
  futureSO,
  hears,
  NodeObject,
  notNeeded,
  query,
  schedule,
  upgradeClass,
} from '../../index.js'
import { until } from '../support/eventually.js'
import { codeOf, gate, type Settings, TestSystem } from '../support/testSystem.js'

const moved = event<[to: string]>('moved')

class CartV1 extends NodeObject<{ at: string }> {
  static override readonly className: string = 'Cart.v1'
  static override initial() {
    return { at: 'home' }
  }
  @query at(): string {
    return this.state.at
  }
}
class CartV2 extends CartV1 {
  static override readonly className: string = 'Cart.v2'
  static override readonly publishes = [moved]
  @command move(to: string): void {
    this.state.at = to
    this.publish(moved, to)
  }
}
class MapV1 extends NodeObject<{ seen: string[] }> {
  static override readonly className: string = 'Map.v1'
  static override initial() {
    return { seen: [] as string[] }
  }
  @query seen(): string[] {
    return this.state.seen
  }
  @command note(at: string): void {
    this.state.seen.push(at)
  }
}
class MapV2 extends MapV1 {
  static override readonly className: string = 'Map.v2'
  @hears(moved) hearMoved(to: string): void {
    this.state.seen.push(to)
  }
}

const never = schedule('never', () => new Promise(() => {}))
const atOnce = schedule('at once', async () => {})

const tracked = (mapsGo = never) =>
  defineUpgrade({
    title: 'Maps follow carts',
    classUpgrades: [
      upgradeClass({
        oldClass: CartV1,
        newClass: CartV2,
        futureSO: futureCart(),
        pastSO: notNeeded,
        transform: (old) => old,
        schedule: atOnce,
      }),
      upgradeClass({
        oldClass: MapV1,
        newClass: MapV2,
        futureSO: futureMap(),
        pastSO: notNeeded,
        transform: (old) => old,
        schedule: mapsGo,
      }),
    ],
  })

function futureCart() {
  return futureSO({ simulates: CartV2, over: CartV1, delegates: ['at'], refuses: ['move'], methods: {} })
}
function futureMap() {
  return futureSO({
    simulates: MapV2,
    over: MapV1,
    delegates: ['seen', 'note'],
    methods: {
      async hearMoved(to) {
        await this.next.note(to)
      },
    },
  })
}

/** The host of the map hears an announcement, and asks what it is about only much later. */
async function open(t: ExecutionContext, unknownVersionMs = 100) {
  const settings: Settings = { limit: { percent: 100 }, askServerMs: 20, unknownVersionMs }
  const system = await TestSystem.start(t, settings, { deathRound: 20, deathDelay: 20 })
  const here = await system.host('a')
  const there = await system.host('b', { settings: { announcedWithinMs: 3_600_000, askServerMs: 3_600_000 } })
  const cart = await here.node(CartV1, 'c')
  const map = await there.node(MapV1, 'm')
  const nearMap = await here.node(MapV1, 'near')
  const { operator } = system.desk.running
  const move = (to: string) => operator.call({ node: 'c' }, 'move', [to], { version: 1 })
  const seen = (node: string) => operator.call({ node }, 'seen', [], { version: 0, kind: 'query' }) as Promise<string[]>
  const both = async (expected: string[]) => {
    for (const node of ['m', 'near']) {
      await until(async () => (await seen(node)).length >= expected.length, `${node} hears ${expected.length}`)
      t.deepEqual(await seen(node), expected)
    }
  }
  return { system, cart, map, nearMap, move, both, seen }
}

test('a node whose host has not learned the upgrade hears its event, through its future-SO, once', async (t) => {
  const { system, cart, map, move, both } = await open(t)
  await system.publish(tracked())
  await cart.reached(1)
  t.is(map.chain.length, 1, 'its host knows nothing of version 1')
  await move('the market')
  await both(['the market'])
  // From now on its host listens to the name as well: the event comes twice, and is carried out once.
  await move('the harbour')
  await move('home')
  await both(['the market', 'the harbour', 'home'])
})

test('an event of a version that was unknown a moment before is held until that is asked about again', async (t) => {
  const { system, cart, move, both } = await open(t, 400)
  const early = system.desk.running.operator.call({ node: 'm' }, 'seen', [], { version: 1, kind: 'query' })
  t.is(await codeOf(early), 'version.unknown')
  await system.publish(tracked())
  await cart.reached(1)
  await move('the market')
  await both(['the market'])
})

test('once the versions before it are dead, such an event travels once', async (t) => {
  const { system, cart, map, nearMap, move, both } = await open(t)
  let copies = 0
  system.desk.transport.subscribe(subjectsOf(system.name).introduced, () => copies++)
  await system.publish(tracked(atOnce))
  await cart.reached(1)
  await move('the market')
  await Promise.all([map, nearMap].map((node) => until(() => node.version === 1, 'it upgrades')))
  await both(['the market'])
  t.is(copies, 1)
  await until(async () => {
    const before = copies
    await move('again')
    return copies === before
  }, 'version 0 is dead, and it travels once')
})

/** Carts tell what maps hear already. */
class AtlasV1 extends MapV1 {
  static override readonly className: string = 'Atlas.v1'
  @hears(moved) hearMoved(to: string): void {
    this.state.seen.push(to)
  }
}

const cartsTell = () =>
  defineUpgrade({
    title: 'Carts tell',
    classUpgrades: [
      upgradeClass({
        oldClass: CartV1,
        newClass: CartV2,
        futureSO: futureCart(),
        pastSO: notNeeded,
        transform: (old) => old,
        schedule: atOnce,
      }),
    ],
  })

async function heardAlready(t: ExecutionContext, heresSettings: Settings = {}) {
  const system = await TestSystem.start(t, { limit: { percent: 100 }, askServerMs: 5 }, { deathRound: 20, deathDelay: 20 })
  const here = await system.host('a', { settings: heresSettings })
  const there = await system.host('b')
  const cart = await here.node(CartV1, 'c')
  const atlas = await there.node(AtlasV1, 'm')
  const { operator } = system.desk.running
  const move = (to: string) => operator.call({ node: 'c' }, 'move', [to], { version: 1 })
  const seen = () => operator.call({ node: 'm' }, 'seen', [], { version: 1, kind: 'query' }) as Promise<string[]>
  return { system, there, cart, atlas, move, seen }
}

test('an event that arrives while the manifest of its version is on its way is heard once', async (t) => {
  const { system, there, cart, atlas, move, seen } = await heardAlready(t)
  const disk = gate()
  there.state.beforeCommit = (writes) => (writes.some(([key]) => key === keys.manifest(1)) ? disk.pass() : undefined)
  await system.publish(cartsTell())
  await cart.reached(1)
  await until(() => disk.waiting === 1, 'its host has heard of version 1, and has not learned it')
  let copies = 0
  for (const subject of [subjectsOf(system.name).introduced, subjectsOf(system.name).event('moved')])
    there.transport.subscribe(subject, () => copies++)
  await move('the market')
  await until(() => copies === 2 && there.running.status().nodes[0]!.fetching > 0, 'both copies have come, and wait')
  disk.open()
  await until(() => atlas.version === 1, 'it advances')
  await move('home')
  await until(async () => (await seen()).includes('home'), 'it hears on')
  t.deepEqual(await seen(), ['the market', 'home'])
})

test('an event is heard once where its publisher hears of a death later than those who hear it', async (t) => {
  const { system, cart, atlas, move, seen } = await heardAlready(t, { askServerMs: 3_600_000 })
  await system.publish(cartsTell())
  await cart.reached(1)
  await until(() => atlas.version === 1, 'it advances')
  await until(() => atlas.chain[0]?.version === 1, 'its host knows that version 0 is dead')
  let copies = 0
  system.desk.transport.subscribe(subjectsOf(system.name).introduced, () => copies++)
  await move('the market')
  await move('home')
  await until(async () => (await seen()).includes('home'), 'it hears them')
  t.deepEqual(await seen(), ['the market', 'home'])
  t.is(copies, 2, 'they travel twice')
})

test('an event is introduced by an upgrade whose new class has it where the old one has not, in any revision', (t) => {
  const change = (oldUses: string[], newUses: string[]) => ({ classUpgrades: [{ oldUses, newUses }] }) as any
  const history = [
    change([], ['Map.v1', 'moved/1']),
    change(['moved/1'], ['moved/2', 'lost/1']),
    change(['lost/1'], []),
    change([], ['lost/1']),
  ]
  t.deepEqual(
    [...introducedEvents(history)],
    [
      ['moved', [1]],
      ['lost', [2, 4]],
    ],
  )
})
