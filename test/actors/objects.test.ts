/** The questions that an object may ask of its node, and their cost to the node. */
import { getEventListeners } from 'node:events'
import { setImmediate as turnOfLoop } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { command, NodeObject, query } from '../../index.js'
import { until } from '../support/eventually.js'
import { codeOf, gate, TestSystem } from '../support/testSystem.js'

class Thing extends NodeObject<{ ticks: number }> {
  static override readonly className = 'Thing.v1'
  static override initial() {
    return { ticks: 0 }
  }

  protected override start(): void {
    if (this.nodeId === 'sends' || this.nodeId === 'sends-and-throws') this.sender(Thing, 'other').tick()
    if (this.nodeId === 'sends-and-throws') throw new Error('not today')
  }

  @command tick(): number {
    if (this.state.ticks < 20 && this.nodeId === 'ticks') this.after(0, 'tick')
    return ++this.state.ticks
  }

  @command fails(): void {
    this.state.ticks = 1_000
    throw new Error('no')
  }

  @query ticks(): number {
    return this.state.ticks
  }

  @query listeners(): number {
    return getEventListeners(this.signal, 'abort').length
  }

  @command put(collection: string, key: string, value: string): void {
    this.collection(collection).put(key, value)
  }

  @query entries(collection: string): (readonly [string, unknown])[] {
    return [...this.collection(collection).entries()]
  }

  @query async down(left: number): Promise<number> {
    return left === 0 ? 0 : 1 + (await this.ref(Thing, `t${left - 1}`).down(left - 1))
  }
}

async function thing(t: ExecutionContext, id: string) {
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  await host.node(Thing, id)
  return { system, host, ref: system.desk.ref(Thing, id, { version: 0 }) }
}

test('timers arrive as calls of the object’s own methods', async (t) => {
  const { ref } = await thing(t, 'ticks')
  await ref.tick()
  await until(async () => (await ref.ticks()) >= 21, 'all timers have come')
  t.is(await ref.ticks(), 21)
})

// Bug 27: each timer leaves its listener on the object's signal.
test('a timer that has come leaves nothing behind', async (t) => {
  const { ref } = await thing(t, 'ticks')
  await ref.tick()
  await until(async () => (await ref.ticks()) === 21, 'all timers have come')
  t.is(await ref.listeners(), 0)
})

// Bug 28: the names of collections are not checked: one is a part of the other's keys.
test('two collections never share a key', async (t) => {
  const { ref } = await thing(t, 't1')
  await ref.put('a', 'b/x', 'of a')
  t.is(await codeOf(ref.put('a/b', 'y', 'of a/b')), 'application.error')
  t.deepEqual(await ref.entries('a'), [['b/x', 'of a']])
})

test('a collection’s key is refused at once if no store could take it', async (t) => {
  const { ref } = await thing(t, 't1')
  for (const key of ['', 'x'.repeat(1_025), 'a\0b']) t.is(await codeOf(ref.put('a', key, 'x')), 'protocol.bad-arguments')
  await ref.put('a', 'é'.repeat(512), 'x')
  t.is((await ref.entries('a')).length, 1)
})

test('C12: nothing leaves before its commit after a rebuild of the object either', async (t) => {
  const { host, ref } = await thing(t, 't1')
  const held = gate()
  t.teardown(() => held.open())
  host.state.beforeCommit = () => held.pass()
  const left: string[] = []
  const calls = [ref.tick(), ref.fails(), ref.ticks()].map((call) => codeOf(call).then((code) => left.push(code)))
  await until(() => held.waiting === 1, 'the commit is held')
  for (let i = 0; i < 30; i++) await turnOfLoop()
  t.deepEqual(left, [])
  held.open()
  await Promise.all(calls)
  t.deepEqual(left, ['answered 1', 'application.error', 'answered 1'])
})

// Bug 29: start() runs without a call of its own: in a rebuild its sends join those of the
// command that failed.
test('what start() sends leaves after a rebuild as it does after any start', async (t) => {
  const { host, system, ref } = await thing(t, 'sends')
  await host.node(Thing, 'other')
  const other = system.desk.ref(Thing, 'other', { version: 0 })
  const before = await other.ticks()
  t.is(await codeOf(ref.fails()), 'application.error')
  for (let i = 0; i < 30; i++) await turnOfLoop()
  t.is(await other.ticks(), before + 1)
})

// The sends of start() leave at once: they wait for earlier writes, and not for those of start().
test('C12: a start() that throws sends nothing', async (t) => {
  const { host, ref } = await thing(t, 'other')
  await t.throwsAsync(host.node(Thing, 'sends-and-throws'), { message: /not today/ })
  for (let i = 0; i < 30; i++) await turnOfLoop()
  t.is(await ref.ticks(), 0)
})

test('a call made for too many others is refused where it is made', async (t) => {
  const { host, system } = await thing(t, 't0')
  for (let i = 1; i <= 40; i++) await host.node(Thing, `t${i}`)
  t.is(await codeOf(system.desk.ref(Thing, 't30', { version: 0 }).down(30)), 'answered 30')
  t.is(await codeOf(system.desk.ref(Thing, 't40', { version: 0, deadline: 2_000 }).down(40)), 'protocol.bad-arguments')
  t.deepEqual(
    host.events.filter(({ type }) => type === 'deadLetter'),
    [],
  )
})
