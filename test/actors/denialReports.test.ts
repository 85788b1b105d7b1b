/** Calls that a host has denied reach the audit: counted, told now and then, and bounded on every way. */
import 'reflect-metadata'
import test from 'ava'
import { DenialReports, deniedCallersMax, deniedKindsPerCallerMax, lastReportMs } from '../../actors/history/denialReports.js'
import {
  AuditedDenials,
  denialEntryMs,
  deniedEntryBytesMax,
  deniedKindsPerHostMax,
  denyingHostsMax,
} from '../../actors/server/auditedDenials.js'
import { Fault } from '../../core/base/fault.js'
import {
  type AuditRecord,
  auditKeptBytesMax,
  auditKeptMax,
  decodeAuditEntry,
  encodeAuditEntry,
} from '../../core/control/audit.js'
import {
  type DeniedCalls,
  deniedPerReportMax,
  deniedReport,
  readDeniedReport,
  shortMethod,
} from '../../core/control/deniedCalls.js'
import { askServer } from '../support/askServer.js'
import { until } from '../support/eventually.js'
import { gate, TestSystem } from '../support/testSystem.js'
import { ManualClock } from './manualClock.js'

const settle = () => new Promise(setImmediate)

function reporting(denied: (denied: readonly DeniedCalls[]) => Promise<void> = async () => {}) {
  const clock = new ManualClock()
  const told: (readonly DeniedCalls[])[] = []
  const server = {
    denied: async (each: readonly DeniedCalls[]) => {
      told.push(each)
      await denied(each)
    },
  }
  const reports = new DenialReports(clock, { denialReportMs: 10_000 }, server)
  const deny = (
    name: string | null,
    method = 'add',
    code: 'denied.caller' | 'denied.filter' | 'denied.rate' = 'denied.caller',
    node = 'desk',
  ) =>
    reports.count({
      caller: { name, node, className: 'Client', version: 0 },
      method,
      fault: new Fault(code, 'no'),
    })
  const shown = () =>
    told.map((each) => each.map(({ caller, method, code, times }) => `${caller?.name} ${method} ${code} ${times}`))
  return { clock, reports, told, deny, shown }
}

test('a host that denies nobody reports nothing; what it denies is counted, and told together', async (t) => {
  const { clock, reports, deny, shown } = reporting()
  clock.advance(60_000)
  t.is(clock.timers, 0)
  for (let i = 0; i < 3; i++) deny('bob')
  deny('bob', 'remove')
  deny('bob', 'add', 'denied.filter')
  deny('eve')
  clock.advance(9_999)
  t.deepEqual(shown(), [])
  clock.advance(1)
  await settle()
  t.deepEqual(shown(), [
    ['bob add denied.caller 3', 'bob remove denied.caller 1', 'bob add denied.filter 1', 'eve add denied.caller 1'],
  ])
  t.is(clock.timers, 0)
  deny('bob')
  await reports.stop()
  t.deepEqual(shown()[1], ['bob add denied.caller 1'], 'a host that stops tells the rest')
  t.is(clock.timers, 0)
})

test('what could not be told is told with the next; what may have been told is not told again', async (t) => {
  let fault: Fault | undefined = new Fault('unavailable.no-responders', 'away')
  const { clock, deny, shown, told } = reporting(async () => {
    if (fault !== undefined) throw fault
  })
  deny('bob')
  clock.advance(10_000)
  await settle()
  deny('bob')
  fault = undefined
  clock.advance(10_000)
  await settle()
  t.deepEqual(shown(), [['bob add denied.caller 1'], ['bob add denied.caller 2']])
  for (const code of ['timeout.deadline', 'protocol.no-such-method'] as const) {
    fault = new Fault(code, 'no answer')
    deny('bob')
    clock.advance(10_000)
    await settle()
    clock.advance(60_000)
  }
  t.is(told.length, 4)
  t.is(clock.timers, 0)
})

test('a host that stops does not wait for long for an upgrade server that says nothing of its last report', async (t) => {
  const { clock, reports, deny, told } = reporting(() => new Promise(() => {}))
  deny('bob')
  let isStopped = false
  const stopping = reports.stop().then(() => {
    isStopped = true
  })
  clock.advance(lastReportMs - 1)
  await settle()
  t.deepEqual([told.length, isStopped], [1, false])
  clock.advance(1)
  await stopping
  t.is(clock.timers, 0)
})

test('a host that stops waits for an answer that comes within its time, and tells nothing where nothing is left', async (t) => {
  const answered = gate()
  const { clock, reports, deny, told } = reporting(() => answered.pass())
  deny('bob')
  let isStopped = false
  const stopping = reports.stop().then(() => {
    isStopped = true
  })
  clock.advance(400)
  await settle()
  t.false(isStopped)
  answered.open()
  await stopping
  t.is(clock.timers, 0)
  await reports.stop()
  t.is(told.length, 1)
})

test('a host that has stopped reports nothing more, be it denied later or not told at last', async (t) => {
  const { clock, reports, deny, told } = reporting(async () => {
    throw new Fault('unavailable.no-responders', 'away')
  })
  deny('bob')
  await reports.stop()
  deny('bob')
  t.is(clock.timers, 0)
  t.is(told.length, 1)
})

test('a host stops also where its last report fails in an odd way', async (t) => {
  const { clock, reports, deny } = reporting(async () => {
    throw new Error('odd')
  })
  deny('bob')
  await t.notThrowsAsync(reports.stop())
  t.is(clock.timers, 0)
})

test('what could not be told is told again without another denial, each kind as it was counted', async (t) => {
  let isAway = true
  const { clock, deny, told } = reporting(async () => {
    if (isAway) throw new Fault('unavailable.no-responders', 'away')
  })
  for (const method of ['null', 'm1', 'm2', 'm3', 'm4', 'm5', 'null', 'm3']) deny('bob', method)
  for (let i = 0; i < deniedCallersMax + 2; i++) deny(`caller${i}`)
  clock.advance(10_000)
  await settle()
  isAway = false
  clock.advance(10_000)
  await settle()
  const bob = { name: 'bob', id: 'desk' }
  const kind = { caller: bob, code: 'denied.caller' }
  t.deepEqual(told[0]!.slice(0, 5), [
    { ...kind, method: 'null', times: 2 },
    { ...kind, method: 'm1', times: 1 },
    { ...kind, method: 'm2', times: 1 },
    { ...kind, method: 'm3', times: 2 },
    { ...kind, method: null, times: 2 },
  ])
  t.deepEqual(told[0]!.at(-1), { caller: null, method: null, code: 'denied.caller', times: 3 })
  t.deepEqual(told[1], told[0])
  t.is(clock.timers, 0)
})

test('a report of as many callers, methods and faults as are counted apart can be read by the server', async (t) => {
  const { clock, deny, told } = reporting()
  for (const code of ['denied.caller', 'denied.filter', 'denied.rate'] as const)
    for (let caller = 0; caller <= deniedCallersMax; caller++)
      for (let method = 0; method < 10; method++) deny(`caller${caller}`, `${code}${method}`, code)
  clock.advance(10_000)
  await settle()
  t.deepEqual(readDeniedReport(deniedReport(told[0]!)), told[0])
})

test('callers that make up names, methods and ids fill a bounded report, which counts all of them', async (t) => {
  const { clock, deny, told } = reporting()
  deny('bob', 'add')
  const codes = ['denied.caller', 'denied.filter', 'denied.rate'] as const
  for (let i = 0; i < 10_000; i++) {
    deny('mallory', `m${i}`, codes[i % 3])
    deny(null, `m${i}`, codes[i % 3], `n${i}`)
    deny(`caller${i}`, 'x'.repeat(1_000), codes[i % 3])
  }
  deny('bob', 'add')
  clock.advance(10_000)
  await settle()
  const [report] = told
  t.is(
    report!.reduce((sum, { times }) => sum + times, 0),
    30_002,
  )
  t.true(report!.length <= deniedPerReportMax, `${report!.length}`)
  t.like(
    report!.find(({ caller }) => caller?.name === 'bob'),
    { method: 'add', times: 2 },
  )
  for (const name of ['mallory', null])
    t.true(report!.filter(({ caller }) => caller?.name === name).length <= deniedKindsPerCallerMax + codes.length)
  t.true(new Set(report!.map(({ caller }) => caller?.name)).size <= deniedCallersMax + 1)
  t.deepEqual(readDeniedReport(deniedReport(report!)), report)
})

test('what is no report is refused whole', (t) => {
  const good = ['bob', 'desk', 'add', 'denied.caller', 1]
  t.is(readDeniedReport([good])?.length, 1)
  t.deepEqual(readDeniedReport([[null, null, null, 'denied.rate', 2]]), [
    { caller: null, method: null, code: 'denied.rate', times: 2 },
  ])
  const wrong: readonly unknown[] = [
    ...[undefined, null, {}, 'x', [1], [[]], Array.from({ length: deniedPerReportMax + 1 }, () => good)],
    ...[
      ['bob.x', 0],
      ['', 0],
      [7, 0],
      ['x y', 1],
      [null, 1],
      [7, 2],
      ['upgrade.signature', 3],
      ['denied', 3],
    ].map(([value, at]) => [good.with(at as number, value as string)]),
    ...[0, -1, 1.5, Number.POSITIVE_INFINITY, Number.NaN, '1', 2 ** 60].map((times) => [good.with(4, times as number)]),
  ]
  for (const value of wrong) t.is(readDeniedReport(value), undefined, JSON.stringify(value)?.slice(0, 80))
})

function auditing() {
  const clock = new ManualClock()
  const records: AuditRecord[] = []
  const denials = new AuditedDenials(clock, (record) => records.push(record))
  const report = (host: string | null, ...denied: (readonly [caller: string, method: string, times: number])[]) =>
    denials.reported(
      { name: host, id: host ?? 'h' },
      denied.map(([caller, method, times]) => ({ caller: { name: caller, id: caller }, method, code: 'denied.caller', times })),
    )
  return { clock, denials, records, report }
}

test('the first report has an entry at once; those of the next ten minutes have one together', (t) => {
  const { clock, denials, records, report } = auditing()
  report('h1')
  t.is(records.length, 0)
  report('h1', ['bob', 'add', 3])
  t.like(records[0], { outcome: 'denied', times: 3, by: [], from: null })
  t.deepEqual(records[0]!.what, {
    act: 'denied',
    calls: [
      { host: { name: 'h1', id: 'h1' }, caller: { name: 'bob', id: 'bob' }, method: 'add', code: 'denied.caller', times: 3 },
    ],
    more: 0,
  })
  report('h1', ['bob', 'add', 2])
  report('h2', ['bob', 'add', 5])
  report('h1', ['bob', 'add', 2])
  clock.advance(denialEntryMs)
  t.is(records.length, 2)
  t.like(records[1], { times: 9, what: { calls: [{ times: 4 }, { times: 5 }] } })
  report('h1', ['bob', 'add', 1])
  denials.stop()
  t.is(records.length, 3)
  t.is(clock.timers, 0)
})

function entryBytes(record: AuditRecord): Uint8Array {
  const hash = '0'.repeat(64)
  return encodeAuditEntry({
    ...{
      format: 1,
      number: 1e6,
      at: '2026-01-01T00:00:00.000Z',
      log: hash,
      previous: hash,
      head: { version: 1e6, digest: hash },
    },
    ...record,
  })
}

const entriesInAMonth = (30 * 24 * 60 * 60_000) / denialEntryMs

test('hosts that make up reports have one entry in ten minutes, of bounded size, in which the others have their part', (t) => {
  const { clock, denials, records, report } = auditing()
  report('honest', ['bob', 'add', 1])
  let told = 1
  for (let minute = 0; minute < 24 * 60; minute++) {
    for (let i = 0; i < 20; i++, told += 2 * 1_000)
      report(
        i % 2 === 0 ? 'evil' : null,
        [`caller${minute}-${i}`, '\u0001'.repeat(60), 1_000],
        [`other${i}`, `m${minute}`, 1_000],
      )
    report('honest', ['bob', 'add', 1])
    told++
    clock.advance(60_000)
  }
  denials.stop()
  t.true(records.length <= 2 + (24 * 60 * 60_000) / denialEntryMs, `${records.length}`)
  t.is(
    records.reduce((sum, { times }) => sum + times, 0),
    told,
  )
  for (const record of records) {
    const { what } = record
    t.true(what.act === 'denied' && what.calls.some(({ host }) => host.name === 'honest'))
    const bytes = entryBytes(record)
    t.true(bytes.length * entriesInAMonth <= auditKeptBytesMax / 10, `${bytes.length}`)
    t.is(decodeAuditEntry(bytes).what.act, 'denied')
  }
})

test('callers with long names that call methods of odd names push no old entries out of the audit', (t) => {
  t.true(entriesInAMonth <= auditKeptMax / 10)
  for (const odd of ['\u0001', '\\', '"', '\u200b', '\ud800', 'é', '字', '😀']) {
    const { clock, records, report } = auditing()
    for (let round = 0; round < 2; round++) {
      for (let host = 0; host < denyingHostsMax; host++)
        for (let kind = 0; kind < deniedKindsPerHostMax; kind++)
          report(`${host}`.padEnd(64, 'h'), [`${kind}`.padEnd(64, 'c'), shortMethod(odd.repeat(128)), Number.MAX_SAFE_INTEGER])
      clock.advance(denialEntryMs)
    }
    t.is(records.length, 3)
    for (const record of records) {
      const { length } = entryBytes(record)
      t.true(length * entriesInAMonth <= auditKeptBytesMax / 10, `${JSON.stringify(odd)}: ${length}`)
      t.true(record.what.act === 'denied' && record.what.calls.length > 0)
    }
  }
})

test('hosts without a name take no place of those that have one, nor their name', (t) => {
  const { clock, denials, records, report } = auditing()
  report('first', ['bob', 'add', 1])
  const made = (id: string) =>
    denials.reported({ name: null, id }, [{ caller: null, method: null, code: 'denied.rate', times: 7 }])
  made('pages1')
  for (let i = 0; i < 10 * denyingHostsMax; i++) made(`made-up-${i}`)
  report('pages1', ['bob', 'add', 3])
  clock.advance(denialEntryMs)
  const { what } = records[1]!
  t.like(what.act === 'denied' && what.calls[0], { host: { name: 'pages1' }, caller: { name: 'bob' }, times: 3 })
})

test('an upgrade server remembers a bounded number of hosts and kinds between two entries, and counts the rest', (t) => {
  const { clock, records, report } = auditing()
  report('h', ['bob', 'add', 1])
  for (let host = 0; host < 10 * denyingHostsMax; host++)
    for (let kind = 0; kind < 2 * deniedKindsPerHostMax; kind++) report(`h${host}`, [`c${kind}`, 'add', Number.MAX_SAFE_INTEGER])
  clock.advance(denialEntryMs)
  const { what, times } = records[1]!
  const calls = what.act === 'denied' ? what.calls : []
  t.true(calls.length > 1 && new Set(calls.map(({ host }) => host.name)).size === calls.length)
  t.true(JSON.stringify(calls).length <= deniedEntryBytesMax + 1)
  t.true(what.act === 'denied' && what.more === Number.MAX_SAFE_INTEGER)
  t.is(times, Number.MAX_SAFE_INTEGER)
})

/** The entry of what these tests report after the first one. */
function nextEntry({ clock, records }: Pick<ReturnType<typeof auditing>, 'clock' | 'records'>) {
  clock.advance(denialEntryMs)
  const { what, times } = records[1]!
  if (what.act !== 'denied') throw new Error(what.act)
  return { calls: what.calls, more: what.more, times }
}

test('so many hosts are counted apart, with a name or without, and one that is goes on to be', (t) => {
  for (const isNamed of [true, false]) {
    const { clock, denials, records, report } = auditing()
    report('first', ['bob', 'add', 1])
    const told = (host: string, times: number) => {
      const caller = { name: 'bob', id: 'b' }
      denials.reported({ name: isNamed ? host : null, id: isNamed ? 'h' : host }, [
        { caller, method: 'add', code: 'denied.rate', times },
      ])
    }
    for (let host = 1; host < denyingHostsMax; host++) told(`a-host-with-a-long-name-${host}`, 1)
    told('y', 2)
    told('z', 4)
    told('y', 8)
    const { calls, times } = nextEntry({ clock, records })
    // Of one turn the short ones come first.
    t.like(calls[0], { host: isNamed ? { name: 'y' } : { name: null, id: 'y' }, times: 10 })
    t.false(calls.some(({ host }) => host.name === 'z' || host.id === 'z'))
    t.is(times, denyingHostsMax - 1 + 14)
  }
})

test('so many kinds of a host are counted apart, and those with the most calls come first', (t) => {
  const { clock, records, report } = auditing()
  report('h', ['bob', 'add', 1])
  for (let kind = 1; kind < deniedKindsPerHostMax; kind++) report('h', ['bob', `method${kind}`, 1])
  report('h', ['bob', 'y', 2])
  report('h', ['bob', 'z', 64])
  report('h', ['bob', 'y', 8])
  const { calls, more, times } = nextEntry({ clock, records })
  t.like(calls[0], { method: 'y', times: 10 })
  t.false(calls.some(({ method }) => method === 'z'))
  t.is(times, deniedKindsPerHostMax - 1 + 74)
  t.is(more, times - calls.reduce((sum, each) => sum + each.times, 0))
})

test('callers without a name are one kind, with the id of the first; those too many to tell apart are another', (t) => {
  const { clock, denials, records, report } = auditing()
  report('h', ['bob', 'add', 1])
  const told = (caller: { readonly name: string | null; readonly id: string } | null, times: number) =>
    denials.reported({ name: 'h', id: 'h' }, [{ caller, method: 'add', code: 'denied.rate', times }])
  told({ name: null, id: 'one' }, 10)
  told({ name: null, id: 'two' }, 20)
  told(null, 3)
  told({ name: 'bob', id: 'b' }, 2)
  told({ name: 'eve', id: 'e' }, 1)
  const { calls } = nextEntry({ clock, records })
  t.deepEqual(
    calls.map(({ caller, times }) => [caller?.id, times]),
    [
      ['one', 30],
      [undefined, 3],
      ['b', 2],
      ['e', 1],
    ],
  )
})

test('an entry names kinds up to its bytes, and counts one that is a byte too long', (t) => {
  for (const [extra, named] of [
    [0, 1],
    [1, 0],
  ] as const) {
    const { clock, denials, records, report } = auditing()
    report('h', ['bob', 'add', 1])
    const told = (name: string) => ({ caller: { name, id: 'b' }, method: 'add', code: 'denied.rate', times: 5 })
    const host = { name: 'h', id: 'h' }
    // With the comma.
    const shortest = JSON.stringify({ host, ...told('') }).length + 1
    denials.reported(host, [told('n'.repeat(deniedEntryBytesMax - shortest + extra))])
    const { calls, more, times } = nextEntry({ clock, records })
    t.deepEqual([calls.length, more, times], [named, named === 1 ? 0 : 5, 5])
  }
})

test('a report that comes ten minutes after the last entry has one at once', (t) => {
  const { clock, records, report } = auditing()
  report('h', ['bob', 'add', 1])
  clock.advance(denialEntryMs)
  report('h', ['bob', 'add', 2])
  t.is(records.length, 2)
  // Those in between have one together, time after time.
  for (const entries of [3, 4]) {
    report('h', ['bob', 'add', 3])
    t.is(records.length, entries - 1)
    clock.advance(denialEntryMs)
    t.is(records.length, entries)
  }
})

test('only on the subject of lessons are denials told, and what can’t be read is refused', async (t) => {
  const system = await TestSystem.start(t)
  const report = [['bob', 'desk', 'add', 'denied.caller', 2]]
  t.is(await askServer(system, 'server', 'teachDenials', report), 'protocol.no-such-method')
  t.is(await askServer(system, 'install', 'teachDenials', report), 'protocol.no-such-method')
  t.is(await askServer(system, 'teach', 'teachDenials', [['bob']]), 'protocol.bad-arguments')
  t.is(await askServer(system, 'teach', 'teachDenials', report), 'answered null')
  await until(async () => (await system.database.auditHead()).number === 1, 'the entry is written')
  const [entry] = (await system.database.audit(1, 9)).map(decodeAuditEntry)
  t.like(entry, { outcome: 'denied', times: 2, what: { act: 'denied', calls: [{ caller: { name: 'bob' }, method: 'add' }] } })
})
