/** One upgrade server over a database in memory, asked by messages as a test writes them. */
import type { ExecutionContext } from 'ava'
import { UpgradeServer, type UpgradeServerOptions } from '../../actors/server/upgradeServer.js'
import { digestOf } from '../../core/base/digest.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import type { HostEvent } from '../../core/inspection/hostEvents.js'
import { bundleChunkBytes, type Manifest, type SignedManifest } from '../../core/upgrade/manifest.js'
import { decode, encodeCall } from '../../core/wire/codec.js'
import { type CallEnvelope, type Envelope, kinds } from '../../core/wire/envelope.js'
import { subjectsOf } from '../../core/wire/subjects.js'
import { MemoryBroker, type MemoryTransport, memoryDatabase, memoryTransport } from '../../transports/memory/index.js'
import { nkeySignatures } from '../../transports/nkeys/nkeys.js'
import { systemRandom } from '../../transports/systemRandom.js'
import { ManualClock } from '../support/manualClock.js'
import { alice, type signedAfter, system } from '../support/signedManifests.js'

export const subjects = subjectsOf(system)
export type More = NonNullable<Parameters<typeof signedAfter>[2]>
export type Place = 'server' | 'install' | 'teach'

export interface Given {
  readonly options?: Partial<UpgradeServerOptions>
  readonly payloadBytesMax?: number
  /** Changes the database that the server sees. */
  readonly database?: (stored: UpgradeDatabase) => Partial<UpgradeDatabase>
  readonly before?: (transport: MemoryTransport, stored: UpgradeDatabase) => unknown
}

export async function open(t: ExecutionContext, given: Given = {}) {
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

export type Opened = Awaited<ReturnType<typeof open>>

export async function started(t: ExecutionContext, given: Given = {}): Promise<Opened> {
  const opened = await open(t, given)
  const starting = opened.server.start()
  await opened.settle()
  await starting
  return opened
}

/** A bundle that is stored, and the manifest's line about it. */
export async function stored({ stored: database }: Opened, bytes: number): Promise<Manifest['bundle']> {
  const whole = new Uint8Array(bytes).map((_, i) => i >> 10)
  const digest = digestOf(whole)
  for (let at = 0, index = 0; at === 0 || at < bytes; at += bundleChunkBytes)
    await database.putChunk(digest, index++, whole.slice(at, at + bundleChunkBytes))
  return { digest, bytes }
}

export const empty = { digest: digestOf(new Uint8Array(0)), bytes: 0 }
