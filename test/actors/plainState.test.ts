/**
 * State is in memory, when a command has ended, as it is after a restart; and what travels arrives as it is
 * kept (docs/guide.md, "Plain data").
 */
import { inspect } from 'node:util'
import test from 'ava'
import { command, defineUpgrade, eagerly, futureSO, NodeObject, none, onlyNodes, query, upgradeClass } from '../../index.js'
import { until } from '../support/eventually.js'
import { codeOf, TestSystem } from '../support/testSystem.js'

const values: Record<string, () => unknown> = {
  undefined: () => ({ a: undefined }),
  'an item undefined': () => [1, undefined],
  // biome-ignore lint/suspicious/noSparseArray: a hole is what it is about
  'a hole': () => [1, , 3],
  'a Buffer': () => Buffer.from('ff', 'hex'),
  '−0': () => -0,
  NaN: () => Number.NaN,
  'the first instant': () => new Date(-8.64e15),
  'an instant with milliseconds': () => new Date(-2208988799877),
  'no prototype': () => Object.assign(Object.create(null), { a: 1 }),
  'a symbol key': () => ({ [Symbol('s')]: 1, a: 2 }),
  'a getter': () => ({
    get a() {
      return 1
    },
  }),
  'a list with a field': () => Object.assign([1], { total: 1 }),
  'a match': () => /(?<year>\d+)/.exec('in 2003'),
  'the same object twice': () => {
    const one = { n: 1 }
    return [one, one]
  },
  'a frozen record': () => Object.freeze({ a: undefined, b: [1] }),
}

const refused: Record<string, () => unknown> = {
  'a Map': () => new Map([[1, 2]]),
  'an object of a class': () => new (class Point {})(),
  'a bigint': () => 10n,
  'a function': () => () => {},
  'a symbol': () => Symbol('s'),
  'an invalid Date': () => new Date(Number.NaN),
  'a Float64Array': () => new Float64Array(2),
  'a promise': () => Promise.reject(new Error('of a promise that was not awaited')),
  'half a surrogate pair': () => '\ud800',
  'a key __proto__': () => JSON.parse('{"__proto__":1}'),
}

const all = { ...values, ...refused }

function shown(value: unknown): string {
  return inspect(value, { depth: 10, showHidden: false })
}

/** Records of state have no prototype, and are shown as such: then lines break elsewhere. */
const oneLine = (text: string) => text.replaceAll(/\s+/g, ' ')

class Keeper extends NodeObject<{ v: unknown }, { c: unknown }> {
  static override readonly className: string = 'Keeper.v1'
  static override initial() {
    return { v: null as unknown }
  }
  @command set(name: string): void {
    this.state.v = all[name]!()
  }
  @query seen(): string {
    return shown(this.state.v)
  }
  @command put(name: string): void {
    this.collection('c').put('k', all[name]!())
  }
  @query got(): string {
    return shown(this.collection('c').get('k'))
  }
  @query echo(value: unknown): string {
    return shown(value)
  }
  @query result(name: string): unknown {
    return all[name]!()
  }
  /** Changes the first of what may be one object, as a later command would. */
  @command bump(): void {
    ;(this.state.v as { n: number }[])[0]!.n = 2
  }
}

class Next extends Keeper {
  static override readonly className = 'Keeper.v2'
}

const toNext = defineUpgrade({
  title: 'an SO with a state of its own',
  classUpgrades: [
    upgradeClass({
      oldClass: Keeper,
      newClass: Next,
      futureSO: futureSO({
        simulates: Next,
        over: Keeper,
        initial: (): { v: unknown } => ({ v: null }),
        delegates: ['put', 'got', 'bump'],
        methods: {
          set(name) {
            ;(this.state as { v: unknown }).v = all[name]!()
          },
          seen() {
            return shown(this.state.v)
          },
          echo(value) {
            return this.next.echo(value)
          },
          async result(name) {
            return await this.next.result(name)
          },
        },
      }),
      pastSO: none,
      transform: (old) => old,
      schedule: onlyNodes(),
    }),
  ],
})

async function keeper(t: Parameters<typeof TestSystem.start>[0]) {
  const system = await TestSystem.start(t)
  let host = await system.host('h1')
  await host.node(Keeper, 'k')
  await system.publish(toNext)
  const v0 = system.desk.ref(Keeper, 'k', { version: 0 })
  const v1 = system.desk.ref(Next, 'k', { version: 1 })
  const restarted = async () => {
    host = await system.host('h1', { state: host.kill() })
    await host.node(Keeper, 'k')
  }
  return { v0, v1, restarted }
}

for (const name of Object.keys(values)) {
  test(`${name}: in state, a simulation object’s state and a collection it is the same at once and after a restart`, async (t) => {
    const { v0, v1, restarted } = await keeper(t)
    await v0.set(name)
    await v0.put(name)
    await v1.set(name)
    const before = [await v0.seen(), await v0.got(), await v1.seen()]
    t.deepEqual(before, [before[0], before[0], before[0]])
    const sent = before[0]!.replaceAll('[Object: null prototype] ', '')
    t.is(oneLine(await v0.echo(values[name]!())), oneLine(sent), 'as an argument')
    t.is(oneLine(shown(await v0.result(name))), oneLine(sent), 'as a result')
    t.is(oneLine(await v1.echo(values[name]!())), oneLine(sent), 'through a simulation object')
    t.is(oneLine(shown(await v1.result(name))), oneLine(sent), 'as a result through a simulation object')
    await restarted()
    t.deepEqual([await v0.seen(), await v0.got(), await v1.seen()], before)
  })
}

for (const name of Object.keys(refused)) {
  test(`${name} is refused wherever data are kept or sent, and nothing is written`, async (t) => {
    const { v0, v1, restarted } = await keeper(t)
    const calls = [v0.set(name), v0.put(name), v1.set(name), v0.echo(refused[name]!())]
    // As a result a promise is waited for.
    if (name !== 'a promise') calls.push(v0.result(name) as Promise<never>, v1.result(name) as Promise<never>)
    for (const code of await Promise.all(calls.map(codeOf))) t.is(code, 'protocol.bad-arguments')
    await restarted()
    t.deepEqual([await v0.seen(), await v0.got(), await v1.seen()], ['null', 'undefined', 'null'])
  })
}

test('an object that is in two places of the state is two when the command has ended, not only after a restart', async (t) => {
  const { v0, restarted } = await keeper(t)
  await v0.set('the same object twice')
  await v0.bump()
  t.is(oneLine(await v0.seen()), '[ [Object: null prototype] { n: 2 }, [Object: null prototype] { n: 1 } ]')
  await restarted()
  t.is(oneLine(await v0.seen()), '[ [Object: null prototype] { n: 2 }, [Object: null prototype] { n: 1 } ]')
})

const roots: readonly unknown[] = [undefined, null, 7, Number.NaN, 'text', [1], new Date(1), new Uint8Array(1)]

class Root extends NodeObject<{ n: number }> {
  static override readonly className: string = 'Root.v1'
  static override initial() {
    return { n: 1 }
  }
  @command become(index: number): void {
    this.state = roots[index] as { n: number }
  }
  @command add(): number {
    return ++this.state.n
  }
}

class RootV2 extends Root {
  static override readonly className = 'Root.v2'
}

test('a command that leaves no record as the state is refused, and leaves no trace', async (t) => {
  const system = await TestSystem.start(t)
  await (await system.host('h1')).node(Root, 'r')
  const ref = system.desk.ref(Root, 'r', { version: 0 })
  for (const index of roots.keys()) {
    t.is(await codeOf(ref.become(index)), 'protocol.bad-arguments')
    t.is(await ref.add(), index + 2)
  }
})

for (const index of roots.keys()) {
  test(`a transform that gives no record stalls its upgrade, and the state is as it was: ${inspect(roots[index])}`, async (t) => {
    const system = await TestSystem.start(t)
    const host = await system.host('h1')
    await host.node(Root, 'r')
    await system.publish(
      defineUpgrade({
        title: 'a transform that forgets to return',
        classUpgrades: [
          upgradeClass({
            oldClass: Root,
            newClass: RootV2,
            futureSO: none,
            pastSO: none,
            transform: () => roots[index] as { n: number },
            schedule: eagerly(),
          }),
        ],
      }),
    )
    await until(() => host.running.status().nodes[0]?.phase === 'stalled', 'it is stalled')
    t.regex(host.running.status().nodes[0]!.reason!, /the new state of Root\.v2 is .*: it has to be a record/)
    t.is(await system.desk.ref(Root, 'r', { version: 0 }).add(), 2)
  })
}
