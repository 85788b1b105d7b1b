/** Messages and questions to an upgrade server: how each is answered, and which are refused. */
import test from 'ava'
import { deathRoundMs } from '../../actors/server/upgradeServer.js'
import { digestOf } from '../../core/base/digest.js'
import { forksTable, wantedTable } from '../../core/model/reservedTables.js'
import { trustMark } from '../../core/trust/trustMark.js'
import { bundleBytesMax, bundleChunkBytes, chunkCount, type SignedManifest } from '../../core/upgrade/manifest.js'
import { decode, encodeCall } from '../../core/wire/codec.js'
import { kinds } from '../../core/wire/envelope.js'
import { alice, bob, signedAfter } from '../support/signedManifests.js'
import { gate } from '../support/testSystem.js'
import { open, type Place, started, stored, subjects } from './upgradeServerFixture.js'

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
