/** The audit: the chain of entries that upgrade servers write about orders and their outcomes. */
import test from 'ava'
import {
  Audit,
  auditWaitingMax,
  auditWaitMs,
  refusalEntriesMax,
  refusalEntryMs,
  refusalKindsMax,
  refusalsMs,
} from '../../actors/server/audit.js'
import { DeathRounds } from '../../actors/server/deathRounds.js'
import { digestOf } from '../../core/base/digest.js'
import { Fault } from '../../core/base/fault.js'
import { type AuditEntry, type Audited, checkAudit, decodeAuditEntry } from '../../core/control/audit.js'
import { encodeDirective } from '../../core/control/directive.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import type { HostEvent } from '../../core/inspection/hostEvents.js'
import { signed } from '../../core/trust/signed.js'
import { memoryDatabase } from '../../transports/memory/index.js'
import { askServer, question } from '../support/askServer.js'
import { until } from '../support/eventually.js'
import { alice, mallory } from '../support/signedManifests.js'
import { gate, TestSystem } from '../support/testSystem.js'
import { ManualClock } from './manualClock.js'
import { NotesV1, toV2 } from './notesClasses.js'

async function entriesIn(database: UpgradeDatabase): Promise<readonly AuditEntry[]> {
  return (await database.audit(1, 1_000)).map(decodeAuditEntry)
}

async function verdictOf(database: UpgradeDatabase) {
  const head = await database.auditHead()
  const history = await database.manifests(1, 99)
  return checkAudit(await database.audit(1, 1_000), {
    head,
    digestAt: (version) => history[version - 1] && digestOf(history[version - 1]!.bytes),
  })
}

test('each install, order and undo has an entry: what, by whose key, from whom, after which head', async (t) => {
  const system = await TestSystem.start(t, {}, {}, { trust: [alice.publicKey], upgrader: alice })
  await system.desk.node(NotesV1, 'n1')
  await system.publish(toV2())
  const { operator } = system.desk.running
  await operator.pause(1, 'lunch')
  await operator.undo()
  const entries = await entriesIn(system.database)
  const history = await system.database.manifests(1, 2)
  const digests = history.map(({ bytes }) => digestOf(bytes))
  t.deepEqual(
    entries.map(({ what }) => what.act),
    ['install', 'order', 'undo'],
  )
  t.like(entries[0], {
    ...{ number: 1, outcome: 'done', times: 1, by: [alice.publicKey], head: { version: 1, digest: digests[0] }, previous: null },
    what: { act: 'install', version: 1, digest: digests[0] },
  })
  t.is(entries[0]!.from?.name, null)
  t.like(entries[1], { what: { act: 'order', number: 1, words: 'pause/1' }, by: [alice.publicKey] })
  t.like(entries[2], { what: { act: 'undo', version: 2, undoes: 1, digest: digests[1] } })
  t.is((await verdictOf(system.database)).broken, undefined)
})

test('a refusal has an entry with the code, and names the one that NATS vouches for', async (t) => {
  const system = await TestSystem.start(t, {}, {}, { trust: [alice.publicKey], upgrader: mallory, as: 'desk' })
  await t.throwsAsync(system.desk.running.operator.pause(1, 'lunch'), { code: 'upgrade.signature' })
  await until(async () => (await entriesIn(system.database)).length === 1, 'the entries are written')
  const [entry] = await entriesIn(system.database)
  t.like(entry, { outcome: 'upgrade.signature', by: [], head: { version: 0, digest: null } })
  t.like(entry!.what, { act: 'order', words: 'pause/1' })
  t.is(entry!.from?.name, 'desk')
})

test('what can’t be read is refused, and the entry says so', async (t) => {
  const system = await TestSystem.start(t)
  t.is(await askServer(system, 'install', 'install', new Uint8Array([1]), null), 'upgrade.invalid')
  await until(async () => (await entriesIn(system.database)).length === 1, 'the entries are written')
  const [entry] = await entriesIn(system.database)
  t.deepEqual(entry!.what, { act: 'unreadable', method: 'install' })
  t.deepEqual(entry!.from, { name: null, id: question.caller })
})

test('the same order again changes nothing, and has no entry', async (t) => {
  const system = await TestSystem.start(t)
  const directive = {
    ...({ format: 1, system: system.name, number: 1, createdAt: '2026-01-01T00:00:00.000Z', upgrader: null } as const),
    what: { order: 'setInTable', table: 'authorized', key: 'n1', value: 'yes' } as const,
  }
  const { bytes } = signed('directive', encodeDirective(directive))
  t.is(await askServer(system, 'install', 'direct', bytes, null), 'answered {"result":true}')
  t.is(await askServer(system, 'install', 'direct', bytes, null), 'upgrade.conflict')
  await system.stopServer()
  t.is((await entriesIn(system.database)).length, 1)
})

test('several upgrade servers keep one chain', async (t) => {
  const system = await TestSystem.start(t)
  await system.startServer()
  await system.startServer()
  const { operator } = system.desk.running
  const other = await system.host('desk2')
  const orders = Array.from({ length: 8 }, (_, i) =>
    (i % 2 === 0 ? operator : other.running.operator).setInTable('authorized', `n${i}`, 'yes').catch(() => {}),
  )
  await Promise.all(orders)
  const carriedOut = await system.database.directives()
  t.true(carriedOut > 2)
  await until(
    async () => (await entriesIn(system.database)).filter(({ outcome }) => outcome === 'done').length === carriedOut,
    'the entries are written',
  )
  t.is((await verdictOf(system.database)).broken, undefined)
})

test('of several upgrade servers that write at once, each entry is in the chain once', async (t) => {
  const clock = new ManualClock()
  const database = await memoryDatabase().open('audited', clock)
  const audits = [1, 2, 3].map(() => new Audit({ database, clock }, () => database.directiveLog()))
  for (let version = 1; version <= 20; version++) for (const audit of audits) audit.own({ act: 'gate', version, words: '' })
  await Promise.all(audits.map((audit) => audit.stop()))
  t.is((await entriesIn(database)).length, 60)
  t.is((await verdictOf(database)).broken, undefined)
})

test('a death, or a pause of the gate, that several upgrade servers have made at once has one entry', async (t) => {
  const clock = new ManualClock()
  const database = await memoryDatabase().open('audited', clock)
  const audits = [1, 2, 3].map(() => new Audit({ database, clock }, () => database.directiveLog()))
  const all = (what: Audited) => {
    for (const audit of audits) audit.own(what)
  }
  all({ act: 'death', below: 1, sinceMs: 5 })
  all({ act: 'gate', version: 2, words: 'closed: 33.3 %', trouble: 'pages failures' })
  all({ act: 'gate', version: 2, words: 'closed: n1 has failed', trouble: 'n1 failed 7' })
  // Withdrawn, and declared again.
  all({ act: 'death', below: 1, sinceMs: 9 })
  await Promise.all(audits.map((audit) => audit.stop()))
  const found = (await entriesIn(database)).map(({ what }) => what)
  t.deepEqual(
    found.map((what) => [what.act, 'sinceMs' in what ? what.sinceMs : 'trouble' in what ? what.trouble : '']).toSorted(),
    [
      ['death', 5],
      ['death', 9],
      ['gate', 'n1 failed 7'],
      ['gate', 'pages failures'],
    ],
  )
  t.is((await verdictOf(database)).broken, undefined)
})

test('a server that may not read the audit writes its deaths all the same', async (t) => {
  const clock = new ManualClock()
  const database = await memoryDatabase().open('audited', clock)
  const blind = new Proxy(database, {
    get(target, key) {
      if (key === 'audit') return () => Promise.reject(new Error('NOPERM this user has no permissions to run lrange'))
      const found: unknown = Reflect.get(target, key)
      return typeof found === 'function' ? found.bind(target) : found
    },
  })
  const audit = new Audit({ database: blind, clock }, () => database.directiveLog())
  audit.own({ act: 'death', below: 1, sinceMs: 5 })
  await audit.stop()
  t.deepEqual(
    (await entriesIn(database)).map(({ what }) => what.act),
    ['death'],
  )
})

test('two upgrade servers that declare one death in the same moment write one entry of it', async (t) => {
  const system = await TestSystem.start(t, {}, { deathRound: '1h' })
  const node = await (await system.host('h1')).node(NotesV1, 'n1')
  await system.publish(toV2())
  await node.reached(1)
  const clock = new ManualClock()
  const { database } = system
  const audits = [1, 2].map(() => new Audit({ database, clock }, () => database.directiveLog()))
  const declared: Audited[] = []
  const tell = (audit: Audit) => (what: Audited) => {
    declared.push(what)
    audit.own(what)
  }
  const rounds = audits.map((audit, i) => new DeathRounds({ database, clock, name: `server${i}`, tell: tell(audit) }))
  await until(async () => {
    await Promise.all(rounds.map((each) => each.declare()))
    return declared.length > 0
  }, 'version 0 dies')
  t.is(declared.length, 2)
  await Promise.all(audits.map((audit) => audit.stop()))
  const deaths = (await entriesIn(database)).filter(({ what }) => what.act === 'death')
  const { sinceMs } = await database.dead()
  t.deepEqual(
    deaths.map(({ what }) => what),
    [{ act: 'death', below: 1, sinceMs }],
  )
})

test('a database that has lost something is named in the chain, with what was known of it', async (t) => {
  const system = await TestSystem.start(t)
  const { operator } = system.desk.running
  await operator.setInTable('authorized', 'n1', 'yes')
  const backup = system.udb.backup()
  await operator.setInTable('authorized', 'n2', 'yes')
  const known = await system.database.auditHead()
  system.udb.restore(backup)
  await operator.setInTable('authorized', 'n3', 'yes')
  const entries = await entriesIn(system.database)
  const lost = entries.find(({ what }) => what.act === 'lost')
  t.deepEqual(lost?.what, { act: 'lost', known: { number: known.number, hash: known.hash! } })
  t.is(lost?.from, null)
  t.is(entries.at(-1)!.what.act, 'order')
  t.is((await verdictOf(system.database)).broken, undefined)
})

test('a new log of directives alone is a loss too, which is named without an order', async (t) => {
  const system = await TestSystem.start(t)
  const { operator } = system.desk.running
  await operator.setInTable('authorized', 'n1', 'yes')
  system.udb.restart()
  await operator.askServer()
  await until(async () => (await entriesIn(system.database)).at(-1)?.what.act === 'lost', 'the entries are written')
  t.is((await verdictOf(system.database)).broken, undefined)
})

/** The audit of a server on a clock that the test moves. */
async function auditOn(change: Partial<UpgradeDatabase> = {}) {
  const clock = new ManualClock()
  const database = await memoryDatabase().open('audited', clock)
  const told: HostEvent[] = []
  const changed = new Proxy(database, { get: (target, key) => Reflect.get(change, key) ?? Reflect.get(target, key).bind(target) })
  const audit = new Audit({ database: changed, clock, observe: (event) => told.push(event) }, () => database.directiveLog())
  const refuse = (name: string | undefined, id: string, code: 'upgrade.signature' | 'config.invalid' = 'upgrade.signature') =>
    audit
      .of({ ...question, caller: id, method: 'install', args: [] }, name, () => Promise.reject(new Fault(code, 'no')))
      .catch(() => {})
  return { audit, clock, database, told, refuse }
}

test('a flood of refusals has few entries, and they count all of it', async (t) => {
  const { audit, clock, database, refuse } = await auditOn()
  let refused = 0
  // Each time under another name that it has made up, for a month.
  for (let minute = 0; minute < 30 * 24 * 60; minute++) {
    for (let i = 0; i < 2; i++, refused++) await refuse(undefined, `stranger${refused}`, i === 0 ? 'config.invalid' : undefined)
    clock.advance(60_000)
  }
  await audit.stop()
  const head = await database.auditHead()
  const entries: AuditEntry[] = []
  for (let from = 1; from <= head.number; from += 1_000)
    entries.push(...(await database.audit(from, from + 999)).map(decodeAuditEntry))
  t.true(entries.length <= refusalEntriesMax + (30 * 24 * 60 * 60_000) / refusalEntryMs + refusalKindsMax, `${entries.length}`)
  t.is(
    entries.reduce((sum, { times }) => sum + times, 0),
    refused,
  )
})

test('refusals of one kind within a second are one entry at once, and one with the count of the rest', async (t) => {
  const { audit, clock, database, refuse } = await auditOn()
  for (let i = 0; i < 5; i++) await refuse('mallory', 'm')
  await refuse('eve', 'e')
  clock.advance(refusalsMs)
  await audit.stop()
  t.deepEqual(
    (await entriesIn(database)).map(({ from, times }) => [from?.name, times]),
    [
      ['mallory', 1],
      ['eve', 1],
      ['mallory', 4],
    ],
  )
})

test('of more kinds of refusals than are counted apart, the rest are counted together', async (t) => {
  const { audit, database, refuse } = await auditOn()
  for (let i = 0; i < refusalKindsMax + 7; i++) await refuse(`caller${i}`, 'c')
  await audit.stop()
  const entries = await entriesIn(database)
  t.is(entries.length, refusalKindsMax + 1)
  t.like(entries.at(-1), { what: { act: 'more' }, times: 7, from: null })
})

test('what was carried out is answered though its entry can’t be written, and that is a warning', async (t) => {
  const { audit, told } = await auditOn({ appendAudit: () => Promise.reject(new Fault('unavailable.disconnected', 'away')) })
  const done = await audit.of({ ...question, method: 'direct', args: [] }, 'desk', async (change) => {
    change.isDone = true
    return 'done'
  })
  t.is(done, 'done')
  t.like(told, [{ type: 'warning', message: 'an entry of the audit was not written' }])
})

test('a database that never answers holds up neither an answer nor the end of the server', async (t) => {
  const { audit, clock } = await auditOn({ auditHead: () => new Promise(() => {}) })
  const done = audit.of({ ...question, method: 'direct', args: [] }, 'desk', async (change) => {
    change.isDone = true
    return 'done'
  })
  await new Promise(setImmediate)
  clock.advance(auditWaitMs)
  t.is(await done, 'done')
  const stopped = audit.stop()
  clock.advance(auditWaitMs)
  t.is(await stopped, undefined)
})

test('only so many entries wait for a database that does not answer; further ones are told of, and left out', async (t) => {
  const answer = gate()
  const change: Partial<UpgradeDatabase> = {}
  const { audit, database, told } = await auditOn(change)
  change.auditHead = async () => {
    await answer.pass()
    return database.auditHead()
  }
  const write = (version: number) => audit.own({ act: 'teach', version, digest: 'd' })
  for (let version = 1; version <= auditWaitingMax; version++) write(version)
  t.deepEqual(told, [])
  write(auditWaitingMax + 1)
  t.like(told[0], {
    type: 'warning',
    message: 'an entry of the audit was not written',
    error: { code: 'unavailable.overloaded' },
  })
  answer.open()
  await audit.stop()
  write(auditWaitingMax + 2)
  await audit.stop()
  t.is((await database.auditHead()).number, auditWaitingMax + 1)
  t.is(told.length, 1)
})

test('an entry for which other upgrade servers leave no place is told of', async (t) => {
  let tries = 0
  const { audit, told } = await auditOn({
    appendAudit: async () => {
      tries++
      return false
    },
  })
  audit.own({ act: 'teach', version: 1, digest: 'd' })
  await audit.stop()
  t.is(tries, 50)
  t.is(told.length, 1)
  t.like(told[0], { error: { code: 'upgrade.conflict', message: 'other upgrade servers were faster 50 times' } })
})

test('refusals have a hundred entries at once, and one more in ten minutes, however long the server is up', async (t) => {
  const { audit, clock, database, refuse } = await auditOn()
  const flood = async () => {
    for (let second = 0; second < 20; second++) {
      for (let kind = 0; kind < refusalKindsMax; kind++) await refuse(`caller${kind}`, 'c')
      clock.advance(refusalsMs)
    }
    // Behind all that are on their way.
    await audit.of({ ...question, method: 'direct', args: [] }, 'desk', async (change) => {
      change.isDone = true
    })
    return (await entriesIn(database)).filter(({ outcome }) => outcome !== 'done').length
  }
  t.is(await flood(), refusalEntriesMax)
  clock.advance(refusalEntryMs)
  t.is(await flood(), refusalEntriesMax + 1)
})

test('what hosts have denied since its last entry is written when the server stops, and names the host', async (t) => {
  const { audit, clock, database } = await auditOn()
  const report = (times: number) =>
    audit.denied(
      { ...question, caller: 'h', method: 'teachDenials', args: [[['bob', 'b', 'add', 'denied.caller', times]]] },
      'h1',
    )
  report(1)
  report(2)
  await audit.stop()
  const entries = await entriesIn(database)
  t.deepEqual(
    entries.map(({ times }) => times),
    [1, 2],
  )
  t.like(entries[1]!.what, { act: 'denied', calls: [{ host: { name: 'h1', id: 'h' } }] })
  t.is(clock.timers, 0)
})

test('a server that has stopped, and one that has answered, leave no timer', async (t) => {
  const { audit, clock, refuse } = await auditOn()
  await audit.of({ ...question, method: 'direct', args: [] }, 'desk', async (change) => {
    change.isDone = true
  })
  t.is(clock.timers, 0)
  await refuse('mallory', 'm')
  t.is(clock.timers, 1)
  await audit.stop()
  t.is(clock.timers, 0)
})
