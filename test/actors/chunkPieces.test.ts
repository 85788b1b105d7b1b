/** Chunks of bundles over a transport whose messages hold less than a chunk. */
import test, { type ExecutionContext } from 'ava'
import { fetchChunk, giveChunk, pieceBytesMax, withPiece } from '../../actors/history/chunkPieces.js'
import { bundleChunkBytes } from '../../core/upgrade/manifest.js'
import { decode, encodeReply } from '../../core/wire/codec.js'
import type { CallEnvelope } from '../../core/wire/envelope.js'
import { subjectsOf } from '../../core/wire/subjects.js'
import { createHost, draftManifest, isFault, startUpgradeServer } from '../../index.js'
import { MemoryBroker, memoryDatabase, memoryRepository, memoryStore, memoryTransport } from '../../transports/memory/index.js'
import { systemClock } from '../../transports/systemClock.js'
import { systemRandom } from '../../transports/systemRandom.js'
import { codeOf } from '../support/testSystem.js'
import { NotesV1, toV2 } from './notesClasses.js'

/** No two pieces are the same. */
const bytesOf = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) & 0xff)

let systems = 0

async function openSmall(t: ExecutionContext, payloadBytesMax: number, withServer = true) {
  const system = `pieces-${++systems}`
  const broker = new MemoryBroker({ clock: systemClock, random: systemRandom, payloadBytesMax })
  const udb = memoryDatabase()
  const transport = { connect: async (options?: object) => memoryTransport(broker, options) }
  const ways = { system, transport, udb }
  const server = withServer ? await startUpgradeServer(ways) : undefined
  const bundles = memoryRepository()
  const host = await createHost({ ...ways, hostId: 'h', bundles, state: memoryStore(), discovery: false })
  // The hosts' own timers keep no process alive.
  const alive = setInterval(() => {}, 1_000)
  t.teardown(async () => {
    clearInterval(alive)
    await host.stop()
    await server?.stop()
  })
  const upgrade = toV2()
  const bundle = bytesOf(bundleChunkBytes + 5_000)
  const manifest = draftManifest(upgrade, bundle)
  bundles.add(manifest.bundle.digest, upgrade)
  return { broker, subjects: subjectsOf(system), host, bundle, manifest }
}

test('a bundle is published, and reaches nodes, over a transport whose messages hold much less than a chunk', async (t) => {
  const { host, bundle, manifest, broker } = await openSmall(t, 16 * 1024)
  const node = await host.node(NotesV1, 'n1')
  let messages = 0
  broker.filter = ({ message }) => {
    messages += message.payload.length > 8 * 1024 ? 1 : 0
    return 'deliver'
  }
  t.is(await host.publish({ manifest, bundle }), 1)
  await node.reached(1, { timeout: '20s' })
  const { digest } = manifest.bundle
  t.deepEqual(await host.operator.database.getChunk(digest, 0), bundle.slice(0, bundleChunkBytes))
  t.true(messages > 2 * 16, 'it went there and back in pieces')
})

test('an upgrade server that knows no pieces is told to be too old, at once', async (t) => {
  const { host, broker, bundle, manifest, subjects } = await openSmall(t, 16 * 1024, false)
  const old = memoryTransport(broker, { name: 'old' })
  const asked: (readonly unknown[])[] = []
  old.subscribe(subjects.install, ({ payload, replyTo }) => {
    const [{ label, seq, args }] = decode(payload) as [CallEnvelope]
    asked.push(args)
    old.publish(replyTo!, encodeReply(label, seq, null, { node: 'upgrade-server', className: 'UpgradeServer', version: 0 }, 0))
  })
  const error = await t.throwsAsync(host.publish({ manifest, bundle }))
  t.true(isFault(error) && error.code === 'protocol.too-large')
  t.regex(error!.message, /NATS takes 16384 in a message.*raise max_payload/)
  t.is(asked.length, 1)
})

test('pieces may come twice and late; one that has another before it waits for that', (t) => {
  const [a, b] = [bytesOf(20).slice(0, 10), bytesOf(20).slice(10)]
  const whole = bytesOf(20)
  t.is(withPiece(undefined, b, 10), undefined)
  const begun = withPiece(undefined, a, 0)!
  t.deepEqual(begun, a)
  t.deepEqual(withPiece(begun, b, 10), whole)
  t.deepEqual(withPiece(whole, a, 0), whole, 'a late copy of the first takes nothing away')
  t.deepEqual(withPiece(whole, b, 10), whole)
  t.deepEqual(withPiece(bytesOf(20).fill(1), a, 0), a, 'of another bundle’s, or a wrong one, nothing is kept')
})

test('a chunk is fetched from a server that answers pieces, or all of it, or less than there should be', async (t) => {
  const whole = bytesOf(1_000)
  const pieces =
    (most: number, from = whole) =>
    async (at: number) =>
      from.subarray(at, at + most)
  t.deepEqual(await fetchChunk(1_000, pieces(300)), whole)
  t.deepEqual(await fetchChunk(1_000, pieces(1_000)), whole)
  t.deepEqual(await fetchChunk(1_000, pieces(300, whole.slice(0, 700))), whole.slice(0, 700))
  const mixed = async (at: number) => (at === 0 ? whole.subarray(0, 300) : whole)
  t.deepEqual(await fetchChunk(1_000, mixed), whole, 'of several servers, an old one answers with all of it')
  t.is(await fetchChunk(1_000, async () => null), null)
  const tooLong = async (at: number) => whole.subarray(0, at === 0 ? 300 : 900)
  t.is(await fetchChunk(1_000, tooLong), undefined)
})

test('a chunk that fits into a message is given whole, so that older servers take it', async (t) => {
  const given: unknown[] = []
  const give = async (bytes: Uint8Array, from?: number) => void given.push([bytes.length, from])
  await giveChunk(bytesOf(5_000), 5_000 + 1_024, give)
  t.deepEqual(given, [[5_000, undefined]])
  t.is(pieceBytesMax(64 * 1024), 63 * 1024)
  t.true(pieceBytesMax(10) > 0, 'a piece holds something, however little a message does')
  t.is(await codeOf(giveChunk(bytesOf(5_000), 3_000, async () => null)), 'protocol.too-large')
})

test('what is no piece, or more than the chunk, is passed on as it is', async (t) => {
  const longer = new Uint8Array(12)
  t.is(await fetchChunk(10, async () => longer), longer)
  t.is(await fetchChunk(10, async () => null), null)
  t.is(await fetchChunk(10, async (from) => (from === 0 ? new Uint8Array(4) : null)), null)
})

test('a chunk of so many whole pieces is given in as many, and one that can’t be given says so', async (t) => {
  const most = pieceBytesMax(5_000)
  const given: number[] = []
  await giveChunk(new Uint8Array(2 * most), 5_000, async (bytes, from) => {
    given.push(from!, bytes.length)
    return undefined
  })
  t.deepEqual(given, [0, most, most, most])
  const away = async () => {
    throw new Error('away')
  }
  await t.throwsAsync(giveChunk(new Uint8Array(10), 5_000, away), { message: 'away' })
})

test('a piece that is there already changes nothing, and one that differs begins anew from there', (t) => {
  const there = Uint8Array.of(1, 2, 3, 4)
  t.is(withPiece(there, Uint8Array.of(2, 3), 1), there)
  t.is(withPiece(there, Uint8Array.of(3, 4), 2), there)
  t.deepEqual(withPiece(there, Uint8Array.of(9), 1), Uint8Array.of(1, 9))
  t.deepEqual(withPiece(there, Uint8Array.of(4, 5), 3), Uint8Array.of(1, 2, 3, 4, 5))
  t.deepEqual(withPiece(undefined, Uint8Array.of(1), 0), Uint8Array.of(1))
  t.is(withPiece(undefined, Uint8Array.of(1), 1), undefined)
  t.is(withPiece(there, Uint8Array.of(1), 5), undefined)
})
