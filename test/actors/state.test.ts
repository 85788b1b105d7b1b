/**
 * The node's state under calls: one serial order (C2), what is acknowledged survives (C3),
 * nothing leaves too early (C12).
 */
import { setImmediate as turnOfLoop } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { command, NodeObject, query, schedule } from '../../index.js'
import { until } from '../support/eventually.js'
import { codeOf, gate, TestSystem } from '../support/testSystem.js'
import { gates, NotesV1, NotesV2, toV2 } from './notesClasses.js'

const never = schedule('never', (view) => view.sleep(3_600_000))

/** Keeps what it hears. */
class Log extends NodeObject<{ lines: unknown[] }> {
  static override readonly className = 'Log.v1'
  static override initial() {
    return { lines: [] as unknown[] }
  }

  @command append(line: unknown): number {
    return this.state.lines.push(line)
  }

  @query lines(): unknown[] {
    return this.state.lines
  }
}

class Book extends NodeObject<{ total: number; list: number[]; odd?: unknown }, { entries: number }> {
  static override readonly className = 'Book.v1'
  static override readonly calls = [Log]
  static override initial() {
    return { total: 0, list: [] as number[] }
  }

  inMemory = 0

  protected override start(): void {
    starts.set(this.nodeId, (starts.get(this.nodeId) ?? 0) + 1)
  }

  @command add(n: number): number {
    this.collection('entries').put(`e${n}`, n)
    this.state.list.push(n)
    this.state.total += n
    return this.state.total
  }

  @query total(): number {
    return this.state.total
  }

  @query entries(from?: string, to?: string, limit?: number): (readonly [string, number])[] {
    return [
      ...this.collection('entries').entries({
        ...(from === undefined ? {} : { from }),
        ...(to === undefined ? {} : { to }),
        ...(limit === undefined ? {} : { limit }),
      }),
    ]
  }

  @command async addAfter(n: number, name: string): Promise<number> {
    this.state.total += n
    await gates.get(name)!.pass()
    return this.state.total
  }

  @command fails(how: 'throws' | 'rejects' | 'not plain'): unknown {
    this.inMemory++
    this.state.total = 1000
    this.collection('entries').put('trace', 1)
    this.collection('entries').delete('e1')
    this.sender(Log, 'log').append('from a command that failed')
    if (how === 'throws') throw new Error('no')
    if (how === 'rejects') return Promise.reject(new Error('no'))
    this.state.odd = new Map()
    return null
  }

  @query memory(): number {
    return this.inMemory
  }

  @query queryThatPuts(): void {
    this.collection('entries').put('trace', 1)
  }

  @query queryThatDeletes(): void {
    this.collection('entries').delete('e1')
  }

  @query queryThatWritesItsRoot(): number {
    return (this.state.total = 1000)
  }

  @command ownWrites(): unknown {
    const entries = this.collection('entries')
    entries.put('e3', 33)
    entries.put('e2a', 20)
    entries.delete('e1')
    return { all: [...entries.entries()], e3: entries.get('e3'), e1: entries.get('e1') ?? null, has: entries.has('e2a') }
  }

  @command tell(): void {
    this.state.total++
    this.sender(Log, 'log').append(this.state.total)
  }

  @command async ask(): Promise<unknown> {
    return this.ref(Log, 'log').append('nested')
  }

  @query async askInQuery(): Promise<unknown> {
    return this.ref(Log, 'log').append(this.state.total)
  }
}

const starts = new Map<string, number>()

async function book(t: ExecutionContext) {
  // A query that is sent again because the machine is busy would be carried out twice.
  const system = await TestSystem.start(t, { queryResendMs: 60_000 })
  const host = await system.host('h1')
  const id = `book-${system.name}`
  const node = await host.node(Book, id)
  const logHost = await system.host('h2')
  await logHost.node(Log, 'log')
  gates.set(system.name, gate())
  t.teardown(() => gates.get(system.name)!.open())
  return {
    system,
    host,
    id,
    node,
    ref: system.desk.ref(Book, id),
    log: system.desk.ref(Log, 'log'),
    gate: gates.get(system.name)!,
  }
}

/** Holds the host's commits from now on. */
function holdCommits({ host }: { host: { state: { beforeCommit: unknown } } }) {
  const held = gate()
  host.state.beforeCommit = () => held.pass()
  return held
}

test('C2: calls run one after the other, asynchronous ones too, in the order they arrived', async (t) => {
  const b = await book(t)
  const answers = [b.ref.addAfter(1, b.system.name), b.ref.add(10), b.ref.total(), b.ref.add(100)]
  await until(() => b.gate.waiting === 1, 'the first call runs')
  await turnOfLoop()
  b.gate.open()
  t.deepEqual(await Promise.all(answers), [1, 11, 11, 111])
})

test('C2: calls of different versions share one serial order', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  await host.node(NotesV1, 'n1')
  await system.publish(toV2({ schedule: never }))
  await host.untilPhase('n1', 'scheduled')
  const v0 = system.desk.ref(NotesV1, 'n1', { version: 0 })
  const v1 = system.desk.ref(NotesV2, 'n1', { version: 1 })
  const held = gate()
  gates.set(system.name, held)
  t.teardown(() => held.open())
  const slow = v1.addSlowly('a', system.name)
  await until(() => held.waiting === 1, 'the first call runs')
  const others = [v0.add('b'), v1.add('c'), v0.add('d')]
  await turnOfLoop()
  held.open()
  t.deepEqual(await Promise.all([slow, ...others]), [2, 3, 4, 5])
  t.deepEqual(await v0.all(), ['a…', 'a', 'b', 'c', 'd'])
})

test('C3: every acknowledged command is there after a kill; one that was not acknowledged is there whole or not at all', async (t) => {
  const b = await book(t)
  let acknowledged = 0
  const sent = Array.from({ length: 200 }, (_, i) => b.ref.add(i + 1).then(() => acknowledged++))
  for (const each of sent) each.catch(() => {})
  await until(() => acknowledged > 50, 'some are acknowledged')
  b.host.kill()
  const before = acknowledged
  const again = await b.system.host('h3', { state: b.host.state })
  await again.node(Book, b.id)
  const entries = await b.ref.entries()
  t.true(entries.length >= before, `${entries.length} of ${before}`)
  t.is(
    await b.ref.total(),
    entries.reduce((sum, [, n]) => sum + n, 0),
  )
})

test('C12: no reply leaves before the commit of what its call wrote, or read', async (t) => {
  const b = await book(t)
  await b.ref.add(1)
  const held = holdCommits(b)
  const left: string[] = []
  const calls = [
    b.ref.add(2).then((value) => left.push(`command ${value}`)),
    b.ref.total().then((value) => left.push(`query ${value}`)),
    codeOf(b.ref.queryThatPuts()).then((code) => left.push(code)),
  ]
  await until(() => held.waiting === 1, 'the commit is held')
  for (let i = 0; i < 20; i++) await turnOfLoop()
  t.deepEqual(left, [])
  held.open()
  await Promise.all(calls)
  t.deepEqual(left, ['command 3', 'query 3', 'protocol.query-writes'])
})

test('C12: a send leaves with the commit of its command, a nested call after the commit of what it may have seen', async (t) => {
  const b = await book(t)
  const held = holdCommits(b)
  const calls = [b.ref.tell(), b.ref.askInQuery(), b.ref.ask()]
  await until(() => held.waiting === 1, 'the commit is held')
  for (let i = 0; i < 20; i++) await turnOfLoop()
  t.deepEqual(await b.log.lines(), [])
  held.open()
  await Promise.all(calls)
  t.deepEqual(await b.log.lines(), [1, 1, 'nested'])
})

for (const how of ['throws', 'rejects'] as const) {
  test(`a command that ${how} leaves no trace in root, collections or memory, and its sends never leave`, async (t) => {
    const b = await book(t)
    await b.ref.add(1)
    const startsBefore = starts.get(b.id)!
    t.is(await codeOf(b.ref.fails(how)), 'application.error')
    t.is(await b.ref.total(), 1)
    t.deepEqual(await b.ref.entries(), [['e1', 1]])
    t.is(await b.ref.memory(), 0)
    t.is(starts.get(b.id), startsBefore + 1)
    t.is(await b.log.append('x'), 1)
    const again = await b.system.host('h3', { state: b.host.kill() })
    await again.node(Book, b.id)
    t.is(await b.ref.total(), 1)
    t.deepEqual(await b.ref.entries(), [['e1', 1]])
  })
}

test('a command that leaves something in its root that is not plain leaves no trace, not in memory either', async (t) => {
  const b = await book(t)
  await b.ref.add(1)
  t.is(await codeOf(b.ref.fails('not plain')), 'protocol.bad-arguments')
  t.is(await b.ref.total(), 1)
  t.deepEqual(await b.ref.entries(), [['e1', 1]])
  t.is(await b.ref.memory(), 0)
})

test('a query that writes to a collection is refused, and nothing of it is kept', async (t) => {
  const b = await book(t)
  await b.ref.add(1)
  t.is(await codeOf(b.ref.queryThatPuts()), 'protocol.query-writes')
  t.is(await codeOf(b.ref.queryThatDeletes()), 'protocol.query-writes')
  t.deepEqual(await b.ref.entries(), [['e1', 1]])
})

test('a query that writes to the root is refused, and nothing of it is kept', async (t) => {
  const b = await book(t)
  t.is(await codeOf(b.ref.queryThatWritesItsRoot()), 'protocol.query-writes')
  await b.ref.add(1)
  t.is(await b.ref.total(), 1)
})

test('a command reads its own writes in a collection, and a range is theirs over what is committed', async (t) => {
  const b = await book(t)
  for (const n of [1, 2, 3]) await b.ref.add(n)
  const expected = [
    ['e2', 2],
    ['e2a', 20],
    ['e3', 33],
  ]
  t.deepEqual(await b.ref.ownWrites(), { all: expected, e3: 33, e1: null, has: true })
  t.deepEqual(await b.ref.entries(), expected as never)
})

test('a range sees what is not committed yet, in the order of the keys, within its bounds and limit', async (t) => {
  const b = await book(t)
  for (const n of [1, 3, 5]) await b.ref.add(n)
  const held = holdCommits(b)
  const writes = [2, 4].map((n) => b.ref.add(n))
  const reads = [b.ref.entries(), b.ref.entries('e2', 'e5'), b.ref.entries('e2', undefined, 2)]
  await until(() => held.waiting === 1, 'the commit is held')
  held.open()
  await Promise.all(writes)
  const [all, bounded, limited] = await Promise.all(reads)
  t.deepEqual(
    all!.map(([, n]) => n),
    [1, 2, 3, 4, 5],
  )
  t.deepEqual(
    bounded!.map(([, n]) => n),
    [2, 3, 4],
  )
  t.deepEqual(
    limited!.map(([, n]) => n),
    [2, 3],
  )
})
