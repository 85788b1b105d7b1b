/** The start and the end of an upgrade server, and what those who wait for it hear then. */
import test from 'ava'
import { deathRoundMs, pagesAtOnce } from '../../actors/server/upgradeServer.js'
import { digestOf } from '../../core/base/digest.js'
import { decodeAuditEntry } from '../../core/control/audit.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import { alice, signedAfter } from '../support/signedManifests.js'
import { gate } from '../support/testSystem.js'
import { open, started, subjects } from './upgradeServerFixture.js'

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
