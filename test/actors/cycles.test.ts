/**
 * Calls that come back to the node they were made from: refused with a clear fault, or run
 * inside, where the class says so (C2).
 */
import test, { type ExecutionContext } from 'ava'
import { command, NodeObject, query } from '../../index.js'
import { codeOf, TestSystem } from '../support/testSystem.js'

class Strict extends NodeObject<{ log: string[] }> {
  static override readonly className: string = 'Strict.v1'
  static override initial() {
    return { log: [] as string[] }
  }
  /** Follows the way from node to node; the last one is where it ends. */
  @command async walk(way: string[]): Promise<number> {
    this.state.log.push(`in ${way.length}`)
    const [next, ...rest] = way
    const length = next === undefined ? 0 : await this.ref(this.kind, next).walk(rest)
    this.state.log.push(`out ${way.length}`)
    return length + 1
  }
  @query async look(way: string[]): Promise<string> {
    const [next, ...rest] = way
    return next === undefined ? 'seen' : await this.ref(this.kind, next).look(rest)
  }
  @query async peekAndWrite(other: string): Promise<number> {
    return await this.ref(this.kind, other).walk([this.nodeId])
  }
  @query log(): string[] {
    return this.state.log
  }
  protected get kind(): typeof Strict {
    return Strict
  }
}

class Reentrant extends Strict {
  static override readonly className: string = 'Reentrant.v1'
  static override readonly service: string = 'strict'
  static override readonly reentrant = true
  @command async failInside(other: string): Promise<string> {
    this.state.log.push('outer')
    // A method that catches a failure inside can't have it both ways: its writes are not to be
    // told apart any more.
    await this.ref(Reentrant, other)
      .callBackAndFail(this.nodeId)
      .catch(() => {})
    return 'as if nothing had happened'
  }
  @command async callBackAndFail(other: string): Promise<void> {
    await this.ref(Reentrant, other).fail()
  }
  @command fail(): void {
    this.state.log.push('inner')
    throw new Error('no')
  }
  protected override get kind(): typeof Strict {
    return Reentrant
  }
}

async function open(t: ExecutionContext, kind: typeof Strict | typeof Reentrant) {
  const system = await TestSystem.start(t)
  const [here, there] = [await system.host('a'), await system.host('b')]
  await here.node(kind, 'a')
  await there.node(kind, 'b')
  await there.node(kind, 'c')
  return { a: system.desk.ref(kind, 'a', { deadline: '2s' }) as any, c: system.desk.ref(kind, 'c', { deadline: '2s' }) as any }
}

test('a call that comes back to its own node is refused at once, and says what to do', async (t) => {
  const { a } = await open(t, Strict)
  for (const way of [['a'], ['b', 'a'], ['b', 'c', 'a']]) {
    const failed = await t.throwsAsync(a.walk(way), { code: 'protocol.call-cycle' } as never)
    t.regex(failed!.message, /node a is busy with the call that this one is made for; add .*reentrant/)
  }
  t.is(await codeOf(a.look(['b', 'a'])), 'protocol.call-cycle')
  // Nothing of them is left, and the nodes go on.
  t.deepEqual(await a.log(), [])
  t.is(await a.walk(['b', 'c']), 3)
})

test('in a re-entrant class it runs inside the call that waits for it, and commits with it', async (t) => {
  const { a, c } = await open(t, Reentrant)
  t.is(await a.walk(['b', 'a', 'c']), 4)
  t.deepEqual(await a.log(), ['in 3', 'in 1', 'out 1', 'out 3'])
  t.deepEqual(await c.log(), ['in 0', 'out 0'])
  t.is(await a.look(['b', 'a']), 'seen')
})

test('a call of another path waits its turn all the same', async (t) => {
  const { a } = await open(t, Reentrant)
  t.deepEqual(await Promise.all([a.walk(['b', 'a']), a.walk(['c'])]), [3, 2])
  t.deepEqual(await a.log(), ['in 2', 'in 0', 'out 0', 'out 2', 'in 1', 'out 1'])
})

class Fan extends NodeObject {
  static override readonly className = 'Fan.v1'
  static override readonly calls = [Strict, Reentrant]
  /** Two calls of one root that meet at one node: neither is made for the other. */
  @command async out(kind: string, ways: string[][]): Promise<number[]> {
    const target = kind === 'strict' ? Strict : Reentrant
    return await Promise.all(ways.map(([first, ...rest]) => this.ref(target, first!).walk(rest)))
  }
}

for (const [name, kind] of [
  ['strict', Strict],
  ['re-entrant', Reentrant],
] as const) {
  test(`two calls with a common root that meet at one node run one after the other, in a ${name} class as well`, async (t) => {
    const system = await TestSystem.start(t)
    const host = await system.host('h')
    for (const id of ['a', 'b', 'c']) await host.node(kind, id)
    await host.node(Fan, 'f')
    const fan = system.desk.ref(Fan, 'f', { deadline: '5s' })
    const ways = [
      ['a', 'b'],
      ['a', 'c'],
      ['a', 'b'],
    ]
    t.deepEqual(await fan.out(name, ways), [2, 2, 2])
    t.deepEqual(await system.desk.ref(kind as typeof Strict, 'a').log(), ['in 1', 'out 1', 'in 1', 'out 1', 'in 1', 'out 1'])
  })
}

test('a command inside a query of its own node is refused', async (t) => {
  const { a } = await open(t, Reentrant)
  t.is(await codeOf(a.peekAndWrite('b')), 'protocol.query-writes')
  t.deepEqual(await a.log(), [])
})

test('a command that fails inside takes the outer one with it: neither leaves a trace', async (t) => {
  const { a } = await open(t, Reentrant)
  await t.throwsAsync(a.failInside('b'), { code: 'application.error', message: 'no' } as never)
  t.deepEqual(await a.log(), [])
})
