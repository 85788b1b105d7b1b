/** The chain of the audit: what follows, and what somebody has changed. */
import test from 'ava'
import { digestOf } from '../../core/base/digest.js'
import {
  type AuditEntry,
  type Audited,
  type AuditHead,
  auditEntryBytesMax,
  auditKeptBytesMax,
  auditKeptMax,
  auditPageMax,
  checkAudit,
  decodeAuditEntry,
  emptyAudit,
  encodeAuditEntry,
  isSameDeed,
} from '../../core/control/audit.js'

const digestAt = (version: number): string => digestOf(new Uint8Array([version]))

/** A chain of so many installs. */
function chainOf(count: number, change: (entry: AuditEntry) => Partial<AuditEntry> = () => ({})): Uint8Array[] {
  const chain: Uint8Array[] = []
  for (let number = 1; number <= count; number++) {
    const entry: AuditEntry = {
      format: 1,
      number,
      at: '2026-01-01T00:00:00.000Z',
      what: { act: 'install', version: number, digest: digestAt(number) },
      outcome: 'done',
      times: 1,
      by: ['alice'],
      from: { name: 'desk', id: 'desk-1' },
      head: { version: number, digest: digestAt(number) },
      log: 'log1',
      previous: number === 1 ? null : digestOf(chain.at(-1)!),
    }
    chain.push(encodeAuditEntry({ ...entry, ...change(entry) }))
  }
  return chain
}

const headOf = (chain: readonly Uint8Array[], first = 1): AuditHead => ({
  ...{ number: chain.length + first - 1, first, hash: digestOf(chain.at(-1)!), log: 'log1' },
})

test('a chain follows, with its end, its beginning, and the heads of the history', (t) => {
  const chain = chainOf(3)
  const { holds, broken } = checkAudit(chain, { head: headOf(chain), digestAt })
  t.is(broken, undefined)
  t.deepEqual(
    holds.map(({ number }) => number),
    [1, 2, 3],
  )
  // The oldest have left.
  t.is(checkAudit(chain.slice(1), { head: headOf(chain.slice(1), 2) }).broken, undefined)
  t.is(checkAudit(chain.slice(1)).broken, undefined)
  t.is(checkAudit([], { head: { number: 0, hash: null, first: 1, log: null } }).broken, undefined)
})

test('the first entry that somebody has changed, taken out, put in or moved is found', (t) => {
  const chain = chainOf(5)
  const head = headOf(chain)
  const other = encodeAuditEntry({ ...decodeAuditEntry(chain[2]!), by: ['mallory'] })
  const wrong: readonly (readonly [string, readonly Uint8Array[], number])[] = [
    ['changed', chain.with(2, other), 4],
    ['the last changed', chain.with(4, encodeAuditEntry({ ...decodeAuditEntry(chain[4]!), by: [] })), 5],
    ['taken out', chain.toSpliced(2, 1), 3],
    ['the first taken out', chain.slice(1), 1],
    ['the last taken out', chain.slice(0, 4), 5],
    ['all taken out', [], 1],
    ['put in', chain.toSpliced(2, 0, other), 4],
    ['moved', chain.with(1, chain[2]!).with(2, chain[1]!), 2],
    ['one more', [...chain, chain[4]!], 6],
    ['no entry', chain.with(3, new Uint8Array([1])), 4],
    ['of another format', chain.with(3, new TextEncoder().encode('{"format":9}')), 4],
  ]
  for (const [what, entries, number] of wrong) t.is(checkAudit(entries, { head }).broken?.number, number, what)
  t.is(checkAudit(chain.with(2, other)).holds.length, 3)
})

test('numbers that do not follow are found, though the hashes do', (t) => {
  for (const wrong of [2, 4, 5]) {
    const chain = chainOf(4, ({ number }) => (number === 3 ? { number: wrong } : {}))
    t.deepEqual(checkAudit(chain).broken, { number: 3, why: `entry ${wrong} is in its place` })
  }
})

test('a history that was written anew is found: the audit has other heads', (t) => {
  const chain = chainOf(3)
  const rewritten = (version: number) => (version === 2 ? digestAt(9) : digestAt(version))
  t.like(checkAudit(chain, { digestAt: rewritten }).broken, { number: 2 })
  t.regex(checkAudit(chain, { digestAt: rewritten }).broken!.why, /manifest .* of version 2, and the history has/)
  const shorter = (version: number) => (version > 2 ? undefined : digestAt(version))
  t.regex(checkAudit(chain, { digestAt: shorter }).broken!.why, /version 3, which the history does not have/)
})

test('another log of directives without an entry that says what was lost breaks the chain', (t) => {
  const silently = chainOf(3, ({ number }) => (number === 3 ? { log: 'log2' } : {}))
  t.like(checkAudit(silently).broken, { number: 3 })
  const what: Audited = { act: 'lost', known: null }
  const said = chainOf(4, ({ number }) => (number === 3 ? { log: 'log2', what } : number === 4 ? { log: 'log2' } : {}))
  t.is(checkAudit(said).broken, undefined)
})

test('texts of others take no more than their share of an entry', (t) => {
  const long = '\u0001'.repeat(100_000)
  const [bytes] = chainOf(1, () => ({
    what: { act: 'order', number: 1, words: long, digest: digestAt(1) },
    by: Array.from({ length: 1000 }, () => 'U'.repeat(56)),
    from: { name: long, id: long },
    outcome: long,
  }))
  t.true(bytes!.length <= auditEntryBytesMax, `${bytes!.length}`)
  t.is(checkAudit([bytes!]).broken, undefined)
})

test('what is no entry is refused, saying what is wrong', (t) => {
  const whole = decodeAuditEntry(chainOf(1)[0]!)
  const decode = (change: object) => () => decodeAuditEntry(new TextEncoder().encode(JSON.stringify({ ...whole, ...change })))
  t.notThrows(decode({}))
  const digest = digestAt(1)
  const acts = [
    { act: 'undo', version: 2, undoes: 1, digest },
    { act: 'teach', version: 1, digest },
    { act: 'death', below: 1 },
    { act: 'gate', version: 1, words: 'why' },
    { act: 'lost', known: { number: 4, hash: digest } },
    { act: 'more' },
    { act: 'unreadable', method: 'install' },
  ]
  for (const what of acts) t.notThrows(decode({ what }))
  const wrong: readonly (readonly [object, RegExp])[] = [
    [{ format: 2 }, /format 2; this Theseus reads format 1/],
    [{ number: 0 }, /number/],
    [{ at: 'yesterday' }, /at is/],
    [{ what: { act: 'dance' } }, /knows/],
    [{ what: { act: 'undo', version: 2, digest } }, /knows/],
    [{ what: { act: 'lost', known: {} } }, /knows/],
    [{ what: null }, /knows/],
    [{ outcome: 1 }, /outcome/],
    [{ times: 0 }, /times/],
    [{ by: [1] }, /by is/],
    [{ from: { name: 1, id: '' } }, /from/],
    [{ head: { version: 1, digest: 'x' } }, /head/],
    [{ previous: 'x' }, /previous/],
  ]
  for (const [change, message] of wrong) t.throws(decode(change), { code: 'upgrade.invalid', message })
})

test('an entry of which one part is missing or of another kind is refused, whatever it is about', (t) => {
  const whole = decodeAuditEntry(chainOf(1)[0]!)
  const decode = (change: object) => () => decodeAuditEntry(new TextEncoder().encode(JSON.stringify({ ...whole, ...change })))
  const digest = digestAt(1)
  const acts = [
    { act: 'install', version: 1, digest },
    { act: 'undo', version: 2, undoes: 1, digest },
    { act: 'order', number: 3, words: 'pause 2', digest },
    { act: 'teach', version: 1, digest },
    { act: 'death', below: 1 },
    { act: 'gate', version: 1, words: 'why' },
    { act: 'unreadable', method: 'install' },
  ]
  for (const what of acts) {
    t.notThrows(decode({ what }))
    for (const part of Object.keys(what)) {
      for (const wrong of [undefined, null, true, -1, 0.5, {}]) {
        t.throws(decode({ what: { ...what, [part]: wrong } }), { code: 'upgrade.invalid' }, `${what.act}: ${part} ${wrong}`)
      }
    }
  }
  for (const known of [undefined, { number: 1 }, { hash: digest }, { number: 0, hash: digest }, { number: 1, hash: 'x' }]) {
    t.throws(decode({ what: { act: 'lost', known } }), { code: 'upgrade.invalid' })
  }
  t.notThrows(decode({ from: { name: null, id: 'desk-1' } }))
  t.notThrows(decode({ from: null }))
  const wrong: readonly (readonly [object, RegExp])[] = [
    [{ format: '9'.repeat(50) }, /: format 9{20}; this/],
    [{ what: undefined }, /knows/],
    [{ what: 'install' }, /knows/],
    [{ number: 1.5 }, /number/],
    [{ times: 2.5 }, /times/],
    [{ log: null }, /log/],
    [{ by: 'alice' }, /by is/],
    [{ by: ['alice', 1] }, /by is/],
    [{ from: undefined }, /from/],
    [{ from: { name: 'desk' } }, /from/],
    [{ from: { id: 'desk-1' } }, /from/],
    [{ head: undefined }, /head/],
    [{ head: { version: -1, digest: null } }, /head/],
    [{ head: { version: 1 } }, /head/],
    [{ previous: undefined }, /previous/],
  ]
  for (const [change, message] of wrong) t.throws(decode(change), { code: 'upgrade.invalid', message }, JSON.stringify(change))
})

test('an entry takes no more bytes than are allowed, and is JSON in UTF-8', (t) => {
  const [bytes] = chainOf(1)
  const padded = (size: number) => Buffer.concat([bytes!, Buffer.alloc(size - bytes!.length, ' ')])
  t.deepEqual(decodeAuditEntry(padded(auditEntryBytesMax)), decodeAuditEntry(bytes!))
  const tooLong = t.throws(() => decodeAuditEntry(padded(auditEntryBytesMax + 1)), { code: 'upgrade.invalid' })
  t.is(tooLong!.message, `audit entry: ${auditEntryBytesMax + 1} bytes`)
  t.false('cause' in tooLong!)
  for (const broken of [
    bytes!.slice(1),
    Buffer.from(Buffer.from(bytes!).toString('latin1').replace('desk', 'd\xff'), 'latin1'),
  ]) {
    const refused = t.throws(() => decodeAuditEntry(broken), { code: 'upgrade.invalid', message: 'audit entry: it is not JSON' })
    t.truthy(refused!.cause)
  }
})

test('the name of what could not be read is cut where it is too long', (t) => {
  const [bytes] = chainOf(1, () => ({ what: { act: 'unreadable', method: 'm'.repeat(300) } }))
  t.deepEqual(decodeAuditEntry(bytes!).what, { act: 'unreadable', method: `${'m'.repeat(256)}… (300 characters)` })
})

test('the first entry names none before it, and every other does', (t) => {
  const previous = digestOf(new Uint8Array([9]))
  const more = chainOf(2, ({ number }) => (number === 1 ? { previous } : {}))
  t.deepEqual(checkAudit(more).broken, { number: 1, why: 'the first entry names one before it' })
  const less = chainOf(3, ({ number }) => (number === 2 ? { previous: null } : {})).slice(1)
  t.deepEqual(checkAudit(less).broken, { number: 2, why: 'it names no entry before it' })
})

test('a head is a version with its digest, or the history is empty', (t) => {
  const why = 'its head is a version without a digest'
  const head = (version: number, digest: string | null) => chainOf(1, () => ({ head: { version, digest } }))
  t.is(checkAudit(head(0, null), { digestAt }).broken, undefined)
  t.deepEqual(checkAudit(head(0, digestAt(1))).broken, { number: 1, why })
  t.deepEqual(checkAudit(head(1, null)).broken, { number: 1, why })
})

test('a first entry that cannot be read is told with the reason, and with its number if the database has one', (t) => {
  const unread = [new TextEncoder().encode('{')]
  const why = 'audit entry: it is not JSON'
  t.deepEqual(checkAudit(unread).broken, { number: 1, why })
  t.deepEqual(checkAudit(unread, { head: { ...headOf(chainOf(1)), first: 7 } }).broken, { number: 7, why })
})

test('an entry has where it comes from as far as that is known', (t) => {
  for (const from of [null, { name: null, id: 'desk-1' }, { name: 'desk', id: 'desk-1' }]) {
    const [bytes] = chainOf(1, () => ({ from }))
    t.deepEqual(decodeAuditEntry(bytes!).from, from)
  }
  t.deepEqual(checkAudit([], { head: emptyAudit }), { holds: [], broken: undefined })
})

test('a death or a pause that several servers find in the same moment is one deed, and nothing else is', (t) => {
  const death = { act: 'death', below: 2, sinceMs: 5 } as const
  const gate = { act: 'gate', version: 2, words: 'words of one server', trouble: 'n1 is stalled' } as const
  t.true(isSameDeed(death, { ...death }))
  t.true(isSameDeed(gate, { ...gate, words: 'words of another' }))
  // As an entry has it, and as a server has just found it.
  const long = 'x'.repeat(300)
  const [bytes] = chainOf(1, () => ({ what: { ...gate, trouble: long } }))
  t.true(isSameDeed(decodeAuditEntry(bytes!).what, { ...gate, trouble: long }))
  const unlike: readonly (readonly [Audited, Audited])[] = [
    [death, { ...death, below: 3 }],
    [death, { ...death, sinceMs: 6 }],
    [death, gate],
    [gate, { ...gate, version: 3 }],
    [gate, { ...gate, trouble: 'm1 is stalled' }],
    [
      { act: 'death', below: 2 },
      { act: 'death', below: 2 },
    ],
    [
      { act: 'gate', version: 2, words: 'why' },
      { act: 'gate', version: 2, words: 'why' },
    ],
    [{ act: 'more' }, { act: 'more' }],
    [
      { act: 'install', version: 2, digest: digestAt(2) },
      { act: 'install', version: 2, digest: digestAt(2) },
    ],
  ]
  for (const [one, other] of unlike) {
    t.false(isSameDeed(one, other), JSON.stringify([one, other]))
    t.false(isSameDeed(other, one), JSON.stringify([other, one]))
  }
})

test('a pause says what for in as many characters as any text, and need not say it', (t) => {
  const whatOf = (what: Audited) => decodeAuditEntry(chainOf(1, () => ({ what }))[0]!).what
  const [long, cut] = ['w'.repeat(300), `${'w'.repeat(256)}… (300 characters)`]
  t.deepEqual(whatOf({ act: 'gate', version: 1, words: long, trouble: long }), {
    act: 'gate',
    version: 1,
    words: cut,
    trouble: cut,
  })
  t.deepEqual(whatOf({ act: 'gate', version: 1, words: long }), { act: 'gate', version: 1, words: cut })
})

test('the parts that an entry may leave out are refused where they are of another kind', (t) => {
  const whole = decodeAuditEntry(chainOf(1)[0]!)
  const decode = (what: object) => () => decodeAuditEntry(new TextEncoder().encode(JSON.stringify({ ...whole, what })))
  for (const sinceMs of [0, -5, 2 ** 40]) t.notThrows(decode({ act: 'death', below: 1, sinceMs }))
  for (const sinceMs of [null, '5', 0.5, {}]) t.throws(decode({ act: 'death', below: 1, sinceMs }), { code: 'upgrade.invalid' })
  t.notThrows(decode({ act: 'gate', version: 1, words: 'why', trouble: 'n1' }))
  for (const trouble of [null, 5, {}])
    t.throws(decode({ act: 'gate', version: 1, words: 'why', trouble }), { code: 'upgrade.invalid' })
})

test('an entry of denied calls names the host of each, and how many more there were', (t) => {
  const whole = decodeAuditEntry(chainOf(1)[0]!)
  const decode = (what: object) => () => decodeAuditEntry(new TextEncoder().encode(JSON.stringify({ ...whole, what })))
  const host = { name: null, id: 'h1' }
  const calls = { host, caller: { name: 'desk', id: 'd1' }, method: 'get', code: 'denied.caller', times: 3 }
  for (const what of [
    { act: 'denied', calls: [calls, { ...calls, caller: null, method: null }], more: 7 },
    { act: 'denied', calls: [], more: 0 },
  ])
    t.deepEqual(decode(what)().what, what as Audited)
  const wrong: readonly object[] = [
    { more: 0 },
    { calls: {}, more: 0 },
    { calls: [calls] },
    { calls: [calls], more: 0.5 },
    { calls: [calls, null], more: 0 },
    { calls: [calls, { ...calls, host: undefined }], more: 0 },
    { calls: [calls, { ...calls, host: { name: null } }], more: 0 },
    { calls: [calls, { ...calls, code: 'application.error' }], more: 0 },
  ]
  for (const what of wrong) t.throws(decode({ act: 'denied', ...what }), { code: 'upgrade.invalid' }, JSON.stringify(what))
})

test('an upgrade database keeps 100,000 entries of 64 MiB together, and gives 1,000 at once', (t) => {
  t.deepEqual([auditKeptMax, auditKeptBytesMax, auditPageMax], [100_000, 67_108_864, 1_000])
})
