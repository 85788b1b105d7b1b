/**
 * References taken outside any object: pinned to the version that their code was written for,
 * and registered at it.
 */
import 'reflect-metadata'
import test from 'ava'
import { defaultSettings } from '../../actors/base/settings.js'
import type { OutgoingCall } from '../../actors/calls/outgoingCall.js'
import { Clients, type RefOptions } from '../../actors/host/clients.js'
import type { NodeServices } from '../../actors/host/nodeServices.js'
import { Fault } from '../../core/base/fault.js'
import type { HostEvent } from '../../core/inspection/hostEvents.js'
import type { Remote } from '../../core/model/nodeObject.js'
import type { NodeStatus } from '../../core/model/nodeRow.js'
import { draftManifest } from '../../core/upgrade/draftManifest.js'
import type { Manifest } from '../../core/upgrade/manifest.js'
import { unpack } from '../../core/wire/codec.js'
import { codeOf, type Gate, gate } from '../support/testSystem.js'
import { ManualClock } from './manualClock.js'
import { NotesV1, NotesV2, NotesV3, toV2, toV3 } from './notesClasses.js'

const settled = () => new Promise((resolve) => setImmediate(resolve))
const settings = { ...defaultSettings, system: 'shop', hostId: 'h1', callDeadlineMs: 700 }

function open() {
  const clock = new ManualClock()
  const rows: NodeStatus[] = []
  const events: HostEvent[] = []
  const made: (OutgoingCall & { readonly caller: unknown; readonly isSent: boolean })[] = []
  const asked: string[] = []
  const waits: (Gate | Error)[] = []
  const installed: Manifest[] = []
  const history = {
    heard: 0,
    newest: 0,
    manifests: [] as readonly Manifest[],
    async ask() {
      asked.push('ask')
      const found = waits[0]
      if (found instanceof Error) throw found
      await found?.pass()
      return history.heard
    },
    async fetch(version: number) {
      asked.push(`fetch ${version}`)
      await settled()
      history.newest = version
      history.manifests = installed.slice(0, version)
    },
  }
  const go = (isSent: boolean) => (caller: object, call: OutgoingCall) => {
    const { nodeId, incarnation, className, version } = caller as Record<string, unknown>
    made.push({ ...call, caller: [nodeId, incarnation, className, version], isSent })
    return Promise.resolve(`answered at ${call.label}`)
  }
  const services = {
    settings,
    clock,
    history,
    intake: { manifests: (version: number) => history.fetch(version) },
    calls: { incarnation: 7, call: go(false), send: go(true) },
    statusReporter: { report: (row: NodeStatus) => void rows.push(row) },
    observe: (event: HostEvent) => void events.push(event),
  }
  const clients = new Clients(services as unknown as NodeServices)
  const install = (...upgrades: readonly ReturnType<typeof toV2>[]) => {
    for (const upgrade of upgrades) installed.push(draftManifest(upgrade, new Uint8Array(1)) as unknown as Manifest)
    history.heard = installed.length
  }
  const ref = (target: typeof NotesV1 = NotesV1, nodeId?: string, options: RefOptions = {}) =>
    clients.ref(target, nodeId, options) as Remote<NotesV1>
  const sender = (options: RefOptions = {}) => clients.sender(NotesV1, 'n1', options) as unknown as NotesV1
  return { clock, rows, events, made, waits, history, install, ref, sender, take: () => asked.splice(0) }
}

test('a reference at a certain version calls at once, at that version, and keeps it alive', async (t) => {
  const s = open()
  const ref = s.ref(NotesV1, 'n1', { version: 3, deadline: '2s' })
  t.is(await codeOf(ref.add('x')), 'answered "answered at 3"')
  t.like(s.made, [
    {
      ...{ subject: 'theseus.shop.node.n1', label: 3, method: 'add', kind: 'command', args: ['x'], expects: null, isSent: false },
      ...{ deadline: s.clock.monotonicMs() + 2_000, service: 'notes', path: null, trace: null, caller: ['h1', 7, 'Client', 3] },
    },
  ])
  t.deepEqual(s.take(), [], 'nobody is asked')
  t.deepEqual(s.rows, [
    {
      ...{ nodeId: 'h1-v3', service: 'client', className: 'Client', version: 3, phase: 'current', target: null, reason: null },
      ...{ hostId: 'h1', directoryId: null, since: s.clock.now() },
    },
  ])
  s.ref(NotesV1, 'n2', { version: 3 })
  t.is(s.rows.length, 1, 'one row for a version')
  s.ref(NotesV1, 'n2', { version: 4 })
  t.is(s.rows.length, 2)
})

test('a reference calls a node, or any node of its service, and its call has so long as the host says', async (t) => {
  const s = open()
  await s.ref(NotesV1, undefined, { version: 0 }).all()
  t.like(s.made, [{ subject: 'theseus.shop.service.notes', method: 'all', kind: 'query', deadline: s.clock.monotonicMs() + 700 }])
})

test('a reference is pinned to the newest version that has its class, which is asked for once', async (t) => {
  const s = open()
  s.install(toV2(), toV3())
  for (const [target, version] of [
    [NotesV1, 0],
    [NotesV2 as unknown as typeof NotesV1, 1],
    [NotesV3 as unknown as typeof NotesV1, 2],
  ] as const) {
    const ref = s.ref(target, 'n1')
    t.is(await codeOf(ref.add('x')), `answered "answered at ${version}"`)
    t.like(s.made.at(-1), { expects: target.className, caller: ['h1', 7, 'Client', version] })
    t.deepEqual(s.take(), ['ask', 'fetch 2'])
    t.is(await codeOf(ref.add('x')), `answered "answered at ${version}"`)
    t.is(await codeOf(s.ref(target, 'n2').add('x')), `answered "answered at ${version}"`)
    t.deepEqual(s.take(), [])
  }
  t.deepEqual(
    s.rows.map(({ version }) => version),
    [0, 1, 2],
  )
})

test('calls that are made before the version is known leave with what they were given, once it is asked for', async (t) => {
  const s = open()
  const held = gate()
  s.waits.push(held)
  const given = [{ n: 1 }] as unknown as string[]
  const calls = [s.ref().add(...(given as [string])), s.ref(NotesV1, 'n1').all()]
  ;(given[0] as unknown as { n: number }).n = 2
  s.clock.advance(50)
  await settled()
  t.deepEqual(s.made, [])
  held.open()
  await Promise.all(calls)
  t.deepEqual(s.take(), ['ask', 'fetch 0'])
  t.deepEqual(unpack(s.made[0]!.packedArgs!), [{ n: 1 }])
  t.like(s.made[0], { deadline: s.clock.monotonicMs() - 50 + 700 })
})

test('a class that an upgrade names keeps its version; one that none names is looked for again when there are newer ones', async (t) => {
  const s = open()
  const other = s.ref(NotesV2 as unknown as typeof NotesV1, 'n1')
  t.is(await codeOf(other.add('x')), 'answered "answered at 0"')
  t.is(await codeOf(other.add('x')), 'answered "answered at 0"')
  t.deepEqual(s.take(), ['ask', 'fetch 0'])
  s.install(toV2())
  t.is(await codeOf(other.add('x')), 'answered "answered at 1"')
  t.deepEqual(s.take(), ['ask', 'fetch 1'])
  s.install(toV3())
  t.is(await codeOf(other.add('x')), 'answered "answered at 1"', 'its class is gone, and its code is not')
  t.is(await codeOf(s.ref(NotesV2 as unknown as typeof NotesV1).add('x')), 'answered "answered at 1"')
  t.deepEqual(s.take(), [])
})

test('where the version can’t be had the call fails as not sent, and the next one asks again', async (t) => {
  const s = open()
  const ref = s.ref()
  s.waits.push(new Fault('unavailable.no-responders', 'nobody'))
  t.is(await codeOf(ref.add('x')), 'unavailable.no-responders')
  s.waits[0] = new Fault('timeout.unknown', 'the host stops')
  t.is(await codeOf(ref.add('x')), 'unavailable.stopped')
  s.waits[0] = new Error('odd')
  t.is(await codeOf(ref.add('x')), 'Error: odd')
  t.deepEqual(s.made, [])
  s.waits.pop()
  t.is(await codeOf(ref.add('x')), 'answered "answered at 0"')
  t.is(s.rows.length, 1)
})

test('a send is made like a call, and told of where it is dropped', async (t) => {
  const s = open()
  const given = [{ n: 1 }] as unknown as [string]
  s.sender({ version: 2 }).add('at once')
  t.like(s.made, [{ isSent: true, label: 2, args: ['at once'], expects: null }])
  const later = s.sender()
  later.add(...given)
  ;(given[0] as unknown as { n: number }).n = 2
  await settled()
  await settled()
  t.like(s.made[1], { isSent: true, label: 0, expects: 'Notes.v1', deadline: s.clock.monotonicMs() + 700 })
  t.deepEqual(unpack(s.made[1]!.packedArgs!), [{ n: 1 }])
  later.add('known by now')
  t.is(s.made.length, 3)
  const failing = open()
  failing.waits.push(new Error('away'))
  failing.sender().add('x')
  await settled()
  t.like(failing.events, [{ type: 'warning', message: 'a send of add was dropped', error: { message: 'away' } }])
})
