/**
 * The cost of a rollout, as counts that no machine changes: what a host asks of the database, commits, sends,
 * and has the clock do for many nodes. They guard orders of magnitude; the bench measures time.
 */
import test, { type ExecutionContext } from 'ava'
import { createHost, onlyNodes } from '../../index.js'
import { memoryStore, memoryTransport } from '../../transports/memory/index.js'
import { until } from '../support/eventually.js'
import { TestSystem } from '../support/testSystem.js'
import { NotesV1, NotesV2, toV2 } from './notesClasses.js'

interface Counts {
  messages: number
  commits: number
  keys: number
  timers: number
  readonly requests: Map<string, number>
}

/** A host whose ways to the world are counted, with so many nodes. */
async function counted(t: ExecutionContext, nodes: number) {
  const system = await TestSystem.start(t)
  const counts: Counts = { messages: 0, commits: 0, keys: 0, timers: 0, requests: new Map() }
  const clock = system.clock.with({
    after: (ms, action) => {
      counts.timers++
      return system.clock.after(ms, action)
    },
  })
  const host = await createHost({
    system: system.name,
    hostId: 'counted',
    transport: {
      connect: async (options) => {
        return told(memoryTransport(system.broker, options), (name) => {
          if (name === 'publish') counts.messages++
        })
      },
    },
    udb: {
      open: async (...args) =>
        told(await system.udb.open(...args), (name) => {
          counts.requests.set(name, (counts.requests.get(name) ?? 0) + 1)
        }),
    },
    state: {
      open: async () =>
        told(await memoryStore().open(), (name, [writes]) => {
          if (name !== 'commit') return
          counts.commits++
          counts.keys += (writes as readonly unknown[]).length
        }),
    },
    bundles: system.repository,
    clock,
    settings: { limit: { percent: 100 } },
  })
  t.teardown(() => host.stop())
  const handles = await Promise.all(Array.from({ length: nodes }, (_, i) => host.node(NotesV1, `n${i}`)))
  const reset = () => {
    Object.assign(counts, { messages: 0, commits: 0, keys: 0, timers: 0 })
    counts.requests.clear()
  }
  return { system, handles, counts, reset }
}

/** The same object, each call of a method told before it is made. */
function told<T extends object>(target: T, tell: (name: string, args: readonly unknown[]) => void): T {
  return new Proxy(target, {
    get: (_target, name) => {
      const found = Reflect.get(target, name, target)
      if (typeof found !== 'function') return found
      return (...args: unknown[]) => {
        tell(String(name), args)
        return Reflect.apply(found, target, args)
      }
    },
    set: (_target, name, value) => Reflect.set(target, name, value, target),
  })
}

async function rolledOut(t: ExecutionContext, nodes: number): Promise<Counts> {
  const { system, handles, counts, reset } = await counted(t, nodes)
  reset()
  await system.publish(toV2())
  await Promise.all(handles.map((node) => node.reached(1)))
  const isKnown = async () =>
    (await system.database.nodes('notes')).every(({ version, phase }) => version === 1 && phase === 'current')
  await until(isKnown, 'the database knows of all')
  return counts
}

for (const nodes of [10, 200]) {
  test(`${nodes} nodes of a host that upgrade at once share commits, reports and questions`, async (t) => {
    const { commits, messages, requests } = await rolledOut(t, nodes)
    t.true(commits <= 30, `${commits} commits`)
    t.true(messages <= 20, `${messages} messages`)
    const reports = requests.get('report') ?? 0
    t.true(reports <= 30, `${reports} reports`)
    const others = [...requests].filter(([name]) => !['report', 'claimPermit', 'releasePermit', 'renew'].includes(name))
    t.true(others.length <= 2, `${JSON.stringify(others)}`)
  })
}

test('a node that upgrades claims its permit once, and writes and times a bounded number of things', async (t) => {
  const nodes = 100
  const { keys, timers, requests } = await rolledOut(t, nodes)
  t.is(requests.get('claimPermit'), nodes)
  t.is(requests.get('releasePermit'), nodes)
  t.true(keys / nodes <= 12, `${keys / nodes} keys for each node`)
  t.true(timers / nodes <= 6, `${timers / nodes} timers for each node`)
})

test('calls of one turn that a simulation object answers are answered in few messages, as those of the object are', async (t) => {
  const { system, handles, counts, reset } = await counted(t, 1)
  await system.publish(toV2({ schedule: onlyNodes() }))
  const node = system.desk.running.ref(NotesV2, handles[0]!.id, { version: 1 })
  // Held until the node has learned of it.
  t.is(await node.stars(0), 0)
  reset()
  t.deepEqual(await Promise.all(Array.from({ length: 160 }, () => node.stars(0))), Array(160).fill(0))
  t.true(counts.messages <= 4, `${counts.messages} messages`)
  t.is(handles[0]!.version, 0)
})
