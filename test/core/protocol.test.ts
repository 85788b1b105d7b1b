/** docs/protocol.md and the code say the same. */
import 'reflect-metadata'
import { createPublicKey, verify } from 'node:crypto'
import test from 'ava'
import { defaultSettings } from '../../actors/base/settings.js'
import { chunksAtOnce, chunksWaitingMax, deathRoundMs, UpgradeServer } from '../../actors/server/upgradeServer.js'
import { eventsMax } from '../../actors/serving/recentEvents.js'
import { copiesToldMax } from '../../actors/serving/waitingCall.js'
import { faultCodes } from '../../core/base/fault.js'
import { nameLengthMax, versionMax } from '../../core/base/ids.js'
import { VerifiedHistory } from '../../core/control/verifiedHistory.js'
import { inspectionLeaseMsMax } from '../../core/inspection/inspection.js'
import { signed } from '../../core/trust/signed.js'
import {
  bundleBytesMax,
  bundleChunkBytes,
  decodeManifest,
  encodeManifest,
  type Manifest,
  manifestBytesMax,
} from '../../core/upgrade/manifest.js'
import { decode, encodeCall, valuesPerEnvelope } from '../../core/wire/codec.js'
import {
  type CallEnvelope,
  deadlineMsMax,
  type Envelope,
  envelopeFormat,
  kinds,
  methodBytesMax,
  originFormat,
  pathCallsMax,
} from '../../core/wire/envelope.js'
import { messageValuesMax, sentLevelsMax } from '../../core/wire/messagePack.js'
import { nestingMax } from '../../core/wire/plain.js'
import { serverQueue, serviceQueue, subjectsOf } from '../../core/wire/subjects.js'
import { MemoryBroker, memoryDatabase, memoryTransport } from '../../transports/memory/index.js'
import { signer } from '../../transports/nkeys/index.js'
import { nkeySignatures } from '../../transports/nkeys/nkeys.js'
import { seededRandom } from '../../transports/seededRandom.js'
import { systemClock } from '../../transports/systemClock.js'
import { bytesOf, decoded, encoded, page, section, table, vectors } from '../support/protocolPage.js'
import { refusal } from './codecFixture.js'

for (const heading of ['One call, whole', 'Test vectors']) {
  for (const { title, envelopes, bytes } of vectors(heading)) {
    test(`what is sent is what the page shows: ${title}`, (t) => {
      t.is(hexOf(encoded(envelopes)), hexOf(bytes))
    })

    test(`what is read is what the page says: ${title}`, (t) => {
      t.deepEqual(decoded(bytes), envelopes)
    })
  }
}

for (const { title, envelopes, bytes } of vectors('Also accepted')) {
  test(`other libraries’ bytes are read as the page says: ${title}`, (t) => {
    t.deepEqual(decoded(bytes), envelopes)
    t.not(hexOf(encoded(envelopes)), hexOf(bytes))
  })
}

for (const [what = '', bytes, code] of table('Refused', 'what')) {
  test(`${what} is refused as the page says`, (t) => {
    t.is(`\`${refusal(t, bytesOf(bytes!.replaceAll('`', ''))).code}\``, code!)
  })
}

test('every kind of envelope has a vector, alone and in a batch', (t) => {
  const all = ['One call, whole', 'Test vectors'].flatMap((heading) => vectors(heading))
  const shown = new Set(all.flatMap(({ envelopes }) => envelopes.map(({ kind }) => kind)))
  t.deepEqual([...shown].sort(), (Object.keys(kinds) as (keyof typeof kinds)[]).sort())
  t.true(all.some(({ envelopes }) => envelopes.length === 2))
})

test('the page’s tables of fields have the fields in the order of the bytes', (t) => {
  const all = vectors('Test vectors').flatMap(({ envelopes }) => envelopes)
  /** Of the envelope that leaves no field out. */
  const flat = (kind: string) =>
    all
      .filter((envelope) => envelope.kind === kind)
      .map((envelope) => Object.keys(envelope))
      .reduce((longest, fields) => (fields.length > longest.length ? fields : longest))
  const inFault = ['code', 'message', 'retryable', 'details']
  for (const [heading, kind] of [
    ['Call, send, event', 'call'],
    ['Reply', 'reply'],
    ['Fault', 'fault'],
    ['Announcement', 'announcement'],
  ] as const) {
    const rows = table(heading, '#')
    t.deepEqual(
      rows.map(([position]) => Number(position)),
      rows.map((_, i) => i),
      heading,
    )
    const fields = rows.flatMap(([, field]) => (kind === 'fault' && field === 'fault' ? inFault : [field]))
    t.deepEqual(fields, ['format', ...flat(kind)], heading)
  }
})

test('the page’s numbers of the envelope kinds are those of the code', (t) => {
  const [, call, send, event] = table('Call, send, event', '#')[1]![3]!
    .match(/^(\d) call · (\d) send · (\d) event$/)!
    .map(Number)
  const meaning = (heading: string, row: number) => Number(table(heading, '#')[row]![3])
  t.deepEqual(
    { call, send, event, reply: meaning('Reply', 1), fault: meaning('Fault', 1), announcement: meaning('Announcement', 1) },
    kinds,
  )
  for (const heading of ['Reply', 'Fault'])
    t.true(table(heading, '#')[0]![3]!.startsWith(`${envelopeFormat} or ${originFormat}:`))
  t.is(meaning('Announcement', 0), envelopeFormat)
  t.true(section('Format numbers').includes(`now ${envelopeFormat} or ${originFormat}.`))
})

test('the page’s table of faults is the code’s', (t) => {
  const rows = table('Faults', 'code').filter(([code]) => code !== '`application.<any>`')
  t.deepEqual(
    rows.map(([code, kind, retryable, means]) => ({ code: code!.replaceAll('`', ''), kind, retryable, means })),
    Object.entries(faultCodes).map(([code, { retryable, means }]) => ({
      code,
      kind: code.slice(0, code.indexOf('.')),
      retryable: retryable ? 'yes' : 'no',
      means,
    })),
  )
})

test('the page’s subjects are the code’s', (t) => {
  const subjects = subjectsOf('system')
  const rows = table('Subjects', 'subject').filter(([subject]) => subject!.startsWith('`'))
  t.deepEqual(
    rows.map(([subject]) => subject!.replaceAll(/[`<>]/g, '')),
    [
      subjects.node('node'),
      subjects.service('service'),
      subjects.shard('service', 0, 'node').replace('.0.', '.shard.'),
      subjects.offers,
      subjects.shardArrivals('service', 0).replace(/0$/, 'shard'),
      subjects.hostArrivals('service', 'host'),
      subjects.event('event'),
      subjects.introduced,
      subjects.announcements,
      subjects.server,
      subjects.install,
      subjects.teach,
      subjects.look,
      subjects.looker('looker'),
    ],
  )
  t.true(rows[1]![1]!.includes(`queue group \`${serviceQueue}\``))
  t.true(rows[9]![1]!.includes(`queue group \`${serverQueue}\``))
})

test('the page’s limits are the code’s', (t) => {
  const limits = Object.fromEntries(table('Limits', 'what').map(([what, limit]) => [what, Number(limit!.match(/\d+/)![0])]))
  t.deepEqual(limits, {
    'a message': 1024 * 1024,
    version: versionMax,
    'name, class name': nameLengthMax,
    method: methodBytesMax,
    'levels of lists and records in a message that is sent, its envelope the first': sentLevelsMax,
    'nesting of arguments and results that are read': nestingMax,
    path: pathCallsMax,
    'values in a message: items of lists and fields of records': messageValuesMax,
    'bytes of calls that wait at one host, unless configured': defaultSettings.waitingBytesMax,
    'of these, of one caller with a name': defaultSettings.waitingBytesPerCallerMax,
    deadlineMs: deadlineMsMax,
    chunk: bundleChunkBytes,
    bundle: bundleBytesMax,
    manifest: manifestBytesMax,
    'manifests in one answer': 16,
    'questions that an upgrade server answers at once, but for chunks': 1000,
    'chunks that it sends at once': chunksAtOnce,
    'questions for chunks that wait there': chunksWaitingMax,
    'calls that wait for one node, unless configured': defaultSettings.mailboxCallsMax,
    'calls that wait until one node knows their version, unless configured': defaultSettings.heldCallsMax,
    'envelopes that a host puts into one message, unless configured': defaultSettings.envelopesPerMessageMax,
    'of these in one to a service, of which one node gets all': defaultSettings.envelopesPerServiceMessageMax,
    'bytes of a message of several envelopes, unless configured': defaultSettings.messageBytesMax,
    'the lease of one who looks, in ms': inspectionLeaseMsMax,
    'those who look at one host, unless configured': defaultSettings.lookersMax,
    'what waits at one host to be told, unless configured': defaultSettings.seenQueueMax,
  })
  /** One line, so that it does not matter where the page breaks its lines. */
  const prose = (heading: string) => section(heading).replaceAll(/\s+/g, ' ')
  t.true(
    prose('Deadlines').includes(
      `More than ${deadlineMsMax} counts as ${deadlineMsMax}. Theseus's own default is ${defaultSettings.callDeadlineMs}.`,
    ),
  )
  t.regex(
    prose('Sending again'),
    new RegExp(
      `is ${defaultSettings.retryPauseMs} ms, doubling to ${defaultSettings.retryPauseMsMax} ms; .* after ${defaultSettings.queryResendMs} ms`,
    ),
  )
  t.true(prose('Deadlines').includes(`\`unavailable.fetching\`): ${defaultSettings.heldAnswerMs} ms before`))
  t.true(prose('Ids').includes(`of the newest ${copiesToldMax + 1}.`))
  t.true(prose('Subjects').includes(`Hosts keep ${eventsMax}.`))
  t.is(deathRoundMs, 10_000)
  t.true(prose('Versions').includes(`every ten seconds`))
  t.true(prose('Versions').includes(`after ${deadlineMsMax} ms, the longest deadline`))
  t.true(prose('Messages, envelopes, MessagePack').includes(`at most ${sentLevelsMax} levels`))
  t.true(prose('Limits').includes(`an envelope takes as much as ${valuesPerEnvelope} values`))
  const { chunkDeadlineMs, chunkResendMs, backoffMs, backoffMsMax, announcedWithinMs } = defaultSettings
  t.regex(
    prose('The upgrade server'),
    new RegExp(
      `gives a chunk ${chunkDeadlineMs} ms, and asks again after ${chunkResendMs} ms .* refusal for ${backoffMs} ms, doubling to ${backoffMsMax} ms, .* moment within ${announcedWithinMs} ms`,
    ),
  )
})

const manifest: Manifest = {
  format: 1,
  runtime: 1,
  system: 'shop',
  version: 1,
  previous: null,
  title: 'Readers can comment on a page',
  reason: null,
  undoes: null,
  createdAt: '2026-01-01T00:00:00.000Z',
  upgrader: null,
  upgraders: null,
  bundle: { digest: '0'.repeat(64), bytes: 5 },
  tables: {},
  gate: null,
  classUpgrades: [
    {
      service: 'pages',
      oldClass: 'Pages.v1',
      newClass: 'Pages.v2',
      pastSO: 'notNeeded',
      futureSO: 'so',
      only: null,
      schedule: 'gradually',
      oldMethods: { put: 'command' },
      newMethods: { put: 'command' },
      oldUses: [],
      newUses: [],
      inverse: false,
    },
  ],
}

/** The names in a table's first column, where a cell may hold several. */
function names(heading: string, firstColumn: string, skip = 0): string[] {
  const text = section(heading).split(`| ${firstColumn} |`).slice(1)[skip]!
  const rows = text.split('\n').slice(2)
  return rows
    .slice(
      0,
      rows.findIndex((row) => !row.startsWith('|')),
    )
    .flatMap((row) =>
      row
        .split('|')[1]!
        .split(',')
        .map((name) => name.replaceAll('`', '').trim()),
    )
}

test('the page’s fields of a manifest are those that the code asks for', (t) => {
  // Some of today's features are left out where they are not used.
  const fields = names('Manifests', 'field').filter((field) => !['rewinds', 'aborts', 'promises'].includes(field))
  t.deepEqual([...fields].sort(), Object.keys(manifest).sort())
  t.notThrows(() => decodeManifest(encodeManifest(manifest)))
  for (const field of fields) {
    const without = encodeManifest({ ...manifest, [field]: undefined })
    t.is((t.throws(() => decodeManifest(without)) as { code?: string }).code, 'upgrade.invalid', field)
  }
})

test('the page’s fields of a class upgrade are those that the code asks for', (t) => {
  const [entry] = manifest.classUpgrades
  // Those of today's features are left out where they are not used.
  const fields = names('Manifests', 'field', 1).filter((field) => !['limit', 'rewind', 'delegated'].includes(field))
  t.notThrows(() =>
    decodeManifest(
      encodeManifest({ ...manifest, classUpgrades: [{ ...entry!, limit: 'all', delegated: { 'Pages.v1': ['put'] } }] }),
    ),
  )
  t.deepEqual([...fields].sort(), Object.keys(entry!).sort())
  for (const field of fields) {
    const without = encodeManifest({ ...manifest, classUpgrades: [{ ...entry!, [field]: undefined }] })
    t.is((t.throws(() => decodeManifest(without)) as { code?: string }).code, 'upgrade.invalid', field)
  }
})

/** The methods that have the subject for changes. */
const changes = new Set(
  table('The upgrade server', 'method').flatMap(([method, , , , subject]) =>
    subject === '`install`' ? [method!.replaceAll('`', '')] : [],
  ),
)

/** The manifest and the signature that the page shows, with the key and the seed in the words before. */
function signatureVector() {
  const text = section('Signatures')
  const [, publicKey, seed] = /by the key\s+`(A[A-Z2-7]{55})`, whose seed is\s+`(SA[A-Z2-7]{56})`/.exec(text)!
  const [, manifest, hex] = /```manifest\n(.*)\n```\s*```hex\n([^`]*)```/.exec(text)!
  return { publicKey: publicKey!, seed: seed!, bytes: new TextEncoder().encode(manifest), signature: bytesOf(hex!) }
}

test('a signature is what the page shows, and is accepted', (t) => {
  const { publicKey, seed, bytes, signature } = signatureVector()
  const by = signer(seed)
  t.is(by.publicKey, publicKey)
  t.deepEqual(signed('manifest', bytes, by).signature, signature)
  const history = new VerifiedHistory('shop', [publicKey], nkeySignatures)
  t.is(history.check({ bytes, signature }).manifest.title, 'Nothing changes')
})

test('whoever has only the page, and any Ed25519, can check a signature', (t) => {
  const { publicKey, bytes, signature } = signatureVector()
  const digits = [...publicKey].map((letter) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0'))
  const decoded = Buffer.from(
    digits
      .join('')
      .match(/.{8}/g)!
      .map((bits) => Number.parseInt(bits, 2)),
  )
  t.is(decoded.length, 35)
  t.is(decoded[0], 0)
  let crc = 0
  for (const byte of decoded.subarray(0, 33)) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff
  }
  t.is(decoded.readUInt16LE(33), crc)
  const key = createPublicKey({
    key: { kty: 'OKP', crv: 'Ed25519', x: decoded.subarray(1, 33).toString('base64url') },
    format: 'jwk',
  })
  t.true(verify(null, Buffer.concat([Buffer.from('theseus.manifest.1\n'), bytes]), key, signature))
})

/** An upgrade server, and what it answers to a call of a method. */
async function serverInMemory(): Promise<(method: string, args: readonly unknown[]) => Promise<Envelope>> {
  const broker = new MemoryBroker({ clock: systemClock, random: seededRandom(1) })
  const database = await memoryDatabase().open('shop', systemClock)
  await new UpgradeServer({
    system: 'shop',
    transport: memoryTransport(broker),
    database,
    clock: systemClock,
    signatures: nkeySignatures,
  }).start()
  const stranger = memoryTransport(broker)
  const call = vectors('One call, whole')[0]!.envelopes[0] as unknown as CallEnvelope
  return (method, args) =>
    new Promise((resolve) => {
      const inbox = stranger.newInbox()
      stranger.subscribe(inbox, ({ payload }) => resolve(decode(payload)[0]!))
      const { server, install, teach } = subjectsOf('shop')
      const subject = method.startsWith('teach') ? teach : changes.has(method) ? install : server
      stranger.publish(subject, encodeCall({ ...call, kind: kinds.call, method, args }), inbox)
    })
}

test('the upgrade server has the methods of the page, and no others', async (t) => {
  const ask = await serverInMemory()
  for (const [method] of table('The upgrade server', 'method')) {
    const answer = await ask(method!.replaceAll('`', ''), [])
    t.false(answer.kind === kinds.fault && answer.fault.code === 'protocol.no-such-method', method)
  }
  const answer = await ask('get', [])
  t.is(answer.kind === kinds.fault && answer.fault.code, 'protocol.no-such-method')
})

test('an upgrade server hands out 16 manifests at once, and 64 chunks of 262144 bytes, as the page says', async (t) => {
  const ask = await serverInMemory()
  const digest = '0'.repeat(64)
  const code = async (method: string, args: readonly unknown[]) => {
    const answer = await ask(method, args)
    return answer.kind === kinds.fault ? answer.fault.code : 'answered'
  }
  t.is(await code('manifests', [1, 16]), 'answered')
  t.is(await code('manifests', [1, 17]), 'protocol.bad-arguments')
  t.is(await code('putChunk', [digest, 63, new Uint8Array(262144)]), 'answered')
  t.is(await code('putChunk', [digest, 64, new Uint8Array(1)]), 'protocol.bad-arguments')
  t.is(await code('putChunk', [digest, 0, new Uint8Array(262145)]), 'protocol.bad-arguments')
})

test('the page keeps to the lines that people read: no table row is broken', (t) => {
  for (const line of page.split('\n').filter((row) => row.startsWith('|'))) t.true(line.endsWith('|'), line)
})

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
