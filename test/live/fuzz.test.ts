/**
 * Hundreds of thousands of messages that nobody should send: whole ones with bytes changed, cut, doubled and
 * spliced, to every subject there is, in the name of nobody, of a caller, and of those whose subjects these
 * are. Nothing is thrown out of the host, the upgrade server or an operator who looks; memory stays bounded,
 * and all go on answering.
 */
import { setImmediate as turnOfLoop } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import test from 'ava'
import { Fault } from '../../core/base/fault.js'
import { encodeDirective } from '../../core/control/directive.js'
import { inspectionLeaseMsMax, lookMethod, seenMethod } from '../../core/inspection/inspection.js'
import { encodeManifest } from '../../core/upgrade/manifest.js'
import { encodeAnnouncement, encodeCall, encodeFault, encodeReply } from '../../core/wire/codec.js'
import { type CallEnvelope, kinds } from '../../core/wire/envelope.js'
import { subjectsOf } from '../../core/wire/subjects.js'
import { seededRandom } from '../../transports/seededRandom.js'
import { NotesV1, toV2 } from '../actors/notesClasses.js'
import { until } from '../support/eventually.js'
import { manifestAfter } from '../support/signedManifests.js'
import { TestSystem } from '../support/testSystem.js'
import { withoutStacks } from '../support/withoutStacks.js'

/** More of them by hand: `FUZZ_MESSAGES=1000000 npm test -- dist/test/live/fuzz.test.js`. */
const messagesMax = Number(process.env.FUZZ_MESSAGES ?? 250_000)
const messagesPerTurn = 500
const heldBytesMax = 96 * 1024 * 1024

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const call: CallEnvelope = {
  kind: kinds.call,
  label: 0,
  seq: 1,
  method: 'add',
  args: ['text'],
  deadlineMs: 50,
  caller: 'stranger',
  incarnation: 7,
  callerClass: 'Client',
  callerVersion: 0,
  expects: null,
  path: null,
  trace: null,
  together: false,
}

/** Whole messages, one of every kind, to begin with. */
function seeds(system: string): readonly Uint8Array[] {
  const manifest = encodeManifest(manifestAfter(undefined, { system }))
  const order = encodeDirective({
    format: 1,
    system,
    number: 1,
    what: { order: 'setInTable', table: 'fuzz', key: 'k', value: 'v' },
    createdAt: 'now',
    upgrader: null,
  })
  const calls: readonly Partial<CallEnvelope>[] = [
    {},
    {
      method: 'all',
      args: [],
      label: 1,
      path: ['a/1/2', 'b/3/4'],
      trace: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
    },
    { kind: kinds.send, args: [{ deep: [{ er: [1, 2.5, null] }], at: new Date(5), bytes: new Uint8Array(40) }] },
    { kind: kinds.event, method: 'page-changed', together: true },
    { method: 'install', args: [manifest, null] },
    { method: 'teach', args: [manifest, new Uint8Array(64)] },
    { method: 'direct', args: [order, null] },
    { method: 'putChunk', args: ['0'.repeat(64), 3, new Uint8Array(100)] },
    { method: 'manifests', args: [1, 16] },
    { method: 'teachDenials', args: [[['mallory', 'desk', 'add', 'denied.caller', 3]]] },
    { method: 'head', args: [{ dead: 1, final: 1, trust: { keys: 'nobody', root: null } }] },
    { kind: kinds.send, method: lookMethod, args: [{ looker: 'mallory', leaseMs: 6_000, afresh: ['h1'], phases: true }] },
    {
      kind: kinds.send,
      method: seenMethod,
      args: [
        {
          ...{ hostId: 'h1', epoch: 7, number: 3, dropped: 1, figures: [] },
          seen: [
            {
              type: 'phase',
              n: 5,
              at: 1,
              nodeId: 'n1',
              service: 'notes',
              className: 'Notes.v1',
              version: 0,
              phase: 'current',
              target: 1,
              reason: 'why',
            },
          ],
        },
      ],
    },
  ]
  const replier = { node: 'n1', className: 'Notes.v1', version: 0 }
  return [
    ...calls.map((change) => encodeCall({ ...call, ...change })),
    encodeReply(0, 1, { answer: ['x'] }, replier, 2),
    encodeFault(0, 1, new Fault('simulation.refused', 'no', { why: 'not' }), replier),
    encodeAnnouncement(3, '0'.repeat(64)),
  ].map((bytes) => new Uint8Array(bytes))
}

function joined(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** The bytes that msgpack reads as something else most easily. */
const telling = [
  0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc4, 0xc6, 0xc7, 0xc9, 0xcb, 0xcf, 0xd4, 0xd8, 0xdb, 0xdd, 0xdf,
  0xff,
]

test('mutated messages to every subject, with names and without: nothing escapes, memory is bounded, everybody answers afterwards', async (t) => {
  const escaped: unknown[] = []
  const note = (error: unknown) => void escaped.push(error)
  process.on('unhandledRejection', note)
  t.teardown(() => process.off('unhandledRejection', note))
  const system = await TestSystem.start(t, { unknownVersionMs: 50, mailboxCallsMax: 1_000 }, {}, { callers: 'either' })
  const host = await system.host('h1')
  const node = await host.node(NotesV1, 'n1')
  const subjects = subjectsOf(system.name)
  const inboxes = new Set<string>()
  const lookers = new Set<string>()
  const told: Uint8Array[] = []
  system.broker.filter = ({ message }) => {
    if (message.replyTo !== undefined && inboxes.size < 8) inboxes.add(message.replyTo)
    if (message.subject.startsWith(`theseus.${system.name}.look`) && told.length < 8) {
      told.push(new Uint8Array(message.payload))
      // Without the name at the end.
      if (message.subject.includes('.looker.')) lookers.add(message.subject.split('.').slice(0, 4).join('.'))
    }
    return 'deliver'
  }
  let isTold = false
  const endLook = system.desk.running.operator.look(({ hostId, seen }) => {
    isTold ||= hostId === 'h1' && seen.some((each) => each.nodeId === 'n1')
  })
  t.teardown(endLook)
  await until(() => isTold, 'an operator is told of the node')
  for (let i = 0; i < 5; i++) await host.ref(NotesV1, 'n1', { version: 0 }).all()
  const { memoryTransport } = await import('../../transports/memory/index.js')
  const stranger = memoryTransport(system.broker)
  const listened = [
    subjects.node('n1'),
    subjects.service('notes'),
    subjects.event('page-changed'),
    subjects.announcements,
    subjects.server,
    subjects.install,
    subjects.teach,
    subjects.look,
    ...lookers,
    subjects.looker('mallory'),
  ]
  // In the end what is no name is none.
  const callers = ['', '', '.mallory', '.h1', '.upgrade-server', '.desk', '.-', `.${'m'.repeat(200)}`]
  const targets = [...listened.flatMap((subject) => callers.map((caller) => subject + caller)), ...inboxes]
  const replies = ['_INBOX.nobody.', '_INBOX.mallory.', '_INBOX.h1.', '_R_.x.']
  const whole = [...seeds(system.name), ...told]
  const random = seededRandom(20_261_122)
  const upTo = (n: number) => Math.floor(random.next() * n)
  const pick = <T>(from: readonly T[]): T => from[upTo(from.length)]!
  const mutated = (): Uint8Array => {
    let bytes = Uint8Array.from(pick(whole))
    for (let changes = 1 + upTo(4); changes > 0; changes--) {
      const at = upTo(bytes.length)
      switch (upTo(6)) {
        case 0:
          bytes[at] = upTo(256)
          break
        case 1:
          bytes[at] = pick(telling)
          break
        case 2:
          bytes = bytes.slice(0, at)
          break
        case 3:
          bytes = joined(bytes.subarray(0, at), Uint8Array.of(pick(telling)), bytes.subarray(at))
          break
        case 4:
          bytes = joined(bytes, pick(whole))
          break
        case 5: {
          const other = pick(whole)
          bytes = joined(bytes.subarray(0, at), other.subarray(upTo(other.length)))
          break
        }
      }
    }
    return bytes
  }

  collectGarbage()
  const before = process.memoryUsage().heapUsed
  await withoutStacks(async () => {
    for (let sent = 0; sent < messagesMax; sent += messagesPerTurn) {
      for (let i = 0; i < messagesPerTurn; i++) {
        stranger.publish(pick(targets), mutated(), upTo(2) === 0 ? pick(replies) + upTo(10) : undefined)
      }
      await turnOfLoop()
      if (sent % 25_000 === 0) await host.ref(NotesV1, 'n1', { version: 0, deadline: '20s' }).all()
      for (const { events } of [host, system.desk]) (events as unknown[]).length = 0
    }
  })
  // Calls that were readable wait no longer than their deadline.
  await host.ref(NotesV1, 'n1', { version: 0, deadline: '20s' }).setMood('it goes on')
  collectGarbage()
  const held = process.memoryUsage().heapUsed - before
  t.true(held < heldBytesMax, `${held} bytes are held after ${messagesMax} messages`)
  t.deepEqual(escaped, [])
  t.is(await host.ref(NotesV1, 'n1', { version: 0 }).mood(), 'it goes on')
  // Some of them may have been an upgrade that changes nothing, or an order: the system goes on from there.
  await system.publish(toV2())
  isTold = false
  await node.reached((await system.database.head()).version, { timeout: '30s' })
  t.is(node.className, 'Notes.v2')
  // Its place may have been taken by made-up names, for a lease of theirs.
  const freeMs = performance.now() + inspectionLeaseMsMax - 5_000
  await until(() => isTold || performance.now() > freeMs, 'the operator is told of it, or leases have ended')
  await until(() => isTold, 'the operator is told of it')
})
