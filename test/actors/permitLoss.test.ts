/**
 * The upgrade database loses the permit of a node that is away (DESIGN §5, "Limits"): whatever has become of
 * the node meanwhile, nobody goes beside it.
 */
import test, { type ExecutionContext } from 'ava'
import { schedule } from '../../index.js'
import { copyOf } from '../support/copiedState.js'
import { until } from '../support/eventually.js'
import { type Gate, gate, type TestHost, TestSystem } from '../support/testSystem.js'
import { members, toV2 as toV2OfTills } from './groupClasses.js'
import { NotesV1, NotesV2, toV2 } from './notesClasses.js'

/** A system in which n1 of host a goes first, and n2 of host b as soon as it may; one at a time. */
async function twoNodes(t: ExecutionContext, parts: Parameters<typeof toV2>[0]) {
  const system = await TestSystem.start(t, { leaseMs: 300, limit: { nodes: 1 }, askServerMs: 20 })
  const [a, b] = [await system.host('a'), await system.host('b')]
  await a.node(parts?.oldClass ?? NotesV1, 'n1')
  const second = await b.node(NotesV1, 'n2')
  const go = gate()
  t.teardown(() => go.open())
  const inTurn = schedule('n1 first', async (view) => (view.nodeId === 'n1' ? undefined : go.pass()))
  const backup = system.udb.backup()
  await system.publish(toV2({ schedule: inTurn, ...parts }))
  return { system, a, b, second, go, lose: () => system.udb.restore(backup) }
}

/** n2 asks for a permit until the database is believed again, and is told that n1 has it. */
async function waitsForFirst(
  t: ExecutionContext,
  { system, b, go }: { system: TestSystem; b: TestHost; go: Gate },
): Promise<void> {
  go.open()
  await until(async () => (await system.database.standing())?.probation === null, 'the probation ends')
  await until(() => {
    const last = b.last('n2')
    return last?.phase !== 'scheduled' || last.reason?.includes('held by n1')
  }, 'n2 has asked for a permit')
  t.is(b.last('n2')?.reason, 'waits for a permit under the limit of notes, held by n1')
  t.false(b.phases('n2').includes('draining'))
}

const moments = [
  'before it comes back',
  'before it comes back in a copy of its directory',
  'before it comes back, and the database is away then',
  'while it waits for the start before',
  'when it is back',
] as const

for (const moment of moments) {
  test(`the permit of a node that was killed while its new object started is lost ${moment}: nobody goes beside it`, async (t) => {
    const starting = gate()
    t.teardown(() => starting.open())
    class StartsSlowly extends NotesV2 {
      protected override async start(): Promise<void> {
        await starting.pass()
      }
    }
    const { system, a, b, second, go, lose } = await twoNodes(t, { newClass: StartsSlowly, startTimeout: 3_600_000 })
    await a.untilPhase('n1', 'recovering')
    a.kill()
    if (moment.startsWith('before')) lose()
    if (moment.includes('copy')) await until(() => b.warnings().some((message) => message.includes('lost something')), 'b hears')
    // There it waits for the lease of the start before, which may still serve.
    const waits = moment.includes('copy') || moment.includes('waits')
    const again = await system.host('a2', { state: waits ? await copyOf(a.state) : a.state })
    if (moment.includes('away')) system.udb.away(true)
    const coming = again.node(NotesV1, 'n1')
    if (waits) await until(() => again.warnings().some((message) => message.startsWith('node n1 may run on')), 'it waits')
    if (moment.startsWith('while')) lose()
    await coming
    if (moment.includes('away')) system.udb.away(false)
    if (moment.startsWith('when')) lose()
    await waitsForFirst(t, { system, b, go })
    t.is(again.last('n1')?.phase, 'recovering')
    starting.open()
    await second.reached(1)
  })
}

test('the permit of a node whose old object does not start again is lost: nobody goes beside it', async (t) => {
  let isBroken = false
  let isMended = false
  class Stuck extends NotesV1 {
    protected override start(): void {
      if (isBroken) throw new Error('broken')
    }
  }
  const { system, a, b, second, go, lose } = await twoNodes(t, {
    oldClass: Stuck,
    beforeTransform: () => {
      if (isMended) return
      isBroken = true
      throw new Error('no form')
    },
  })
  await a.untilPhase('n1', 'failed')
  lose()
  await waitsForFirst(t, { system, b, go })
  isMended = true
  isBroken = false
  await second.reached(1)
})

test('the permit of a member is lost while another one of its group is still registered: it is restored at once', async (t) => {
  const system = await TestSystem.start(t, { leaseMs: 300 })
  const a = await system.host('a')
  await a.running.group('till-7', members)
  const backup = system.udb.backup()
  const killed = a.killedAt((event) => event.type === 'phase' && event.phase === 'recovering')
  await system.publish(toV2OfTills())
  await killed
  const again = await system.host('a2', { state: a.state })
  const registering = gate()
  const restored: string[] = []
  again.changeDatabase({
    register: async (row, ...more) => {
      if (row.nodeId === 'till-7_drawer') await registering.pass()
      return system.database.register(row, ...more)
    },
    restorePermit: (service, nodeId, by) => {
      restored.push(nodeId)
      return system.database.restorePermit(service, nodeId, by)
    },
  })
  const coming = again.running.group('till-7', members)
  await until(() => restored.length > 0 && registering.waiting === 1, 'one of them is registered')
  const before = restored.length
  system.udb.restore(backup)
  await until(() => restored.length > before, 'it is restored')
  t.deepEqual([...new Set(restored)], ['till-7_till'])
  registering.open()
  await (await coming).reached(1)
})
