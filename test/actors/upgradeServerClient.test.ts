/** The questions of a host to the upgrade servers, and what it believes of their answers. */
import 'reflect-metadata'
import test from 'ava'
import { defaultSettings } from '../../actors/base/settings.js'
import type { CallTable } from '../../actors/calls/callTable.js'
import { UpgradeServerClient } from '../../actors/history/upgradeServerClient.js'
import { digestOf } from '../../core/base/digest.js'
import { Fault } from '../../core/base/fault.js'
import { release } from '../../core/base/formats.js'
import { newestLevel } from '../../core/base/level.js'
import { nobodysMark } from '../../core/trust/trustMark.js'
import { bundleChunkBytes, type SignedManifest } from '../../core/upgrade/manifest.js'
import { subjectsOf } from '../../core/wire/subjects.js'
import { codeOf } from '../support/testSystem.js'
import { ManualClock } from './manualClock.js'

const settings = { ...defaultSettings, system: 'shop', hostId: 'h1' }
const subjects = subjectsOf('shop')
const digest = digestOf(new Uint8Array(1))

type Asked = Parameters<CallTable['call']>[1]

/** A client whose questions `answer` answers, and all that it asked. */
function open(answer: (asked: Asked) => unknown, payloadBytesMax = 1024 * 1024) {
  const clock = new ManualClock()
  const asked: Asked[] = []
  const callers: unknown[] = []
  const calls = {
    incarnation: 7,
    payloadBytesMax,
    async call(caller: unknown, call: Asked) {
      callers.push(caller)
      asked.push(call)
      return await answer(call)
    },
  }
  return { client: new UpgradeServerClient(clock, settings, calls as unknown as CallTable), asked, callers, clock }
}

const subjectOf = ({ subject, method }: Asked) =>
  `${Object.entries(subjects).find(([, each]) => each === subject)?.[0]}: ${method}`

test('a question is a query of the host, to the servers of its system, without a version', async (t) => {
  const { client, asked, callers, clock } = open(() => ({ version: 0, digest: null }))
  await client.head({ dead: 1, final: 2 })
  t.deepEqual(callers, [{ nodeId: 'h1', incarnation: 7, className: 'Host', version: 0 }])
  t.like(asked[0], {
    label: 0,
    kind: 'query',
    asksServer: true,
    args: [{ dead: 1, final: 2, release, reads: newestLevel }],
    deadline: clock.monotonicMs() + settings.serverDeadlineMs,
  })
  t.is(subjectOf(asked[0]!), 'server: head')
  t.false('pace' in asked[0]!)
  await client.head()
  t.deepEqual(asked[1]!.args, [{ dead: 0, final: 0, release, reads: newestLevel }])
})

test('what a server leaves out of its head is nothing', async (t) => {
  t.deepEqual(await open(() => ({ version: 3, digest })).client.head(), {
    ...{ version: 3, digest, dead: 0, final: 0, directives: 0, log: null, wanted: [], nonsense: null },
  })
  const whole = { version: 3, digest, dead: 3, final: 3, directives: 0, log: 'l', wanted: [digest, digest] }
  t.deepEqual(await open(() => whole).client.head(), { ...whole, nonsense: null })
})

const right = { version: 3, digest, dead: 1, final: 1, directives: 2, log: 'l', wanted: [digest] }
for (const [what, wrong] of Object.entries({
  'a version that is none': { version: -1 },
  'a digest that is none': { digest: 'abc' },
  'no digest': { digest: undefined },
  'directives that are no number': { directives: '2' },
  'half a directive': { directives: 1.5 },
  'fewer than no directives': { directives: -1 },
  'a log without a name': { log: '' },
  'wanted bundles that are no list': { wanted: { 0: digest, every: null } },
  'a wanted bundle that has no digest': { wanted: [digest, 'abc'] },
})) {
  test(`a head with ${what} is not believed`, async (t) => {
    t.is(await codeOf(open(() => ({ ...right, ...wrong })).client.head()), 'upgrade.fetch')
  })
}

test('a death or a finality that no version can have is taken for none, and told of', async (t) => {
  const head = (wrong: object) => open(() => ({ ...right, dead: 3, final: 3, ...wrong })).client.head()
  t.like(await head({}), { dead: 3, final: 3, nonsense: null })
  for (const dead of [4, 0.5, '1']) {
    const { nonsense, ...heard } = await head({ dead })
    t.like(heard, { dead: 0, final: 3 })
    t.regex(String(nonsense), /are dead and version 3 is final, and the newest is 3: what can't be is ignored/)
  }
  for (const final of [4, -1, '1']) t.like(await head({ final }), { dead: 3, final: 0 })
  t.not((await head({ final: 4 })).nonsense, null)
  const long = await head({ dead: 'x'.repeat(100_000), final: 4 })
  t.regex(String(long.nonsense), /^the upgrade server says that versions below string are dead and version 4 is final, /)
})

test('an answer that is no head is not believed', async (t) => {
  for (const answer of [null, undefined, 'head', 3]) t.is(await codeOf(open(() => answer).client.head()), 'upgrade.fetch')
})

test('a server says who it is, or only what time it is, or is of a release that does not', async (t) => {
  t.deepEqual(await open(() => ({ server: 's1', now: 5 })).client.who(), { server: 's1', now: 5, trust: null })
  t.deepEqual(await open(() => ({ server: null, now: 5 })).client.who(), { server: null, now: 5, trust: null })
  t.deepEqual(await open(() => ({ server: 7, now: 5 })).client.who(), { server: null, now: 5, trust: null })
  const told = { server: 's1', now: 5, trust: nobodysMark }
  t.deepEqual(await open(() => told).client.who(), told)
  t.deepEqual(await open(() => ({ ...told, trust: 'nobody' })).client.who(), { ...told, trust: null })
  for (const nothing of [null, {}, { server: 's1', now: '5' }]) t.is(await open(() => nothing).client.who(), null)
  const failing = (code: 'protocol.no-such-method' | 'unavailable.overloaded') =>
    open(() => {
      throw new Fault(code, 'no')
    }).client
  t.is(await failing('protocol.no-such-method').who(), null)
  t.is(await codeOf(failing('unavailable.overloaded').who()), 'unavailable.overloaded')
  const odd = new Error('odd')
  await t.throwsAsync(
    open(() => {
      throw odd
    }).client.who(),
    { is: odd },
  )
})

test('that changes reach a server is seen by its answer that it has no such method', async (t) => {
  const answering = (thrown: unknown) =>
    open(() => {
      throw thrown
    })
  const there = answering(new Fault('protocol.no-such-method', 'no'))
  await t.notThrowsAsync(there.client.reachInstall())
  t.is(subjectOf(there.asked[0]!), 'install: nothing')
  t.is(await codeOf(answering(new Fault('unavailable.overloaded', 'late')).client.reachInstall()), 'unavailable.overloaded')
  await t.throwsAsync(answering(new Error('odd')).client.reachInstall(), { message: 'odd' })
})

test('where no server answers, the fault names the system and says how to start one', async (t) => {
  const client = open(() => {
    throw new Fault('unavailable.no-responders', 'nobody')
  }).client
  const error = await t.throwsAsync(client.head(), { code: 'unavailable.no-responders' })
  t.regex(error!.message, /no upgrade server of system shop answers: start one/)
})

const manifestOf = (version: number) => [new Uint8Array([version]), version % 2 === 0 ? null : new Uint8Array([9])]

test('manifests are asked for a few at a time, and on from the last that came', async (t) => {
  const { client, asked } = open(({ args: [from, to] }) =>
    Array.from({ length: Math.min(10, Number(to) - Number(from) + 1) }, (_, i) => manifestOf(Number(from) + i)),
  )
  const found = await client.manifests(3, 25)
  t.deepEqual(
    found.map(({ bytes }) => bytes[0]),
    Array.from({ length: 23 }, (_, i) => i + 3),
  )
  t.deepEqual(
    found.slice(0, 2).map(({ signature }) => signature),
    [new Uint8Array([9]), null],
  )
  t.deepEqual(
    asked.map(({ args }) => args),
    [
      [3, 18],
      [13, 25],
      [23, 25],
    ],
  )
})

test('a signature that can’t be read is none', async (t) => {
  const [{ signature }] = (await open(() => [[new Uint8Array(1), 'text']]).client.manifests(1, 1)) as [SignedManifest]
  t.is(signature, null)
})

test('a manifest that is missing or can’t be read ends the question with upgrade.fetch', async (t) => {
  const answers: readonly unknown[] = [
    [],
    null,
    'none',
    [new Uint8Array(1)],
    [['text', null]],
    [{ 0: new Uint8Array(1) }],
    [[new Uint8Array(1), null], 5],
  ]
  for (const answer of answers)
    t.is(await codeOf(open(() => answer).client.manifests(1, 2)), 'upgrade.fetch', JSON.stringify(answer))
  const more = [manifestOf(1), manifestOf(2), manifestOf(3)]
  t.is(await codeOf(open(() => more).client.manifests(1, 2)), 'upgrade.fetch', 'more than was asked for')
  const error = await t.throwsAsync(open(({ args: [from] }) => (from === 1 ? [manifestOf(1)] : [])).client.manifests(1, 2))
  t.regex(error!.message, /no manifest of version 2$/)
})

const whole = new Uint8Array(2 * bundleChunkBytes + 10).map((_, i) => i >> 14)
const chunkOf = (index: number) => whole.slice(index * bundleChunkBytes, (index + 1) * bundleChunkBytes)

test('a bundle is given chunk by chunk, to those who may change the history or to those who are taught', async (t) => {
  for (const [subject, give] of [
    ['install: putChunk', (client: UpgradeServerClient) => client.putBundle(digest, whole)],
    ['teach: teachChunk', (client: UpgradeServerClient) => client.restoreBundle(digest, whole)],
  ] as const) {
    const { client, asked } = open(() => null)
    await give(client)
    t.deepEqual(asked.map(subjectOf), [subject, subject, subject])
    t.deepEqual(
      asked.map(({ args }) => args),
      [0, 1, 2].map((index) => [digest, index, chunkOf(index)]),
    )
    const small = open(() => ({}), 100 * 1024)
    await give(small.client)
    t.is(small.asked.length, 3 + 3 + 1, 'in pieces, where a message holds less')
    t.deepEqual(small.asked[1]!.args.slice(0, 2), [digest, 0])
    t.is(small.asked[1]!.args[3], (small.asked[0]!.args[2] as Uint8Array).length)
  }
})

test('a bundle is asked for patiently: with a deadline and a pace of its own', async (t) => {
  const { client, asked, clock } = open(({ args: [, index] }) => chunkOf(Number(index)))
  const found = await client.bundle({ digest: digestOf(whole), bytes: whole.length })
  t.deepEqual(found, whole)
  t.deepEqual(
    asked.map(({ args }) => args),
    [0, 1, 2].map((index) => [digestOf(whole), index, 0]),
  )
  const { chunkDeadlineMs, chunkResendMs, backoffMs, backoffMsMax } = settings
  t.is(asked[0]!.deadline, clock.monotonicMs() + chunkDeadlineMs)
  t.deepEqual(asked[0]!.pace, { resendMs: chunkResendMs, pauseMs: backoffMs, pauseMsMax: backoffMsMax })
})

test('a server of release 0.1.0 is taught where it is asked; any other failure is the answer', async (t) => {
  const old = open(({ subject }) => {
    if (subject === subjects.teach) throw new Fault('unavailable.no-responders', 'nobody')
    return null
  })
  const manifest = { bytes: new Uint8Array([1]), signature: new Uint8Array([2]) }
  await old.client.restoreManifest(manifest)
  t.deepEqual(old.asked.map(subjectOf), ['teach: teach', 'server: teach'])
  t.deepEqual(old.asked[1]!.args, [manifest.bytes, manifest.signature])
  const refusing = (error: Error) =>
    open(() => {
      throw error
    })
  const forked = refusing(new Fault('upgrade.forked', 'two'))
  t.is(await codeOf(forked.client.restoreManifest(manifest)), 'upgrade.forked')
  t.is(forked.asked.length, 1)
  await t.throwsAsync(refusing(new Error('odd')).client.restoreManifest(manifest), { message: 'odd' })
})

test('changes go to where only upgraders publish, and a directive has a result', async (t) => {
  const { client, asked } = open(({ method }) => (method === 'direct' ? { result: [1, 2] } : { version: 4 }))
  const signed = { bytes: new Uint8Array([1]), signature: null }
  await client.install(signed)
  t.deepEqual(await client.direct(signed), [1, 2])
  t.deepEqual(asked.map(subjectOf), ['install: install', 'install: direct'])
  for (const { args } of asked) t.deepEqual(args, [signed.bytes, null])
  t.is(await open(() => null).client.direct(signed), undefined)
})
