/** The contract of every upgrade database when it has lost something, and when two hosts tell of one node. */
import test, { type ExecutionContext } from 'ava'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import { until } from '../support/eventually.js'
import {
  type DatabaseUnderTest,
  type InterruptibleDatabase,
  manifestOf,
  newSystem,
  Starting,
  statusOf,
  upgradingNode,
} from './databaseContract.js'

const long = 3_600_000
/** Long enough that nothing lapses on a busy machine before a test says so. */
const short = 60_000
const nothing = { unknown: [], forgotten: [], elsewhere: [] }

export function standingContract(
  adapter: string,
  shared: () => DatabaseUnderTest,
  alone: (t: ExecutionContext) => Promise<InterruptibleDatabase>,
): void {
  const fenced = (title: string, body: (t: ExecutionContext, database: UpgradeDatabase, under: DatabaseUnderTest) => unknown) =>
    test(`${adapter}: ${title}`, async (t) => {
      const under = shared()
      const database = await under.open(newSystem())
      t.teardown(() => database.close())
      await body(t, database, under)
    })
  // Serial: each has a server of its own.
  const goingAway = (
    title: string,
    body: (t: ExecutionContext, database: UpgradeDatabase, under: InterruptibleDatabase) => unknown,
  ) =>
    test.serial(`${adapter}: ${title}`, async (t) => {
      const under = await alone(t)
      const database = await under.open(newSystem())
      t.teardown(() => database.close())
      await body(t, database, under)
    })
  const tells = async (database: UpgradeDatabase, by: Starting, nodeIds: readonly string[], leaseMs = long) => {
    for (const nodeId of nodeIds) {
      const answer = await database.register(statusOf(nodeId, { directoryId: by.directoryId, hostId: by.hostId }), leaseMs, by)
      by.registeredMs.set(nodeId, by.hear(answer).standing!.stampMs)
    }
    by.epoch = by.hear(await database.renew(nodeIds, leaseMs, by)).standing!.epoch
  }
  const doubtOf = async (database: UpgradeDatabase) => (await database.standing())?.probation?.doubt ?? null
  const isTrusted = (under: DatabaseUnderTest, database: UpgradeDatabase, visit: () => Promise<unknown> = async () => {}) =>
    until(async () => {
      await under.elapse(short / 6)
      await visit()
      return (await doubtOf(database)) === null
    }, 'the probation ends')

  // --- The fence

  fenced('a newer start of a host takes over its directory’s nodes, and the older one is told', async (t, database) => {
    const [older, newer] = [new Starting('older', 'dir', long), new Starting('newer', 'dir', 1_000)]
    await tells(database, older, ['n1', 'n2'])
    const answer = await database.register(statusOf('n1', { directoryId: 'dir', version: 3 }), long, newer)
    t.true(answer.registered)
    const row = statusOf('n1', { directoryId: 'dir', version: 7 })
    const { standing: _, ...heard } = await database.report([row, statusOf('n2', { directoryId: 'dir' })], long, older)
    t.deepEqual(heard, { ...nothing, elsewhere: [{ nodeId: 'n1', hostId: 'host-of-newer', waits: true }] })
    const { standing: __, ...renewed } = await database.renew(['n1', 'n2'], long, older)
    t.deepEqual(renewed, { ...nothing, elsewhere: [{ nodeId: 'n1', hostId: 'host-of-newer', waits: true }] })
    t.is((await database.nodes())[0]?.version, 3, 'what the older start reports of it is not kept')
    const refused = await database.register(row, long, older)
    t.like(refused, { registered: false, directoryId: 'dir', hostId: 'host-of-newer' })
  })

  fenced('a start that knows another to be over is the newer one, whatever the clocks say', async (t, database) => {
    const [over, starting] = [new Starting('over', 'dir', 1_000), new Starting('starting', 'dir', 3_600_000)]
    await tells(database, over, ['n1'])
    const status = statusOf('n1', { directoryId: 'dir' })
    t.false((await database.register(status, long, starting)).registered)
    for (const started of ['ov', 'over-', 'another']) starting.ended.push(started)
    t.false((await database.register(status, long, starting)).registered, 'it is none of those that are over')
    starting.ended.push('over')
    t.true((await database.register(status, long, starting)).registered)
    over.ageMs = 60_000
    t.like(await database.renew(['n1'], long, over), { elsewhere: [{ nodeId: 'n1' }] })
    t.like(await database.renew(['n1'], long, starting), { elsewhere: [] })
  })

  fenced('a start that an older copy takes for older than one that is over registers anew, and goes on', async (t, database) => {
    const [over, going] = [new Starting('over', 'dir', 1_000), new Starting('going', 'dir', 3_600_000)]
    await tells(database, over, ['n1'])
    const told = () =>
      Promise.all([database.renew(['n1'], long, going), database.report([statusOf('n1', { directoryId: 'dir' })], long, going)])
    for (const heard of await told()) t.like(heard, { unknown: [], elsewhere: [{ nodeId: 'n1' }] })
    going.ended.push('over')
    for (const heard of await told()) t.like(heard, { unknown: ['n1'], elsewhere: [] })
    t.true((await database.register(statusOf('n1', { directoryId: 'dir' }), long, going)).registered)
    for (const heard of await told()) t.like(heard, { unknown: [], elsewhere: [] })
    const elsewhere = new Starting('elsewhere', 'copy', 3_600_000)
    elsewhere.ended.push('going')
    t.like(await database.renew(['n1'], long, elsewhere), { unknown: [], elsewhere: [{ nodeId: 'n1' }] }, 'of another directory')
  })

  fenced('a start whose node a newer one has gets no permit for it, and gives none back', async (t, database) => {
    const [older, newer] = [new Starting('older', 'dir', long), new Starting('newer', 'dir', 1_000)]
    const claim = (by: Starting, nodeId = 'n1') => database.claimPermit('pages', upgradingNode(nodeId), { nodes: 1 }, by)
    await tells(database, older, ['n1', 'n2'])
    t.true((await claim(older)).claimed)
    await tells(database, newer, ['n1'])
    t.deepEqual(await claim(older), { claimed: false, isElsewhere: true })
    await database.releasePermit('pages', 'n1', older)
    t.deepEqual(await claim(older, 'n2'), { claimed: false, heldBy: ['n1'] }, 'the slot is the node’s')
    t.true((await claim(newer)).claimed)
    await database.releasePermit('pages', 'n1', newer)
    t.true((await claim(older, 'n2')).claimed, 'which is still its own')
    const starting = new Starting('starting', 'dir', 3_600_000)
    starting.ended.push('newer')
    await database.releasePermit('pages', 'n2', older)
    t.true((await claim(newer)).claimed)
    await database.releasePermit('pages', 'n1', starting)
    t.true((await claim(older, 'n2')).claimed, 'one that knows the other to be over gives back, also before it is registered')
    await database.doubt(new Starting('server', null))
    t.false(await database.restorePermit('pages', 'n1', older))
    t.true(await database.restorePermit('pages', 'n1', newer))
    await database.releasePermit('pages', 'n1', undefined)
    t.true(await database.restorePermit('pages', 'n9', older), 'nobody has registered it')
  })

  fenced('a start that knows another to be over does not wait for it, nor leaves a node to it', async (t, database) => {
    const [over, starting] = [new Starting('over', 'dir', 5_000), new Starting('starting', 'dir', 1_000)]
    starting.ended.push('over')
    await tells(database, over, ['n1'])
    const answer = await database.register(statusOf('n1', { directoryId: 'dir' }), long, starting)
    t.true(answer.registered && answer.predecessor === undefined)
    await database.reportGone(['n1'], starting)
    t.like(await database.report([statusOf('n1', { directoryId: 'dir' })], long, starting), { elsewhere: [], unknown: [] })
  })

  fenced('a renewal by an older start does not keep the lease', async (t, database, under) => {
    const [older, newer] = [new Starting('older', 'dir', 10 * short), new Starting('newer', 'dir', 1_000)]
    await tells(database, older, ['n1'])
    await database.register(statusOf('n1', { directoryId: 'dir' }), short, newer)
    await under.elapse(short)
    await until(async () => {
      await database.renew(['n1'], long, older)
      return (await database.nodes())[0]?.alive === false
    }, 'the lease of the newer start runs out')
    t.false((await database.nodes())[0]?.alive)
  })

  fenced('a newer start is told of the one before while its lease runs, until that has gone', async (t, database) => {
    const [older, newer] = [new Starting('older', 'dir', long), new Starting('newer', 'dir', 1_000)]
    await tells(database, older, ['n1'])
    const register = () => database.register(statusOf('n1', { directoryId: 'dir' }), long, newer)
    for (let i = 0; i < 2; i++) t.like(await register(), { predecessor: { session: 'older', hostId: 'host-of-older' } })
    const stranger = new Starting('stranger', 'dir')
    await database.reportGone(['n1'], stranger)
    t.like(await register(), { predecessor: { session: 'older' } }, 'only itself can say that it has gone')
    await database.reportGone(['n1', 'n9'], older)
    const answer = await register()
    t.true(answer.registered && answer.predecessor === undefined)
  })

  fenced('a start that has stopped its nodes is not waited for, and does not get them back', async (t, database) => {
    const [older, newer] = [new Starting('older', 'dir', long), new Starting('newer', 'dir', 1_000)]
    await tells(database, newer, ['n1'])
    await database.reportGone(['n1'], newer)
    t.deepEqual((await database.renew(['n1'], long, older)).elsewhere, [{ nodeId: 'n1', hostId: null }])
    const newest = new Starting('newest', 'dir')
    const answer = await database.register(statusOf('n1', { directoryId: 'dir' }), long, newest)
    t.true(answer.registered && answer.predecessor === undefined)
  })

  fenced('a start that stops while it waits leaves the node to the start before, and to no older one', async (t, database) => {
    const [oldest, older] = [new Starting('oldest', 'dir', 2 * long), new Starting('older', 'dir', long)]
    const newer = new Starting('newer', 'dir', 1_000)
    await tells(database, older, ['n1'])
    t.like(await database.register(statusOf('n1', { directoryId: 'dir' }), long, newer), { predecessor: { session: 'older' } })
    await database.reportGone(['n1'], newer)
    t.deepEqual((await database.renew(['n1'], long, older)).elsewhere, [])
    t.is((await database.renew(['n1'], long, oldest)).elsewhere.length, 1)
  })

  fenced('M4: a node that has moved is registered where it is now, and nobody who is late takes it back', async (t, database) => {
    const [host, shard, late] = [
      new Starting('host', 'dir', 1_000),
      new Starting('shard', 'log', 2_000),
      new Starting('late', 'log'),
    ]
    await tells(database, host, ['n1'])
    const register = (by: Starting, directoryId: string, moved?: { readonly from: string; readonly number: number }) =>
      database.register(statusOf('n1', { directoryId, ...(moved === undefined ? {} : { moved }) }), long, by)
    t.like(await register(shard, 'log'), { registered: false, directoryId: 'dir' })
    t.like(await register(shard, 'log', { from: 'other', number: 3 }), { registered: false, directoryId: 'dir' })
    const answer = await register(shard, 'log', { from: 'dir', number: 3 })
    t.true(answer.registered && answer.predecessor === undefined, 'its host has stopped it')
    t.is((await database.renew(['n1'], long, host)).elsewhere.length, 1)
    t.like(await register(host, 'dir'), { registered: false, directoryId: 'log' })
    // It comes back, and the owner of before has not heard of that.
    t.true((await register(host, 'dir', { from: 'log', number: 5 })).registered)
    t.like(await register(late, 'log', { from: 'dir', number: 3 }), { registered: false, directoryId: 'dir' })
  })

  fenced('the start before is waited for no longer than its lease', async (t, database, under) => {
    const [older, newer] = [new Starting('older', 'dir', long), new Starting('newer', 'dir', 1_000)]
    await tells(database, older, ['n1'], short)
    const register = () => database.register(statusOf('n1', { directoryId: 'dir' }), long, newer)
    t.like(await register(), { predecessor: { session: 'older' } })
    await under.elapse(short)
    const alone = async () => {
      const answer = await register()
      return answer.registered && answer.predecessor === undefined
    }
    t.true(await until(alone, 'its lease runs out'))
  })

  fenced('a node that was forgotten and began anew elsewhere is refused to its first host', async (t, database) => {
    const [first, second] = [new Starting('first', 'one', 5_000), new Starting('second', 'two', 1_000)]
    await tells(database, first, ['n1'])
    await database.forget('n1')
    const { standing: _, ...forgotten } = await database.renew(['n1'], long, first)
    t.deepEqual(forgotten, { ...nothing, forgotten: ['n1'] })
    await tells(database, second, ['n1'])
    for (const heard of [
      await database.renew(['n1'], long, first),
      await database.report([statusOf('n1', { directoryId: 'one' })], long, first),
    ])
      t.deepEqual(heard.elsewhere, [{ nodeId: 'n1', hostId: 'host-of-second' }])
  })

  fenced('clients are not fenced: two hosts of one name keep one row', async (t, database) => {
    const pin = statusOf('desk-v0', { service: 'client', directoryId: null })
    const [one, other] = [new Starting('one', 'dir1', 5_000), new Starting('other', 'dir2', 1_000)]
    for (const by of [one, other]) t.true((await database.register(pin, long, by)).registered)
    for (const by of [one, other]) {
      const { standing: _, ...heard } = await database.renew(['desk-v0'], long, by)
      t.deepEqual(heard, nothing)
    }
  })

  fenced('one who does not say who it is, as a Theseus of before, goes on beside those who do', async (t, database) => {
    const by = new Starting('new', 'dir', 1_000)
    await tells(database, by, ['n1'])
    t.deepEqual(await database.register(statusOf('old'), long), { registered: true })
    t.deepEqual(await database.report([statusOf('old', { version: 2 })], long), nothing)
    t.deepEqual(await database.renew(['old', 'n1'], long), nothing)
    t.deepEqual(await database.register(statusOf('n1', { directoryId: 'dir' }), long), { registered: true })
    const { standing, ...heard } = await database.renew(['n1'], long, by)
    t.deepEqual(heard, nothing)
    t.is(standing?.probation, null)
  })

  // --- Probation

  fenced('a new system is not on probation, whoever comes', async (t, database) => {
    t.is(await database.standing(), undefined)
    await tells(database, new Starting('s1', 'dir1'), ['n1'])
    await tells(database, new Starting('s2', 'dir2'), ['n2'])
    await database.attend(new Starting('server', null))
    t.is(await doubtOf(database), null)
    t.is((await database.declareDead(0, 0)).below, 0)
  })

  const losses: readonly (readonly [string, (under: DatabaseUnderTest) => Promise<() => Promise<void>>])[] = [
    ['emptied', async (under) => () => under.empty()],
    ['restored from an older copy', (under) => under.backup()],
  ]
  for (const [what, prepare] of losses) {
    fenced(
      `a database that was ${what} is on probation as soon as somebody comes who had seen more`,
      async (t, database, under) => {
        const [one, two] = [new Starting('s1', 'dir1', 9_000), new Starting('s2', 'dir2', 8_000)]
        const server = new Starting('server', null, 7_000)
        await tells(database, one, ['n1'], short)
        const lose = await prepare(under)
        await under.elapse(5)
        await tells(database, two, ['n2'], short)
        server.hear({ standing: await database.attend(server) })
        const epoch = (await database.standing())!.epoch
        await lose()
        await under.elapse(1)
        server.hear({ standing: await database.attend(server) })
        t.not(await doubtOf(database), null)
        t.not((await database.standing())!.epoch, epoch)
        // P1.
        t.is((await database.declareDead(1, 0)).below, 0)
        t.deepEqual(await database.claimPermit('pages', upgradingNode('n1'), {}), { claimed: false, onProbation: true })
        const heard = two.hear(await database.renew(['n2'], short, two))
        t.deepEqual(heard.unknown, ['n2'])
        await tells(database, two, ['n2'], short)
        const told = one.hear(await database.renew(['n1'], short, one))
        await tells(database, one, ['n1'], short)
        t.is(told.standing!.epoch, two.epoch!, 'all who witness one loss have one epoch')
        await isTrusted(under, database, async () => {
          for (const by of [one, two]) by.hear(await database.renew([by === one ? 'n1' : 'n2'], short, by))
        })
        t.deepEqual(
          (await database.nodes()).map(({ nodeId, alive }) => [nodeId, alive]),
          [
            ['n1', true],
            ['n2', true],
          ],
        )
        t.true((await database.claimPermit('pages', upgradingNode('n1'), {})).claimed)
      },
    )
  }

  goingAway('an emptied database gives no slot to a host that it has not heard since', async (t, database, under) => {
    const by = new Starting('s1', 'dir1')
    await tells(database, by, ['n1'], short)
    await under.empty()
    const claim = () => database.claimPermit('pages', upgradingNode('n1'), { nodes: 1 }, by)
    t.deepEqual(await claim(), { claimed: false, onProbation: true })
    by.hear(await database.renew(['n1'], short, by))
    t.deepEqual(await claim(), { claimed: false, onProbation: true }, 'and then it is on probation')
  })

  fenced('an empty database is on probation when the first to come is a host that has served before', async (t, database) => {
    const back = new Starting('back', 'dir')
    back.ended.push('before')
    await tells(database, back, ['n1'], short)
    t.is(await doubtOf(database), 'lost')
    t.deepEqual(await database.claimPermit('pages', upgradingNode('n1'), { nodes: 1 }, back), {
      claimed: false,
      onProbation: true,
    })
    const another = new Starting('another', 'dir2')
    another.ended.push('before that')
    const { epoch } = (await database.standing())!
    await tells(database, another, ['n2'], short)
    t.is((await database.standing())!.epoch, epoch, 'one that comes later proves no other loss')
  })

  fenced(
    'an order to forget a node that comes back with an older copy is obsolete for a node that was registered after it',
    async (t, database, under) => {
      const by = new Starting('s1', 'dir1', 9_000)
      await tells(database, by, ['again', 'gone'])
      await database.forget('again')
      await database.forget('gone')
      const lose = await under.backup()
      // Also within the same millisecond.
      await tells(database, by, ['again'])
      await lose()
      const { standing: _, ...renewed } = by.hear(await database.renew(['again', 'gone'], long, by))
      t.deepEqual(renewed, { ...nothing, unknown: ['again'], forgotten: ['gone'] })
      const statuses = ['again', 'gone'].map((nodeId) => statusOf(nodeId, { directoryId: 'dir1' }))
      const { standing: __, ...reported } = by.hear(await database.report(statuses, long, by))
      t.deepEqual(reported, { ...nothing, unknown: ['again'], forgotten: ['gone'] })
      t.deepEqual((await database.renew(['again'], long)).forgotten, ['again'], 'for one who does not say when it registered')
    },
  )

  fenced(
    'a node that is forgotten after its registration stays so, though the clock was set back meanwhile',
    async (t, database, under) => {
      const by = new Starting('s1', 'dir1')
      by.stampMs = Date.now() + 60_000
      await tells(database, by, ['n1'])
      const renews = async () => by.hear(await database.renew(['n1'], short, by))
      // It comes with a stamp that the database did not give.
      by.epoch = (await database.standing())!.epoch
      await isTrusted(under, database, renews)
      // It has forgotten its stamp, and it has not.
      for (const forgets of [true, false]) {
        const forgottenMs = by.stampMs
        await database.forget('n1')
        t.deepEqual((await renews()).forgotten, ['n1'])
        if (forgets) by.stampMs = 0
        const after = by.hear(await database.register(statusOf('n1', { directoryId: 'dir1' }), short, by))
        t.true(after.standing!.stampMs > forgottenMs, 'a registration after it is newer than it')
        by.registeredMs.set('n1', after.standing!.stampMs)
        t.like(await renews(), { unknown: [], forgotten: [] })
        t.is(await doubtOf(database), null, 'its new stamp is known')
      }
    },
  )

  goingAway(
    'a database that has restarted is on probation, also for one who comes for the first time',
    async (t, database, under) => {
      const by = new Starting('s1', 'dir1')
      await tells(database, by, ['n1'], short)
      const { epoch } = (await database.standing())!
      await under.restart()
      await until(
        () =>
          database.head().then(
            () => true,
            () => false,
          ),
        'it answers again',
      )
      t.is(await doubtOf(database), 'restarted')
      const standing = await database.attend(new Starting('server', null))
      t.is(standing.probation?.doubt, 'restarted')
      t.not(standing.epoch, epoch)
      t.is((await database.declareDead(1, 0)).below, 0)
      by.epoch = standing.epoch
      await isTrusted(under, database, async () => void by.hear(await database.renew(['n1'], short, by)))
      t.is(await doubtOf(database), null)
    },
  )

  goingAway('probation lasts while a host is heard that has not told of all its nodes', async (t, database, under) => {
    const [one, two] = [new Starting('s1', 'dir1', 9_000), new Starting('s2', 'dir2', 8_000)]
    await tells(database, one, ['n1'], short)
    await tells(database, two, ['n2'], short)
    await under.restart()
    await until(
      () =>
        database.head().then(
          () => true,
          () => false,
        ),
      'it answers again',
    )
    one.epoch = one.hear(await database.renew(['n1'], short, one)).standing!.epoch
    // Twice the lease.
    for (let step = 0; step < 12; step++) {
      await under.elapse(short / 6)
      two.hear(await database.renew(['n2'], short, two))
      t.is(await doubtOf(database), 'restarted')
    }
    two.epoch = one.epoch
    await isTrusted(under, database, async () => void two.hear(await database.renew(['n2'], short, two)))
    t.is(await doubtOf(database), null)
  })

  fenced(
    'on probation those who know give back deaths, finality and slots; at other times nobody can',
    async (t, database, under) => {
      const by = new Starting('s1', 'dir1')
      const { digest, manifest } = manifestOf('first')
      await database.install({ version: 0, digest: null }, digest, manifest)
      await tells(database, by, ['n1'], short)
      await database.restoreEnded({ dead: 1, final: 1 })
      t.false(await database.restorePermit('pages', 'n1'))
      t.deepEqual([(await database.dead()).inForce, await database.finalized()], [0, 0])
      await database.doubt(new Starting('server', null))
      t.is(await database.finalize(1), 0)
      await database.restoreEnded({ dead: 1, final: 1 })
      t.deepEqual([(await database.dead()).inForce, await database.finalized()], [0, 0], 'a registered node speaks against it')
      await database.report([statusOf('n1', { directoryId: 'dir1', version: 1 })], short, by)
      await database.restoreEnded({ dead: 2, final: 2 })
      t.deepEqual([(await database.dead()).inForce, await database.finalized()], [0, 0], 'there is no such version')
      await database.restoreEnded({ dead: 1, final: 1 })
      t.deepEqual([(await database.dead()).inForce, await database.finalized()], [1, 1])
      t.true(await database.restorePermit('pages', 'n1'))
      t.deepEqual(await database.claimPermit('pages', upgradingNode('n1'), { nodes: 0 }), { claimed: false, onProbation: true })
      by.epoch = (await database.standing())!.epoch
      await isTrusted(under, database, async () => void by.hear(await database.renew(['n1'], short, by)))
      t.true((await database.claimPermit('pages', upgradingNode('n1'), { nodes: 0 })).claimed, 'it has its slot')
    },
  )

  // --- Leases and deaths

  goingAway('leases do not run while nobody could reach the database', async (t, database, under) => {
    const [host, server] = [new Starting('s1', 'dir1'), new Starting('server', null)]
    const pin = statusOf('desk-v0', { service: 'client', directoryId: null })
    await tells(database, host, ['n1'], short)
    await database.report([statusOf('n1', { directoryId: 'dir1', version: 1 })], short, host)
    await database.register(pin, short, host)
    await under.away()
    await under.back()
    await until(
      () =>
        database.head().then(
          () => true,
          () => false,
        ),
      'it answers again',
    )
    await under.elapse(2 * short)
    await database.attend(server)
    t.is((await database.declareDead(1, 0)).below, 0, 'the client may be alive')
    t.true((await database.nodes()).some(({ nodeId }) => nodeId === 'desk-v0'))
    host.epoch = (await database.standing())!.epoch
    await isTrusted(under, database, async () => void host.hear(await database.renew(['n1', 'desk-v0'], short, host)))
    t.is((await database.declareDead(1, 0)).below, 0)
    await database.forget('desk-v0')
    t.is((await database.declareDead(1, 0)).below, 1)
  })

  fenced('a lease that nobody renews runs out while others are heard', async (t, database, under) => {
    const [host, server] = [new Starting('s1', 'dir1'), new Starting('server', null)]
    await tells(database, host, ['n1'], short)
    await database.register(statusOf('desk-v0', { service: 'client', directoryId: null }), short, host)
    const isGone = async () => {
      await under.elapse(short / 6)
      await database.attend(server)
      return !(await database.nodes()).some(({ nodeId }) => nodeId === 'desk-v0')
    }
    await until(isGone, 'the client is not registered any more')
    t.is(await doubtOf(database), null)
  })

  fenced(
    'a death is checked again when it is due, and withdrawn if a node needs the version after all',
    async (t, database, under) => {
      await database.declareDead(2, short)
      await database.register(statusOf('late', { version: 1 }), long)
      await under.elapse(short)
      await until(async () => (await database.dead()).below === 0, 'it is withdrawn')
      t.deepEqual(await database.dead(), { below: 0, sinceMs: 0, inForce: 0 })
      await database.forget('late')
      await database.declareDead(1, 0)
      await database.declareDead(2, short)
      await database.register(statusOf('late', { version: 1 }), long)
      await under.elapse(short)
      await until(async () => (await database.dead()).below === 1, 'it is withdrawn')
      t.is((await database.dead()).inForce, 1, 'what was in force before stays')
    },
  )

  fenced(
    'a client that is pinned to a dead version keeps no other alive; one that is pinned to a living version does',
    async (t, database) => {
      const pin = (version: number) => statusOf(`desk-v${version}`, { service: 'client', directoryId: null, version })
      await database.declareDead(2, 0)
      await database.register(statusOf('n1', { version: 4 }), long)
      await database.register(pin(1), long)
      t.is((await database.declareDead(3, 0)).inForce, 3)
      await database.register(pin(3), long)
      t.is((await database.declareDead(4, 0)).inForce, 3)
      await database.forget('desk-v3')
      t.is((await database.declareDead(4, 0)).inForce, 4)
      // A node, unlike a client, goes on from there.
      await database.register(statusOf('n2', { version: 1 }), long)
      t.is((await database.declareDead(5, 0)).inForce, 4)
    },
  )
}
