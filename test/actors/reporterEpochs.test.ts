/** A database that has lost something: its epochs, its probation, and questions of the fence to it. */
import 'reflect-metadata'
import test from 'ava'
import { defaultSettings } from '../../actors/base/settings.js'
import type { Doubt } from '../../core/control/standing.js'
import { gate } from '../support/testSystem.js'
import { endOf, leaseMs, never, nothingHeard, row, scripted, standingOf } from './statusReporterFixture.js'

test('a database that answers in another epoch is told of all nodes again, and hears of the new epoch when it has been', async (t) => {
  const s = await scripted(t)
  let losses = 0
  s.statusReporter.losses.on(() => losses++)
  s.says.register = async ({ nodeId }) => ({ registered: true, standing: standingOf('e1', nodeId === 'n1' ? 100 : 200) })
  for (const nodeId of ['n1', 'n2']) await s.statusReporter.register(row(nodeId))
  t.deepEqual(
    s.sessions.map(({ stampMs, epoch }) => [stampMs, epoch]),
    [
      [0, null],
      [100, 'e1'],
    ],
  )
  s.says.renew = async () => ({ ...nothingHeard, standing: standingOf('e2', 300) })
  s.sessions.length = 0
  s.asked()
  const told = gate()
  s.says.report = async () => {
    await told.pass()
    return { ...nothingHeard, standing: standingOf('e2', 400) }
  }
  await s.after(leaseMs / 3)
  t.deepEqual(s.asked(), ['renew n1,n2', 'report n1 0,n2 0'])
  t.deepEqual(
    [losses, s.warnings()],
    [1, ['the upgrade database has restarted, or lost something: it is told of all nodes again']],
  )
  await s.after(leaseMs / 3)
  told.open()
  await s.after(0)
  await s.after(leaseMs / 3)
  t.deepEqual(
    s.sessions.map(({ stampMs, epoch }) => [stampMs, epoch]),
    [
      [200, 'e1'],
      [300, 'e1'],
      [300, 'e1'],
      [400, 'e2'],
    ],
  )
  t.deepEqual(
    [...s.sessions.at(-1)!.registeredMs!],
    [
      ['n1', 100],
      ['n2', 200],
    ],
  )
  s.statusReporter.release('n1')
  s.sessions.length = 0
  await s.after(leaseMs / 3)
  t.deepEqual([...s.sessions[0]!.registeredMs!.keys()], ['n2'])
  t.is(losses, 1)
})

test('a registration tells of a new epoch too, and the database is told of all nodes before it hears that it has been', async (t) => {
  const s = await scripted(t)
  s.says.register = async () => ({ registered: true, standing: standingOf('e1', 100) })
  await s.statusReporter.register(row('n1'))
  s.says.register = async () => ({ registered: true, standing: standingOf('e2', 200) })
  s.sessions.length = 0
  s.asked()
  s.statusReporter.report(row('n2'))
  await s.after(0)
  t.deepEqual(s.asked(), ['register n2 0', 'report n1 0,n2 0'])
  await s.after(leaseMs / 3)
  t.deepEqual(
    s.sessions.map(({ epoch }) => epoch),
    ['e1', 'e1', 'e2'],
  )
  // One that ends while its own answer is on its way is told of all nodes once more.
  s.says.report = async () => ({ ...nothingHeard, standing: standingOf('e3', 300) })
  s.sessions.length = 0
  s.statusReporter.report(row('n1', { version: 1 }))
  await s.after(0)
  await s.after(leaseMs / 3)
  t.deepEqual(
    s.sessions.map(({ epoch }) => epoch),
    ['e2', 'e2', 'e3'],
  )
})

test('a database that does not say in which epoch it is hears of none, and nobody waits for what it may have lost', async (t) => {
  const s = await scripted(t, ['before'], 'elsewhere')
  await s.statusReporter.claim(row('n1'))
  await s.after(0)
  t.deepEqual(s.asked(), ['register n1 0'])
  s.statusReporter.report(row('n1', { version: 1 }))
  await s.after(0)
  await s.after(leaseMs / 3)
  t.deepEqual(s.asked(), ['report n1 1', 'renew n1'])
  t.deepEqual(
    s.sessions.map(({ epoch }) => epoch),
    [null, null, null],
  )
})

test('what a host knows is given back to a database on probation, unless that was silent only', async (t) => {
  const s = await scripted(t)
  let given = 0
  s.statusReporter.probation.on(() => given++)
  await s.statusReporter.register(row('n1'))
  const counts: number[] = []
  for (const doubt of [null, 'silent', 'lost', 'restarted'] as const) {
    s.says.renew = async () => ({ ...nothingHeard, standing: standingOf('e1', 100, doubt) })
    await s.after(leaseMs / 3)
    counts.push(given)
  }
  t.deepEqual(counts, [0, 0, 1, 2])
})

test('a question for all nodes counts as asked from its beginning, whether or not it is answered in time', async (t) => {
  const s = await scripted(t)
  const moments: number[] = []
  s.fence.asked = ({ ms }) => void moments.push(ms)
  await s.statusReporter.register(row('n1'))
  s.says.renew = () => never
  await s.after(leaseMs / 3)
  const begin = s.clock.monotonicMs()
  t.deepEqual(moments, [])
  await s.after(2_000)
  t.deepEqual(moments, [begin])
  await s.after(1_000)
  t.deepEqual(s.asked(), ['register n1 0', 'renew n1', 'renew n1'])
})

test('a database that never answers holds nothing up for longer than fenceAnswerMs: no birth, no question, no stop', async (t) => {
  const s = await scripted(t)
  const { fenceAnswerMs } = defaultSettings
  await s.statusReporter.register(row('n1'))
  await s.statusReporter.register(row('n3'))
  for (const question of ['register', 'renew', 'gone', 'report'] as const) s.says[question] = () => never
  const waiting = { birth: endOf(s.statusReporter.register(row('n2'))), fence: endOf(s.statusReporter.askAll()) }
  await s.after(0)
  await s.after(fenceAnswerMs - 1)
  t.deepEqual([waiting.birth.end, waiting.fence.end], [undefined, undefined])
  await s.after(1)
  t.deepEqual([waiting.birth.end, waiting.fence.end], ['unavailable.disconnected', 'done'])
  s.statusReporter.release('n1')
  const stopped = endOf(s.statusReporter.stop())
  await s.after(0)
  await s.after(fenceAnswerMs - 1)
  t.is(stopped.end, undefined)
  await s.after(1)
  t.is(stopped.end, 'done')
})

test('a renewal that is not answered is over before the next one', async (t) => {
  const s = await scripted(t, [], undefined, { fenceAnswerMs: 60_000 })
  const moments: number[] = []
  s.fence.asked = ({ ms }) => void moments.push(ms)
  await s.statusReporter.register(row('n1'))
  s.says.renew = () => never
  await s.after(leaseMs / 3)
  await s.after(leaseMs / 3 - 1)
  t.is(moments.length, 0)
  await s.after(1)
  t.is(moments.length, 1)
})

test('the fence’s question is for the nodes that are registered, and says so when nobody answers', async (t) => {
  const s = await scripted(t)
  const moments: number[] = []
  s.fence.asked = ({ ms }) => void moments.push(ms)
  await s.statusReporter.askAll()
  t.deepEqual([s.asked(), moments.length], [[], 1], 'there are none')
  await s.statusReporter.register(row('n1'))
  const answer = gate()
  s.says.register = async () => {
    await answer.pass()
    return { registered: true }
  }
  s.statusReporter.report(row('n2'))
  await s.after(0)
  s.asked()
  await s.statusReporter.askAll()
  t.deepEqual(s.asked(), ['renew n1'])
  t.deepEqual(s.warnings(), [])
  s.says.renew = async () => {
    throw new Error('away')
  }
  await s.statusReporter.askAll()
  t.deepEqual(s.warnings(), ['the upgrade database does not answer; nodes serve without its word'])
  answer.open()
})

test('the fence asks a database that has lost something again: whose newer start has a node, it may hear only now', async (t) => {
  const s = await scripted(t)
  await s.statusReporter.register(row('n1'))
  s.asked()
  const doubtful = (doubt: Doubt | null) => async () => ({ ...nothingHeard, standing: standingOf('e1', 100, doubt) })
  for (const [doubt, pauses] of [
    [null, 0],
    ['silent', 0],
    ['lost', 3],
    ['restarted', 3],
  ] as const) {
    s.says.renew = doubtful(doubt)
    const opened = endOf(s.statusReporter.askAll())
    await s.after(0)
    for (let i = 0; i < pauses; i++) {
      t.is(opened.end, undefined, `${doubt}`)
      await s.after(leaseMs / 15)
    }
    s.says.renew = doubtful(null)
    if (pauses > 0) await s.after(leaseMs / 15)
    t.is(opened.end, 'done', `${doubt}`)
    if (pauses === 0) t.deepEqual(s.asked(), ['renew n1'])
    s.asked()
  }
})

test('the fence asks again for one lease at most, and no more when the host stops or nobody answers', async (t) => {
  const lost = async () => ({ ...nothingHeard, standing: standingOf('e1', 100, 'lost' as const) })
  for (const how of ['for long', 'stopped', 'away'] as const) {
    const s = await scripted(t)
    await s.statusReporter.register(row('n1'))
    s.says.renew = lost
    const opened = endOf(s.statusReporter.askAll())
    await s.after(0)
    t.is(opened.end, undefined)
    if (how === 'stopped') void s.statusReporter.stop()
    if (how === 'away')
      s.says.renew = async () => {
        throw new Error('away')
      }
    for (let i = 0; i < (how === 'for long' ? 14 : 0); i++) await s.after(leaseMs / 15)
    t.is(opened.end, undefined)
    await s.after(leaseMs / 15)
    t.is(opened.end, 'done', how)
    t.is(
      s.warnings().some((message) => message.includes('does not answer')),
      how === 'away',
    )
  }
})

test('a stop waits for the row that is on its way, and for the word that its nodes have stopped', async (t) => {
  const s = await scripted(t)
  await s.statusReporter.register(row('n1'))
  const [stored, told] = [gate(), gate()]
  s.says.report = async () => {
    await stored.pass()
    return nothingHeard
  }
  s.says.gone = () => told.pass()
  s.statusReporter.report(row('n1', { version: 1 }))
  await s.after(0)
  s.asked()
  const stopped = endOf(s.statusReporter.stop())
  s.statusReporter.release('n1')
  await s.after(0)
  t.deepEqual(s.asked(), [])
  stored.open()
  await s.after(0)
  t.deepEqual([s.asked(), stopped.end], [['gone n1'], undefined])
  told.open()
  await s.after(0)
  t.is(stopped.end, 'done')
})
