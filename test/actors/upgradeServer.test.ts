/**
 * One upgrade server over a database in memory: what it answers, what it installs, what it does by itself,
 * and what it refuses.
 */
import test, { type ExecutionContext } from 'ava'
import {
  deathRoundMs,
  gateRoundMs,
  pagesAtOnce,
  UpgradeServer,
  type UpgradeServerOptions,
} from '../../actors/server/upgradeServer.js'
import { digestOf } from '../../core/base/digest.js'
import { Fault } from '../../core/base/fault.js'
import { decodeAuditEntry } from '../../core/control/audit.js'
import { controlReasonLengthMax, heededMax } from '../../core/control/control.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import type { HostEvent } from '../../core/inspection/hostEvents.js'
import type { NodeStatus } from '../../core/model/nodeRow.js'
import { forksTable, wantedTable } from '../../core/model/reservedTables.js'
import { signed } from '../../core/trust/signed.js'
import { trustMark } from '../../core/trust/trustMark.js'
import { draftManifest } from '../../core/upgrade/draftManifest.js'
import {
  bundleBytesMax,
  bundleChunkBytes,
  chunkCount,
  encodeManifest,
  type Manifest,
  type SignedManifest,
} from '../../core/upgrade/manifest.js'
import { decode, encodeCall } from '../../core/wire/codec.js'
import { type CallEnvelope, type Envelope, kinds } from '../../core/wire/envelope.js'
import { subjectsOf } from '../../core/wire/subjects.js'
import { MemoryBroker, type MemoryTransport, memoryDatabase, memoryTransport } from '../../transports/memory/index.js'
import { nkeySignatures } from '../../transports/nkeys/nkeys.js'
import { systemRandom } from '../../transports/systemRandom.js'
import { ManualClock } from '../support/manualClock.js'
import { alice, bob, mallory, manifestAfter, signedAfter, system } from '../support/signedManifests.js'
import { gate } from '../support/testSystem.js'
import { toV2 } from './notesClasses.js'

const subjects = subjectsOf(system)
type More = NonNullable<Parameters<typeof signedAfter>[2]>
type Place = 'server' | 'install' | 'teach'

interface Given {
  readonly options?: Partial<UpgradeServerOptions>
  readonly payloadBytesMax?: number
  /** Changes the database that the server sees. */
  readonly database?: (stored: UpgradeDatabase) => Partial<UpgradeDatabase>
  readonly before?: (transport: MemoryTransport, stored: UpgradeDatabase) => unknown
}

async function open(t: ExecutionContext, given: Given = {}) {
  const { payloadBytesMax } = given
  const clock = new ManualClock(1_000)
  const broker = new MemoryBroker({ clock, random: systemRandom, ...(payloadBytesMax === undefined ? {} : { payloadBytesMax }) })
  const stored = await memoryDatabase().open(system, clock)
  const changed = given.database?.(stored) ?? {}
  const database = new Proxy(stored, {
    get(target, key) {
      const found: unknown = Reflect.get(changed, key) ?? Reflect.get(target, key)
      return typeof found === 'function' ? found.bind(target) : found
    },
  })
  const errors: unknown[] = []
  const transport = memoryTransport(broker, { name: 'server', onError: (error) => void errors.push(error) })
  const stranger = memoryTransport(broker, { name: 'stranger' })
  await given.before?.(transport, stored)
  const events: HostEvent[] = []
  const trust = [alice.publicKey]
  const about = { system, transport, database, clock, signatures: nkeySignatures, trust }
  const server = new UpgradeServer({ ...about, observe: (event) => void events.push(event), ...given.options })
  const announced: (readonly [number, string | null])[] = []
  stranger.subscribe(subjects.announcements, ({ payload }) => {
    for (const envelope of decode(payload))
      if (envelope.kind === kinds.announcement) announced.push([envelope.version, envelope.digest])
  })
  const answers = new Map<number, Envelope>()
  const inbox = stranger.newInbox()
  stranger.subscribe(inbox, ({ payload }) => {
    for (const envelope of decode(payload)) if ('seq' in envelope) answers.set(envelope.seq, envelope)
  })
  const settle = (ms = 0) => clock.runUntil(clock.monotonicMs() + ms)
  let seq = 0
  const tell = (place: Place, method: string, args: readonly unknown[], change: Partial<CallEnvelope> = {}, to?: string) => {
    const call: CallEnvelope = {
      ...{ kind: kinds.call, label: 0, seq: ++seq, method, args, deadlineMs: 5_000, caller: 'stranger', incarnation: 1 },
      ...{ callerClass: 'Client', callerVersion: 0, expects: null, path: null, trace: null, together: false, ...change },
    }
    stranger.publish(subjects[place], encodeCall(call), to)
    return call.seq
  }
  const outcomeOf = (of: number) => {
    const answer = answers.get(of)
    if (answer?.kind === kinds.reply) {
      t.is(answer.hops, 0)
      return { value: answer.value }
    }
    if (answer?.kind === kinds.fault) return answer.fault
    return undefined
  }
  /** The value, or the fault, that a question is answered with. */
  const ask = async (place: Place, method: string, ...args: readonly unknown[]) => {
    const of = tell(place, method, args, {}, inbox)
    await settle()
    return outcomeOf(of) as { readonly value: unknown } & Partial<Record<'code' | 'message' | 'details', unknown>>
  }
  const code = async (place: Place, method: string, ...args: readonly unknown[]) => {
    const { code: found, value } = await ask(place, method, ...args)
    return String(found ?? `answered ${JSON.stringify(value)}`)
  }
  const install = async ({ bytes, signature }: SignedManifest) => await code('install', 'install', bytes, signature)
  t.teardown(() => server.stop())
  return {
    server,
    errors,
    clock,
    stored,
    transport,
    stranger,
    events,
    announced,
    settle,
    tell,
    outcomeOf,
    inbox,
    ask,
    code,
    install,
  }
}

type Opened = Awaited<ReturnType<typeof open>>

async function started(t: ExecutionContext, given: Given = {}): Promise<Opened> {
  const opened = await open(t, given)
  const starting = opened.server.start()
  await opened.settle()
  await starting
  return opened
}

/** A bundle that is stored, and the manifest's line about it. */
async function stored({ stored: database }: Opened, bytes: number): Promise<Manifest['bundle']> {
  const whole = new Uint8Array(bytes).map((_, i) => i >> 10)
  const digest = digestOf(whole)
  for (let at = 0, index = 0; at === 0 || at < bytes; at += bundleChunkBytes)
    await database.putChunk(digest, index++, whole.slice(at, at + bundleChunkBytes))
  return { digest, bytes }
}

const empty = { digest: digestOf(new Uint8Array(0)), bytes: 0 }

// --- Its start and its end

test('a server that starts announces the newest version, and nothing where nothing is installed', async (t) => {
  t.deepEqual((await started(t)).announced, [])
  const first = signedAfter(undefined, alice)
  const before = (_: unknown, database: UpgradeDatabase) =>
    database.install({ version: 0, digest: null }, digestOf(first.bytes), first)
  t.deepEqual((await started(t, { before })).announced, [[1, digestOf(first.bytes)]])
})

for (const place of ['server', 'install', 'teach'] as const) {
  test(`a server that may not listen on ${subjects[place]} does not start, and says so`, async (t) => {
    const { server, settle } = await open(t, { before: (transport) => transport.deny([subjects[place]]) })
    const starting = t.throwsAsync(server.start(), { code: 'config.invalid' })
    await settle()
    t.regex((await starting)!.message, new RegExp(subjects[place].replaceAll('.', '\\.')))
  })
}

test('a server whose connection is refused something else starts', async (t) => {
  await t.notThrowsAsync(
    started(t, {
      before(transport) {
        transport.deny(['elsewhere'])
        transport.subscribe('elsewhere', () => {})
      },
    }),
  )
})

test('a server that has stopped listens no more, and does nothing more by itself', async (t) => {
  const asked: string[] = []
  const database = (of: UpgradeDatabase) => ({
    attend: (...args: Parameters<UpgradeDatabase['attend']>) => of.attend(...args),
    head: () => {
      asked.push('head')
      return of.head()
    },
    nodes: () => {
      asked.push('nodes')
      return of.nodes()
    },
  })
  const { server, settle, transport } = await started(t, { database })
  await settle(deathRoundMs)
  t.true(asked.includes('head') && asked.includes('nodes'))
  const stopping = server.stop()
  await settle()
  await stopping
  asked.length = 0
  await settle(10 * deathRoundMs)
  t.deepEqual(asked, [])
  t.deepEqual(transport.subscribed, [])
})

test('a server that is stopped while it starts announces nothing and does nothing by itself', async (t) => {
  const held = gate()
  let isHeld = true
  const first = signedAfter(undefined, alice)
  const { server, settle, announced, clock } = await open(t, {
    before: (_, database) => database.install({ version: 0, digest: null }, digestOf(first.bytes), first),
    database: (of) => ({
      async head() {
        if (isHeld) await held.pass()
        return await of.head()
      },
    }),
  })
  const starting = server.start()
  await settle()
  t.is(held.waiting, 1)
  const stopping = server.stop()
  await settle()
  isHeld = false
  held.open()
  await settle()
  await Promise.all([starting, stopping])
  t.deepEqual(announced, [])
  t.is(clock.timers, 0)
})

test('a server that stops refuses those who wait for chunks', async (t) => {
  const held = gate()
  const { server, settle, tell, inbox, outcomeOf } = await started(t, {
    database: () => ({ getChunk: () => held.pass() as never }),
  })
  const asked = Array.from({ length: 17 }, (_, i) => tell('server', 'chunk', [digestOf(new Uint8Array(i)), 0], {}, inbox))
  await settle()
  t.is(held.waiting, 16)
  const stopping = server.stop()
  await settle()
  t.like(outcomeOf(asked[16]!), { code: 'unavailable.stopped' })
  held.open()
  await settle()
  await stopping
})

test('a server that stops refuses those who wait for manifests', async (t) => {
  const held = gate()
  const { server, settle, tell, inbox, outcomeOf } = await started(t, {
    database: () => ({ manifests: () => held.pass() as never }),
  })
  const asked = Array.from({ length: pagesAtOnce + 1 }, () => tell('server', 'manifests', [1, 1], {}, inbox))
  await settle()
  t.is(held.waiting, pagesAtOnce)
  const stopping = server.stop()
  await settle()
  t.like(outcomeOf(asked[pagesAtOnce]!), { code: 'unavailable.stopped' })
  held.fail(new Error('enough'))
  await settle()
  await stopping
})

for (const held of ['what is on its way', 'the audit'] as const) {
  test(`a server ends when what is on its way has come and the audit has what was refused; it waits for ${held}`, async (t) => {
    const [draining, writing] = [gate(), gate()]
    ;(held === 'the audit' ? draining : writing).open()
    const opened = await started(t, {
      before(transport) {
        const { subscribe } = transport
        transport.subscribe = (...args) => {
          const found = subscribe.apply(transport, args)
          return { ...found, unsubscribe: () => found.unsubscribe(), drain: () => draining.pass().then(() => found.drain()) }
        }
      },
      database: (of) => ({
        async appendAudit(...args) {
          await writing.pass()
          return await of.appendAudit(...args)
        },
      }),
    })
    const { server, settle, code } = opened
    for (let i = 0; i < 3; i++) t.is(await code('install', 'install', 'text'), 'protocol.bad-arguments')
    t.is(await code('install', 'putChunk', 'text'), 'protocol.bad-arguments', 'of a chunk the audit tells nothing')
    let isOver = false
    const stopping = server.stop().finally(() => {
      isOver = true
    })
    await settle()
    t.false(isOver)
    draining.open()
    writing.open()
    await settle()
    await stopping
    const entries = (await opened.stored.audit(1, 100)).map(decodeAuditEntry)
    t.deepEqual(
      entries.map(({ what, times }) => [what.act, times]),
      [
        ['unreadable', 1],
        ['unreadable', 2],
      ],
    )
  })
}

test('a question that asks for no answer is not looked at, and what nobody waits for is answered nowhere', async (t) => {
  const asked: string[] = []
  const sent: unknown[] = []
  const {
    tell,
    settle,
    stored: database,
  } = await started(t, {
    before(transport) {
      const { publish } = transport
      transport.publish = (subject, ...more) => {
        sent.push(subject)
        publish.call(transport, subject, ...more)
      }
    },
    database: (of) => ({
      dead() {
        asked.push('dead')
        return of.dead()
      },
      getChunk(...args) {
        asked.push('chunk')
        return of.getChunk(...args)
      },
    }),
  })
  const digest = digestOf(new Uint8Array(3))
  for (const [method, args] of [
    ['head', []],
    ['chunk', [digest, 0]],
    ['manifests', [1, 1]],
  ] as const)
    tell('server', method, args)
  tell('install', 'putChunk', [digest, 0, new Uint8Array(3)])
  await settle()
  t.deepEqual(asked, [])
  t.deepEqual(await database.getChunk(digest, 0), new Uint8Array(3))
  t.deepEqual(sent, [])
})

test('a subject that is refused when the server has asked for it keeps it from starting', async (t) => {
  const { server, settle } = await open(t, {
    before(transport) {
      const { flush } = transport
      transport.flush = async () => {
        await flush.call(transport)
        transport.deny([subjects.teach])
      }
    },
  })
  const starting = t.throwsAsync(server.start(), { code: 'config.invalid' })
  await settle()
  await starting
})

test('nobody takes the place of another in the queue for chunks where inboxes have no names', async (t) => {
  const held = gate()
  const { settle, tell, stranger } = await started(t, { database: () => ({ getChunk: () => held.pass() as never }) })
  const heard: string[] = []
  stranger.subscribe('_INBOX.*', ({ subject }) => void heard.push(subject))
  for (let seq = 1; seq <= 17; seq++) {
    for (const who of ['host', 'eve']) {
      const change = { seq, caller: 'host', deadlineMs: 60_000 }
      tell('server', 'chunk', [digestOf(new Uint8Array(seq)), 0], change, `_INBOX.${who}${seq}`)
    }
  }
  await settle()
  held.open()
  for (let round = 0; round < 5; round++) await settle()
  t.is(new Set(heard).size, 34)
})

test('nobody takes the place of another in the queue for chunks by saying its call’s id', async (t) => {
  const held = gate()
  const { settle, tell, stranger } = await started(t, { database: () => ({ getChunk: () => held.pass() as never }) })
  const heard: string[] = []
  const inboxOf = (who: string) => {
    stranger.subscribe(`_INBOX.${who}.*`, ({ subject }) => void heard.push(subject))
    return (message: number) => `_INBOX.${who}.${message}`
  }
  const [host, eve] = [inboxOf('host.random'), inboxOf('eve.random')]
  const ask = (seq: number, to: string) =>
    tell('server', 'chunk', [digestOf(new Uint8Array(seq)), 0], { seq, caller: 'host', deadlineMs: 60_000 }, to)
  for (let seq = 1; seq <= 17; seq++) ask(seq, host(seq))
  await settle()
  t.is(held.waiting, 16, 'one waits in line')
  for (let seq = 1; seq <= 17; seq++) ask(seq, eve(seq))
  ask(17, host(18))
  await settle()
  for (let round = 0; round < 5; round++) {
    held.open()
    await settle()
  }
  const of = (who: string) => heard.filter((subject) => subject.startsWith(`_INBOX.${who}.`)).length
  t.is(of('host.random'), 17, 'each question of the host has its answer')
  t.true(heard.includes(host(18)), 'where it has asked last')
  t.is(of('eve.random'), 17, 'whoever asks the same is answered on its own account')
})

// --- Messages

test('what asks for an answer elsewhere than in an inbox is a dead letter, and is not carried out', async (t) => {
  const opened = await started(t)
  const { bytes, signature } = signedAfter(undefined, alice, { bundle: await stored(opened, 5) })
  opened.tell('install', 'install', [bytes, signature], {}, 'theseus.shop.node.n1')
  await opened.settle()
  t.like(opened.events[0], { type: 'deadLetter', subject: subjects.install, fault: { code: 'protocol.bad-envelope' } })
  t.is((await opened.stored.head()).version, 0)
})

test('what is no call is refused where an answer is asked for, and else a dead letter', async (t) => {
  const { tell, settle, events, stranger } = await started(t)
  const inbox = stranger.newInbox()
  const faults: unknown[] = []
  stranger.subscribe(inbox, ({ payload }) => void faults.push(...decode(payload)))
  tell('server', 'head', [], { kind: kinds.send }, inbox)
  stranger.publish(subjects.server, new Uint8Array([1]), inbox)
  await settle()
  t.is(faults.length, 2)
  for (const fault of faults)
    t.like(fault, {
      kind: kinds.fault,
      replier: { node: 'upgrade-server', className: 'UpgradeServer', version: 0 },
      fault: { code: 'protocol.bad-envelope' },
    })
  t.deepEqual(events, [])
  tell('server', 'head', [], { kind: kinds.event })
  await settle()
  t.like(events, [{ type: 'deadLetter', subject: subjects.server, fault: { code: 'protocol.bad-envelope' } }])
})

test('each subject has methods of its own', async (t) => {
  const { code } = await started(t)
  const methods = ['head', 'who', 'manifests', 'chunk', 'teach', 'teachChunk', 'putChunk', 'install', 'direct', 'nothing']
  const of: Record<Place, readonly string[]> = {
    server: ['head', 'who', 'manifests', 'chunk'],
    teach: ['teach', 'teachChunk'],
    install: ['putChunk', 'install', 'direct'],
  }
  for (const place of ['server', 'teach', 'install'] as const) {
    for (const method of methods) {
      const found = await code(place, method)
      t.is(found !== 'protocol.no-such-method', of[place].includes(method), `${method} on ${place}: ${found}`)
    }
  }
})

test('an answer that no message can hold is a fault', async (t) => {
  const long = new Map(Array.from({ length: 16 }, (_, i) => [digestOf(new Uint8Array(i)), '1']))
  const database = () => ({ table: async (name: string) => (name === wantedTable ? long : new Map<string, string>()) })
  const { ask, code } = await started(t, { payloadBytesMax: 1_000, database })
  t.is(await code('server', 'head'), 'protocol.too-large')
  t.like((await ask('server', 'who')).value, { server: null, now: 1_000 })
})

test('so many questions are answered at once; one more is refused and may be asked again', async (t) => {
  const held = gate()
  const { tell, settle, inbox, outcomeOf, code } = await started(t, {
    database: (of) => ({
      async dead() {
        await held.pass()
        return await of.dead()
      },
    }),
  })
  const asked = Array.from({ length: 1_001 }, () => tell('server', 'head', [], {}, inbox))
  await settle()
  t.like(outcomeOf(asked[1_000]!), { code: 'unavailable.overloaded', retryable: true })
  t.is(outcomeOf(asked[999]!), undefined)
  held.open()
  await settle()
  t.like(outcomeOf(asked[999]!), { value: { version: 0 } })
  t.regex(await code('server', 'head'), /^answered/)
})

test('each of the questions of one message takes its share of the room, not the whole of it', async (t) => {
  const held = gate()
  const { stranger, settle, inbox, outcomeOf } = await started(t, {
    database: (of) => ({
      async dead() {
        await held.pass()
        return await of.dead()
      },
    }),
  })
  const long = 'x'.repeat(10_000)
  const calls = Array.from({ length: 64 }, (_, i) =>
    encodeCall({
      ...{ kind: kinds.call, label: 0, seq: 100 + i, method: 'head', args: [null, long], deadlineMs: 5_000, caller: 'stranger' },
      ...{ incarnation: 1, callerClass: 'Client', callerVersion: 0, expects: null, path: null, trace: null, together: true },
    }),
  )
  stranger.publish(subjects.server, Buffer.concat(calls), inbox)
  await settle()
  held.open()
  await settle()
  const refused = calls.filter((_, i) => !('value' in (outcomeOf(100 + i) ?? {})))
  t.is(refused.length, 0)
})

test('an answer that just fits into a message is sent', async (t) => {
  const sizes: number[] = []
  const opened = await started(t)
  opened.stranger.subscribe(opened.inbox, ({ payload }) => void sizes.push(payload.length))
  await opened.ask('server', 'who')
  const tight = await started(t, { payloadBytesMax: sizes[0]! })
  t.like(await tight.ask('server', 'who'), { value: { server: null } })
})

test('nothing is installed while two manifests are known for one version', async (t) => {
  const opened = await started(t)
  const manifest = signedAfter(undefined, alice, { bundle: await stored(opened, 5) })
  await opened.stored.setInTable(forksTable, '1', 'one here and another on a host')
  t.is(await opened.install(manifest), 'upgrade.forked')
})

test('a failure that is no fault is one of fetching: it may pass', async (t) => {
  const { code } = await started(t, { database: () => ({ dead: () => Promise.reject(new Error('away')) }) })
  t.is(await code('server', 'head'), 'upgrade.fetch')
})

test('a server that nobody observes goes on all the same', async (t) => {
  const opened = await started(t, { options: { observe: undefined as never } })
  const { tell, settle, transport, ask, inbox, stranger, errors } = opened
  tell('install', 'install', [], {}, 'theseus.shop.node.n1')
  stranger.publish(subjects.server, new Uint8Array([1]))
  const { publish } = transport
  transport.publish = () => {
    throw new Error('no connection')
  }
  tell('server', 'who', [], {}, inbox)
  await settle(deathRoundMs)
  transport.publish = publish
  t.like(await ask('server', 'who'), { value: { server: null } })
  t.deepEqual(errors, [])
})

test('an order that nobody waits for is carried out without an answer', async (t) => {
  const { tell, settle, events, stored: database } = await started(t)
  const digest = digestOf(new Uint8Array(3))
  tell('install', 'putChunk', [digest, 0, new Uint8Array(3)])
  await settle()
  t.deepEqual(await database.getChunk(digest, 0), new Uint8Array(3))
  t.deepEqual(events, [])
})

test('a host that trusts others than the server is told so when it asks, and one that says nothing of it is not', async (t) => {
  const { code } = await started(t)
  const head = (trust: unknown) => code('server', 'head', { dead: 0, final: 0, trust })
  t.is(await head(trustMark([bob.publicKey])), 'config.other-trust')
  for (const said of [trustMark([alice.publicKey]), undefined, null, 'alice', {}]) t.regex(await head(said), /^answered/)
  t.regex(await code('server', 'head', null), /^answered/)
  const silent = await started(t, { options: { trust: undefined } })
  t.regex(await silent.code('server', 'head', { trust: trustMark([bob.publicKey]) }), /^answered/)
})

test('what a host knows to be over is given back to the database with its question', async (t) => {
  const given: unknown[] = []
  const first = signedAfter(undefined, alice)
  const { ask } = await started(t, {
    before: (_, database) => database.install({ version: 0, digest: null }, digestOf(first.bytes), first),
    database: () => ({ restoreEnded: async (over: unknown) => void given.push(over) }),
  })
  await ask('server', 'head', { dead: 1, final: 1 })
  t.deepEqual(given, [{ dead: 1, final: 1 }])
})

test('a change that the database refuses is not answered as done', async (t) => {
  const bytes = new Uint8Array(3)
  const digest = digestOf(bytes)
  const manifest = signedAfter(undefined, alice)
  for (const [question, place, method, args] of [
    ['putChunk', 'install', 'putChunk', [digest, 0, bytes]],
    ['putChunk', 'teach', 'teachChunk', [digest, 0, bytes]],
    ['doubt', 'teach', 'teach', [manifest.bytes, manifest.signature]],
    ['directiveLog', 'teach', 'teach', [manifest.bytes, manifest.signature]],
  ] as const) {
    const { ask, stored: database } = await started(t, {
      database: () => ({ [question]: () => Promise.reject(new Error(`no ${question}`)) }),
    })
    await database.setInTable(wantedTable, digest, '3')
    t.like(await ask(place, method, ...args), { code: 'upgrade.fetch', message: `no ${question}` })
  }
})

test('what can’t be sent is a warning, and the server goes on', async (t) => {
  const { tell, settle, transport, events, ask, inbox } = await started(t)
  const { publish } = transport
  transport.publish = () => {
    throw new Error('no connection')
  }
  tell('server', 'who', [], {}, inbox)
  await settle()
  transport.publish = publish
  t.like(events, [{ type: 'warning', message: `not sent to ${inbox}` }])
  t.like(await ask('server', 'who'), { value: { server: null } })
})

// --- Questions

test('the head tells what is installed, dead, final, directed and wanted', async (t) => {
  const opened = await started(t, { options: { name: 'first' } })
  const { ask, stored: database, install } = opened
  const { value } = await ask('server', 'head')
  t.like(value, { version: 0, digest: null, dead: 0, final: 0, directives: 0 })
  t.false('wanted' in (value as object))
  const manifest = signedAfter(undefined, alice, { bundle: await stored(opened, 5) })
  t.is(await install(manifest), 'answered {"version":1}')
  await database.setInTable(wantedTable, digestOf(new Uint8Array(1)), '1')
  await database.finalize(1)
  await database.declareDead(1, 0)
  t.like((await ask('server', 'head')).value, {
    ...{ version: 1, digest: digestOf(manifest.bytes), dead: 1, final: 1, wanted: [digestOf(new Uint8Array(1))] },
  })
  t.deepEqual((await ask('server', 'who')).value, { server: 'first', now: 1_000, trust: trustMark([alice.publicKey]) })
})

test('manifests are told a few at a time, as many as a message holds, and one at least', async (t) => {
  const opened = await open(t, { payloadBytesMax: 8 * 1024 })
  let last: SignedManifest | undefined
  const all: SignedManifest[] = []
  for (let i = 0; i < 5; i++) {
    last = signedAfter(last, alice, { title: 'x'.repeat(i === 4 ? 5_000 : 800) })
    await opened.stored.install(await opened.stored.head(), digestOf(last.bytes), last)
    all.push(last)
  }
  const starting = opened.server.start()
  await opened.settle()
  await starting
  const told = async (from: number, to: number) => ((await opened.ask('server', 'manifests', from, to)).value as unknown[]).length
  t.is(await told(1, 2), 2)
  t.is(await told(1, 5), Math.floor((4 * 1024) / all[0]!.bytes.length))
  t.is(await told(5, 5), 1, 'larger than half a message')
  t.is(await told(4, 5), 1)
  t.is(await told(6, 9), 0)
  t.deepEqual((await opened.ask('server', 'manifests', 1, 1)).value, [[all[0]!.bytes, all[0]!.signature]])
  t.regex(await opened.code('server', 'manifests', 1, 16), /^answered/)
  for (const [from, to] of [
    [1, 17],
    [-1, 2],
    ['1', 2],
    [1, 2.5],
    [1, null],
  ])
    t.is(await opened.code('server', 'manifests', from, to), 'protocol.bad-arguments', `${from} to ${to}`)
})

test('a chunk is told whole, or a piece of it that a message holds', async (t) => {
  const opened = await started(t, { payloadBytesMax: 5 * 1024 })
  const { digest } = await stored(opened, 6_000)
  const { ask, code } = opened
  const whole = (await opened.stored.getChunk(digest, 0))!
  t.is(await code('server', 'chunk', digest, 0), 'protocol.too-large')
  t.deepEqual((await ask('server', 'chunk', digest, 0, 0)).value, whole.slice(0, 4 * 1024))
  t.deepEqual((await ask('server', 'chunk', digest, 0, 4_096)).value, whole.slice(4 * 1024))
  t.is(await code('server', 'chunk', digest, 1), 'upgrade.fetch')
  const { digest: small } = await stored(opened, 10)
  t.is(((await ask('server', 'chunk', small, 0)).value as Uint8Array).length, 10)
  for (const args of [
    ['abc', 0],
    [digest],
    [digest, -1],
    [digest, 0.5],
    [digest, 1e9],
    [digest, 0, -1],
    [digest, 0, 0.5],
    [digest, chunkCount(bundleBytesMax)],
    [digest, 0, bundleChunkBytes],
  ])
    t.is(await code('server', 'chunk', ...args), 'protocol.bad-arguments', JSON.stringify(args))
})

// --- Installing

test('chunks are stored whole or by pieces, in order, and never longer than a chunk', async (t) => {
  const { ask, code, stored: database } = await started(t)
  const bytes = Uint8Array.from({ length: 9 }, (_, i) => i)
  const digest = digestOf(bytes)
  const put = (...args: readonly unknown[]) => code('install', 'putChunk', digest, 0, ...args)
  t.is(await put(bytes.slice(3), 3), 'protocol.bad-arguments', 'the piece before is missing')
  t.is(await put(bytes.slice(0, 3), 0), 'answered {"bytes":3}')
  t.is(await put(bytes.slice(3, 6), 3), 'answered {"bytes":6}')
  t.is(await put(bytes.slice(0, 3), 0), 'answered {"bytes":6}', 'it came again, late')
  t.is(await put(bytes.slice(6), 6), 'answered {"bytes":9}')
  t.deepEqual(await database.getChunk(digest, 0), bytes)
  t.is(await put(bytes), 'answered null')
  t.is(await code('install', 'putChunk', digest, 1, new Uint8Array(bundleChunkBytes)), 'answered null')
  t.is(
    await code('install', 'putChunk', digest, 1, new Uint8Array(1), bundleChunkBytes - 1),
    `answered {"bytes":${bundleChunkBytes}}`,
  )
  const long = await ask('install', 'putChunk', digest, 1, new Uint8Array(2).fill(1), bundleChunkBytes - 1)
  t.is(long.code, 'protocol.bad-arguments')
  for (const args of [
    ['abc', 0, bytes],
    [digest, -1, bytes],
    [digest, '0', bytes],
    [digest, 0, 'text'],
    [digest, 0, new Uint8Array(bundleChunkBytes + 1)],
    [digest, 0, bytes, -1],
    [digest, 0, bytes, '0'],
  ])
    t.is(await code('install', 'putChunk', ...args), 'protocol.bad-arguments', String(args))
})

test('a chunk of an installed bundle that is missing may be sent again', async (t) => {
  const opened = await started(t)
  const bundle = await stored(opened, 5)
  const manifest = signedAfter(undefined, alice, { bundle })
  let isMissing = false
  const again = await started(t, {
    database: (of) => ({ getChunk: async (...args) => (isMissing ? undefined : await of.getChunk(...args)) }),
  })
  await stored(again, 5)
  t.is(await again.install(manifest), 'answered {"version":1}')
  const chunk = new Uint8Array([9])
  t.is(await again.code('install', 'putChunk', bundle.digest, 0, chunk), 'answered null')
  t.is((await again.stored.getChunk(bundle.digest, 0))!.length, 5, 'nobody writes over it')
  const other = digestOf(chunk)
  for (const byte of [8, 9]) t.is(await again.code('install', 'putChunk', other, 0, new Uint8Array([byte])), 'answered null')
  t.deepEqual(await again.stored.getChunk(other, 0), chunk, 'of another bundle it is the newest that counts')
  isMissing = true
  t.is(await again.code('install', 'putChunk', bundle.digest, 0, chunk), 'answered null')
  t.deepEqual(await again.stored.getChunk(bundle.digest, 0), chunk)
})

test('a chunk that was on its way when its bundle was installed changes nothing there', async (t) => {
  const late = gate()
  const garbage = new Uint8Array([6, 6, 6])
  const opened = await started(t, {
    database: (of) => ({
      async putChunk(...args) {
        if (args[2].length === garbage.length) await late.pass()
        return await of.putChunk(...args)
      },
    }),
  })
  const bundle = await stored(opened, 5)
  const whole = await opened.stored.getChunk(bundle.digest, 0)
  const put = opened.tell('install', 'putChunk', [bundle.digest, 0, garbage], {}, opened.inbox)
  await opened.settle()
  t.is(late.waiting, 1, 'the server has looked: it is not installed')
  t.is(await opened.install(signedAfter(undefined, alice, { bundle })), 'answered {"version":1}')
  late.open()
  await opened.settle()
  t.deepEqual(opened.outcomeOf(put), { value: null }, 'it is here already')
  t.deepEqual(await opened.stored.getChunk(bundle.digest, 0), whole)
})

test('a bundle that others write while it is looked at is not installed as it was, nor for ever tried to be written', async (t) => {
  const garbage = new Uint8Array([6, 6, 6])
  let isBusy = true
  const opened = await started(t, {
    database: (of) => ({
      async install(...args) {
        if (isBusy) await of.putChunk(bundle.digest, 0, garbage)
        return await of.install(...args)
      },
      async putChunk(...args) {
        if (isBusy) await of.putChunk(bundle.digest, 1, garbage)
        return await of.putChunk(...args)
      },
    }),
  })
  const bundle = await stored(opened, 5)
  const whole = (await opened.stored.getChunk(bundle.digest, 0))!
  const manifest = signedAfter(undefined, alice, { bundle })
  t.is(await opened.install(manifest), 'unavailable.overloaded')
  t.deepEqual(await opened.stored.head(), { version: 0, digest: null })
  const put = () => opened.code('install', 'putChunk', bundle.digest, 0, whole)
  t.is(await put(), 'unavailable.overloaded')
  isBusy = false
  t.is(await opened.install(manifest), 'upgrade.digest')
  t.is(await put(), 'answered null')
  t.is(await opened.install(manifest), 'answered {"version":1}')
})

test('an upgrade is installed and announced once; the same one again is answered as done', async (t) => {
  const opened = await started(t)
  const { install, announced, stored: database } = opened
  const first = signedAfter(undefined, alice, { bundle: await stored(opened, 5), tables: { allowed: { n1: 'yes' } } })
  t.is(await install(first), 'answered {"version":1}')
  t.is(await install(first), 'answered {"version":1}')
  await opened.settle()
  t.deepEqual(announced, [[1, digestOf(first.bytes)]])
  t.deepEqual([...(await database.table('allowed'))], [['n1', 'yes']])
  const second = signedAfter(first, alice, { bundle: empty })
  await database.putChunk(empty.digest, 0, new Uint8Array(0))
  t.is(await install(second), 'answered {"version":2}')
  t.deepEqual(announced.at(-1), [2, digestOf(second.bytes)])
})

test('what does not fit the history, the system or the trust is not installed, and the reason is told', async (t) => {
  const opened = await started(t)
  const { install, ask, code, stored: database } = opened
  await database.putChunk(empty.digest, 0, new Uint8Array(0))
  const first = signedAfter(undefined, alice)
  t.is(await install(first), 'answered {"version":1}')
  const sign = (more: More, by = alice) => signedAfter(first, by, more)
  const other = signedAfter(undefined, alice, { title: 'Another one' })
  const refused: Record<string, readonly [SignedManifest, string]> = {
    'another first one': [other, 'upgrade.conflict'],
    'one after another history': [signedAfter(other, alice), 'upgrade.conflict'],
    'one too far ahead': [sign({ version: 3 }), 'upgrade.conflict'],
    'one of another system': [sign({ system: 'shoe' }), 'upgrade.invalid'],
    'one of somebody else': [sign({}, mallory), 'upgrade.signature'],
    'one that nobody signed': [{ ...sign({}), signature: null }, 'upgrade.signature'],
    'one whose bundle is not here': [sign({ bundle: { digest: digestOf(new Uint8Array(3)), bytes: 3 } }), 'upgrade.invalid'],
    'one that undoes what there is not': [sign({ undoes: 7 }), 'upgrade.invalid'],
  }
  for (const [what, [manifest, expected]] of Object.entries(refused)) t.is(await install(manifest), expected, what)
  t.is((await database.head()).version, 1)
  const { bytes, signature } = sign({ version: 3 })
  const conflict = await ask('install', 'install', bytes, signature)
  t.deepEqual(conflict.details, { newest: 1 })
  t.is(await code('install', 'install', 'text'), 'protocol.bad-arguments')
  t.is(await code('install', 'install', bytes, 'text'), 'upgrade.conflict')
})

test('an upgrade that does not fit the classes of the system is not installed', async (t) => {
  const { install, stored: database } = await started(t)
  const bundle = new Uint8Array([1, 2, 3])
  await database.putChunk(digestOf(bundle), 0, bundle)
  const draft = draftManifest(toV2(), bundle) as More
  const first = signedAfter(undefined, alice, draft)
  t.is(await install(first), 'answered {"version":1}')
  t.is(await install(signedAfter(first, alice, draft)), 'upgrade.invalid')
  t.is((await database.head()).version, 1)
})

test('a bundle is stored whole, with its digest, before its upgrade is installed', async (t) => {
  const opened = await started(t)
  const { install, stored: database } = opened
  const { digest } = await stored(opened, bundleChunkBytes + 5)
  const of = (bytes: number) => signedAfter(undefined, alice, { bundle: { digest, bytes } })
  const last = (await database.getChunk(digest, 1))!
  t.is(await install(of(bundleChunkBytes + 4)), 'upgrade.invalid', 'it is longer')
  t.is(await install(of(bundleChunkBytes + 6)), 'upgrade.digest', 'it is shorter')
  t.is(await install(of(2 * bundleChunkBytes + 5)), 'upgrade.invalid', 'a chunk is missing')
  await database.putChunk(
    digest,
    1,
    last.map((byte) => byte + 1),
  )
  t.is(await install(of(bundleChunkBytes + 5)), 'upgrade.digest', 'it is another one')
  await database.putChunk(digest, 1, last)
  t.is(await install(of(bundleChunkBytes + 5)), 'answered {"version":1}')
})

test('of two servers that install at once one is told which version is newest, and the same upgrade is done once', async (t) => {
  let meanwhile: SignedManifest | undefined
  const opened = await started(t, {
    database: (of) => ({
      async install(expected, ...more) {
        if (meanwhile !== undefined) await of.install(expected, digestOf(meanwhile.bytes), meanwhile)
        return await of.install(expected, ...more)
      },
    }),
  })
  const { install, ask, stored: database, announced } = opened
  await database.putChunk(empty.digest, 0, new Uint8Array(0))
  const first = signedAfter(undefined, alice)
  meanwhile = first
  t.is(await install(first), 'answered {"version":1}', 'another server has installed it')
  const second = signedAfter(first, alice)
  meanwhile = signedAfter(first, alice, { title: 'Another one' })
  const { code, details } = await ask('install', 'install', second.bytes, second.signature)
  t.is(code, 'upgrade.conflict')
  t.deepEqual(details, { newest: 2 })
  t.deepEqual(announced, [], 'the other server announces')
  meanwhile = undefined
  t.is(await install(signedAfter((await database.manifests(2, 2))[0], alice)), 'answered {"version":3}')
})

test('the history is verified once, and again when it is another one', async (t) => {
  let reads = 0
  const opened = await started(t, {
    database: (of) => ({
      manifests(from, to) {
        if (from === 1) reads++
        return of.manifests(from, to)
      },
    }),
  })
  const { install, stored: database } = opened
  await database.putChunk(empty.digest, 0, new Uint8Array(0))
  let last: SignedManifest | undefined
  for (let version = 1; version <= 3; version++) {
    last = signedAfter(last, alice)
    t.is(await install(last), `answered {"version":${version}}`)
  }
  t.is(reads, 1)
  // By another server.
  const fourth = signedAfter(last, alice)
  await database.install(await database.head(), digestOf(fourth.bytes), fourth)
  t.is(await install(signedAfter(fourth, alice)), 'answered {"version":5}')
  t.is(reads, 2)
})

test('nothing is installed after a history that can’t be verified', async (t) => {
  const unsigned = { bytes: encodeManifest(manifestAfter(undefined)), signature: null }
  const opened = await started(t, {
    before: (_, database) => database.install({ version: 0, digest: null }, digestOf(unsigned.bytes), unsigned),
  })
  const { bytes, signature } = signedAfter(unsigned, alice)
  const { code, message } = await opened.ask('install', 'install', bytes, signature)
  t.is(code, 'upgrade.signature')
  t.regex(String(message), /^nothing is installed after a history that can't be verified: /)
  const shorter = await started(t, { database: () => ({ head: async () => ({ version: 1, digest: digestOf(unsigned.bytes) }) }) })
  const next = signedAfter(unsigned, alice)
  const further = await shorter.ask('install', 'install', next.bytes, next.signature)
  t.is(further.code, 'upgrade.predecessor')
  t.regex(String(further.message), /^nothing is installed after .*: its head is not version 0, the last that is there/)
  const away = await started(t, { database: () => ({ manifests: () => Promise.reject(new Error('away')) }) })
  const first = signedAfter(undefined, alice)
  t.like(await away.ask('install', 'install', first.bytes, first.signature), { code: 'upgrade.fetch', message: 'away' })
})

test('what was undone is refused when it became final meanwhile', async (t) => {
  const opened = await started(t, {
    database: (of) => ({
      install: async (expected, digest, manifest, tables, undoes) => {
        if (typeof undoes === 'number') await of.finalize(undoes)
        return await of.install(expected, digest, manifest, tables, undoes)
      },
    }),
  })
  await opened.stored.putChunk(empty.digest, 0, new Uint8Array(0))
  const first = signedAfter(undefined, alice)
  t.is(await opened.install(first), 'answered {"version":1}')
  const { bytes, signature } = signedAfter(first, alice, { undoes: 1 })
  const { code, message } = await opened.ask('install', 'install', bytes, signature)
  t.is(code, 'upgrade.invalid')
  t.regex(String(message), /version 1 is final/)
})

// --- A lost history

test('what a server is taught is announced, casts doubt on the rows, and begins another log of directives', async (t) => {
  const { ask, code, announced, stored: database } = await started(t)
  const manifest = signedAfter(undefined, alice)
  const { value: before } = await ask('server', 'head')
  t.is(await code('teach', 'teach', 'text', null), 'protocol.bad-arguments')
  t.is(await code('teach', 'teach', manifest.bytes, 'text'), 'upgrade.signature')
  t.is(await code('teach', 'teach', manifest.bytes, manifest.signature), 'answered null')
  t.deepEqual(announced, [[1, digestOf(manifest.bytes)]])
  t.is((await database.standing())?.probation?.doubt, 'lost')
  const { value: after } = await ask('server', 'head')
  t.not((after as { log: string }).log, (before as { log: string }).log)
  t.is(await code('teach', 'teach', manifest.bytes, manifest.signature), 'answered null')
  t.is(announced.length, 1, 'it is here already')
  t.is(
    await code('install', 'install', signedAfter(manifest, alice).bytes, signedAfter(manifest, alice).signature),
    'upgrade.probation',
  )
})

test('the audit has what was installed and what was taught once, with whose key signed it and what came of it', async (t) => {
  const installing = await started(t)
  const manifest = signedAfter(undefined, alice, { bundle: await stored(installing, 0) })
  t.is(await installing.install(manifest), 'answered {"version":1}')
  t.is(await installing.install(manifest), 'answered {"version":1}')
  const entries = async ({ server, stored: database }: Opened) => {
    await server.stop()
    return (await database.audit(1, 100)).map(decodeAuditEntry)
  }
  const digest = digestOf(manifest.bytes)
  const [installed, ...others] = await entries(installing)
  t.deepEqual(
    [installed!.what, installed!.outcome, installed!.by],
    [{ act: 'install', version: 1, digest }, 'done', [alice.publicKey]],
  )
  t.deepEqual(others, [])
  const learning = await started(t)
  for (let i = 0; i < 2; i++) await learning.code('teach', 'teach', manifest.bytes, manifest.signature)
  const [taught, ...more] = await entries(learning)
  t.deepEqual([taught!.what, taught!.outcome, taught!.by], [{ act: 'teach', version: 1, digest }, 'done', [alice.publicKey]])
  t.deepEqual(more, [])
})

test('a log of directives that has been lost is noticed with the next question, and the audit says so', async (t) => {
  const opened = await started(t)
  t.is(await opened.install(signedAfter(undefined, alice, { bundle: await stored(opened, 5) })), 'answered {"version":1}')
  await opened.ask('server', 'head')
  await opened.stored.directiveLog('lost')
  await opened.ask('server', 'head')
  await opened.server.stop()
  const acts = (await opened.stored.audit(1, 100)).map((bytes) => decodeAuditEntry(bytes).what.act)
  t.deepEqual(acts, ['install', 'lost'])
})

test('a wanted bundle is taught by pieces too', async (t) => {
  const { code, stored: database } = await started(t)
  const bytes = Uint8Array.from({ length: 9 }, (_, i) => i)
  const digest = digestOf(bytes)
  await database.setInTable(wantedTable, digest, '9')
  t.is(await code('teach', 'teachChunk', digest, 0, bytes.slice(0, 4), 0), 'answered {"bytes":4}')
  t.is(await code('teach', 'teachChunk', digest, 0, bytes.slice(4), 4), 'answered {"bytes":9}')
  t.deepEqual(await database.getChunk(digest, 0), bytes)
  t.deepEqual(await database.tables(), [])
})

// --- By itself

const row: NodeStatus = {
  ...{ nodeId: 'n1', service: 'notes', className: 'Notes.v1', version: 0, phase: 'stalled', target: 1, reason: 'no' },
  ...{ hostId: 'h1', directoryId: 'd1', since: 1 },
}
const gated = (more: More = {}) =>
  signedAfter(undefined, alice, { gate: { moreFailuresMax: 0.1, slowerMax: 2, callsMin: 10 }, ...more })

async function rollout(t: ExecutionContext, given: Given = {}, manifest = gated()) {
  const opened = await started(t, {
    ...given,
    before: (_, database) => database.install({ version: 0, digest: null }, digestOf(manifest.bytes), manifest),
  })
  const controls = async () => (await opened.stored.controls()).map(({ kind }) => kind)
  const register = (change: Partial<NodeStatus> = {}) => opened.stored.register({ ...row, ...change }, 3_600_000)
  const round = () => opened.settle(gateRoundMs)
  return { ...opened, controls, register, round }
}

test('each round a rollout in trouble is paused, once for each trouble', async (t) => {
  const { controls, register, round, events, stored: database } = await rollout(t)
  await round()
  t.deepEqual(await controls(), [])
  await register()
  await round()
  t.deepEqual(await controls(), ['pause', 'gate'])
  t.like(events, [{ type: 'gateClosed', version: 1, troubles: ['node n1 is stalled: no'], isDryRun: false }])
  const pause = (await database.controls()).find(({ kind }) => kind === 'pause')
  t.like(pause, { version: 1, reason: 'the health gate closed: node n1 is stalled: no' })
  await database.removeControl({ kind: 'pause', version: 1 })
  await round()
  t.deepEqual(await controls(), ['gate'], 'an operator has seen it')
  await register({ nodeId: 'n2' })
  await register({ nodeId: 'n3' })
  await round()
  const next = (await database.controls()).find(({ kind }) => kind === 'pause')
  t.like(next, { reason: 'the health gate closed: node n2 is stalled: no, and 1 more' })
  t.is(events.length, 2)
})

test('the audit has what a server does by itself: a pause, and a death', async (t) => {
  const { register, round, server, settle, stored: database } = await rollout(t)
  await register()
  await round()
  await register({ version: 1, phase: 'current', target: null, reason: null })
  await settle(deathRoundMs)
  await server.stop()
  const acts = (await database.audit(1, 100)).map((bytes) => decodeAuditEntry(bytes).what.act)
  t.deepEqual(acts, ['gate', 'death'])
})

test('a dry run says what it would do, and says it once', async (t) => {
  const { controls, register, round, events } = await rollout(t, { options: { gate: 'dry-run' } })
  await register()
  for (let i = 0; i < 3; i++) await round()
  t.deepEqual(await controls(), ['gate'])
  t.like(events, [{ type: 'gateClosed', isDryRun: true }])
})

test('nobody looks where the gate is off or the upgrade has none', async (t) => {
  for (const opened of [await rollout(t, { options: { gate: 'off' } }), await rollout(t, {}, gated({ gate: null }))]) {
    await opened.register()
    await opened.settle(5 * gateRoundMs)
    t.deepEqual(await opened.controls(), [])
    t.deepEqual(opened.events, [])
  }
})

test('a reason is no longer than a control’s may be, and only so many troubles are remembered', async (t) => {
  const { register, round, stored: database } = await rollout(t)
  const many = heededMax + 5
  for (let i = 0; i < many; i++) await register({ nodeId: `n${i}`, reason: 'x'.repeat(controlReasonLengthMax) })
  await round()
  const found = await database.controls()
  const pause = found.find(({ kind }) => kind === 'pause')
  const heeded = found.find(({ kind }) => kind === 'gate')
  t.true(pause?.kind === 'pause' && pause.reason.length === controlReasonLengthMax)
  t.true(heeded?.kind === 'gate' && heeded.heeded.length === heededMax && !heeded.heeded.includes('n0 stalled 1'))
})

test('the pause is made first: what was lost after it is made once more', async (t) => {
  let isAway = true
  const { controls, register, round, events } = await rollout(t, {
    database: (of) => ({
      setControl: (control) => (isAway && control.kind === 'gate' ? Promise.reject(new Error('away')) : of.setControl(control)),
    }),
  })
  await register()
  await round()
  t.deepEqual(await controls(), ['pause'])
  t.like(events.at(-1), { type: 'warning', message: 'the upgrade database is away: nobody guards the rollout' })
  isAway = false
  await round()
  t.deepEqual(await controls(), ['pause', 'gate'])
})

test('a round that fails is a warning, and the next one comes', async (t) => {
  let isAway = true
  const opened = await started(t, {
    options: { deathRoundMs: 50, gate: 'off', deathDelayMs: 0 },
    database: (of) => ({ nodes: (...args) => (isAway ? Promise.reject(new Error('away')) : of.nodes(...args)) }),
  })
  const { events, settle, stored: database } = opened
  await settle(100)
  const message = 'the upgrade database is away: no versions are declared dead'
  t.like(events, [
    { type: 'warning', message },
    { type: 'warning', message },
  ])
  isAway = false
  const first = signedAfter(undefined, alice)
  await database.install({ version: 0, digest: null }, digestOf(first.bytes), first)
  await database.register({ ...row, version: 1, phase: 'current', target: null, reason: null }, 3_600_000)
  await settle(100)
  t.is((await database.dead()).below, 1)
})

test('that the database makes no sense is told once, until it is something else that makes none', async (t) => {
  let fails: Error = new Fault('upgrade.invalid', 'row 1 is odd')
  const { events, settle } = await started(t, {
    options: { deathRoundMs: 50, gate: 'off' },
    database: () => ({ nodes: () => Promise.reject(fails) }),
  })
  await settle(150)
  const told = () => events.splice(0).map((event) => (event as { message: string }).message)
  const senseless = 'the upgrade database can’t be read: no versions are declared dead'
  t.deepEqual(told(), [senseless])
  fails = new Fault('upgrade.invalid', 'row 2 is odd')
  await settle(100)
  t.deepEqual(told(), [senseless])
  const away = 'the upgrade database is away: no versions are declared dead'
  for (const error of [new Error('gone'), new Fault('upgrade.fetch', 'gone')]) {
    fails = error
    await settle(100)
    t.deepEqual(told(), [away, away])
  }
  fails = new Fault('upgrade.invalid', 'row 2 is odd')
  await settle(100)
  t.deepEqual(told(), [senseless], 'again, after it was away')
})

test('the database hears of a server by its name, before its first round', async (t) => {
  const heard: string[] = []
  await started(t, {
    options: { name: 'first' },
    database: (of) => ({
      attend: (session) => {
        heard.push(session.id)
        return of.attend(session)
      },
    }),
  })
  t.deepEqual(heard, ['first'])
})

// --- Directives

test('a directive of another system, or of one who is not trusted, is refused; one that is lost is no number', async (t) => {
  const { ask, code } = await started(t)
  const { value } = await ask('server', 'head')
  const directive = {
    ...{ format: 2, system, number: 1, createdAt: '2026-01-01T00:00:00.000Z', upgrader: alice.publicKey, head: null },
    ...{ log: (value as { log: string }).log, what: { order: 'setInTable', table: 'allowed', key: 'n1', value: 'yes' } },
  }
  const direct = (change: object = {}, by = alice) => {
    const { bytes, signature } = signed('directive', new TextEncoder().encode(JSON.stringify({ ...directive, ...change })), by)
    return ask('install', 'direct', bytes, signature)
  }
  t.is((await direct({ system: 'shoe' })).code, 'config.invalid')
  t.is((await direct({ upgrader: bob.publicKey }, bob)).code, 'upgrade.signature')
  t.is(await code('install', 'direct', 'text', null), 'protocol.bad-arguments')
  const far = await direct({ number: 3 })
  t.is(far.code, 'upgrade.conflict')
  t.deepEqual(far.details, { next: 1 })
  t.regex(String(far.message), /directive 3 is not carried out: it is not the next one: that is 1/)
  t.deepEqual((await direct()).value, { result: true })
  t.deepEqual((await direct()).details, { next: 2, earlier: { result: true } }, 'its answer was lost')
  t.regex(String((await direct({ number: 2, head: digestOf(new Uint8Array(1)) })).message), /another history/)
  t.regex(String((await direct({ number: 2, log: 'another' })).message), /another log/)
})

test('a directive of release 0.1.0 that may be older than a loss is refused, and says what to do', async (t) => {
  const { ask, settle } = await started(t)
  const manifest = signedAfter(undefined, alice)
  t.deepEqual((await ask('teach', 'teach', manifest.bytes, manifest.signature)).value, null)
  await settle(1_000)
  const what = { order: 'setInTable', table: 'allowed', key: 'n1', value: 'yes' }
  const directive = { format: 1, system, number: 1, createdAt: '1960-01-01T00:00:00.000Z', upgrader: alice.publicKey, what }
  const { bytes, signature } = signed('directive', new TextEncoder().encode(JSON.stringify(directive)), alice)
  const { code, message } = await ask('install', 'direct', bytes, signature)
  t.is(code, 'upgrade.conflict')
  t.regex(String(message), /directive 1 is not carried out: it may be older than the last loss of the upgrade database/)
})
