/** Answers of the upgrade database to registrations: births, copies, and nodes that are elsewhere. */
import 'reflect-metadata'
import test from 'ava'
import { Fault } from '../../core/base/fault.js'
import type { Doubt } from '../../core/control/standing.js'
import type { Predecessor } from '../../core/control/upgradeDatabase.js'
import { keys } from '../../core/model/nodeRecord.js'
import { codeOf, gate } from '../support/testSystem.js'
import { endOf, leaseMs, never, nothingHeard, row, scripted, standingOf } from './statusReporterFixture.js'

for (const how of ['register', 'claim'] as const) {
  test(`${how}: the host’s start is written down before its first node is registered`, async (t) => {
    const s = await scripted(t)
    let known: unknown
    s.says.register = async () => {
      known = s.store.get(keys.starts)
      return { registered: true }
    }
    await s.statusReporter[how](row('n1'))
    t.true(known instanceof Uint8Array)
    t.true(s.statusReporter.has('n1'))
    t.deepEqual(s.asked(), ['register n1 0'])
    await s.after(leaseMs / 3)
    t.deepEqual(s.asked(), ['renew n1'])
  })

  test(`${how}: a node that is registered elsewhere is refused, with the place`, async (t) => {
    const s = await scripted(t)
    s.says.register = async () => ({ registered: false, directoryId: 'other', hostId: 'h2' })
    const fault = await t.throwsAsync<Fault>(s.statusReporter[how](row('n1')))
    t.is(fault!.code, 'config.registered-elsewhere')
    t.is(
      fault!.message,
      'node n1 is registered on host h2 with state directory other: start it there, or forget it with "natsctl node forget n1"',
    )
    t.deepEqual(fault!.details, { nodeId: 'n1', directoryId: 'other', hostId: 'h2' })
    s.says.register = async () => ({ registered: false, directoryId: 'other' })
    const again = await t.throwsAsync<Fault>(s.statusReporter[how](row('n1')))
    t.regex(again!.message, /^node n1 is registered with state directory other: /)
    t.deepEqual(again!.details, { nodeId: 'n1', directoryId: 'other' })
    t.false(s.statusReporter.has('n1'))
    await s.after(leaseMs)
    t.deepEqual(s.asked(), ['register n1 0', 'register n1 0'])
  })

  test(`${how}: a start before this one is waited for until it has said that it is over`, async (t) => {
    const s = await scripted(t)
    let predecessor: Predecessor | undefined = { session: 'other', hostId: 'h0', leftMs: 2_500 }
    s.says.register = async () => ({ registered: true, ...(predecessor === undefined ? {} : { predecessor }) })
    const registered = endOf(s.statusReporter[how](row('n1')))
    await s.after(0)
    await s.after(600)
    t.deepEqual(s.asked(), ['register n1 0'])
    await s.after(1)
    t.deepEqual(s.asked(), ['register n1 0'])
    t.is(registered.end, undefined)
    predecessor = { ...predecessor, leftMs: 100 }
    await s.after(601)
    t.deepEqual(s.asked(), ['register n1 0'])
    predecessor = undefined
    // Its lease ends sooner than it would be asked again otherwise.
    await s.after(101)
    t.deepEqual(s.asked(), ['register n1 0'])
    t.is(registered.end, 'done')
    t.deepEqual(s.warnings(), [
      'node n1 may run on host h0, from another copy of this state directory: it is stopped there, and starts here within 3 s',
    ])
  })

  test(`${how}: a start of this very directory is over, and not waited for`, async (t) => {
    const s = await scripted(t, ['before'])
    s.says.register = async () => ({ registered: true, predecessor: { session: 'before', hostId: 'h1', leftMs: 2_500 } })
    await s.statusReporter[how](row('n1'))
    t.deepEqual(s.warnings(), [])
  })

  test(`${how}: while a start before may still serve, a database that goes away is asked again, and its lease is waited for`, async (t) => {
    const s = await scripted(t)
    s.says.register = async () => ({ registered: true, predecessor: { session: 'other', hostId: 'h0', leftMs: 2_500 } })
    const registered = endOf(s.statusReporter[how](row('n1')))
    await s.after(0)
    s.says.register = async () => {
      throw new Error('away')
    }
    for (let ms = 0; ms < 2_400; ms += 600) {
      await s.after(601)
      if (ms < 1_800) t.is(registered.end, undefined, `${ms}`)
    }
    await s.after(601)
    t.is(registered.end, how === 'register' ? 'Error: away' : 'done')
    const asked = s.asked()
    t.is(asked.filter((what) => what.startsWith('register')).length, 6)
    t.is(asked.at(-1), how === 'register' ? 'register n1 0' : 'report n1 0')
  })

  test(`${how}: the lease of a start before is waited for, though the database has lost it meanwhile`, async (t) => {
    const s = await scripted(t)
    const predecessor = { session: 'other', hostId: 'h0', leftMs: 1_000 }
    s.says.register = async () => ({ registered: true, predecessor, standing: standingOf('e1', 100) })
    const registered = endOf(s.statusReporter[how](row('n1')))
    await s.after(0)
    s.says.register = async () => ({ registered: true, standing: standingOf('e2', 200, 'lost') })
    await s.after(601)
    t.is(registered.end, undefined)
    await s.after(401)
    t.is(registered.end, 'done')
  })

  test(`${how}: a host that stops while its node waits gives up`, async (t) => {
    for (const isAway of [false, true]) {
      const s = await scripted(t)
      s.says.register = async () => ({ registered: true, predecessor: { session: 'other', hostId: 'h0', leftMs: 5_000 } })
      let isStopped = false
      const check = () => {
        if (isStopped) throw new Fault('unavailable.stopped', 'the host stops')
      }
      const registered = endOf(s.statusReporter[how](row('n1'), { check }))
      await s.after(0)
      if (isAway)
        s.says.register = async () => {
          throw new Error('away')
        }
      await s.after(601)
      s.asked()
      isStopped = true
      await s.after(601)
      t.is(registered.end, 'unavailable.stopped')
      t.deepEqual(s.asked(), [])
    }
  })

  test(`${how}: a host that stops before the database has answered does not have the node`, async (t) => {
    const s = await scripted(t)
    const check = () => {
      throw new Fault('unavailable.stopped', 'the host stops')
    }
    t.is(await codeOf(s.statusReporter[how](row('n1'), { check })), 'unavailable.stopped')
    t.false(s.statusReporter.has('n1'))
  })
}

test('a node that comes back with what may be a copy waits for one lease, where a database has lost who has it', async (t) => {
  const ends = async (how: 'register' | 'claim', doubt: Doubt, before: readonly string[] = [], leftMs = 0) => {
    const s = await scripted(t, before)
    const predecessor = { session: 'other', hostId: 'h0', leftMs }
    const known = leftMs > 0 ? { predecessor } : {}
    s.says.register = async () => {
      const answer = { registered: true as const, ...known, standing: standingOf('e1', 100, doubt) }
      s.says.register = async () => ({ registered: true, standing: standingOf('e1', 200, doubt) })
      return answer
    }
    const registered = endOf(s.statusReporter[how](row('n1')))
    await s.after(0)
    const { end } = registered
    for (let ms = 0; ms < leaseMs - 600; ms += 600) {
      t.is(registered.end, end)
      await s.after(600)
    }
    await s.after(1_200)
    t.is(registered.end, 'done')
    return [end, ...s.warnings()]
  }
  const waits =
    'node n1 may run on a host of which the upgrade database knows nothing any more: it is stopped there, and starts here within 9 s'
  t.deepEqual(await ends('claim', 'lost'), [undefined, waits])
  t.deepEqual(await ends('claim', 'restarted'), [undefined, waits])
  const older = await ends('claim', 'lost', [], 500)
  t.regex(older[1]!, /host h0.*within 9 s$/, 'an older copy of the database has an older lease')
  t.deepEqual(await ends('claim', 'silent'), ['done'])
  t.deepEqual(await ends('claim', 'lost', ['before']), ['done'], 'its own directory')
  t.deepEqual(await ends('register', 'lost'), ['done'], 'a birth')
})

test('a node that comes back with a copy waits for one lease, where its host is the first that the database hears', async (t) => {
  const ends = async (how: 'register' | 'claim', before: readonly string[], place?: string, by?: string) => {
    const s = await scripted(t, before, place)
    s.says.register = async () => {
      const visitor = by ?? s.sessions.at(-1)!.id
      return { registered: true as const, standing: standingOf(`5-${visitor}`, 100) }
    }
    const registered = endOf(s.statusReporter[how](row('n1')))
    await s.after(0)
    const { end } = registered
    if (end === undefined) {
      for (let ms = 600; ms < leaseMs; ms += 600) await s.after(600)
      t.is(registered.end, undefined)
      await s.after(1_200)
      t.is(registered.end, 'done')
      // It has waited for all of its nodes.
      const next = endOf(s.statusReporter[how](row('n2')))
      await s.after(0)
      t.is(next.end, 'done')
    }
    return end
  }
  t.is(await ends('claim', ['before'], 'elsewhere'), undefined)
  t.is(await ends('claim', ['before'], 'elsewhere', 'another'), 'done', 'others have been heard')
  t.is(await ends('claim', ['before']), 'done', 'its own directory')
  t.is(await ends('claim', []), 'done', 'a directory that remembers no start')
  t.is(await ends('register', ['before'], 'elsewhere'), 'done', 'a birth')
})

test('a database that does not answer, or is away, refuses a birth; a node that comes back serves, and is registered later', async (t) => {
  for (const how of ['silent', 'away'] as const) {
    const s = await scripted(t)
    s.says.register = async () => {
      if (how === 'silent') await never
      throw new Error('away')
    }
    const [born, back] = [endOf(s.statusReporter.register(row('n1'))), endOf(s.statusReporter.claim(row('n2')))]
    await s.after(0)
    if (how === 'silent') {
      await s.after(1_999)
      t.deepEqual([born.end, back.end], [undefined, undefined])
      await s.after(1)
    }
    t.deepEqual([born.end, back.end], [how === 'silent' ? 'unavailable.disconnected' : 'Error: away', 'done'])
    t.deepEqual([s.statusReporter.has('n1'), s.statusReporter.has('n2')], [false, true])
    if (how === 'silent') continue
    s.asked()
    s.says.register = async () => ({ registered: true })
    await s.after(500)
    t.deepEqual(s.asked(), ['register n2 0'])
  }
})

test('nodes that have stopped are told of at the next renewal and at the stop, once, and those that are here again are not', async (t) => {
  const s = await scripted(t)
  for (const nodeId of ['n1', 'n2', 'n3']) await s.statusReporter.register(row(nodeId))
  s.asked()
  s.statusReporter.release('n1')
  s.statusReporter.release('n2')
  s.statusReporter.release('n9')
  s.statusReporter.report(row('n2', { version: 1 }))
  await s.after(0)
  t.deepEqual(s.asked(), ['register n2 1'])
  await s.after(leaseMs / 3)
  t.deepEqual(s.asked(), ['renew n3,n2', 'gone n1'])
  await s.after(leaseMs / 3)
  t.deepEqual(s.asked(), ['renew n3,n2'])
  s.statusReporter.release('n3')
  await s.statusReporter.stop()
  t.deepEqual(s.asked(), ['gone n3'])
})

test('that a node has stopped arrives before it is registered anew, or not at all', async (t) => {
  const s = await scripted(t)
  await s.statusReporter.register(row('n1'))
  await s.statusReporter.register(row('n2'))
  const answer = gate()
  s.says.gone = () => answer.pass()
  s.statusReporter.release('n1')
  await s.after(leaseMs / 3)
  t.deepEqual(s.asked().slice(2), ['renew n2', 'gone n1'])
  const again = endOf(s.statusReporter.register(row('n1')))
  await s.after(0)
  t.deepEqual(s.asked(), [])
  answer.open()
  await s.after(0)
  t.is(again.end, 'done')
  t.deepEqual(s.asked(), ['register n1 0'])
  // Without an answer its time is bounded.
  s.says.gone = () => never
  s.statusReporter.release('n1')
  await s.after(leaseMs / 3)
  s.asked()
  const later = endOf(s.statusReporter.register(row('n1')))
  await s.after(1_999)
  t.is(later.end, undefined)
  await s.after(1)
  t.is(later.end, 'done')
})

test('a node is registered anew after the last word that nodes have stopped, also where an earlier one has arrived', async (t) => {
  const s = await scripted(t)
  const stopped = gate()
  s.running.takenElsewhere = () => stopped.pass()
  for (const nodeId of ['n1', 'n2']) await s.statusReporter.register(row(nodeId))
  const answers = new Map([
    ['n1', gate()],
    ['n2', gate()],
  ])
  s.says.gone = ([nodeId]) => answers.get(nodeId!)!.pass()
  s.says.renew = async () => ({ ...nothingHeard, elsewhere: [{ nodeId: 'n2', hostId: null }] })
  s.statusReporter.release('n1')
  await s.after(leaseMs / 3)
  stopped.open()
  await s.after(0)
  t.deepEqual(s.asked().slice(2), ['renew n2', 'gone n1', 'gone n2'])
  answers.get('n1')!.open()
  await s.after(0)
  void s.statusReporter.register(row('n2'))
  await s.after(0)
  t.deepEqual(s.asked(), [])
  answers.get('n2')!.open()
  await s.after(0)
  t.deepEqual(s.asked(), ['register n2 0'])
})

test('a node that the database does not know is registered again; one that an operator has forgotten is not', async (t) => {
  const s = await scripted(t)
  for (const nodeId of ['n1', 'n2']) await s.statusReporter.register(row(nodeId))
  s.asked()
  s.says.renew = async () => ({ ...nothingHeard, forgotten: ['n2', 'n8'], unknown: ['n9', 'n1'] })
  await s.after(leaseMs / 3)
  t.deepEqual(s.asked(), ['renew n1,n2', 'register n1 0'])
  s.says.renew = async () => ({ ...nothingHeard, unknown: ['n2'] })
  await s.after(leaseMs / 3)
  t.deepEqual(s.asked(), ['renew n1,n2'])
  s.statusReporter.report(row('n2', { version: 1 }))
  await s.after(0)
  t.deepEqual(s.asked(), ['report n2 1'], 'its row goes on to be told')
  s.statusReporter.release('n2')
  await s.statusReporter.register(row('n2'))
  t.deepEqual(s.asked(), ['register n2 0'], 'when it starts anew')
})

test('a node that turns out to be registered elsewhere is stopped here, and then the database hears that it is', async (t) => {
  const s = await scripted(t)
  const taken: string[] = []
  const stopped = gate()
  s.running.takenElsewhere = async (nodeId, leftMs) => {
    taken.push(`${nodeId} ${leftMs === 0 ? 'served' : `waiting ${leftMs} ms`}`)
    await stopped.pass()
  }
  for (const nodeId of ['n1', 'n2', 'n3']) await s.statusReporter.register(row(nodeId))
  s.statusReporter.report(row('n4'))
  s.says.register = async () => ({ registered: false, directoryId: 'other' })
  s.says.renew = async () => ({
    ...nothingHeard,
    elsewhere: [
      { nodeId: 'n1', hostId: 'h2' },
      { nodeId: 'n2', hostId: null, waits: true },
      { nodeId: 'n9', hostId: null },
    ],
  })
  await s.after(0)
  s.asked()
  await s.after(leaseMs / 3)
  t.deepEqual(taken, ['n4 served', 'n1 served', 'n2 waiting 6000 ms'])
  const failed = s.events.flatMap((event) => (event.type === 'nodeFailed' ? [event] : []))
  t.deepEqual(
    failed.map(({ nodeId, error }) => `${nodeId}: ${(error as Fault).message.split(':')[0]}`),
    [
      'n4: node n4 is registered with state directory other',
      'n1: node n1 is registered on host h2',
      'n2: node n2 is registered elsewhere',
    ],
  )
  t.deepEqual(
    failed.map(({ error }) => (error as Fault).details),
    [{ nodeId: 'n4', directoryId: 'other' }, { nodeId: 'n1', hostId: 'h2' }, { nodeId: 'n2' }],
  )
  t.deepEqual([s.statusReporter.has('n1'), s.statusReporter.has('n3')], [false, true])
  await s.after(leaseMs / 3)
  t.deepEqual(
    s.asked().filter((what) => what.startsWith('gone')),
    [],
    'they still stop',
  )
  stopped.open()
  await s.after(0)
  t.deepEqual(
    s
      .asked()
      .filter((what) => what.startsWith('gone'))
      .flatMap((what) => what.slice('gone '.length).split(','))
      .sort(),
    ['n1', 'n2', 'n4'],
  )
})

test('the other start waits for the lease that the newest renewal has given', async (t) => {
  const s = await scripted(t)
  const left: number[] = []
  s.running.takenElsewhere = async (_nodeId, leftMs) => void left.push(leftMs)
  await s.statusReporter.register(row('n1'))
  await s.after(leaseMs / 3)
  await s.after(leaseMs / 3)
  s.says.renew = async () => ({ ...nothingHeard, elsewhere: [{ nodeId: 'n1', hostId: null, waits: true }] })
  await s.after(leaseMs / 3)
  t.deepEqual(left, [(2 * leaseMs) / 3])
})

test('an answer about a node that has stopped meanwhile says nothing about the one that was started in its place', async (t) => {
  const s = await scripted(t)
  s.running.takenElsewhere = async (nodeId) => t.fail(nodeId)
  await s.statusReporter.register(row('n1'))
  const answer = gate()
  s.says.renew = async () => {
    await answer.pass()
    return { unknown: ['n1'], forgotten: ['n1'], elsewhere: [{ nodeId: 'n1', hostId: 'h2' }] }
  }
  await s.after(leaseMs / 3)
  s.statusReporter.release('n1')
  await s.statusReporter.register(row('n1', { version: 1 }))
  s.asked()
  answer.open()
  await s.after(0)
  t.true(s.statusReporter.has('n1'))
  t.deepEqual(s.asked(), [])
  // Nor does the answer to its row.
  const told = gate()
  s.says.report = async () => {
    await told.pass()
    return { ...nothingHeard, elsewhere: [{ nodeId: 'n1', hostId: 'h2' }] }
  }
  s.statusReporter.report(row('n1', { version: 2 }))
  await s.after(0)
  s.statusReporter.release('n1')
  await s.statusReporter.register(row('n1', { version: 3 }))
  told.open()
  await s.after(0)
  t.true(s.statusReporter.has('n1'))
  // Nor does that to its registration.
  for (const answer of [{ registered: true }, { registered: false, directoryId: 'other' }] as const) {
    const registered = gate()
    s.says.register = async () => {
      await registered.pass()
      s.says.register = async () => ({ registered: true })
      return answer
    }
    s.statusReporter.release('n1')
    s.statusReporter.report(row('n1', { version: 4 }))
    await s.after(0)
    s.statusReporter.release('n1')
    s.statusReporter.report(row('n1', { version: 5 }))
    s.asked()
    registered.open()
    await s.after(0)
    t.true(s.statusReporter.has('n1'))
    t.deepEqual(s.asked(), ['register n1 5'])
  }
})
