/**
 * An upgrade server's rounds: the database hears of it in time, and it proposes deaths that no registered
 * node speaks against (C8).
 */
import test from 'ava'
import { DeathRounds } from '../../actors/server/deathRounds.js'
import type { Audited } from '../../core/control/audit.js'
import type { Session, Standing } from '../../core/control/standing.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import { clientService, type NodeRow } from '../../core/model/nodeRow.js'
import { deadlineMsMax } from '../../core/wire/envelope.js'
import { ManualClock } from '../support/manualClock.js'
import { gate } from '../support/testSystem.js'

const trusted: Standing = { epoch: 'e', stampMs: 0, leaseMs: 0, probation: null }

/** The upgrade database as a test wants it, and all that it was told. */
class Database {
  standing = trusted
  rows: Pick<NodeRow, 'service' | 'version' | 'phase'>[] = []
  newest = 9
  death = { below: 0, sinceMs: 0, inForce: 0 }
  final = 0
  readonly sessions: { readonly session: Session; readonly atMs: number }[] = []
  readonly declared: (readonly [number, number])[] = []
  readonly given: unknown[] = []
  beforeAttending: () => Promise<void> = async () => {}

  /** The question that it is away for. */
  awayFor = ''

  constructor(private readonly clock: ManualClock) {}

  #reach(question: string): void {
    if (question === this.awayFor) throw new Error(`away for ${question}`)
  }

  async attend(session: Session): Promise<Standing> {
    this.sessions.push({ session, atMs: this.clock.monotonicMs() })
    await this.beforeAttending()
    return this.standing
  }
  async dead() {
    this.#reach('dead')
    return this.death
  }
  async finalized() {
    return this.final
  }
  async nodes() {
    this.#reach('nodes')
    return this.rows
  }
  async head() {
    this.#reach('head')
    return { version: this.newest, digest: null }
  }
  async declareDead(below: number, delayMs: number) {
    this.#reach('declareDead')
    this.declared.push([below, delayMs])
    return this.death
  }
  async restoreEnded(ended: unknown) {
    this.#reach('restoreEnded')
    this.given.push(ended)
  }
}

function open(options: { readonly deathDelayMs?: number; readonly name?: string; readonly tell?: (what: Audited) => void } = {}) {
  const clock = new ManualClock(1_000)
  const database = new Database(clock)
  const rounds = new DeathRounds({ database: database as unknown as UpgradeDatabase, clock, ...options })
  return { clock, database, rounds, times: () => database.sessions.map(({ atMs }) => atMs) }
}

test('the database hears of a server at once, then every two seconds, and more often where leases are short', async (t) => {
  const { clock, database, rounds, times } = open()
  rounds.attend()
  await clock.runUntil(1_000)
  t.deepEqual(times(), [1_000])
  await clock.runUntil(5_000)
  t.deepEqual(times(), [1_000, 3_000, 5_000], 'no host has told of a lease')
  database.standing = { ...trusted, leaseMs: 4_000 }
  await clock.runUntil(9_000)
  t.deepEqual(times().slice(3), [7_000, 8_000, 9_000], 'four times in a lease')
  database.standing = { ...trusted, leaseMs: 60_000 }
  await clock.runUntil(14_000)
  t.deepEqual(times().slice(6), [10_000, 12_000, 14_000])
})

test('two hundred thousand nodes are not too many to find the oldest of', async (t) => {
  const { database, rounds } = open()
  database.rows = Array.from({ length: 200_000 }, (_, i) => ({ service: 'pages', version: i === 7 ? 3 : 5, phase: 'current' }))
  await rounds.declare()
  t.deepEqual(
    database.declared.map(([below]) => below),
    [3],
  )
})

test('a database that is away is tried again sooner, until it is back', async (t) => {
  const { clock, database, rounds, times } = open()
  database.beforeAttending = () => Promise.reject(new Error('away'))
  rounds.attend()
  await clock.runUntil(2_000)
  t.deepEqual(times(), [1_000, 1_500, 2_000])
  database.beforeAttending = async () => {}
  await clock.runUntil(6_500)
  t.deepEqual(times().slice(3), [2_500, 4_500, 6_500])
})

test('a server that has stopped is not heard any more, also when it stops while it is being heard', async (t) => {
  const between = open()
  const end = between.rounds.attend()
  await between.clock.runUntil(2_000)
  end()
  await between.clock.runUntil(20_000)
  t.deepEqual(between.times(), [1_000])
  const meanwhile = open()
  const held = gate()
  meanwhile.database.beforeAttending = () => held.pass()
  const stop = meanwhile.rounds.attend()
  await meanwhile.clock.runUntil(1_000)
  stop()
  held.open()
  await meanwhile.clock.runUntil(20_000)
  t.deepEqual(meanwhile.times(), [1_000])
})

test('a server says how long it is up, and the newest stamp that it has been answered', async (t) => {
  const { clock, database, rounds } = open({ name: 'first' })
  for (const stampMs of [5_000, 4_000, 6_000, 1]) {
    database.standing = { ...trusted, stampMs }
    await rounds.declare()
    await clock.runUntil(clock.monotonicMs() + 10)
  }
  t.deepEqual(
    database.sessions.map(({ session }) => [session.ageMs, session.stampMs]),
    [
      [0, 0],
      [10, 5_000],
      [20, 5_000],
      [30, 6_000],
    ],
  )
  t.deepEqual(rounds.session, {
    id: 'first',
    hostId: 'upgrade-server',
    directoryId: null,
    ageMs: 40,
    stampMs: 6_000,
    epoch: null,
  })
  t.is(open().rounds.session.id, 'upgrade-server')
})

const at = (version: number, change: Partial<NodeRow> = {}) => ({
  service: 'notes',
  version,
  phase: 'current' as const,
  ...change,
})

test('what is older than every registered node is declared dead, to take effect after the longest call', async (t) => {
  const { database, rounds } = open()
  database.rows = [at(4), at(3), at(5)]
  await rounds.declare()
  t.deepEqual(database.declared, [[3, deadlineMsMax]])
  const soon = open({ deathDelayMs: 7 })
  soon.database.rows = [at(1)]
  await soon.rounds.declare()
  t.deepEqual(soon.database.declared, [[1, 7]])
})

test('a death is told of by the server whose word the database has taken', async (t) => {
  const told: Audited[] = []
  for (const taken of [2, 3]) {
    for (const tell of [(what: Audited) => void told.push(what), undefined]) {
      const { database, rounds } = open(tell === undefined ? {} : { tell })
      database.rows = [at(3)]
      database.declareDead = async () => ({ below: taken, sinceMs: 5, inForce: 0 })
      await t.notThrowsAsync(rounds.declare())
    }
  }
  t.deepEqual(told, [{ act: 'death', below: 3, sinceMs: 5 }])
})

test('a node that may still flip back keeps the version before its own alive', async (t) => {
  const { database, rounds } = open()
  database.rows = [at(4), at(3, { phase: 'recovering' })]
  await rounds.declare()
  t.deepEqual(
    database.declared.map(([below]) => below),
    [2],
  )
})

test('a client keeps its version alive as long as that is not dead', async (t) => {
  const { database, rounds } = open()
  const client = (version: number) => at(version, { service: clientService })
  database.death = { below: 2, sinceMs: 0, inForce: 2 }
  database.rows = [at(4), client(1)]
  await rounds.declare()
  t.deepEqual(
    database.declared.map(([below]) => below),
    [4],
    'it calls in vain',
  )
  database.rows = [at(4), at(1), client(3)]
  await rounds.declare()
  t.is(database.declared.length, 1, 'a node is waited for, whatever is dead')
  database.rows = [at(4), client(3)]
  database.death = { below: 3, sinceMs: 0, inForce: 3 }
  await rounds.declare()
  t.is(database.declared.length, 1, 'its version is the oldest that lives')
})

test('nothing is declared dead that the database does not know of, or already is', async (t) => {
  const { database, rounds } = open()
  database.newest = 2
  database.rows = [at(3)]
  await rounds.declare()
  t.deepEqual(
    database.declared.map(([below]) => below),
    [2],
    'after a loss hosts are ahead of the database',
  )
  // To come, and not in force yet.
  database.death = { below: 2, sinceMs: 0, inForce: 0 }
  await rounds.declare()
  t.is(database.declared.length, 1)
})

test('nothing is declared dead on probation, or while no node is registered', async (t) => {
  const { database, rounds } = open()
  await rounds.declare()
  database.rows = [at(3)]
  database.standing = { ...trusted, probation: { doubt: 'lost', leftMs: 5 } }
  await rounds.declare()
  t.deepEqual(database.declared, [])
})

test('nothing is installed while a loss is looked into; after a mere silence it is', async (t) => {
  const { database, rounds } = open()
  await t.notThrowsAsync(rounds.checkInstallable())
  for (const [doubt, words] of [
    ['lost', /has lost something: .* in 2 s or so/],
    ['restarted', /has restarted: .* in 2 s or so/],
  ] as const) {
    database.standing = { ...trusted, probation: { doubt, leftMs: 1_001 } }
    t.regex((await t.throwsAsync(rounds.checkInstallable(), { code: 'upgrade.probation' }))!.message, words)
  }
  database.standing = { ...trusted, probation: { doubt: 'silent', leftMs: 1_001 } }
  await t.notThrowsAsync(rounds.checkInstallable())
})

test('a host gives back what is over as far as the database knows less', async (t) => {
  const { database, rounds } = open()
  database.death = { below: 3, sinceMs: 0, inForce: 2 }
  database.final = 2
  for (const nothing of [
    undefined,
    null,
    {},
    { dead: 9 },
    { final: 9 },
    { dead: 0, final: 0 },
    { dead: 2, final: 2 },
    { dead: '9', final: 9 },
  ])
    await rounds.restoreEnded(nothing)
  t.deepEqual(database.given, [])
  for (const over of [
    { dead: 3, final: 0 },
    { dead: 0, final: 3 },
  ])
    await rounds.restoreEnded(over)
  t.deepEqual(database.given, [
    { dead: 3, final: 0 },
    { dead: 0, final: 3 },
  ])
})

test('a database that is away fails the round, whatever it was asked', async (t) => {
  const { database, rounds } = open()
  database.rows = [at(3)]
  for (const question of ['dead', 'nodes', 'head', 'declareDead']) {
    database.awayFor = question
    await t.throwsAsync(rounds.declare(), { message: `away for ${question}` })
  }
  database.awayFor = 'restoreEnded'
  await t.throwsAsync(rounds.restoreEnded({ dead: 1, final: 1 }), { message: 'away for restoreEnded' })
})
