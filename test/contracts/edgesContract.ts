/**
 * The contract of every upgrade database at the edges: what is left behind, what comes twice,
 * what is asked for a second time.
 */
import test, { type ExecutionContext } from 'ava'
import { type Control, controlReasonLengthMax } from '../../core/control/control.js'
import type { Directed, Directive, Order } from '../../core/control/directive.js'
import { unknownLeaseMs } from '../../core/control/standing.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import {
  type DatabaseUnderTest,
  directiveOf,
  manifestOf,
  newSystem,
  nothingInstalled,
  Starting,
  statusOf,
  upgradingNode,
} from './databaseContract.js'

const long = 3_600_000
/** Long enough that nothing lapses on a busy machine before a test says so. */
const short = 60_000

export function edgesContract(adapter: string, shared: () => DatabaseUnderTest): void {
  type Body = (t: ExecutionContext, database: UpgradeDatabase, under: DatabaseUnderTest) => unknown
  const contract = (title: string, body: Body, register: typeof test.serial = test) =>
    register(`${adapter}: ${title}`, async (t) => {
      const under = shared()
      const database = await under.open(newSystem())
      t.teardown(() => database.close())
      await body(t, database, under)
    })
  const idsOf = async (database: UpgradeDatabase) => (await database.nodes()).map(({ nodeId }) => nodeId)
  const doubtOf = async (database: UpgradeDatabase) => (await database.standing())?.probation?.doubt ?? null
  const registers = async (database: UpgradeDatabase, by: Starting, nodeId: string, leaseMs = long) => {
    const answer = by.hear(await database.register(statusOf(nodeId, { directoryId: by.directoryId }), leaseMs, by))
    by.registeredMs.set(nodeId, answer.standing!.stampMs)
    return answer
  }
  const tells = async (database: UpgradeDatabase, by: Starting, nodeIds: readonly string[], leaseMs = long) => {
    for (const nodeId of nodeIds) await registers(database, by, nodeId, leaseMs)
    by.epoch = by.hear(await database.renew(nodeIds, leaseMs, by)).standing!.epoch
  }

  const order = (text: string) => ({ bytes: new TextEncoder().encode(text), signature: null })

  // --- Nodes and slots

  contract('to forget a node frees its slot and no other', async (t, database) => {
    for (const nodeId of ['n1', 'n2']) {
      await database.register(statusOf(nodeId), long)
      t.true((await database.claimPermit('pages', upgradingNode(nodeId), { nodes: 2 })).claimed)
    }
    await database.forget('n1')
    t.true((await database.claimPermit('pages', upgradingNode('n3'), { nodes: 2 })).claimed)
    t.deepEqual(await database.claimPermit('pages', upgradingNode('n4'), { nodes: 2 }), { claimed: false, heldBy: ['n2', 'n3'] })
  })

  contract('a node that registers again for its service keeps its slot', async (t, database) => {
    await database.register(statusOf('n1'), long)
    t.true((await database.claimPermit('pages', upgradingNode('n1'), { nodes: 1 })).claimed)
    await database.register(statusOf('n1', { version: 1 }), long)
    t.deepEqual(await database.claimPermit('pages', upgradingNode('n2'), { nodes: 1 }), { claimed: false, heldBy: ['n1'] })
  })

  contract(
    'a node that registers with a directory after it was there without one no longer lapses',
    async (t, database, under) => {
      const withoutOne = { directoryId: null }
      for (const nodeId of ['n1', 'n2']) await database.register(statusOf(nodeId, withoutOne), short)
      await database.register(statusOf('n1'), long)
      await database.forget('n2')
      await database.register(statusOf('n2'), long)
      await under.elapse(2 * short)
      t.deepEqual(await idsOf(database), ['n1', 'n2'])
    },
  )

  contract('a percentage of 0 gives one slot, as the smallest of others does', async (t, database) => {
    for (const nodeId of ['n1', 'n2']) await database.register(statusOf(nodeId), long)
    t.true((await database.claimPermit('pages', upgradingNode('n1'), { percent: 0 })).claimed)
    t.deepEqual(await database.claimPermit('pages', upgradingNode('n2'), { percent: 0 }), { claimed: false, heldBy: ['n1'] })
  })

  contract('a control holds whatever its reason says: the longest, and half a surrogate pair', async (t, database) => {
    const reasons = [
      '',
      '€'.repeat(controlReasonLengthMax),
      '\u{1f600}'.repeat(controlReasonLengthMax / 2),
      'half \ud83d',
      '\udc00 \u0000"',
    ]
    const wellFormed = (value: unknown) => JSON.parse(JSON.stringify(value).replaceAll(/\\ud[89a-f]../g, '\ufffd'))
    const fresh = (number: number, control: Control): Directive => ({
      ...directiveOf(number, { order: 'set', control }),
      createdAt: '2099-01-01T00:00:00.000Z',
    })
    let number = 0
    for (const reason of reasons) {
      const [pause, hold] = [
        { kind: 'pause', version: 1, reason, since: 5 },
        { kind: 'hold', nodeId: 'n1', reason, since: 5 },
      ] as const
      for (const control of [pause, hold]) {
        for (const set of [
          () => database.setControl(control),
          async () => t.true((await database.direct(fresh(++number, control), order(`${number}`), nothingInstalled)).done),
        ]) {
          await set()
          const [kept] = await database.controls()
          t.deepEqual(wellFormed(kept), wellFormed(control))
          t.deepEqual(await database.claimPermit('pages', upgradingNode('n1'), {}), { claimed: false, control: kept! })
          t.true(await database.removeControl(control))
        }
      }
    }
    t.true((await database.claimPermit('pages', upgradingNode('n1'), {})).claimed)
  })

  contract('a row with half a surrogate pair in its text counts as any other', async (t, database) => {
    const stalled = { version: 3, phase: 'stalled', reason: 'no such key: \ud83d' } as const
    await database.register(statusOf('n1', stalled), long)
    t.like(await database.declareDead(3, 0), { inForce: 3 })
    await database.report([statusOf('n1', { ...stalled, version: 4 })], long)
    t.like(await database.declareDead(4, 0), { inForce: 4 })
    t.is((await database.nodes())[0]?.reason?.toWellFormed(), stalled.reason.toWellFormed())
  })

  // Serial: it gives the server much to do.
  contract(
    'rows of more nodes than one command asks for come once each',
    async (t, database) => {
      const ids = Array.from({ length: 1_100 }, (_, i) => `n${String(i).padStart(4, '0')}`)
      await Promise.all(ids.map((nodeId) => database.register(statusOf(nodeId), long)))
      t.deepEqual(await idsOf(database), ids)
    },
    test.serial,
  )

  // --- Starts of hosts

  contract('the start before is told of with the rest of its lease', async (t, database, under) => {
    const [older, newer] = [new Starting('older', 'dir', long), new Starting('newer', 'dir', 1_000)]
    await registers(database, older, 'n1', short)
    await under.elapse(short / 2)
    const answer = await registers(database, newer, 'n1')
    t.true(answer.registered)
    const leftMs = answer.registered ? answer.predecessor!.leftMs : 0
    t.true(leftMs > 0 && leftMs <= short / 2, `${leftMs} ms`)
  })

  contract('a newer start of another directory does not renew a node that it has not registered', async (t, database) => {
    const [first, copy] = [new Starting('first', 'dir', long), new Starting('copy', 'dir2', 1_000)]
    await registers(database, first, 'n1')
    t.like(await database.renew(['n1'], long, copy), { unknown: [], elsewhere: [{ nodeId: 'n1', hostId: 'host-of-first' }] })
    t.like(await database.renew(['n1'], long, first), { unknown: [], elsewhere: [] })
  })

  contract('a newer start has the nodes of its directory from its first renewal on', async (t, database) => {
    const [older, newer] = [new Starting('older', 'dir', long), new Starting('newer', 'dir', long / 2)]
    await registers(database, older, 'n1')
    // Of a Theseus of before, which names no start.
    await database.register(statusOf('n2', { directoryId: 'dir' }), long)
    t.like(await database.renew(['n1', 'n2'], long, newer), { unknown: [], elsewhere: [] })
    t.like(await database.renew(['n1', 'n2'], long, older), {
      elsewhere: ['n1', 'n2'].map((nodeId) => ({ nodeId, hostId: 'host-of-newer' })),
    })
    const newest = new Starting('newest', 'dir')
    t.like(await database.renew(['n1', 'n2'], long, newest), { unknown: [], elsewhere: [] })
    t.is((await database.renew(['n1', 'n2'], long, newer)).elsewhere.length, 2)
  })

  contract('a start that stops leaves nothing to one before whose lease has run out', async (t, database, under) => {
    const [older, newer] = [new Starting('older', 'dir', 10 * short), new Starting('newer', 'dir', 1_000)]
    await registers(database, older, 'n1', short)
    t.like(await registers(database, newer, 'n1'), { predecessor: { session: 'older' } })
    await under.elapse(2 * short)
    await database.reportGone(['n1'], newer)
    t.like(await database.renew(['n1'], long, older), { elsewhere: [{ nodeId: 'n1', hostId: null }] })
  })

  contract(
    'a node that is registered after an order to forget it is not forgotten, though the clock was set back',
    async (t, database, under) => {
      const by = new Starting('s1', 'dir1', 9_000)
      await tells(database, by, ['n1'])
      await database.forget('n1')
      const lose = await under.backup()
      // The mark is in the future now.
      await under.elapse(-short)
      await tells(database, by, ['n1'])
      t.is(await doubtOf(database), null, 'its stamp is known')
      await lose()
      t.like(await database.renew(['n1'], long, by), { unknown: ['n1'], forgotten: [] })
    },
  )

  // --- Standing

  contract('a database that nobody with nodes has attended yet is never silent', async (t, database, under) => {
    await database.attend(new Starting('server', null))
    await under.elapse(long)
    t.is(await doubtOf(database), null)
  })

  contract('a silence puts it on probation from when somebody is heard, for one lease', async (t, database, under) => {
    const [host, server] = [new Starting('s1', 'dir1'), new Starting('server', null)]
    await tells(database, host, ['n1'], short)
    const { epoch } = (await database.standing())!
    await under.elapse(short / 4)
    t.is(await doubtOf(database), null)
    await under.elapse(short)
    t.deepEqual((await database.standing())!.probation, { doubt: 'silent', leftMs: 0 })
    const { probation, epoch: later } = await database.attend(server)
    t.is(probation!.doubt, 'silent')
    t.true(probation!.leftMs > short / 2 && probation!.leftMs <= short, `${probation!.leftMs} ms`)
    t.is(later, epoch, 'nothing is lost')
    t.true((await database.claimPermit('pages', upgradingNode('n1'), {})).claimed)
    // A host that has still to tell of its nodes does not make it longer: it has lost none.
    await under.elapse(short / 3)
    host.epoch = null
    await database.renew(['n1'], short, host)
    await under.elapse(short / 3)
    await database.attend(server)
    await under.elapse(short / 3)
    await database.attend(server)
    t.is(await doubtOf(database), null)
  })

  contract('a host that comes for the first time makes no probation longer', async (t, database, under) => {
    const [host, server] = [new Starting('s1', 'dir1'), new Starting('server', null)]
    await tells(database, host, ['n1'], short)
    await database.doubt(server)
    await under.elapse(short / 2)
    await database.register(statusOf('n2', { directoryId: 'dir2' }), short, new Starting('s2', 'dir2'))
    const { probation } = (await database.standing())!
    t.true(probation!.leftMs > 0 && probation!.leftMs <= short / 2, `${probation!.leftMs} ms`)
    host.epoch = null
    await database.renew(['n1'], short, host)
    t.true((await database.standing())!.probation!.leftMs > short / 2, 'one that may have more to tell does')
  })

  contract('who doubts a second time changes nothing', async (t, database) => {
    const server = new Starting('server', null)
    t.is((await database.attend(server)).probation, null)
    await database.doubt(server)
    const { epoch, probation } = (await database.standing())!
    t.is(probation!.doubt, 'lost')
    t.true(probation!.leftMs > unknownLeaseMs / 2 && probation!.leftMs <= unknownLeaseMs, `${probation!.leftMs} ms`)
    await database.doubt(server)
    t.is((await database.standing())!.epoch, epoch)
  })

  contract('a clock that is set back makes no probation longer than a lease', async (t, database, under) => {
    const [host, server] = [new Starting('s1', 'dir1'), new Starting('server', null)]
    await tells(database, host, ['n1'], short)
    await database.doubt(server)
    await under.elapse(-long)
    t.true((await database.standing())!.probation!.leftMs > short)
    const { probation } = await database.attend(server)
    t.true(probation!.leftMs > 0 && probation!.leftMs <= short, `${probation!.leftMs} ms`)
  })

  // --- Deaths

  contract(
    'a death in force stays as it is, whoever declares it again or comes with an older version',
    async (t, database, under) => {
      await database.declareDead(3, 0)
      await under.elapse(short)
      const death = await database.dead()
      t.deepEqual(await database.declareDead(3, long), death)
      await database.register(statusOf('late', { version: 1 }), long)
      t.deepEqual(await database.dead(), death)
    },
  )

  contract('a death that is due while a host has not told of all its nodes waits', async (t, database, under) => {
    const [host, server] = [new Starting('s1', 'dir1'), new Starting('server', null)]
    await tells(database, host, ['n1'], short)
    await database.report([statusOf('n1', { directoryId: 'dir1', version: 2 })], short, host)
    await database.declareDead(1, short)
    await database.doubt(server)
    for (let step = 0; step < 6; step++) {
      await under.elapse(short / 3)
      host.hear(await database.renew(['n1'], short, host))
    }
    t.like(await database.dead(), { below: 1, inForce: 0 })
    host.epoch = (await database.standing())!.epoch
    for (let step = 0; step < 6; step++) {
      await under.elapse(short / 3)
      host.hear(await database.renew(['n1'], short, host))
    }
    t.is(await doubtOf(database), null)
    t.like(await database.dead(), { below: 1, inForce: 1 })
  })

  contract('a client that is pinned to version 0 keeps nothing alive once that is dead', async (t, database) => {
    await database.declareDead(1, 0)
    await database.register(statusOf('desk-v0', { service: 'client', directoryId: null, version: 0 }), long)
    await database.register(statusOf('n1', { version: 2 }), long)
    t.is((await database.declareDead(2, 0)).inForce, 2)
  })

  contract('what is given back and is known already stays as it is', async (t, database, under) => {
    const { digest, manifest } = manifestOf('first')
    await database.install(nothingInstalled, digest, manifest)
    await database.declareDead(1, 0)
    await under.elapse(short)
    const death = await database.dead()
    await database.doubt(new Starting('server', null))
    await database.restoreEnded({ dead: 1, final: 0 })
    t.deepEqual(await database.dead(), death)
    await database.restoreEnded({ dead: 0, final: 1 })
    t.deepEqual([await database.dead(), await database.finalized()], [death, 1])
  })

  // --- Directives

  const why = (directed: Directed) => (directed.done ? directed.result : directed.why)

  contract('a table whose entry a directive removes is there while it has others', async (t, database) => {
    let number = 0
    const direct = async (what: Order) =>
      why(await database.direct(directiveOf(++number, what), order(`${number}`), nothingInstalled))
    for (const key of ['n1', 'n2']) await direct({ order: 'setInTable', table: 'authorized', key, value: 'yes' })
    t.is(await direct({ order: 'removeFromTable', table: 'authorized', key: 'n1' }), true)
    t.deepEqual(await database.tables(), ['authorized'])
    t.is(await direct({ order: 'removeFromTable', table: 'authorized', key: 'n2' }), true)
    t.deepEqual(await database.tables(), [])
  })

  contract('the log of directives begins anew in another epoch, and not in the first', async (t, database) => {
    const before = await database.directiveLog()
    const server = new Starting('server', null)
    await database.attend(server)
    t.deepEqual(await database.directiveLog(), before)
    await database.attend(server)
    t.deepEqual(await database.directiveLog(), before)
    await database.doubt(server)
    const after = await database.directiveLog()
    t.not(after.id, before.id)
    t.deepEqual(await database.directiveLog(), after)
    const fresh: Directive = { ...directiveOf(1), createdAt: '2099-01-01T00:00:00.000Z' }
    t.is(why(await database.direct(fresh, order('fresh'), nothingInstalled)), false)
    t.deepEqual(await database.directiveLog(), { id: after.id, count: 1 })
  })
}
