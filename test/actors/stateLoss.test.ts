/**
 * A commit that fails: its calls hear unavailable.storage, and nothing that had seen the lost
 * writes stays or leaves (C12, J2).
 */
import { setImmediate as turnOfLoop } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { command, NodeObject, query, schedule } from '../../index.js'
import { until } from '../support/eventually.js'
import { codeOf, gate, TestSystem } from '../support/testSystem.js'
import { gates, NotesV1, tickerUpgrade, toV2 } from './notesClasses.js'

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

class Book extends NodeObject<{ total: number; list: number[]; marks: number }> {
  static override readonly className = 'Book.v1'
  static override readonly calls = [Log]
  static override initial() {
    return { total: 0, list: [] as number[], marks: 0 }
  }

  @command add(n: number): number {
    this.state.list.push(n)
    this.state.total += n
    return this.state.total
  }

  @query total(): number {
    return this.state.total
  }

  @query marks(): number {
    return this.state.marks
  }

  @command async markSlowly(name: string): Promise<number> {
    await gates.get(name)!.pass()
    return ++this.state.marks
  }

  @command tellList(): void {
    this.sender(Log, 'log').append(this.state.list)
  }

  @command tellBadly(): number {
    this.sender(Log, 'log').append(new Map())
    return 1
  }
}

async function book(t: ExecutionContext) {
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  const id = `book-${system.name}`
  await host.node(Book, id)
  await (await system.host('h2')).node(Log, 'log')
  gates.set(system.name, gate())
  t.teardown(() => gates.get(system.name)!.open())
  const ref = system.desk.ref(Book, id, { deadline: 1_000 })
  const sender = system.desk.sender(Book, id)
  return { system, host, id, ref, sender, log: system.desk.ref(Log, 'log'), gate: gates.get(system.name)! }
}

const failed = (b: Awaited<ReturnType<typeof book>>) => b.host.events.filter(({ type }) => type === 'nodeFailed').length

test('a failed commit fails its calls with unavailable.storage; the node restarts from disk and goes on', async (t) => {
  const b = await book(t)
  await b.ref.add(1)
  b.host.state.failNextCommit(new Error('disk full'))
  t.is(await codeOf(b.ref.add(10)), 'unavailable.storage')
  t.is(await b.ref.add(100), 101)
  t.is(await b.ref.total(), 101)
  t.is(failed(b), 1)
})

test('after a failed commit, queries are answered from what is on disk, and the node restarts once', async (t) => {
  const b = await book(t)
  await b.ref.add(1)
  b.host.state.failNextCommit(new Error('disk full'))
  t.is(await codeOf(b.ref.add(10)), 'unavailable.storage')
  t.is(await codeOf(b.ref.total()), 'answered 1')
  t.is(await codeOf(b.ref.total()), 'answered 1')
  t.is(failed(b), 1)
})

test('a call that runs while a commit fails does not bring back what was lost', async (t) => {
  const b = await book(t)
  await b.ref.add(1)
  const held = gate()
  b.host.state.beforeCommit = () => held.pass()
  const lost = codeOf(b.ref.add(10))
  await until(() => held.waiting === 1, 'the commit is held')
  const slow = codeOf(b.ref.markSlowly(b.system.name))
  await until(() => b.gate.waiting === 1, 'the slow call runs')
  held.fail(new Error('disk full'))
  t.is(await lost, 'unavailable.storage')
  b.host.state.beforeCommit = undefined
  b.gate.open()
  t.is(await slow, 'unavailable.storage')
  await b.ref.add(100)
  t.is(await b.ref.total(), 101)
  t.is(await b.ref.marks(), 0)
})

test('a one-way send whose commit fails leaves no trace: the node restarts without it', async (t) => {
  const b = await book(t)
  await b.ref.add(1)
  b.host.state.failNextCommit(new Error('disk full'))
  b.sender.add(10)
  await b.system.desk.running.flush()
  for (let i = 0; i < 20; i++) await turnOfLoop()
  await b.ref.add(100)
  t.is(await b.ref.total(), 101)
})

test('C12: a send carries what it was given when it was made, not what later commands made of it', async (t) => {
  const b = await book(t)
  await b.ref.add(1)
  const held = gate()
  b.host.state.beforeCommit = () => held.pass()
  const calls = [b.ref.add(2), b.ref.tellList(), b.ref.add(3)]
  await until(() => held.waiting === 1, 'the commit is held')
  for (let i = 0; i < 20; i++) await turnOfLoop()
  held.open()
  await Promise.all(calls)
  t.deepEqual(await b.log.lines(), [[1, 2]])
})

test('a send that can’t be packed fails its command, and the node goes on', async (t) => {
  const b = await book(t)
  const codes = [await codeOf(b.ref.tellBadly()), await codeOf(b.ref.total())]
  // A node that is stuck could not be stopped.
  b.host.kill()
  t.deepEqual(codes, ['protocol.bad-arguments', 'answered 0'])
})

test('a host whose commit of a manifest failed starts again after the next upgrade', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  await host.node(NotesV1, 'n1')
  let failures = 1
  host.state.beforeCommit = (writes) => {
    if (writes.some(([key]) => key.startsWith('m/')) && failures-- > 0) throw new Error('disk full')
  }
  await system.publish(toV2())
  await until(() => host.nodes.get('n1')!.version === 1, 'the upgrade ends')
  await system.publish(tickerUpgrade())
  await until(() => host.events.filter(({ type }) => type === 'learned').length > 0, 'version 2 is learned')
  await until(() => host.nodes.get('n1')!.version === 2, 'version 2 concerns nobody here')
  await host.stop()
  await t.notThrowsAsync(system.host('h2', { state: host.state }))
})

test('two hosts of one process share no state, no batch and no settings', async (t) => {
  const b = await book(t)
  const other = await b.system.host('other')
  await other.node(Book, 'other-book')
  const held = gate()
  b.host.state.beforeCommit = () => held.pass()
  const waits = b.ref.add(1)
  await until(() => held.waiting === 1, 'the commit of one is held')
  const free = b.system.desk.ref(Book, 'other-book')
  t.is(await free.add(5), 5)
  held.open()
  t.is(await waits, 1)
  t.is(await free.total(), 5)
})

test('a node that restarts while its upgrade is scheduled is still scheduled, for the database too', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  const node = await host.node(NotesV1, 'n1')
  await system.publish(toV2({ schedule: schedule('never', (view) => view.sleep(60_000)) }))
  await host.untilPhase('n1', 'scheduled')
  // With it everything that was learned is on disk.
  await host.ref(NotesV1, 'n1', { version: 0 }).add('kept')
  host.state.failNextCommit(new Error('disk full'))
  t.is(await codeOf(host.ref(NotesV1, 'n1', { version: 0 }).add('lost')), 'unavailable.storage')
  await until(() => host.phases('n1').filter((phase) => phase === 'scheduled').length === 2, 'it says so again')
  const row = await until(async () => {
    const [found] = await system.database.nodes('notes')
    return found?.phase === 'scheduled' ? found : undefined
  }, 'the database says so')
  t.is(row!.target, 1)
  t.is(node.phase, 'scheduled')
})

test('a command that threw is answered, also when its object does not start again', async (t) => {
  let starts = 0
  class Shaky extends NodeObject<{ n: number }> {
    static override readonly className = 'Shaky.v1'
    static override initial() {
      return { n: 0 }
    }
    protected override start(): void {
      if (++starts === 2) throw new Error('not this time')
    }
    @command fail(): void {
      this.state.n++
      throw new Error('after it had written')
    }
    @query n(): number {
      return this.state.n
    }
  }
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  await host.node(Shaky, 'x')
  t.is(await codeOf(host.ref(Shaky, 'x', { version: 0 }).fail()), 'application.error')
  t.is(await host.ref(Shaky, 'x', { version: 0 }).n(), 0)
  t.is(starts, 3)
})
