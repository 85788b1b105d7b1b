import test from 'ava'
import { command, type NodeClass, query } from '../../index.js'
import { until } from '../support/eventually.js'
import { codeOf, type TestHost, TestSystem } from '../support/testSystem.js'
import { NotesV1, NotesV2, toV2 } from './notesClasses.js'

/**
 * A class of the same name as `base`, which says in each answer which one it is. `spoil` throws
 * after it has written.
 */
function variant<Base extends typeof NotesV1 | typeof NotesV2>(base: Base, tag: string): Base {
  // Subclasses of a type parameter need a constructor of `any[]`.
  const made = class extends (base as unknown as new (...args: any[]) => NotesV1) {
    override all(): string[] {
      return [tag, ...this.state.notes]
    }
    override add(text: string): number {
      this.state.notes.push(text)
      if (text === 'spoil') throw new Error('not this one')
      return this.state.notes.length
    }
  }
  query(made.prototype, 'all')
  command(made.prototype, 'add')
  Object.defineProperty(made, 'className', { value: base.className })
  return made as unknown as Base
}

async function system(t: Parameters<typeof TestSystem.start>[0], first: NodeClass = NotesV1) {
  const made = await TestSystem.start(t, { controlsMs: 20, limit: { percent: 100 } })
  const host = await made.host('h1')
  const node = await host.node(first, 'n1')
  const { operator } = made.desk.running
  const at = (version: number, method: string, ...args: unknown[]) =>
    operator.call({ node: 'n1' }, method, args, { version }) as Promise<unknown>
  return { made, host, node, operator, at }
}

/**
 * At version 1, held there, while the upgrade to it has been undone and published anew,
 * corrected, under the same class name.
 */
async function heldAtTheUndone(t: Parameters<typeof TestSystem.start>[0]) {
  const { made, host, node, operator, at } = await system(t)
  await at(0, 'add', 'first')
  await made.publish(toV2({ newClass: variant(NotesV2, 'broken') }))
  await node.reached(1)
  await operator.hold('n1', 'stays for now')
  await operator.undo()
  await made.publish(toV2({ newClass: variant(NotesV2, 'corrected'), title: 'corrected' }))
  await until(() => node.chain.at(-1)?.version === 3, 'version 3 is learned')
  return { made, host, node, operator, at }
}

test('a node at an undone version whose object is rebuilt runs the class of that version, not the corrected one of the same name', async (t) => {
  const { node, at } = await heldAtTheUndone(t)
  t.is(await codeOf(at(1, 'add', 'spoil')), 'application.error')
  t.deepEqual(await at(1, 'all'), ['broken', 'first'])
  t.is(node.version, 1)
})

test('a host that is killed brings a node at an undone version back as the class of that version', async (t) => {
  const { made, host, at } = await heldAtTheUndone(t)
  const state = host.kill()
  const again: TestHost = await made.host('h2', { state })
  await again.node(NotesV1, 'n1')
  t.deepEqual(await at(1, 'all'), ['broken', 'first'])
})

test('once it is let go, a node at an undone version goes on to the corrected class by way of the undo', async (t) => {
  const { node, operator, at } = await heldAtTheUndone(t)
  await at(1, 'star', 0)
  await operator.release('n1')
  await node.reached(3)
  t.deepEqual(await at(3, 'all'), ['corrected', 'first'])
  t.deepEqual(await at(0, 'all'), ['corrected', 'first'], 'the past-SO delegates to the object')
})

test('an undo means the class of the version before, not the copy of it that the undone upgrade brought', async (t) => {
  const own = variant(NotesV1, 'own')
  const { made, node, operator, at } = await system(t, own)
  await made.publish(toV2({ oldClass: variant(NotesV1, 'copy') }))
  await node.reached(1)
  await operator.undo()
  await node.reached(2)
  t.deepEqual(await at(2, 'all'), ['own'])
})

test('a node that learns an upgrade with another copy of its class goes on as the class that it runs', async (t) => {
  const { made, node, operator, at } = await system(t, variant(NotesV1, 'own'))
  await operator.hold('n1', 'stays for now')
  await made.publish(toV2({ oldClass: variant(NotesV1, 'copy') }))
  await until(() => node.chain.at(-1)?.version === 1, 'version 1 is learned')
  t.is(await codeOf(at(0, 'add', 'spoil')), 'application.error')
  t.deepEqual(await at(0, 'all'), ['own'])
})

test('a node that is born after the correction has the corrected class, and its past-SOs', async (t) => {
  const { made, node, operator } = await heldAtTheUndone(t)
  await operator.release('n1')
  await node.reached(3)
  const host = await made.host('h2')
  const born = await host.node(NotesV1, 'n2')
  await born.reached(3)
  const all = (version: number) => operator.call({ node: 'n2' }, 'all', [], { version })
  t.deepEqual(await all(3), ['corrected'])
  t.deepEqual(await all(0), ['corrected'])
})

test('two classes of one name in the code of a host are refused, once a node of the first has started', async (t) => {
  const { host } = await system(t)
  const error = await t.throwsAsync(host.node(variant(NotesV1, 'other'), 'n2'))
  t.regex(error.message, /two classes of this host are named Notes\.v1: give one of them another className/)
})
