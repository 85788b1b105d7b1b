/** A host that stops ends what runs on it: SIGTERM loses nothing. */
import test from 'ava'
import { command, isFault, NodeObject, query } from '../../index.js'
import { memoryStore } from '../../transports/memory/index.js'
import { TestSystem } from '../support/testSystem.js'

const gates = new Map<string, PromiseWithResolvers<void>>()
const gate = (name: string) => {
  const known = gates.get(name) ?? Promise.withResolvers<void>()
  gates.set(name, known)
  return known
}

class Till extends NodeObject<{ sum: number }> {
  static override readonly className = 'Till.v1'
  static override initial() {
    return { sum: 0 }
  }
  /** Adds here, then at the next of these nodes, and so on. */
  @command async add(n: number, next: readonly string[], wait: string): Promise<number> {
    if (wait !== '') {
      gate(`${wait} runs`).resolve()
      await gate(wait).promise
    }
    this.state.sum += n
    const [first, ...rest] = next
    return first === undefined ? n : n + (await this.ref(Till, first).add(n, rest, ''))
  }
  @query sum(): number {
    return this.state.sum
  }
}

test('a host that stops lets running calls end, though they call its other nodes; calls from outside are refused and not executed', async (t) => {
  const system = await TestSystem.start(t)
  const state = memoryStore()
  const home = await system.host('h1', { state })
  const outside = await system.host('h2')
  for (const id of ['a', 'b', 'c']) await home.node(Till, id)
  const till = (id: string) => outside.ref(Till, id, { deadline: '400ms' })
  const running = outside.ref(Till, 'a', { deadline: '20s' }).add(5, ['b', 'c'], 'a')
  await gate('a runs').promise
  const waiting = till('a').add(1, [], '')
  const stopped = home.stop()
  const refused = await Promise.allSettled([waiting, till('b').add(1, [], '')])
  for (const result of refused) {
    t.is(result.status, 'rejected')
    if (result.status === 'rejected')
      t.true(isFault(result.reason) && result.reason.code === 'unavailable.stopped', `${result.reason}`)
  }
  gate('a').resolve()
  t.is(await running, 15)
  await stopped

  const again = await system.host('h3', { state })
  for (const id of ['a', 'b', 'c']) await again.node(Till, id)
  const sums = await Promise.all(['a', 'b', 'c'].map((id) => outside.ref(Till, id).sum()))
  t.deepEqual(sums, [5, 5, 5])
})

class Restless extends NodeObject<object> {
  static override readonly className = 'Restless.v1'
  static override initial() {
    return {}
  }
  @command again(): void {
    this.sender(Restless, this.nodeId).again()
  }
}

test('a host whose nodes never come to rest stops all the same', async (t) => {
  const system = await TestSystem.start(t, { leaveMs: 20 })
  const host = await system.host('h1')
  await host.node(Restless, 'a')
  await host.ref(Restless, 'a').again()
  await t.notThrowsAsync(host.stop())
})
