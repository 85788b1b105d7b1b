/** A host's clock is its own: between hosts times travel as what is left of them. */
import 'reflect-metadata'
import test, { type ExecutionContext } from 'ava'
import type { Clock } from '../../core/ports/clock.js'
import { createHost, draftManifest, type RunningHost, startUpgradeServer } from '../../index.js'
import { MemoryBroker, memoryDatabase, memoryRepository, memoryStore, memoryTransport } from '../../transports/memory/index.js'
import { systemClock } from '../../transports/systemClock.js'
import { systemRandom } from '../../transports/systemRandom.js'
import { codeOf, gate } from '../support/testSystem.js'
import { gates, NotesV1, NotesV2, toV2 } from './notesClasses.js'

const hourMs = 3_600_000

/** Two hosts, one of which sees another time. */
async function open(t: ExecutionContext, name: string, aheadMs: () => number) {
  const system = `clock-${name}`
  const broker = new MemoryBroker({ clock: systemClock, random: systemRandom })
  const udb = memoryDatabase()
  const transport = { connect: async () => memoryTransport(broker) }
  const bundles = memoryRepository()
  const wrong: Clock = { ...systemClock, now: () => systemClock.now() + aheadMs() }
  const server = await startUpgradeServer({ system, transport, udb })
  const host = (hostId: string, clock: Clock): Promise<RunningHost> =>
    createHost({ system, hostId, transport, udb, bundles, clock, state: memoryStore(), discovery: false })
  const right = await host('right', systemClock)
  const ahead = await host('ahead', wrong)
  const alive = setInterval(() => {}, hourMs)
  t.teardown(async () => {
    await Promise.all([right.stop(), ahead.stop()])
    await server.stop()
    clearInterval(alive)
  })
  const publish = () => {
    const upgrade = toV2()
    const bundle = new TextEncoder().encode(name)
    const manifest = draftManifest(upgrade, bundle)
    bundles.add(manifest.bundle.digest, upgrade)
    return right.publish({ manifest, bundle })
  }
  return { right, ahead, publish }
}

test('a host whose clock is a day ahead answers, calls and upgrades like any other', async (t) => {
  const { right, ahead, publish } = await open(t, 'day', () => 24 * hourMs)
  const far = await ahead.node(NotesV1, 'far')
  const near = await right.node(NotesV1, 'near')
  t.is(await right.ref(NotesV1, 'far', { version: 0, deadline: '2s' }).add('a'), 1)
  t.is(await ahead.ref(NotesV1, 'near', { version: 0, deadline: '2s' }).add('b'), 1)
  t.is(await publish(), 1)
  await Promise.all([far.reached(1, { timeout: '10s' }), near.reached(1, { timeout: '10s' })])
  t.deepEqual(await right.ref(NotesV2, 'far', { version: 1 }).all(), ['a'])
})

for (const [how, setByMs] of [
  ['back', -5 * hourMs],
  ['forward', 5 * hourMs],
] as const) {
  test(`a host’s clock is set ${how} by hours: open calls end by their deadlines, and none before`, async (t) => {
    let aheadMs = 0
    const { right, ahead, publish } = await open(t, `set-${how}`, () => aheadMs)
    const [held, heldForever] = [gate(), gate()]
    gates.set(`set-${how}`, held)
    gates.set(`set-${how}-forever`, heldForever)
    t.teardown(() => heldForever.open())
    const near = await right.node(NotesV1, 'near')
    await right.node(NotesV1, 'busy')
    const answered = ahead.ref(NotesV1, 'near', { version: 0, deadline: '1h' }).addSlowly('a', `set-${how}`)
    const unanswered = codeOf(ahead.ref(NotesV1, 'busy', { version: 0, deadline: '1s' }).addSlowly('a', `set-${how}-forever`))
    const waiting = ahead.ref(NotesV1, 'later', { version: 0, deadline: '10s' }).add('b')
    await ahead.flush()
    aheadMs = setByMs
    // A node that is there only now: the call that waits for it is sent again.
    const later = await ahead.node(NotesV1, 'later')
    t.is(await waiting, 1)
    t.is(await unanswered, 'timeout.deadline')
    held.open()
    heldForever.open()
    t.is(await answered, 2)
    t.true((await right.operator.database.nodes()).every(({ alive }) => alive))
    t.is(await publish(), 1)
    await Promise.all([near.reached(1, { timeout: '10s' }), later.reached(1, { timeout: '10s' })])
  })
}
