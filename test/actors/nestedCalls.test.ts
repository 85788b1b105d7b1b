/**
 * Calls that run inside a call of a re-entrant class, and outlive it, overlap in it, or come
 * back by long ways (C2).
 */
import test, { type ExecutionContext } from 'ava'
import { NestedCalls } from '../../actors/serving/nestedCalls.js'
import { incarnationAbroad, outerAt } from '../../core/wire/envelope.js'
import { command, Fault, NodeObject, query } from '../../index.js'
import { until } from '../support/eventually.js'
import { codeOf, gate, type Settings, type TestHost, TestSystem } from '../support/testSystem.js'
import { gates } from './notesClasses.js'

/** A counter whose methods lead back to it by way of a messenger. */
class Counter extends NodeObject<{ n: number }> {
  static override readonly className: string = 'Counter.v1'
  static override readonly service: string = 'counter'
  static override readonly reentrant: boolean = true
  static override readonly calls = () => [Messenger]
  static override initial() {
    return { n: 0 }
  }
  @command inc(): number {
    return ++this.state.n
  }
  @query n(): number {
    return this.state.n
  }
  /** Reads, waits, and writes what it has read: whatever is written meanwhile would be lost. */
  @command async slowInc(name: string): Promise<number> {
    const { n } = this.state
    await gates.get(name)!.pass()
    this.state.n = n + 1
    return this.state.n
  }
  /** Does not await what it leads to. */
  @command async leave(name: string): Promise<string> {
    void this.ref(Messenger, 'm')
      .back(this.nodeId, name)
      .catch(() => {})
    await until(() => gates.get(name)!.waiting > 0, 'the call inside runs')
    return 'left'
  }
  /** Ends before what it leads to comes back. */
  @command leaveAtOnce(name: string): string {
    void this.ref(Messenger, 'm')
      .backLater(this.nodeId, name)
      .catch(() => {})
    return 'left'
  }
  @command async rejectEarly(name: string): Promise<void> {
    const back = this.ref(Messenger, 'm').back(this.nodeId, name)
    const early = until(() => gates.get(name)!.waiting > 0, 'the call inside runs').then(() => {
      throw new Error('early')
    })
    await Promise.all([back, early])
  }
  @command async sendInside(fails: boolean): Promise<void> {
    await this.ref(Messenger, 'm').askToSend(this.nodeId)
    if (fails) throw new Error('after the send')
  }
  @command tell(): void {
    this.state.n++
    this.sender(Messenger, 'm').hear('told')
  }
  /** A send comes back to its sender as any other call: nobody waits for it. */
  @query async sendAndWait(name: string): Promise<number> {
    this.sender(Messenger, 'm').bump(this.nodeId)
    await gates.get(name)!.pass()
    return this.state.n
  }
}

class Messenger extends NodeObject<{ heard: string[] }> {
  static override readonly className = 'Messenger.v1'
  static override readonly reentrant = true
  static override readonly calls = () => [Counter]
  static override initial() {
    return { heard: [] as string[] }
  }
  @command async back(to: string, name: string): Promise<void> {
    const answer = await codeOf(this.ref(Counter, to).slowInc(name))
    this.state.heard.push(answer)
  }
  @command async backLater(to: string, name: string): Promise<void> {
    await gates.get(name)!.pass()
    this.state.heard.push(await codeOf(this.ref(Counter, to).inc()))
  }
  @command async askToSend(to: string): Promise<void> {
    await this.ref(Counter, to).tell()
  }
  @command hear(text: string): void {
    this.state.heard.push(text)
  }
  @command async bump(to: string): Promise<void> {
    this.state.heard.push(await codeOf(this.ref(Counter, to).inc()))
  }
  @query heard(): string[] {
    return this.state.heard
  }
}

async function open(t: ExecutionContext, settings: Settings = {}) {
  const system = await TestSystem.start(t, settings)
  const host = await system.host('a')
  await host.node(Counter, 'c')
  await (await system.host('b')).node(Messenger, 'm')
  const name = t.title
  gates.set(name, gate())
  const inside = gates.get(name)!
  const c = system.desk.ref(Counter, 'c', { deadline: '5s' })
  const m = system.desk.ref(Messenger, 'm', { deadline: '5s' })
  const afterKill = async (): Promise<number> => {
    const again: TestHost = await system.host('a2', { state: host.kill() })
    await again.node(Counter, 'c')
    return await c.n()
  }
  return { system, host, c, m, inside, name, afterKill }
}

test('a call ends when a call that it did not await has ended inside it: what others write waits for that', async (t) => {
  const { c, m, inside, name, afterKill } = await open(t)
  const left = c.leave(name)
  await until(() => inside.waiting > 0, 'the call inside runs')
  const others = [c.inc(), c.inc()]
  inside.open()
  t.is(await left, 'left')
  t.deepEqual(await Promise.all(others), [2, 3])
  t.is(await c.n(), 3)
  t.deepEqual(await until(async () => ((await m.heard()).length > 0 ? m.heard() : undefined), 'the messenger is told'), [
    'answered 1',
  ])
  t.is(await afterKill(), 3)
})

test('a call inside that outlives a method which fails is told that its writes are not kept', async (t) => {
  const { c, m, inside, name, afterKill } = await open(t)
  const failed = t.throwsAsync(c.rejectEarly(name), { message: 'early' })
  await until(() => inside.waiting > 0, 'the call inside runs')
  const other = c.inc()
  inside.open()
  await failed
  t.is(await other, 1)
  t.deepEqual(await until(async () => ((await m.heard()).length > 0 ? m.heard() : undefined), 'the messenger is told'), [
    'application.error',
  ])
  t.is(await afterKill(), 1)
})

test('a call whose outer call has ended is refused, whether or not another call runs', async (t) => {
  const { c, m, inside, name } = await open(t)
  t.is(await c.leaveAtOnce(name), 'left')
  await until(() => inside.waiting > 0, 'the messenger waits')
  inside.open()
  t.deepEqual(await until(async () => ((await m.heard()).length > 0 ? m.heard() : undefined), 'the messenger is told'), [
    'protocol.call-cycle',
  ])
  t.is(await c.n(), 0)
})

test('what a call inside sends leaves with the commit of the outer call, and never if that fails', async (t) => {
  const { c, m } = await open(t)
  await t.throwsAsync(c.sendInside(true), { message: 'after the send' })
  await c.sendInside(false)
  await until(async () => (await m.heard()).length > 0, 'the send arrives')
  t.deepEqual(await m.heard(), ['told'])
  t.is(await c.n(), 1)
})

test('a send that comes back to its sender takes its turn there', async (t) => {
  // The query sends something: on a slow machine it must not be asked twice.
  const { c, m, inside, name, host } = await open(t, { queryResendMs: 60_000 })
  const n = c.sendAndWait(name)
  await until(() => host.running.status().nodes[0]!.waiting > 0, 'the call that the send has led to waits')
  inside.open()
  t.is(await n, 0)
  await until(async () => (await m.heard()).length > 0, 'the send has led back')
  t.deepEqual(await m.heard(), ['answered 1'])
})

class Walker extends NodeObject<{ log: number[] }> {
  static override readonly className: string = 'Walker.v1'
  static override readonly service: string = 'walker'
  static override readonly reentrant: boolean = true
  static override initial() {
    return { log: [] as number[] }
  }
  @command async walk(way: string[]): Promise<number> {
    const [next, ...rest] = way
    this.state.log.push(way.length)
    return 1 + (next === undefined ? 0 : await this.ref(Walker, next).walk(rest))
  }
  @query log(): number[] {
    return this.state.log
  }
}

class StrictWalker extends Walker {
  static override readonly className = 'StrictWalker.v1'
  static override readonly reentrant = false
}

test('calls between re-entrant nodes come back as often as their ways do, each inside the one that waits for it', async (t) => {
  const system = await TestSystem.start(t)
  for (const id of ['a', 'b', 'c']) await (await system.host(id)).node(Walker, id)
  const a = system.desk.ref(Walker, 'a', { deadline: '5s' })
  const ways = ['ba', 'bab', 'baba', 'bcab', 'bcbca', 'abab', 'aab', 'babababababababababababab']
  for (const way of ways) t.is(await a.walk([...way]), way.length + 1, way)
  const outside = await Promise.all([a.walk([...'bab']), a.walk([...'cab'])])
  t.deepEqual(outside, [4, 4])
})

test('a way that comes back to a node of another kind is refused there at once, however many re-entrant ones it has passed', async (t) => {
  const system = await TestSystem.start(t)
  for (const id of ['a', 'c']) await (await system.host(id)).node(Walker, id)
  await (await system.host('b')).node(StrictWalker, 'b')
  const a = system.desk.ref(Walker, 'a', { deadline: '60s' })
  for (const way of ['bab', 'bacb', 'bacab']) t.is(await codeOf(a.walk([...way])), 'protocol.call-cycle', way)
  t.is(await codeOf(system.desk.ref(Walker, 'b', { deadline: '60s', version: 0 }).walk(['a', 'b'])), 'protocol.call-cycle')
})

test('the call that a call waits for is the last of its path that the node has made a call for', (t) => {
  const c = { id: 'c', incarnation: 1, abroad: incarnationAbroad(9) }
  const at = (path: string[] | null, caller = 'm') => outerAt(c, { path, caller, incarnation: 1 })
  t.is(at(null), undefined)
  t.is(at(['desk/1/1', 'c/1/2']), 'desk/1/1')
  t.is(at(['desk/1/1', 'c/1/2', 'm/1/5', 'c/1/3']), 'm/1/5')
  t.is(at(['desk/1/1', 'm/1/5'], 'c'), 'm/1/5', 'a call to itself')
  t.is(at(['c/1/2', 'm/1/5']), undefined, 'made by start(), for no call')
  t.is(at(['desk/1/1', 'cc/1/2']), undefined, 'a node whose id begins with this one’s')
})

function inside() {
  const calls = new NestedCalls<{ readonly entryInPaths: string }>()
  const answers: string[] = []
  return { calls, answers, answerOf: (id: string) => (failed?: Fault) => void answers.push(`${id} ${failed?.code ?? 'kept'}`) }
}

test('the call whose code runs is known in all its code until it has ended, and in no other’s', async (t) => {
  const { calls } = inside()
  const [a, b] = [{ entryInPaths: 'a' }, { entryInPaths: 'b' }]
  t.is(calls.current, undefined)
  const seen: string[] = []
  const see = (where: string) => seen.push(`${where} ${calls.current?.entryInPaths}`)
  const works: Promise<void>[] = []
  const work = async (name: string) => {
    see(`${name} at once`)
    await null
    see(`${name} later`)
  }
  calls.run(a, () => works.push(work('a')))
  calls.run(b, () => works.push(work('b')))
  see('outside')
  t.is(calls.find('a'), a)
  t.is(calls.find('b'), b)
  t.is(calls.find('c'), undefined)
  await Promise.all(works)
  t.deepEqual(seen, ['a at once a', 'b at once b', 'outside undefined', 'a later a', 'b later b'])
  const after = Promise.withResolvers<void>()
  let left: unknown = 'nothing'
  calls.run(a, () => void after.promise.then(() => (left = calls.current)))
  calls.ended(a)
  after.resolve()
  await null
  await null
  t.is(left, undefined, 'b runs, but not in this code')
  t.is(calls.find('a'), undefined)
  t.is(calls.find('b'), b)
})

test('I1: an outer call that has returned waits for every call inside it, and for nothing if none runs', async (t) => {
  const { calls, answerOf } = inside()
  const [a, b] = [{ entryInPaths: 'a' }, { entryInPaths: 'b' }]
  calls.run(a, () => {})
  calls.run(b, () => {})
  let isAlone = false
  const returned = calls.returned()!.then(() => {
    isAlone = true
  })
  calls.answered(a, answerOf('a'))
  await Promise.resolve()
  t.false(isAlone)
  calls.ended(b)
  await returned
  t.is(inside().calls.returned(), undefined)
})

test('I2: a call inside that ends while the outer method runs is answered at once, a later one when its writes are kept or not', (t) => {
  const { calls, answers, answerOf } = inside()
  const names = ['early', 'late', 'later']
  for (const entryInPaths of names) calls.run({ entryInPaths }, () => {})
  calls.answered(calls.find('early')!, answerOf('early'))
  t.deepEqual(answers.splice(0), ['early kept'])
  t.true(calls.returned() instanceof Promise)
  calls.answered(calls.find('late')!, answerOf('late'))
  calls.answered(calls.find('later')!, answerOf('later'))
  t.deepEqual(answers, [])
  calls.settle(new Fault('application.error', 'no'))
  calls.settle(undefined)
  t.deepEqual(answers, ['late application.error', 'later application.error'])
})

test('I2: a call inside that ends when it is known what becomes of the outer call is answered at once, with that', (t) => {
  for (const failed of [undefined, new Fault('application.error', 'no')]) {
    const { calls, answers, answerOf } = inside()
    t.true(calls.isEmpty)
    calls.run({ entryInPaths: 'a' }, () => {})
    t.false(calls.isEmpty)
    void calls.returned()
    calls.settle(failed)
    calls.answered(calls.find('a')!, answerOf('a'))
    t.deepEqual(answers, [`a ${failed?.code ?? 'kept'}`])
  }
})
