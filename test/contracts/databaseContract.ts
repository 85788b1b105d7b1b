/**
 * The contract of every adapter of the port `UpgradeDatabase`. Registers its tests with ava
 * under the adapter's name.
 */
import test, { type ExecutionContext } from 'ava'
import { digestOf } from '../../core/base/digest.js'
import { type AuditBounds, emptyAudit } from '../../core/control/audit.js'
import type { Control, Going } from '../../core/control/control.js'
import type { Directed, Directive, Order } from '../../core/control/directive.js'
import type { Session, Standing } from '../../core/control/standing.js'
import {
  type Death,
  deathDelayMsMax,
  type Head,
  type PermitAnswer,
  type UpgradeDatabase,
} from '../../core/control/upgradeDatabase.js'
import type { NodeStatus } from '../../core/model/nodeRow.js'
import { tableKeyLengthMax, tableValueBytesMax } from '../../core/model/tables.js'
import type { ServiceLimit } from '../../core/schedules/serviceLimit.js'
import type { Signed } from '../../core/trust/signed.js'
import type { SignedManifest } from '../../core/upgrade/manifest.js'
import { heldByMax } from '../../transports/udbFactory.js'
import { until } from '../support/eventually.js'
import { processMsOf } from '../support/processTime.js'

export interface DatabaseUnderTest {
  open(system: string): Promise<UpgradeDatabase>
  /** So much time passes for the systems that were opened. */
  elapse(ms: number): Promise<void>
  /** All data of these systems are gone, without a restart. */
  empty(): Promise<void>
  /** Their data as they are now. Returns what restores them, without a restart. */
  backup(): Promise<() => Promise<void>>
}

/** One that goes away and comes back, with nobody else's tests on it. */
export interface InterruptibleDatabase extends DatabaseUnderTest {
  away(): Promise<void>
  back(): Promise<void>
  /** Another process answers, with the same data. */
  restart(): Promise<void>
}

/** A start of a host, with what it has been answered. */
export class Starting implements Session {
  stampMs = 0
  epoch: string | null = null
  readonly hostId: string
  readonly ended: string[] = []
  readonly registeredMs = new Map<string, number>()
  #startedMs: number

  constructor(
    readonly id: string,
    readonly directoryId: string | null,
    /** Made up: a test need not wait to be older than another. From then on it grows older like any other. */
    ageMs = 0,
  ) {
    this.hostId = `host-of-${id}`
    this.#startedMs = performance.now() - ageMs
  }

  get ageMs(): number {
    return performance.now() - this.#startedMs
  }

  set ageMs(ms: number) {
    this.#startedMs = performance.now() - ms
  }

  /** Hears an answer. Whether it has told of all its nodes is for the test to say. */
  hear<T extends { readonly standing?: Standing }>(answer: T): T {
    const { standing } = answer
    if (standing !== undefined) this.stampMs = Math.max(this.stampMs, standing.stampMs)
    return answer
  }
}

const long = 3_600_000
/** Long enough that nothing lapses on a busy machine before a test says so. */
const short = 60_000

/** About two seconds, and as much again. */
export const promptMsMax = 4500

let systems = 0
export const newSystem = () => `contract${++systems}`

export function statusOf(nodeId: string, rest: Partial<NodeStatus> = {}): NodeStatus {
  return {
    nodeId,
    service: 'pages',
    className: 'Pages.v1',
    version: 0,
    phase: 'current',
    target: null,
    reason: null,
    hostId: 'host1',
    directoryId: `dir-${nodeId}`,
    since: 1_700_000_000_000,
    ...rest,
  }
}

export function manifestOf(text: string, signed = false): { readonly digest: string; readonly manifest: SignedManifest } {
  const bytes = new TextEncoder().encode(text)
  return { digest: digestOf(bytes), manifest: { bytes, signature: signed ? new Uint8Array([0, 255, 128, 10, 13]) : null } }
}

/** The holders of the slots that a claim was refused for. */
export function holdersOf(answer: PermitAnswer): readonly string[] {
  return 'heldBy' in answer ? answer.heldBy : []
}

/** A node on its way to version 1. */
export const upgradingNode = (nodeId: string, version = 1, isUndo = false): Going => ({ nodeId, version, isUndo })

export const nothingInstalled: Head = { version: 0, digest: null }

/** Of the format that names neither head nor log. */
export const directiveOf = (
  number: number,
  what: Order = { order: 'remove', control: { kind: 'pause', version: 97 } },
): Directive => ({
  format: 1,
  system: 'contract',
  number,
  what,
  createdAt: '2000-01-01T00:00:00.000Z',
  upgrader: null,
})

/** Entry `i` of an audit, as far as a database looks at it. */
export const entryOf = (i: number, bytes = 4): Uint8Array => new TextEncoder().encode(`${i}é`.padEnd(bytes - 1, '.'))

export const placeOf = (entry: Uint8Array, log = 'log1') => ({ hash: digestOf(entry), log })

/** Each method once: what must reject while the database is away, and work when it is back. */
export const everyMethod: readonly (readonly [name: string, use: (database: UpgradeDatabase) => Promise<unknown>])[] = [
  ['level', (database) => database.level()],
  ['restoreLevel', (database) => database.restoreLevel({ release: '0.1.0', numbers: { envelope: 1 } })],
  ['servers', (database) => database.servers()],
  ['head', (database) => database.head()],
  ['manifests', (database) => database.manifests(1, 9)],
  ['install', (database) => database.install({ version: 99, digest: 'none' }, 'd', manifestOf('lost').manifest)],
  ['putChunk', (database) => database.putChunk('d', 0, new Uint8Array([1]))],
  ['getChunk', (database) => database.getChunk('d', 0)],
  ['register', (database) => database.register(statusOf('n1'), long)],
  ['report', (database) => database.report([statusOf('n1')], long)],
  ['renew', (database) => database.renew(['n1'], long)],
  ['forget', (database) => database.forget('n9')],
  ['nodes', (database) => database.nodes()],
  ['claimPermit', (database) => database.claimPermit('pages', upgradingNode('n1'), { nodes: 1 })],
  ['releasePermit', (database) => database.releasePermit('pages', 'n1')],
  ['controls', (database) => database.controls()],
  ['setControl', (database) => database.setControl({ kind: 'pause', version: 99, reason: '', since: 0 })],
  ['removeControl', (database) => database.removeControl({ kind: 'pause', version: 98 })],
  ['directives', (database) => database.directives()],
  ['directiveLog', (database) => database.directiveLog()],
  ['direct', (database) => database.direct(directiveOf(99), manifestOf('order').manifest, nothingInstalled)],
  ['recentDirectives', (database) => database.recentDirectives()],
  ['auditHead', (database) => database.auditHead()],
  ['appendAudit', (database) => database.appendAudit({ ...emptyAudit, number: 99 }, entryOf(0), placeOf(entryOf(0)))],
  ['audit', (database) => database.audit(1, 9)],
  ['table', (database) => database.table('authorized')],
  ['setInTable', (database) => database.setInTable('authorized', 'n1', 'yes')],
  ['removeFromTable', (database) => database.removeFromTable('authorized', 'n9')],
  ['tables', (database) => database.tables()],
  ['dead', (database) => database.dead()],
  ['declareDead', (database) => database.declareDead(1, 0)],
  ['finalized', (database) => database.finalized()],
  ['finalize', (database) => database.finalize(1)],
  ['restoreEnded', (database) => database.restoreEnded({ dead: 1, final: 1 })],
  ['reportGone', (database) => database.reportGone(['n1'], new Starting('s9', null))],
  ['restorePermit', (database) => database.restorePermit('pages', 'n9')],
  ['standing', (database) => database.standing()],
  ['attend', (database) => database.attend(new Starting('s9', null))],
  ['doubt', (database) => database.doubt(new Starting('s9', null))],
]

/**
 * `shared` is asked once per test, and may answer with the same server: each test has a system of its own.
 * With bounds, its audit keeps no more than these.
 * `alone` gives one that no other test uses.
 */
export function databaseContract(
  adapter: string,
  shared: (audit?: AuditBounds) => DatabaseUnderTest,
  alone: (t: ExecutionContext) => Promise<InterruptibleDatabase>,
): void {
  type Body = (
    t: ExecutionContext,
    database: UpgradeDatabase,
    another: UpgradeDatabase,
    under: DatabaseUnderTest,
  ) => Promise<void>
  type Special = { readonly register?: typeof test.serial; readonly audit?: AuditBounds }
  /** Two hosts' databases of one new system. */
  const contract = (title: string, body: Body, { register = test, audit }: Special = {}) => {
    register(`${adapter}: ${title}`, async (t) => {
      const system = newSystem()
      const under = shared(audit)
      const [database, another] = await Promise.all([under.open(system), under.open(system)])
      t.teardown(async () => {
        await Promise.all([database.close(), another.close()])
      })
      await body(t, database, another, under)
    })
  }
  /** Lets a short lease run out, and proves it by what `nodes` says. */
  const lapse = async (under: DatabaseUnderTest, database: UpgradeDatabase, nodeId: string) => {
    await under.elapse(short)
    await until(
      async () => !(await database.nodes()).some((row) => row.nodeId === nodeId && row.alive),
      `the lease of ${nodeId} runs out`,
    )
  }
  const fill = (database: UpgradeDatabase, count: number, service = 'pages') =>
    Promise.all(Array.from({ length: count }, (_, i) => database.register(statusOf(`${service}${i}`, { service }), long)))

  contract('a new system is at version 0 and has no manifests', async (t, database) => {
    t.deepEqual(await database.head(), { version: 0, digest: null })
    t.deepEqual(await database.manifests(0, 100), [])
  })

  contract('an installed manifest is the head and reads back byte for byte, with its signature', async (t, database, another) => {
    const { digest, manifest } = manifestOf('{"ü":"\u0000"}', true)
    t.true(await database.install({ version: 0, digest: null }, digest, manifest))
    t.deepEqual(await another.head(), { version: 1, digest })
    t.deepEqual(await another.manifests(1, 1), [manifest])
  })

  contract('an install with a head that is not the head changes nothing', async (t, database) => {
    const first = manifestOf('first')
    await database.install({ version: 0, digest: null }, first.digest, first.manifest)
    const second = manifestOf('second')
    const wrong: Head[] = [
      { version: 0, digest: null },
      { version: 1, digest: second.digest },
      { version: 1, digest: null },
      { version: 2, digest: first.digest },
    ]
    for (const head of wrong) t.false(await database.install(head, second.digest, second.manifest))
    t.deepEqual(await database.head(), { version: 1, digest: first.digest })
    t.deepEqual(await database.manifests(0, 9), [first.manifest])
  })

  contract('an undo of a version that has become final is not installed', async (t, database, another) => {
    const [one, two] = [manifestOf('one'), manifestOf('two')]
    await database.install(nothingInstalled, one.digest, one.manifest)
    const head = { version: 1, digest: one.digest }
    t.is(await another.finalize(1), 1)
    t.false(await database.install(head, two.digest, two.manifest, {}, 1))
    t.deepEqual(await database.head(), head)
    t.true(await database.install(head, two.digest, two.manifest, { authorized: { n1: 'yes' } }, null))
    t.is((await another.table('authorized')).get('n1'), 'yes')
    const three = manifestOf('three')
    t.true(
      await database.install({ version: 2, digest: two.digest }, three.digest, three.manifest, { authorized: { n1: 'no' } }, 2),
    )
    t.is((await another.table('authorized')).get('n1'), 'no')
  })

  contract('of two installs at the same time exactly one wins', async (t, database, another) => {
    const tries = [manifestOf('one'), manifestOf('other')]
    const won = await Promise.all(
      [database, another].map((by, i) => by.install({ version: 0, digest: null }, tries[i]!.digest, tries[i]!.manifest)),
    )
    t.is(won.filter(Boolean).length, 1)
    const winner = tries[won.indexOf(true)]!
    t.deepEqual(await database.head(), { version: 1, digest: winner.digest })
    t.deepEqual(await database.manifests(1, 9), [winner.manifest])
  })

  contract('manifests come in order, both ends included, as far as they exist', async (t, database) => {
    let head: Head = { version: 0, digest: null }
    const all: SignedManifest[] = []
    for (let version = 1; version <= 70; version++) {
      const { digest, manifest } = manifestOf(`manifest ${version}`, version % 2 === 0)
      t.true(await database.install(head, digest, manifest))
      head = { version, digest }
      all.push(manifest)
    }
    t.deepEqual(await database.manifests(2, 4), all.slice(1, 4))
    t.deepEqual(await database.manifests(0, 2 ** 32 - 1), all)
    t.deepEqual(await database.manifests(69, 80), all.slice(68))
    t.deepEqual(await database.manifests(71, 80), [])
    t.deepEqual(await database.manifests(5, 4), [])
  })

  contract('chunks of a bundle keep every byte, and one that was not stored is undefined', async (t, database, another) => {
    const bytes = Uint8Array.from({ length: 256 * 1024 }, (_, i) => i % 256)
    await database.putChunk('digest', 0, bytes)
    // A view that neither begins nor ends with its buffer.
    await database.putChunk('digest', 1, bytes.subarray(3, 7))
    t.deepEqual(await another.getChunk('digest', 0), bytes)
    t.deepEqual(await another.getChunk('digest', 1), new Uint8Array([3, 4, 5, 6]))
    t.is(await another.getChunk('digest', 2), undefined)
    t.is(await another.getChunk('other', 0), undefined)
  })

  contract('what is stored does not change with the caller’s bytes and rows', async (t, database) => {
    const bytes = new Uint8Array([1, 2, 3])
    const status = { ...statusOf('n1') }
    await database.putChunk('digest', 0, bytes)
    await database.register(status, long)
    bytes[0] = 9
    status.version = 9
    t.deepEqual(await database.getChunk('digest', 0), new Uint8Array([1, 2, 3]))
    t.is((await database.nodes())[0]?.version, 0)
  })

  contract('a row keeps all that a node tells of itself, also what few nodes tell', async (t, database, another) => {
    const told: Required<NodeStatus> = {
      ...statusOf('n1'),
      group: 'till-7',
      uses: ['Stock.v1'],
      figures: { ended: 3, threw: 1, timed: 2, tookMs: 5, records: { passed: 7, left: { notes: 'k' } } },
      software: { release: '0.1.0', reads: { envelope: 1 }, since: 9 },
      settled: 2,
      shard: 3,
      moved: { from: 'd0', number: 4 },
      rewind: { untilMs: 1_800_000_000_000 },
    }
    await database.register(told, long)
    t.deepEqual(await another.nodes(), [{ ...told, alive: true }])
    const ended = { ...told, rewind: { ended: 'its time is over' } }
    await database.report([ended], long)
    t.deepEqual(await another.nodes(), [{ ...ended, alive: true }])
  })

  contract('registered nodes are read by node id, all or of one service', async (t, database, another) => {
    const registered = { registered: true } as const
    t.deepEqual(await database.register(statusOf('b'), long), registered)
    t.deepEqual(await database.register(statusOf('a'), long), registered)
    t.deepEqual(await another.register(statusOf('c', { service: 'pages-2' }), long), registered)
    t.deepEqual(await another.nodes(), [
      { ...statusOf('a'), alive: true },
      { ...statusOf('b'), alive: true },
      { ...statusOf('c', { service: 'pages-2' }), alive: true },
    ])
    t.deepEqual(
      (await database.nodes('pages')).map((row) => row.nodeId),
      ['a', 'b'],
    )
    t.deepEqual(await database.nodes('nobody'), [])
  })

  contract(
    'a node id is refused to a second directory, which is told of the first, and given to the first again',
    async (t, database, another) => {
      await database.register(statusOf('n1', { directoryId: 'first', version: 3 }), long)
      for (const directoryId of ['second', null]) {
        t.deepEqual(await another.register(statusOf('n1', { directoryId }), long), { registered: false, directoryId: 'first' })
      }
      t.is((await database.nodes())[0]?.version, 3)
      t.deepEqual(await another.register(statusOf('n1', { directoryId: 'first', version: 4 }), long), { registered: true })
      t.is((await database.nodes())[0]?.version, 4)
    },
  )

  contract('of two directories that register a node id at the same time exactly one gets it', async (t, database, another) => {
    const directories = ['first', 'second']
    const answers = await Promise.all(
      [database, another].map((by, i) => by.register(statusOf('n1', { directoryId: directories[i]! }), long)),
    )
    const winner = directories[answers.findIndex((answer) => answer.registered)]!
    t.deepEqual(
      answers.filter((answer) => !answer.registered),
      [{ registered: false, directoryId: winner }],
    )
    t.is((await database.nodes())[0]?.directoryId, winner)
  })

  contract(
    'a node without a directory can be taken over by a directory, which then keeps it',
    async (t, database, _another, under) => {
      await database.register(statusOf('n1', { directoryId: null }), long)
      t.deepEqual(await database.register(statusOf('n1', { directoryId: null }), short), { registered: true })
      t.deepEqual(await database.register(statusOf('n1', { directoryId: 'first' }), short), { registered: true })
      await lapse(under, database, 'n1')
      t.deepEqual(await database.nodes(), [{ ...statusOf('n1', { directoryId: 'first' }), alive: false }])
    },
  )

  contract('a node that registers for another service leaves the one it had, and its slot there', async (t, database) => {
    await database.register(statusOf('n1'), long)
    await database.claimPermit('pages', upgradingNode('n1'), { nodes: 1 })
    await database.register(statusOf('n1', { service: 'users' }), long)
    t.deepEqual(await database.nodes('pages'), [])
    t.is((await database.nodes('users')).length, 1)
    t.deepEqual(await database.claimPermit('pages', upgradingNode('n2'), { nodes: 1 }), { claimed: true })
  })

  contract('a report replaces the rows of registered nodes', async (t, database, another) => {
    await fill(database, 2)
    const next = [
      statusOf('pages0', { version: 1, phase: 'draining', target: 2 }),
      statusOf('pages1', { phase: 'stalled', reason: 'upgrade.check: ü' }),
    ]
    await another.report(next, long)
    t.deepEqual(
      await database.nodes(),
      next.map((status) => ({ ...status, alive: true })),
    )
  })

  contract('a report of a node that is not registered, or registered elsewhere, is ignored', async (t, database) => {
    await database.register(statusOf('n1', { directoryId: 'first' }), long)
    const foreign = [
      statusOf('n2'),
      statusOf('n1', { directoryId: 'second', version: 5 }),
      statusOf('n1', { directoryId: 'first', service: 'users' }),
    ]
    t.deepEqual(await database.report(foreign, long), {
      unknown: ['n2', 'n1'],
      forgotten: [],
      elsewhere: [{ nodeId: 'n1', hostId: null }],
    })
    t.deepEqual(await database.renew(['n3'], long), { unknown: ['n3'], forgotten: [], elsewhere: [] })
    t.deepEqual(await database.report([], long), { unknown: [], forgotten: [], elsewhere: [] })
    t.deepEqual(await database.nodes(), [{ ...statusOf('n1', { directoryId: 'first' }), alive: true }])
  })

  contract('a forgotten node stays forgotten while it goes on reporting, until it registers', async (t, database) => {
    await fill(database, 2)
    await database.forget('pages0')
    const forgotten = { unknown: [], forgotten: ['pages0'], elsewhere: [] }
    t.deepEqual(await database.report([statusOf('pages0')], long), forgotten)
    t.deepEqual(await database.renew(['pages0'], long), forgotten)
    t.deepEqual(
      (await database.nodes()).map((row) => row.nodeId),
      ['pages1'],
    )
    t.deepEqual(await database.register(statusOf('pages0', { directoryId: 'another' }), long), { registered: true })
    t.is((await database.nodes()).length, 2)
  })

  // Serial: it would take the time of the others, whose commands have a time-out.
  contract(
    'ten thousand nodes are reported and read',
    async (t, database) => {
      const all = Array.from({ length: 10_000 }, (_, i) => statusOf(`n${i}`, { directoryId: i % 2 === 0 ? null : `dir${i}` }))
      for (let first = 0; first < all.length; first += 1000) {
        await Promise.all(all.slice(first, first + 1000).map((status) => database.register(status, long)))
      }
      await database.report(
        all.map((status) => ({ ...status, version: 7 })),
        long,
      )
      await database.renew(
        all.map((status) => status.nodeId),
        long,
      )
      const rows = await database.nodes('pages')
      t.is(rows.length, 10_000)
      t.true(rows.every((row) => row.version === 7 && row.alive))
    },
    { register: test.serial },
  )

  contract(
    'a node with a directory is not alive when its lease has run out, and alive again with the next report',
    async (t, database, another, under) => {
      await database.register(statusOf('n1'), short)
      t.true((await database.nodes())[0]?.alive)
      await lapse(under, another, 'n1')
      t.deepEqual(await database.nodes(), [{ ...statusOf('n1'), alive: false }])
      await database.report([statusOf('n1', { version: 1 })], long)
      t.deepEqual(await another.nodes(), [{ ...statusOf('n1', { version: 1 }), alive: true }])
    },
  )

  contract('a lease is renewed by a report and by a renewal, which keeps the row', async (t, database, _another, under) => {
    const ids = ['reported', 'renewed', 'left']
    for (const id of ids) await database.register(statusOf(id, { phase: 'scheduled', target: 1 }), short)
    await database.report([statusOf('reported')], long)
    await database.renew(['renewed'], long)
    await lapse(under, database, 'left')
    t.deepEqual(await database.nodes(), [
      { ...statusOf('left', { phase: 'scheduled', target: 1 }), alive: false },
      { ...statusOf('renewed', { phase: 'scheduled', target: 1 }), alive: true },
      { ...statusOf('reported'), alive: true },
    ])
  })

  contract(
    'a node without a directory is left out when its lease has run out, and comes back with the next report',
    async (t, database, _another, under) => {
      const idsOf = async (service?: string) => (await database.nodes(service)).map((row) => row.nodeId)
      await database.register(statusOf('brief', { directoryId: null }), short)
      await database.register(statusOf('kept', { directoryId: null }), long)
      t.deepEqual(await idsOf(), ['brief', 'kept'])
      await lapse(under, database, 'brief')
      t.deepEqual(await idsOf(), ['kept'])
      t.deepEqual(await idsOf('pages'), ['kept'])
      await database.report([statusOf('brief', { directoryId: null })], long)
      t.deepEqual(await idsOf('pages'), ['brief', 'kept'])
    },
  )

  contract(
    'a node without a directory counts for percentages until its lease runs out, and again when it is renewed',
    async (t, database, _another, under) => {
      for (let i = 0; i < 8; i++) await database.register(statusOf(`n${i}`, { directoryId: null }), long)
      const claim = (nodeId: string) => database.claimPermit('pages', upgradingNode(nodeId), { percent: 25 })
      t.true((await claim('n4')).claimed)
      t.true((await claim('n5')).claimed)
      await database.renew(['n0', 'n1', 'n2', 'n3'], short)
      await under.elapse(short)
      // Only claims are made here: that reading the nodes minds the time would not show that claiming does.
      const refused = async () => {
        await database.releasePermit('pages', 'n5')
        return !(await claim('n5')).claimed
      }
      await until(refused, 'a quarter of the nodes is one')
      t.deepEqual(await claim('n5'), { claimed: false, heldBy: ['n4'] })
      await database.renew(['n0', 'n1', 'n2', 'n3'], long)
      t.true((await claim('n5')).claimed)
    },
  )

  contract('a count limits the slots of each service apart, and says who holds them', async (t, database, another) => {
    t.deepEqual(await database.claimPermit('pages', upgradingNode('n2'), { nodes: 2 }), { claimed: true })
    t.deepEqual(await another.claimPermit('pages', upgradingNode('n1'), { nodes: 2 }), { claimed: true })
    t.deepEqual(await database.claimPermit('pages', upgradingNode('n3'), { nodes: 2 }), { claimed: false, heldBy: ['n1', 'n2'] })
    t.deepEqual(await database.claimPermit('users', upgradingNode('n3'), { nodes: 1 }), { claimed: true })
    await another.releasePermit('pages', 'n2')
    t.deepEqual(await database.claimPermit('pages', upgradingNode('n3'), { nodes: 2 }), { claimed: true })
  })

  contract('a limit of 0 nodes gives no slot', async (t, database) => {
    t.deepEqual(await database.claimPermit('pages', upgradingNode('n1'), { nodes: 0 }), { claimed: false, heldBy: [] })
  })

  contract('of a count and a percentage the smaller holds, and without either there is no limit', async (t, database) => {
    const claims = async (service: string, limit: ServiceLimit) => {
      await fill(database, 20, service)
      for (let i = 0; i < 20; i++)
        if (!(await database.claimPermit(service, upgradingNode(`${service}${i}`), limit)).claimed) return i
      return 20
    }
    t.is(await claims('pages', { nodes: 7, percent: 10 }), 2)
    t.is(await claims('users', { nodes: 3, percent: 50 }), 3)
    t.is(await claims('carts', {}), 20)
  })

  contract('a percentage is of the service’s registered nodes, rounded down and at least one', async (t, database) => {
    const claims = async (service: string) => {
      for (let i = 0; ; i++)
        if (!(await database.claimPermit(service, upgradingNode(`${service}${i}`), { percent: 25 })).claimed) return i
    }
    await fill(database, 11, 'pages')
    await fill(database, 2, 'users')
    t.is(await claims('pages'), 2)
    t.is(await claims('users'), 1)
    t.is(await claims('nobody'), 1)
    await database.register(statusOf('twelfth'), long)
    t.deepEqual(await database.claimPermit('pages', upgradingNode('twelfth'), { percent: 25 }), { claimed: true })
  })

  contract(
    'a node that holds a slot has it when it claims again, however small the limit has become',
    async (t, database, another) => {
      for (const nodeId of ['n1', 'n1', 'n2'])
        t.true((await database.claimPermit('pages', upgradingNode(nodeId), { nodes: 2 })).claimed)
      t.deepEqual(await another.claimPermit('pages', upgradingNode('n1'), { nodes: 0 }), { claimed: true })
      await database.releasePermit('pages', 'n1')
      t.deepEqual(await database.claimPermit('pages', upgradingNode('n3'), { nodes: 1 }), { claimed: false, heldBy: ['n2'] })
    },
  )

  contract('fifty claims at the same time with a limit of three give exactly three', async (t, database, another) => {
    const claims = await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        (i % 2 ? database : another).claimPermit('pages', upgradingNode(`n${i}`), { nodes: 3 }),
      ),
    )
    t.is(claims.filter((claim) => claim.claimed).length, 3)
    for (const claim of claims) if (!claim.claimed) t.is(holdersOf(claim).length, 3)
  })

  contract('a refused claim names a bounded number of holders', async (t, database) => {
    const limit = { nodes: heldByMax + 20 }
    await Promise.all(Array.from({ length: limit.nodes }, (_, i) => database.claimPermit('pages', upgradingNode(`n${i}`), limit)))
    const refused = await database.claimPermit('pages', upgradingNode('late'), limit)
    t.is(holdersOf(refused).length, heldByMax)
  })

  const order = (text: string) => ({ bytes: new TextEncoder().encode(text), signature: new Uint8Array([1, 255]) })
  const why = (directed: Directed) => (directed.done ? directed.result : directed.why)

  contract('directives are counted one after the other, each once, and the newest are kept', async (t, database, another) => {
    const direct = async (by: UpgradeDatabase, number: number, signed: Signed) =>
      why(await by.direct(directiveOf(number), signed, nothingInstalled))
    t.is(await database.directives(), 0)
    t.is(await direct(database, 2, order('too early')), 'number')
    t.is(await direct(database, 1, order('first')), false)
    t.is(await direct(another, 1, order('another')), 'number')
    const races = await Promise.all([database, another, database, another].map((by, i) => direct(by, 2, order(`${i}`))))
    t.is(races.filter((answer) => answer === false).length, 1)
    t.is(await another.directives(), 2)
    t.is(await direct(another, 3, { bytes: new Uint8Array([0, 128]), signature: null }), false)
    const kept = await database.recentDirectives()
    t.is(kept.length, 3)
    t.deepEqual(kept[0], order('first'))
    t.deepEqual(kept[2], { bytes: new Uint8Array([0, 128]), signature: null })
  })

  contract('a directive is carried out with its count, whatever it orders', async (t, database, another) => {
    const control: Control = { kind: 'pause', version: 3, reason: 'lunch', since: 5 }
    await database.install(nothingInstalled, 'd1', manifestOf('first').manifest)
    const head = { version: 1, digest: 'd1' }
    let number = 0
    const direct = async (what: Order) => why(await database.direct(directiveOf(++number, what), order(`${number}`), head))
    t.is(await direct({ order: 'set', control }), true)
    t.deepEqual(await another.controls(), [control])
    t.is(await direct({ order: 'remove', control }), true)
    t.is(await direct({ order: 'remove', control }), false)
    t.deepEqual(await another.controls(), [])
    t.is(await direct({ order: 'setInTable', table: 'authorized', key: 'n1', value: 'yes' }), true)
    t.deepEqual([...(await another.table('authorized'))], [['n1', 'yes']])
    t.deepEqual(await another.tables(), ['authorized'])
    t.is(await direct({ order: 'removeFromTable', table: 'authorized', key: 'n2' }), false)
    t.is(await direct({ order: 'removeFromTable', table: 'authorized', key: 'n1' }), true)
    t.deepEqual(await another.tables(), [])
    t.is(await direct({ order: 'finalize', version: 1 }), 1)
    t.is(await direct({ order: 'finalize', version: 2 }), 1)
    t.is(await another.finalized(), 1)
    t.is(await another.directives(), number)
  })

  contract('an order to forget a node does what forgetting it does, and answers whether there was one', async (t, database) => {
    for (const nodeId of ['n1', 'n2']) await database.register(statusOf(nodeId), long)
    await database.claimPermit('pages', upgradingNode('n1'), { nodes: 2 })
    await database.setControl({ kind: 'hold', nodeId: 'n1', reason: '', since: 0 })
    const what: Order = { order: 'forget', nodeId: 'n1' }
    t.is(why(await database.direct(directiveOf(1, what), order('1'), nothingInstalled)), true)
    t.deepEqual(
      (await database.nodes()).map(({ nodeId }) => nodeId),
      ['n2'],
    )
    t.deepEqual(await database.controls(), [])
    t.deepEqual(await database.claimPermit('pages', upgradingNode('n2'), { nodes: 1 }), { claimed: true })
    t.is(why(await database.direct(directiveOf(2, what), order('2'), nothingInstalled)), false)
  })

  contract('an order that tells of a backup or a restore is counted and kept, and changes nothing', async (t, database) => {
    await database.register(statusOf('n1'), long)
    const digest = digestOf(entryOf(1))
    for (const [i, what] of (['backup', 'restore'] as const).entries()) {
      const signed = order(`${i + 1}`)
      t.is(why(await database.direct(directiveOf(i + 1, { order: what, digest, version: 3 }), signed, nothingInstalled)), true)
      t.deepEqual((await database.recentDirectives()).at(-1)?.bytes, signed.bytes)
    }
    t.is(await database.directives(), 2)
    t.is((await database.nodes()).length, 1)
    t.deepEqual(await database.controls(), [])
    t.deepEqual(await database.tables(), [])
  })

  contract('an entry of the audit follows the newest one, and of those at once one is written', async (t, database, another) => {
    t.deepEqual(await database.auditHead(), emptyAudit)
    t.deepEqual(await database.audit(1, 9), [])
    t.true(await database.appendAudit(emptyAudit, entryOf(1), placeOf(entryOf(1))))
    const first = await another.auditHead()
    t.deepEqual(first, { number: 1, first: 1, ...placeOf(entryOf(1)) })
    t.false(await another.appendAudit(emptyAudit, entryOf(2), placeOf(entryOf(2))))
    t.false(await another.appendAudit({ ...first, hash: digestOf(entryOf(9)) }, entryOf(2), placeOf(entryOf(2))))
    const races = [database, another, database, another].map((by, i) =>
      by.appendAudit(first, entryOf(i), placeOf(entryOf(i), 'log2')),
    )
    const won = (await Promise.all(races)).indexOf(true)
    t.deepEqual(await database.audit(1, 9), [entryOf(1), entryOf(won)])
    t.deepEqual(await another.auditHead(), { number: 2, first: 1, ...placeOf(entryOf(won), 'log2') })
    t.deepEqual(await another.audit(2, 2), [entryOf(won)])
    t.deepEqual(await another.audit(3, 9), [])
  })

  contract(
    'the oldest entries of the audit leave, by their number and by their bytes, and the newest stays however large it is',
    async (t, database, another) => {
      // The bytes of each entry, and which are kept then.
      const steps: readonly (readonly [bytes: number, kept: readonly number[]])[] = [
        [10, [1]],
        [10, [1, 2]],
        [10, [1, 2, 3]],
        // So many bytes as there may be, and too many entries.
        [80, [2, 3, 4]],
        [11, [4, 5]],
        [9, [4, 5, 6]],
        [80, [5, 6, 7]],
        // Those that have left are not counted any more.
        [10, [6, 7, 8]],
        [96, [9]],
        [4, [9, 10]],
        // Alone it is too large already.
        [200, [11]],
        [100, [12]],
        [50, [13]],
        [50, [13, 14]],
      ]
      for (const [i, [bytes, kept]] of steps.entries()) {
        const head = await database.auditHead()
        const entry = entryOf(i + 1, bytes)
        t.true(await database.appendAudit(head, entry, placeOf(entry)))
        t.deepEqual(await another.auditHead(), { number: i + 1, first: kept[0]!, ...placeOf(entry) })
        const expected = kept.map((number) => entryOf(number, steps[number - 1]![0]))
        t.deepEqual(await another.audit(1, 99), expected, `entry ${i + 1}`)
      }
      t.deepEqual(await another.audit(14, 14), [entryOf(14, 50)])
    },
    { audit: { entriesMax: 3, bytesMax: 100 } },
  )

  contract(
    'a directive that is not carried out is not counted, and the one that was answers what came of it',
    async (t, database, another) => {
      const pause: Control = { kind: 'pause', version: 3, reason: '', since: 5 }
      const first = directiveOf(1, { order: 'set', control: pause })
      // Another version was installed since the signature was checked.
      const other = { version: 1, digest: 'gone' }
      t.is(why(await database.direct(first, order('first'), other)), 'head')
      await t.throwsAsync(
        database.direct(directiveOf(1, { order: 'set', control: { ...pause, version: -1 } }), order('bad'), nothingInstalled),
        { code: 'config.invalid' },
      )
      t.is(await another.directives(), 0)
      t.deepEqual(await another.controls(), [])
      t.true((await database.direct(first, order('first'), nothingInstalled)).done)
      await database.removeControl(pause)
      const { log } = (await another.direct(first, order('first'), nothingInstalled)) as Directed & { done: false }
      t.deepEqual(await another.direct(first, order('first'), nothingInstalled), {
        ...{ done: false, why: 'number', log },
        earlier: { result: true },
      })
      t.deepEqual(await database.direct(first, order('another'), nothingInstalled), {
        ...{ done: false, why: 'number', log },
        earlier: undefined,
      })
      t.deepEqual(await database.controls(), [])
      t.is(log.count, 1)
    },
  )

  for (const newer of [{ format: 2 }, { format: 3, identity: 'production-0123456789' }] as const)
    contract(
      `a directive of format ${newer.format} names the head and the log, and no other takes it`,
      async (t, database, another) => {
        const { id } = await database.directiveLog()
        const named = (number: number, head: string | null, log: string): Directive => ({
          ...directiveOf(number),
          ...{ ...newer, head, log },
        })
        const direct = async (directive: Directive, head = nothingInstalled) =>
          why(await another.direct(directive, order(`${directive.number}`), head))
        t.is(await direct(named(1, 'd1', id)), 'head')
        t.is(await direct(named(1, null, `${id}x`)), 'log')
        t.is(await direct(named(1, null, id)), false)
        await database.install(nothingInstalled, 'd1', manifestOf('first').manifest)
        t.is(await direct(named(2, null, id), { version: 1, digest: 'd1' }), 'head')
        t.is(await direct(named(2, 'd1', id), { version: 1, digest: 'd1' }), false)
        t.deepEqual(await database.directiveLog(), { id, count: 2 })
      },
    )

  contract('the log of directives begins anew when something was lost', async (t, database, another) => {
    const first = await database.directiveLog()
    t.is(first.count, 0)
    t.deepEqual(await another.directiveLog(), first)
    t.deepEqual(await another.directiveLog(first), first)
    t.deepEqual(await another.directiveLog({ id: 'of another', count: 9 }), first)
    // Somebody has seen more of it.
    const second = await another.directiveLog({ ...first, count: 1 })
    t.not(second.id, first.id)
    t.deepEqual(await database.directiveLog(), second)
    const third = await database.directiveLog('lost')
    t.false([first.id, second.id].includes(third.id))
    // Of the older format, one from before the loss is refused: it may have been carried out.
    t.is(why(await database.direct(directiveOf(1), order('old'), nothingInstalled)), 'older')
    const fresh: Directive = { ...directiveOf(1), createdAt: '2099-01-01T00:00:00.000Z' }
    t.is(why(await another.direct(fresh, order('fresh'), nothingInstalled)), false)
  })

  const pause: Control = { kind: 'pause', version: 3, reason: 'lunch', since: 5 }
  const hold: Control = { kind: 'hold', nodeId: 'n1', reason: '', since: 6 }

  contract('controls are set by everybody for everybody, one of each key, and removed', async (t, database, another) => {
    t.deepEqual(await database.controls(), [])
    await database.setControl(pause)
    await another.setControl(hold)
    await another.setControl({ ...pause, reason: 'dinner' })
    await database.setControl({ kind: 'retry', version: 3, token: 'a', since: 7 })
    const kinds = async () => (await another.controls()).map(({ kind }) => kind).sort()
    t.deepEqual(await kinds(), ['hold', 'pause', 'retry'])
    const placed: Control = { kind: 'place', service: 'cart', shard: 3, hostId: 'h1', start: 's1', reason: '', since: 8 }
    await database.setControl(placed)
    await database.setControl({ ...placed, hostId: 'h2' })
    t.deepEqual(
      (await another.controls()).filter(({ kind }) => kind === 'place'),
      [{ ...placed, hostId: 'h2' }],
    )
    t.true(await another.removeControl(placed))
    const promoted: Control = { kind: 'promote', format: 1, version: 3, percent: 10, past: 5, reason: '', since: 9 }
    const paced: Control = {
      kind: 'pace',
      format: 1,
      version: 3,
      probability: 0.5,
      everyMs: null,
      bakeMs: 0,
      reason: '',
      since: 9,
    }
    for (const control of [promoted, paced]) await database.setControl(control)
    t.deepEqual(
      (await another.controls())
        .filter(({ kind }) => kind === 'promote' || kind === 'pace')
        .sort((a, b) => (a.kind < b.kind ? 1 : -1)),
      [promoted, paced],
    )
    for (const control of [promoted, paced]) t.true(await another.removeControl(control))
    t.true((await database.controls()).some((control) => control.kind === 'pause' && control.reason === 'dinner'))
    t.true(await database.removeControl({ kind: 'pause', version: 3 }))
    t.false(await database.removeControl({ kind: 'pause', version: 3 }))
    t.deepEqual(await kinds(), ['hold', 'retry'])
    await t.throwsAsync(database.setControl({ kind: 'pause', version: -1, reason: '', since: 0 }), { code: 'config.invalid' })
    await t.throwsAsync(database.setControl({ ...hold, nodeId: 'a b' }), { code: 'config.invalid' })
  })

  contract('a pause holds the nodes that go to its version, and no undo', async (t, database, another) => {
    await database.setControl(pause)
    t.deepEqual(await another.claimPermit('pages', upgradingNode('n1', 3), { nodes: 9 }), { claimed: false, control: pause })
    t.true((await another.claimPermit('pages', upgradingNode('n1', 3, true), { nodes: 9 })).claimed)
    t.true((await another.claimPermit('pages', upgradingNode('n2', 4), { nodes: 9 })).claimed)
    // One that is told to go now is not held by it.
    await database.setControl({ kind: 'now', nodeId: 'n3', version: 3, since: 0 })
    t.true((await another.claimPermit('pages', upgradingNode('n3', 3), { nodes: 9 })).claimed)
    await database.setControl({ kind: 'now', nodeId: 'n4', version: 2, since: 0 })
    t.false((await another.claimPermit('pages', upgradingNode('n4', 3), { nodes: 9 })).claimed)
    await database.removeControl({ kind: 'pause', version: 3 })
    t.true((await another.claimPermit('pages', upgradingNode('n4', 3), { nodes: 9 })).claimed)
  })

  contract('a pause holds no node that passes it, and a later one of the version does', async (t, database, another) => {
    await database.setControl(pause)
    const claim = (nodeId: string, passes: number) =>
      another.claimPermit('pages', { ...upgradingNode(nodeId, 3), passes }, { nodes: 9 })
    t.true((await claim('n1', pause.since)).claimed)
    t.deepEqual(await claim('n2', pause.since + 1), { claimed: false, control: pause })
    const later: Control = { ...pause, since: 1_700_000_000_123 }
    await database.setControl(later)
    t.deepEqual(await claim('n2', pause.since), { claimed: false, control: later })
    t.true((await claim('n2', later.since)).claimed)
  })

  contract('a version is installed with a control in one decision, or neither', async (t, database, another) => {
    const [one, two] = [manifestOf('one'), manifestOf('two')]
    const installed = (head: Head, { digest, manifest }: typeof one, control: Control) =>
      database.install(head, digest, manifest, { authorized: { n1: 'yes' } }, null, null, null, null, null, control)
    t.true(await installed(nothingInstalled, one, pause))
    t.deepEqual(await another.controls(), [pause])
    t.deepEqual([...(await another.table('authorized'))], [['n1', 'yes']])
    t.false(await installed(nothingInstalled, two, hold))
    t.deepEqual(await another.controls(), [pause])
  })

  contract('a hold holds its node, wherever it goes, and is forgotten with it', async (t, database, another) => {
    await database.register(statusOf('n1'), long)
    await database.setControl(hold)
    await database.setControl({ kind: 'now', nodeId: 'n1', version: 1, since: 0 })
    for (const isUndo of [false, true])
      t.deepEqual(await another.claimPermit('pages', upgradingNode('n1', 1, isUndo), { nodes: 9 }), {
        claimed: false,
        control: hold,
      })
    t.true((await another.claimPermit('pages', upgradingNode('n2'), { nodes: 9 })).claimed)
    await database.forget('n1')
    t.deepEqual(await another.controls(), [])
  })

  contract('a slot is not freed by a lease that runs out, with or without a directory', async (t, database, _another, under) => {
    await database.register(statusOf('kept'), short)
    await database.register(statusOf('brief', { directoryId: null }), short)
    for (const nodeId of ['kept', 'brief']) await database.claimPermit('pages', upgradingNode(nodeId), { nodes: 2 })
    await lapse(under, database, 'kept')
    await lapse(under, database, 'brief')
    t.deepEqual(await database.claimPermit('pages', upgradingNode('n3'), { nodes: 2 }), {
      claimed: false,
      heldBy: ['brief', 'kept'],
    })
  })

  contract(
    'to forget a node frees its slot, even when its lease has run out or it was never registered',
    async (t, database, _another, under) => {
      await database.register(statusOf('kept'), long)
      await database.register(statusOf('brief', { directoryId: null }), short)
      const holders = ['kept', 'brief', 'stranger']
      for (const nodeId of holders) await database.claimPermit('pages', upgradingNode(nodeId), { nodes: 3 })
      await lapse(under, database, 'brief')
      for (const nodeId of holders) await database.forget(nodeId)
      t.deepEqual(await database.nodes(), [])
      for (const nodeId of ['n4', 'n5', 'n6'])
        t.true((await database.claimPermit('pages', upgradingNode(nodeId), { nodes: 3 })).claimed)
    },
  )

  contract('a table is written key by key and read whole, in the order of its keys', async (t, database, another) => {
    t.deepEqual(await database.table('authorized'), new Map())
    t.deepEqual(await database.tables(), [])
    await database.setInTable('authorized', 'n2', 'yes')
    await another.setInTable('authorized', 'n10', 'after lunch')
    await another.setInTable('authorized', 'n2', 'no')
    await database.setInTable('Weather_1', 'sky', '')
    t.deepEqual(
      [...(await database.table('authorized'))],
      [
        ['n10', 'after lunch'],
        ['n2', 'no'],
      ],
    )
    t.deepEqual([...(await another.table('Weather_1'))], [['sky', '']])
    t.deepEqual(await another.tables(), ['Weather_1', 'authorized'])
  })

  contract('a key that is removed is gone, and a table goes with its last key', async (t, database, another) => {
    for (const key of ['n1', 'n2']) await database.setInTable('authorized', key, 'yes')
    t.false(await database.removeFromTable('authorized', 'n3'))
    t.false(await database.removeFromTable('nothing', 'n1'))
    t.true(await another.removeFromTable('authorized', 'n1'))
    t.false(await database.removeFromTable('authorized', 'n1'))
    t.deepEqual([...(await database.table('authorized'))], [['n2', 'yes']])
    t.deepEqual(await database.tables(), ['authorized'])
    t.true(await database.removeFromTable('authorized', 'n2'))
    t.deepEqual(await another.table('authorized'), new Map())
    t.deepEqual(await another.tables(), [])
    await another.setInTable('authorized', 'n2', 'again')
    t.deepEqual(await database.tables(), ['authorized'])
  })

  contract('keys and values of a table keep every character, up to their bounds', async (t, database, another) => {
    const texts = ['__proto__', 'constructor', '1', ' ', '\u0000\r\n', 'ü–𝄞', 'k'.repeat(tableKeyLengthMax), '\uffff']
    for (const text of texts) await database.setInTable('odd', text, text)
    t.deepEqual(
      [...(await another.table('odd'))],
      [...texts].sort().map((text) => [text, text]),
    )
    const long = `${'v'.repeat(tableValueBytesMax - 2)}ü`
    await database.setInTable('odd', '1', long)
    t.is((await another.table('odd')).get('1'), long)
    for (const text of texts) t.true(await another.removeFromTable('odd', text))
    t.deepEqual(await database.tables(), [])
  })

  contract('what is no name, key or value of a table is refused with advice, and nothing is written', async (t, database) => {
    const wrong: (readonly [RegExp, () => Promise<unknown>])[] = [
      ...['', 'two words', '-x', 'x'.repeat(65), 'a}b', undefined as never].flatMap((name) => [
        [/^table .*: use 1 to 64 letters/, () => database.table(name)] as const,
        [/^table .*: use 1 to 64 letters/, () => database.setInTable(name, 'n1', 'yes')] as const,
        [/^table .*: use 1 to 64 letters/, () => database.removeFromTable(name, 'n1')] as const,
      ]),
      ...['', 'k'.repeat(tableKeyLengthMax + 1), '\ud800', 7 as never].flatMap((key) => [
        [/^key .*: use text of 1 to 256 characters/, () => database.setInTable('authorized', key, 'yes')] as const,
        [/^key .*: use text of 1 to 256 characters/, () => database.removeFromTable('authorized', key)] as const,
      ]),
      ...['v'.repeat(tableValueBytesMax + 1), 'ü'.repeat(tableValueBytesMax / 2 + 1), '\udc00', 7 as never].map(
        (value) => [/^the value .*: use text of at most 64 KiB/, () => database.setInTable('authorized', 'n1', value)] as const,
      ),
    ]
    for (const [message, use] of wrong) await t.throwsAsync(use, { code: 'config.invalid', message })
    t.deepEqual(await database.tables(), [])
  })

  contract('fifty writes to one table at the same time are all in it', async (t, database, another) => {
    const keys = Array.from({ length: 50 }, (_, i) => `n${i}`)
    await Promise.all(keys.map((key, i) => (i % 2 ? database : another).setInTable('authorized', key, `by ${i}`)))
    const table = await database.table('authorized')
    t.deepEqual(
      keys.map((key) => table.get(key)),
      keys.map((_, i) => `by ${i}`),
    )
    t.is(table.size, 50)
    // A removal of the last entry beside a write: the name is listed exactly if the table has an entry.
    for (let round = 0; round < 50; round++) {
      await Promise.all([
        ...[...(await database.table('authorized')).keys()].map((key) => database.removeFromTable('authorized', key)),
        another.setInTable('authorized', `late${round}`, 'yes'),
      ])
      t.deepEqual(await another.tables(), (await another.table('authorized')).size === 0 ? [] : ['authorized'])
    }
  })

  contract('a table that was read does not change with the database', async (t, database) => {
    await database.setInTable('authorized', 'n1', 'yes')
    const before = await database.table('authorized')
    await database.setInTable('authorized', 'n2', 'yes')
    t.deepEqual([...before], [['n1', 'yes']])
  })

  contract('the tables of an upgrade are there with its manifest, or not at all', async (t, database, another) => {
    const { digest, manifest } = manifestOf('first')
    const tables = { authorized: { n1: 'yes', n2: 'no' }, weather: { sky: 'blue' } }
    await database.setInTable('authorized', 'n2', 'perhaps')
    await database.setInTable('authorized', 'n3', 'yes')
    t.false(await database.install({ version: 7, digest: 'other' }, digest, manifest, tables))
    t.deepEqual(await another.tables(), ['authorized'])
    const wrong = database.install({ version: 0, digest: null }, digest, manifest, { weather: { '': 'blue' } })
    await t.throwsAsync(wrong, { code: 'config.invalid' })
    t.is((await another.head()).version, 0)
    t.true(await database.install({ version: 0, digest: null }, digest, manifest, tables))
    t.deepEqual(await another.tables(), ['authorized', 'theseus-overwritten', 'weather'])
    t.deepEqual([...(await another.table('authorized'))].flat(), ['n1', 'yes', 'n2', 'no', 'n3', 'yes'])
    t.deepEqual([...(await another.table('weather'))].flat(), ['sky', 'blue'])
  })

  contract(
    'an undo takes the entries of tables back, each as it was, and its undo brings them again',
    async (t, database, another) => {
      const [first, second, third, fourth] = ['1', '2', '3', '4'].map((text) => manifestOf(text))
      const tables = { authorized: { n1: 'yes', n2: 'yes', n3: 'yes' }, weather: { sky: 'blue' } }
      const authorized = async () => [...(await another.table('authorized'))].flat()
      await database.setInTable('authorized', 'n2', 'no')
      await database.setInTable('authorized', 'n3', 'yes')
      await database.setInTable('authorized', 'n4', 'no')
      t.true(await database.install(nothingInstalled, first!.digest, first!.manifest, tables))
      t.deepEqual(await authorized(), ['n1', 'yes', 'n2', 'yes', 'n3', 'yes', 'n4', 'no'])
      const head = { version: 1, digest: first!.digest }
      const back = { way: 'takesBack', of: 1 } as const
      t.true(await database.install(head, second!.digest, second!.manifest, tables, 1, null, null, null, back))
      t.deepEqual(await authorized(), ['n2', 'no', 'n3', 'yes', 'n4', 'no'])
      t.deepEqual(await another.tables(), ['authorized', 'theseus-overwritten'])
      // The operator has changed one of them meanwhile.
      await database.setInTable('authorized', 'n2', 'perhaps')
      const again = { way: 'bringsAgain', of: 1 } as const
      const undone = { version: 2, digest: second!.digest }
      t.true(await database.install(undone, third!.digest, third!.manifest, tables, 2, null, null, null, again))
      t.deepEqual(await authorized(), ['n1', 'yes', 'n2', 'perhaps', 'n3', 'yes', 'n4', 'no'])
      t.deepEqual(await another.tables(), ['authorized', 'theseus-overwritten', 'weather'])
      await database.setInTable('authorized', 'n1', 'changed')
      await database.removeFromTable('weather', 'sky')
      const redone = { version: 3, digest: third!.digest }
      t.true(await database.install(redone, fourth!.digest, fourth!.manifest, tables, 3, null, null, null, back))
      t.deepEqual(await authorized(), ['n1', 'changed', 'n2', 'perhaps', 'n3', 'yes', 'n4', 'no'])
      t.deepEqual(await another.tables(), ['authorized', 'theseus-overwritten'])
    },
  )

  /** Declares, and says whether that is in force now. */
  const isDeclared = async (database: UpgradeDatabase, below: number) => (await database.declareDead(below, 0)).below === below

  contract(
    'nothing is dead at first; a death is told to everybody, and takes effect after its delay',
    async (t, database, another) => {
      t.deepEqual(await database.dead(), { below: 0, sinceMs: 0, inForce: 0 })
      const now = await database.declareDead(1, 0)
      t.is(now.below, 1)
      const later = await database.declareDead(3, long)
      t.is(later.below, 3)
      // By one clock: between the two declarations some milliseconds passed, or none.
      t.true(later.sinceMs >= now.sinceMs + long && later.sinceMs < now.sinceMs + 2 * long, `${now.sinceMs}, ${later.sinceMs}`)
      t.deepEqual(await another.dead(), later)
      t.deepEqual([now.inForce, later.inForce], [1, 1])
    },
  )

  contract('a death takes effect before the next is declared', async (t, database, another, under) => {
    const first = await database.declareDead(1, short)
    t.deepEqual([first.below, first.inForce], [1, 0])
    t.deepEqual(await another.declareDead(2, 0), first)
    await under.elapse(short)
    await until(async () => (await another.dead()).inForce === 1, 'the death takes effect')
    t.is((await another.declareDead(2, 0)).inForce, 2)
  })

  contract('a death is never taken back, nor moved in time by who declares it again', async (t, database, another) => {
    const death = await database.declareDead(3, long)
    for (const below of [3, 2, 0]) t.deepEqual(await another.declareDead(below, 5000), death)
    await another.register(statusOf('n1', { version: 0 }), long)
    t.deepEqual(await another.declareDead(4, 0), death)
    await another.forget('n1')
    t.deepEqual(await another.dead(), death)
  })

  contract('no death passes a version that a registered node runs', async (t, database, another) => {
    await database.register(statusOf('old', { version: 2 }), long)
    await database.register(statusOf('new', { version: 5, service: 'users' }), long)
    const refused = await another.declareDead(3, 0)
    t.deepEqual(refused, { below: 0, sinceMs: 0, inForce: 0 })
    t.true(await isDeclared(another, 2))
    await database.report([statusOf('old', { version: 5 })], long)
    t.true(await isDeclared(another, 5))
    t.false(await isDeclared(another, 6))
    for (const nodeId of ['old', 'new']) await database.forget(nodeId)
    t.true(await isDeclared(another, 6))
  })

  contract('a node that is still recovering may flip back, so no death passes the version before', async (t, database) => {
    await database.register(statusOf('n1', { version: 2, phase: 'recovering', target: 2 }), long)
    t.false(await isDeclared(database, 2))
    t.true(await isDeclared(database, 1))
    await database.report([statusOf('n1', { version: 2 })], long)
    t.true(await isDeclared(database, 2))
  })

  contract(
    'a node with a directory holds its version alive after its lease; one without only as long as that',
    async (t, database, another, under) => {
      await database.register(statusOf('kept', { version: 1 }), short)
      await database.register(statusOf('brief', { version: 0, directoryId: null }), short)
      t.false(await isDeclared(another, 1))
      await under.elapse(short)
      // Only deaths are declared here: that reading the nodes minds the time would not show
      // that declaring does.
      await until(() => isDeclared(another, 1), 'the lease of brief runs out')
      t.false(await isDeclared(another, 2))
      t.deepEqual(await database.nodes(), [{ ...statusOf('kept', { version: 1 }), alive: false }])
    },
  )

  contract('one old node among thousands holds its version alive', async (t, database) => {
    const ids = Array.from({ length: 2500 }, (_, i) => `n${i}`)
    await Promise.all(ids.map((nodeId) => database.register(statusOf(nodeId, { version: 1 }), long)))
    for (const nodeId of ['n0', 'n1200', 'n999']) {
      await database.report([statusOf(nodeId)], long)
      t.false(await isDeclared(database, 1), nodeId)
      await database.report([statusOf(nodeId, { version: 1 })], long)
    }
    t.true(await isDeclared(database, 1))
  })

  contract(
    'a death and the registration of an old node at the same time: one of them knows of the other',
    async (t, database, another) => {
      for (let below = 1; below <= 60; below++) {
        const old = statusOf(`n${below}`, { version: below - 1 })
        const register = async () => {
          await another.register(old, long)
          return await another.dead()
        }
        const declare = () => database.declareDead(below, 0)
        // In either order, so that either may come first.
        let seen: Death
        let death: Death
        if (below % 2) [seen, death] = await Promise.all([register(), declare()])
        else [death, seen] = await Promise.all([declare(), register()])
        if (death.below < below) t.true(seen.below < below)
        else t.is(seen.below, below, 'the node was there before, and the death was declared all the same')
        // Now that it is there, no later death passes it.
        t.is((await database.declareDead(below + 1, 0)).below, death.below)
        await database.forget(old.nodeId)
      }
    },
  )

  contract('of fifty deaths at the same time the farthest is in force, and none was taken back', async (t, database, another) => {
    await database.register(statusOf('n1', { version: 40 }), long)
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, i) => (i % 2 ? database : another).declareDead(1 + ((i * 7) % 50), 0)),
    )
    t.is((await database.dead()).below, 40)
    for (const by of [0, 1]) {
      const inOrder = answers.filter((_, i) => i % 2 === by).map(({ below }) => below)
      t.deepEqual(
        inOrder,
        inOrder.toSorted((a, b) => a - b),
      )
    }
  })

  contract('a death of no version, or in no time, is refused with advice', async (t, database) => {
    for (const below of [-1, 1.5, 2 ** 32, Number.NaN, '1' as never])
      await t.throwsAsync(database.declareDead(below, 0), { code: 'config.invalid', message: /use a version number/ })
    for (const delayMs of [-1, 0.5, deathDelayMsMax + 1, Number.NaN, '1' as never])
      await t.throwsAsync(database.declareDead(1, delayMs), { code: 'config.invalid', message: /use whole milliseconds/ })
    t.deepEqual(await database.dead(), { below: 0, sinceMs: 0, inForce: 0 })
    t.is((await database.declareDead(1, deathDelayMsMax)).below, 1)
  })

  contract(
    'a version is final when every node is at it or past it, clients or not, and stays so',
    async (t, database, another) => {
      t.is(await database.finalized(), 0)
      const { digest, manifest } = manifestOf('first')
      await database.install({ version: 0, digest: null }, digest, manifest)
      await database.register(statusOf('n1', { version: 0 }), long)
      await database.register(statusOf('pin', { version: 0, service: 'client', className: 'Client' }), long)
      t.is(await another.finalize(1), 0)
      await database.report([statusOf('n1', { version: 1, phase: 'recovering', target: 1 })], long)
      t.is(await another.finalize(1), 0)
      await database.report([statusOf('n1', { version: 1 })], long)
      t.is(await another.finalize(2), 0, 'a version that is not installed')
      t.is(await another.finalize(1), 1)
      t.is(await database.finalize(0), 1)
      t.is(await database.finalized(), 1)
      await t.throwsAsync(database.finalize(-1), { code: 'config.invalid' })
    },
  )

  contract('two systems see nothing of each other', async (t, database, _another, under) => {
    const stranger = await under.open(newSystem())
    t.teardown(() => stranger.close())
    const { digest, manifest } = manifestOf('first')
    await database.install({ version: 0, digest: null }, digest, manifest)
    await database.putChunk('digest', 0, new Uint8Array([1]))
    await database.register(statusOf('n1'), long)
    await database.claimPermit('pages', upgradingNode('n1'), { nodes: 1 })
    await database.setInTable('authorized', 'n1', 'yes')
    t.true(await isDeclared(stranger, 7))
    t.deepEqual(await database.dead(), { below: 0, sinceMs: 0, inForce: 0 })
    t.deepEqual(await stranger.tables(), [])
    t.deepEqual(await stranger.table('authorized'), new Map())
    t.deepEqual(await stranger.head(), { version: 0, digest: null })
    t.is(await stranger.getChunk('digest', 0), undefined)
    t.deepEqual(await stranger.nodes(), [])
    t.true((await stranger.claimPermit('pages', upgradingNode('n2'), { nodes: 1 })).claimed)
  })

  test.serial(
    `${adapter}: while the database is away every method and open reject promptly, and work again when it is back`,
    async (t) => {
      const going = await alone(t)
      const system = newSystem()
      const database = await going.open(system)
      t.teardown(() => database.close())
      for (const [, use] of everyMethod) await use(database)
      await going.away()
      const tries = Promise.allSettled([...everyMethod.map(([, use]) => use(database)), going.open(system)])
      t.true((await processMsOf(() => tries)) < promptMsMax)
      ;(await tries).forEach((tried, i) => {
        t.is(tried.status, 'rejected', everyMethod[i]?.[0] ?? 'open')
      })
      await going.back()
      await until(
        () =>
          database.head().then(
            () => true,
            () => false,
          ),
        'the database answers again',
      )
      for (const [name, use] of everyMethod) await t.notThrowsAsync(use(database), name)
    },
  )

  test(`${adapter}: a closed database rejects, and closes again without complaint`, async (t) => {
    const database = await shared().open(newSystem())
    await database.close()
    await t.throwsAsync(database.head(), { code: 'unavailable.disconnected' })
    await database.close()
  })
}
