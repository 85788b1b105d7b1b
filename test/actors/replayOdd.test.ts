/** Replays of operations that leave something open, or ask for something odd (§8; W2, W3). */
import test, { type ExecutionContext } from 'ava'
import { checkRecord, keys } from '../../core/model/nodeRecord.js'
import { unpack } from '../../core/wire/codec.js'
import { command, defineUpgrade, eagerly, NodeObject, notNeeded, query, upgradeClass } from '../../index.js'
import { until } from '../support/eventually.js'
import { type Gate, gate, TestSystem } from '../support/testSystem.js'
import { toRingV2 } from './tillClasses.js'

class ShelfV1 extends NodeObject<{ added: number[] }> {
  static override readonly className: string = 'Shelf.v1'
  static override initial() {
    return { added: [] as number[] }
  }
  @command add(number: number): number {
    return this.state.added.push(number)
  }
  @query find(_name: string): string | undefined {
    return undefined
  }
  @query added(): number[] {
    return this.state.added
  }
}

/** The operations of version 1 that wait for something that never waited in version 2. */
const stuck = new Map<string, Gate>()

class ClerkV1 extends NodeObject<{ log: string[] }> {
  static override readonly className: string = 'Clerk.v1'
  static override readonly calls = [ShelfV1]
  static override initial() {
    return { log: [] as string[] }
  }
  @command forget(number: number): void {
    void this.ref(ShelfV1, 'shelf').add(number)
    this.state.log.push(`forgot ${number}`)
  }
  /** Something of it goes on when it has ended. */
  @command async goOn(): Promise<void> {
    const first = this.ref(ShelfV1, 'shelf').add(1)
    void first.then(async () => {
      for (let turn = 0; turn < 20; turn++) await undefined
      this.sender(ShelfV1, 'shelf').add(10)
      await this.ref(ShelfV1, 'shelf').add(100)
    })
    await first
    this.state.log.push('gone')
  }
  @command async look(): Promise<string> {
    const found = await this.ref(ShelfV1, 'shelf').find('it')
    const told = found === undefined ? 'undefined' : JSON.stringify(found)
    this.state.log.push(told)
    return told
  }
  @command ringLater(): void {
    this.after(10, 'ring', 1)
  }
  @command ring(number: number): void {
    this.state.log.push(`${number} by ${this.caller.node}`)
  }
  @command async note(text: string): Promise<number> {
    await stuck.get(this.nodeId)?.pass()
    return this.state.log.push(text)
  }
  @command tell(number: number): void {
    void this.ref(ShelfV1, 'shelf').add(number)
    this.state.log.push(`told ${number}`)
  }
  @command async count(number: number): Promise<void> {
    const count = await this.ref(ShelfV1, 'shelf').add(number)
    this.state.log.push(`counted ${count}`)
  }
  /** Answers at once, and adds one more to the shelf while later operations run. */
  @command addOn(): void {
    void this.ref(ShelfV1, 'shelf')
      .add(1)
      .then(() => this.ref(ShelfV1, 'shelf').add(2))
  }
  @command async slow(text: string): Promise<void> {
    await this.ref(ShelfV1, 'shelf').find('it')
    await this.ref(ShelfV1, 'shelf').find('it')
    await this.ref(ShelfV1, 'shelf').find('it')
    this.state.log.push(text)
  }
  @command async addWrong(): Promise<void> {
    const wrong = (() => 1) as unknown as number
    await this.ref(ShelfV1, 'shelf')
      .add(wrong)
      .catch((error: Error) => this.state.log.push(error.message))
  }
  @query log(): string[] {
    return this.state.log
  }
}

class ClerkV2 extends ClerkV1 {
  static override readonly className: string = 'Clerk.v2'
  @command override async note(text: string): Promise<number> {
    return this.state.log.push(text)
  }
  @command override tell(_number: number): void {}
  @command override async count(number: number): Promise<void> {
    this.ref(ShelfV1, 'shelf')
      .add(number)
      .catch(() => {})
    this.state.log.push('not counted')
  }
}

const toClerkV2 = () =>
  defineUpgrade({
    title: 'Clerks',
    classUpgrades: [
      upgradeClass({
        oldClass: ClerkV1,
        newClass: ClerkV2,
        futureSO: notNeeded,
        pastSO: notNeeded,
        transform: (old) => old,
        inverse: { transform: (now) => now },
        transformTimeout: '2s',
        rewind: { for: '1h' },
        schedule: eagerly(),
      }),
    ],
  })

async function open(t: ExecutionContext, nodeId: string) {
  const system = await TestSystem.start(t, { limit: { percent: 100 } })
  const host = await system.host('h1')
  const onDisk = new Set<string>()
  host.state.afterCommit = (writes) => {
    for (const [key, value] of writes) value === null ? onDisk.delete(key) : onDisk.add(key)
  }
  const kept = () => [...onDisk].filter((key) => key.startsWith(`s/${nodeId}/`) || key.startsWith(`o/${nodeId}/`))
  const node = await host.node(ClerkV1, nodeId)
  await host.node(ShelfV1, 'shelf')
  const { operator } = system.desk.running
  const call = (version: number, method: string, ...args: readonly unknown[]): Promise<any> =>
    operator.call({ node: nodeId }, method, args, { version })
  const shelf = (): Promise<any> => operator.call({ node: 'shelf' }, 'added', [], { version: 0 })
  await system.publish(toClerkV2())
  await node.reached(1)
  const rewind = () => operator.undo({ rewind: true })
  const rewound = () => node.reached(2)
  return { system, host, node, call, shelf, kept, rewind, rewound }
}

test('a call that nobody waited for harms no replay', async (t) => {
  const { call, shelf, rewind, rewound } = await open(t, 'c1')
  await call(1, 'forget', 7)
  await until(async () => (await shelf()).length === 1, 'the shelf has it')
  await rewind()
  await rewound()
  t.deepEqual(await call(2, 'log'), ['forgot 7'])
  t.deepEqual(await shelf(), [7])
})

test('a call that was not made, and that nobody waits for, diverges and harms nobody', async (t) => {
  const { call, shelf, rewind, rewound } = await open(t, 'c6')
  await call(1, 'tell', 7)
  await call(1, 'note', 'one')
  await rewind()
  await rewound()
  t.deepEqual(await call(2, 'log'), ['one'])
  t.deepEqual(await shelf(), [])
})

test('an operation that waits for an answer which had not come is refused, and writes nothing into the next', async (t) => {
  const { call, shelf, rewind, rewound } = await open(t, 'c7')
  await call(1, 'count', 7)
  await call(1, 'note', 'one')
  await until(async () => (await shelf()).length === 1, 'the shelf has it')
  await rewind()
  await rewound()
  t.deepEqual(await call(2, 'log'), ['one'])
  t.deepEqual(await shelf(), [7])
})

test('what goes on when an operation has ended reaches nobody in a replay', async (t) => {
  const { call, shelf, rewind, rewound } = await open(t, 'c2')
  await call(1, 'goOn')
  await until(async () => (await shelf()).length === 3, 'the shelf has all')
  await rewind()
  await rewound()
  t.deepEqual(await call(2, 'log'), ['gone'])
  t.deepEqual(await shelf(), [1, 10, 100])
})

test('an answer that was undefined is undefined in a replay', async (t) => {
  const { call, rewind, rewound } = await open(t, 'c3')
  t.is(await call(1, 'look'), 'undefined')
  await rewind()
  await rewound()
  t.deepEqual(await call(2, 'log'), ['undefined'])
})

test('a timer’s call has its node as the caller, also in a replay', async (t) => {
  const { call, rewind, rewound } = await open(t, 'c4')
  await call(1, 'ringLater')
  await until(async () => (await call(1, 'log')).length === 1, 'it rang')
  await rewind()
  await rewound()
  t.deepEqual(await call(2, 'log'), ['1 by c4'])
})

test('a replay that takes too long is left behind: the object that serves is not touched, and a retry loses no operation', async (t) => {
  const { host, node, call, rewind } = await open(t, 'c5')
  await call(1, 'note', 'one')
  const waits = gate()
  stuck.set('c5', waits)
  await rewind()
  await host.untilPhase('c5', 'stalled', 2)
  t.is(await call(1, 'note', 'two'), 2)
  waits.open()
  stuck.delete('c5')
  await new Promise(setImmediate)
  t.is(await call(1, 'note', 'three'), 3)
  node.retry()
  await host.untilPhase('c5', 'current')
  t.deepEqual(await call(2, 'log'), ['one', 'two', 'three'])
  t.deepEqual(
    host.events.filter(({ type }) => type === 'nodeFailed'),
    [],
  )
})

test('a call that can’t travel fails as it does where nothing is recorded', async (t) => {
  const { call, rewind, rewound } = await open(t, 'c8')
  await call(1, 'addWrong')
  const [message] = await call(1, 'log')
  t.regex(message, /function/)
  await rewind()
  await rewound()
  t.deepEqual(await call(2, 'log'), [message])
})

test('a node that passes an upgrade which leaves it alone keeps nothing of its recording', async (t) => {
  const { system, node, call, kept } = await open(t, 'c9')
  await call(1, 'note', 'one')
  t.deepEqual(kept(), ['s/c9/0.0/r', 's/c9/1.1/r', 'o/c9/0000000001/0000000000'])
  await system.publish(toRingV2())
  await node.reached(2)
  await until(() => kept().length === 1, 'only its state is left')
  t.deepEqual(kept(), ['s/c9/1.1/r'])
})

test('a recording that was left on the disk is gone after the next start', async (t) => {
  const { system, host, call, kept } = await open(t, 'c10')
  await call(1, 'note', 'one')
  const { afterCommit } = host.state
  host.state.afterCommit = (writes) => {
    afterCommit!(writes)
    const record = writes.find(([key, value]) => key === keys.record('c10') && value !== null)?.[1]
    if (record != null && checkRecord(unpack(record)).generation.version === 2) host.kill()
  }
  await system.publish(toRingV2())
  await until(() => host.isDead, 'it is killed as it advances')
  t.is(kept().length, 3)
  host.state.afterCommit = afterCommit
  const second = await system.host('h2', { state: host.state })
  const again = await second.node(ClerkV1, 'c10')
  await again.reached(2)
  await until(() => kept().length === 1, 'only its state is left')
  t.deepEqual(kept(), ['s/c10/1.1/r'])
})

test('an operation is not charged with what another one has left behind', async (t) => {
  const { call, shelf, rewind, rewound } = await open(t, 'c12')
  await Promise.all([call(1, 'addOn'), call(1, 'slow', 'one')])
  await until(async () => (await shelf()).length === 2, 'the shelf has both')
  await rewind()
  await rewound()
  t.deepEqual(await call(2, 'log'), ['one'])
  t.deepEqual(await shelf(), [1, 2])
})
