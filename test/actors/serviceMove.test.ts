/** A local service becomes a sharded one: its nodes move one after the other, while they are called. */
import test, { type ExecutionContext } from 'ava'
import type { Write } from '../../core/ports/stateStore.js'
import { command, defineUpgrade, eagerly, NodeObject, notNeeded, query, upgradeClass } from '../../index.js'
import { memoryTransport } from '../../transports/memory/index.js'
import { until } from '../support/eventually.js'
import { type TestHost, TestSystem } from '../support/testSystem.js'
import { CartV1 } from './cartClasses.js'
import { allOwned, cart } from './offeredCarts.js'

/** The service before it has shards. */
class CartV0 extends NodeObject<{ items: string[] }> {
  static override readonly className = 'Cart.v0'
  static override initial() {
    return { items: [] as string[] }
  }
  @command add(item: string): number {
    return this.state.items.push(item)
  }
  @query items(): string[] {
    return this.state.items
  }
}

const getsShards = () =>
  defineUpgrade({
    title: 'Carts have shards',
    classUpgrades: [
      upgradeClass({
        oldClass: CartV0,
        newClass: CartV1,
        futureSO: notNeeded,
        pastSO: notNeeded,
        transform: (old) => ({ items: old.items }),
        schedule: eagerly(),
      }),
    ],
  })

const nodeIds = ['cart0', 'cart2']

const order = (system: TestSystem, to: 'sharded') =>
  system.database.setControl({ kind: 'home', service: 'cart', to: { kind: to }, reason: '', since: system.clock.now() })

const orderBack = (system: TestSystem, hostId: string) =>
  system.database.setControl({
    kind: 'home',
    service: 'cart',
    to: { kind: 'local', hostId },
    reason: '',
    since: system.clock.now(),
  })

const isBack = async (system: TestSystem, hostId: string) => {
  const rows = await system.database.nodes('cart')
  return rows.length === nodeIds.length && rows.every((row) => row.shard === undefined && row.hostId === hostId)
}

const isThere = async (system: TestSystem, host?: string) => {
  const rows = await system.database.nodes('cart')
  return (
    rows.length === nodeIds.length && rows.every((row) => row.shard !== undefined && (host === undefined || row.hostId === host))
  )
}

/** Host `a` has the nodes, at a version with shards, and nobody goes back any more. Host `b` has shards. */
async function local(t: ExecutionContext) {
  const system = await TestSystem.start(
    t,
    { sleepAfterMs: 5_000, shardLeaseMs: 1_500, shardGuardMs: 300 },
    { deathDelay: 100, deathRound: 200 },
  )
  const a = await system.host('a')
  for (const id of nodeIds) await a.node(CartV0, id)
  await system.publish(getsShards())
  for (const id of nodeIds)
    await until(() => a.nodes.get(id)!.version === 1 && a.nodes.get(id)!.phase === 'current', 'it has shards')
  for (const id of nodeIds) await cart(system.desk, id).add('first')
  const b = await system.host('b')
  await b.offer(CartV1)
  await allOwned([b])
  await system.desk.running.operator.finalize(1)
  await until(async () => (await system.database.dead()).inForce === 1, 'the version without shards is dead')
  await system.clock.passes(2_000)
  await a.offer(CartV1, { capacity: 0.001 })
  return { system, a, b }
}

/** Calls a node over and over: each answer says how many items there are, its own with them. */
function calls(system: TestSystem, id: string, via: TestHost = system.desk) {
  let isOver = false
  const acknowledged: string[] = []
  const running = (async () => {
    for (let i = 0; !isOver; i++) {
      const item = `${id}-${i}`
      await cart(via, id).add(item)
      acknowledged.push(item)
      await system.clock.passes(20)
    }
  })()
  return {
    async end() {
      isOver = true
      await running
      return acknowledged
    },
  }
}

test('the nodes of a local service are called where they are while their class has shards already', async (t) => {
  const { system, a } = await local(t)
  for (const id of nodeIds) {
    t.is(await cart(system.desk, id).add('second'), 2)
    t.deepEqual(await cart(system.desk, id).items(), ['first', 'second'])
    system.desk.sender(CartV1, id).add('sent')
  }
  await until(async () => (await cart(system.desk, 'cart2').items()).length === 3, 'what was sent has arrived')
  t.false(await isThere(system))
  t.is([...a.running.status().nodes].filter(({ service }) => service === 'cart').length, 2)
})

test('nodes move into their shards while they are called: no call fails, nothing is lost, nothing is there twice', async (t) => {
  const { system, a } = await local(t)
  const running = nodeIds.map((id) => calls(system, id))
  await system.clock.passes(500)
  await order(system, 'sharded')
  await until(() => isThere(system, 'b'), 'all have moved')
  await system.clock.passes(500)
  for (const [i, id] of nodeIds.entries()) {
    const acknowledged = await running[i]!.end()
    t.deepEqual(await cart(system.desk, id).items(), ['first', ...acknowledged])
  }
  t.deepEqual(
    a.running.status().nodes.filter(({ id }) => nodeIds.includes(id)),
    [],
  )
  const fault = await t.throwsAsync(a.running.node(CartV1, 'cart0'))
  t.regex(String(fault), /has moved to shard-cart-/)
})

/** Commands of which one may end as unknown when a process is killed. */
function risked(system: TestSystem, id: string) {
  let isOver = false
  const acknowledged: string[] = []
  const running = (async () => {
    for (let i = 0; !isOver; i++) {
      const item = `${id}-${i}`
      await system.desk
        .ref(CartV1, id, { deadline: '1s' })
        .add(item)
        .then(
          () => acknowledged.push(item),
          () => {},
        )
      await system.clock.passes(100)
    }
  })()
  return async () => {
    isOver = true
    await running
    return acknowledged
  }
}

/** A process is killed at a step of the move, once. */
interface Kill {
  readonly title: string
  /** Calls `kill` at the step. */
  readonly at: (of: { system: TestSystem; a: TestHost; kill: () => void }) => void
  readonly who: 'a' | 'b'
}

const once = (action: () => void, number: number) => {
  let left = number
  return () => {
    if (left > 0 && --left === 0) action()
  }
}

/** Commits of the source that tell of moves. */
const isOfMove = (writes: readonly Write[]) => writes.some(([key]) => key.startsWith('d/'))

const kills: readonly Kill[] = [
  ...[1, 2].flatMap((n): Kill[] => [
    {
      title: `the source, before its commit ${n}`,
      who: 'a',
      at: ({ a, kill }) => {
        const strike = once(kill, n)
        a.state.beforeCommit = (writes) => {
          if (isOfMove(writes)) strike()
        }
      },
    },
    {
      title: `the source, after its commit ${n}`,
      who: 'a',
      at: ({ a, kill }) => {
        const strike = once(kill, n)
        a.state.afterCommit = (writes) => {
          if (isOfMove(writes)) strike()
        }
      },
    },
  ]),
  ...(['a', 'b'] as const).flatMap((who) =>
    [2, 3].map(
      (n): Kill => ({
        title: `the ${who === 'a' ? 'source' : 'owner'}, when question ${n} is on its way`,
        who,
        at: ({ system, kill }) => {
          const strike = once(kill, n)
          memoryTransport(system.broker, {}).subscribe(`theseus.${system.name}.arrivals.>`, () => strike())
        },
      }),
    ),
  ),
  ...(['deliver', 'lose'] as const).flatMap((fate) =>
    [1].map(
      (n): Kill => ({
        title: `the owner, when its entry ${n} ${fate === 'deliver' ? 'arrives' : 'is lost'}`,
        who: 'b',
        at: ({ system, kill }) => {
          let left = n
          for (let shard = 0; shard < 8; shard++)
            system.shardLogs.shard('cart', shard).log.fate = ({ bytes }) => {
              if (!Buffer.from(bytes).includes('a/cart') || left === 0 || --left > 0) return 'deliver'
              kill()
              return fate
            }
        },
      }),
    ),
  ),
]

for (const { title, at, who } of kills)
  test(`M1, M2, M3: killed is ${title}: each node is whole, in one place`, async (t) => {
    const { system, a, b } = await local(t)
    const running = nodeIds.map((id) => risked(system, id))
    await system.clock.passes(100)
    let killed: ReturnType<TestHost['kill']> | undefined
    at({ system, a, kill: () => (killed ??= (who === 'a' ? a : b).kill()) })
    await order(system, 'sharded')
    await until(() => killed !== undefined, 'it is killed')
    for (const state of [a.state]) state.beforeCommit = state.afterCommit = undefined
    const back = await system.host(who, { state: killed! })
    if (who === 'a') {
      // As a program does that knows the nodes of its host. One that has left does not start.
      for (const id of nodeIds) await back.node(CartV1, id).catch(() => {})
      await back.offer(CartV1, { capacity: 0.001 })
    } else await back.offer(CartV1)
    await until(() => isThere(system), 'all have moved')
    await system.clock.passes(500)
    for (const [i, id] of nodeIds.entries()) {
      const acknowledged = await running[i]!()
      const items = await cart(system.desk, id).items()
      t.is(new Set(items).size, items.length, `${id}: nothing is there twice`)
      t.deepEqual(
        items.filter((item) => item === 'first' || acknowledged.includes(item)),
        ['first', ...acknowledged],
      )
    }
  })

/** All nodes are in their shards, at host `b`; host `a` offers the service too. */
async function sharded(t: ExecutionContext) {
  const made = await local(t)
  await order(made.system, 'sharded')
  await until(() => isThere(made.system, 'b'), 'all have moved')
  return made
}

test('nodes move out of their shards to a host and back, while they are called', async (t) => {
  const { system, a } = await sharded(t)
  const running = nodeIds.map((id) => calls(system, id))
  await system.clock.passes(200)
  for (let i = 0; i < 2; i++) {
    await orderBack(system, 'a')
    await until(() => isBack(system, 'a'), 'all are at the host')
    t.is(a.running.status().nodes.filter(({ id }) => nodeIds.includes(id)).length, nodeIds.length)
    await system.clock.passes(300)
    await order(system, 'sharded')
    await until(() => isThere(system), 'all are in their shards')
    await system.clock.passes(300)
  }
  for (const [i, id] of nodeIds.entries()) {
    const acknowledged = await running[i]!.end()
    t.deepEqual(await cart(system.desk, id).items(), ['first', ...acknowledged])
  }
})

const killsBack: readonly Kill[] = [
  ...[1, 2].map(
    (n): Kill => ({
      title: `the host, after its commit ${n}`,
      who: 'a',
      at: ({ a, kill }) => {
        const strike = once(kill, n)
        a.state.afterCommit = (writes) => {
          if (writes.some(([key]) => key.startsWith('a/'))) strike()
        }
      },
    }),
  ),
  ...(['a', 'b'] as const).map(
    (who): Kill => ({
      title: `the ${who === 'a' ? 'host' : 'owner'}, when question 2 is on its way`,
      who,
      at: ({ system, kill }) => {
        const strike = once(kill, 2)
        memoryTransport(system.broker, {}).subscribe(`theseus.${system.name}.arrivals.>`, () => strike())
      },
    }),
  ),
  ...(['deliver', 'lose'] as const).flatMap((fate) =>
    [1, 2].map(
      (n): Kill => ({
        title: `the owner, when its entry ${n} ${fate === 'deliver' ? 'arrives' : 'is lost'}`,
        who: 'b',
        at: ({ system, kill }) => {
          let left = n
          for (let shard = 0; shard < 8; shard++)
            system.shardLogs.shard('cart', shard).log.fate = ({ bytes }) => {
              if (!Buffer.from(bytes).includes('d/cart') || left === 0 || --left > 0) return 'deliver'
              kill()
              return fate
            }
        },
      }),
    ),
  ),
]

for (const { title, at, who } of killsBack)
  test(`M1, M2, M3, back to a host: killed is ${title}: each node is whole, in one place`, async (t) => {
    const { system, a, b } = await sharded(t)
    const running = nodeIds.map((id) => risked(system, id))
    await system.clock.passes(100)
    let killed: ReturnType<TestHost['kill']> | undefined
    at({ system, a, kill: () => (killed ??= (who === 'a' ? a : b).kill()) })
    await orderBack(system, 'a')
    await until(() => killed !== undefined, 'it is killed')
    a.state.afterCommit = undefined
    const back = await system.host(who, { state: killed! })
    await back.offer(CartV1, { capacity: who === 'a' ? 0.001 : 1 })
    await until(() => isBack(system, 'a'), 'all are at the host')
    await system.clock.passes(500)
    for (const [i, id] of nodeIds.entries()) {
      const acknowledged = await running[i]!()
      const items = await cart(system.desk, id).items()
      t.is(new Set(items).size, items.length, `${id}: nothing is there twice`)
      t.deepEqual(
        items.filter((item) => item === 'first' || acknowledged.includes(item)),
        ['first', ...acknowledged],
      )
    }
  })
