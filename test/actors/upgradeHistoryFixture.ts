/** The upgrade history of a host, over an upgrade server that answers as the test says. */
import 'reflect-metadata'
import { defaultSettings } from '../../actors/base/settings.js'
import { Signal } from '../../actors/base/signal.js'
import type { Contacts } from '../../actors/calls/contacts.js'
import type { HostHistoryRestore } from '../../actors/history/hostHistoryRestore.js'
import { readVerified, UpgradeHistory } from '../../actors/history/upgradeHistory.js'
import type { UpgradeServerClient } from '../../actors/history/upgradeServerClient.js'
import { Journal } from '../../actors/state/journal.js'
import { digestOf } from '../../core/base/digest.js'
import { Fault } from '../../core/base/fault.js'
import { VerifiedHistory } from '../../core/control/verifiedHistory.js'
import type { HostEvent } from '../../core/inspection/hostEvents.js'
import { nobodysMark } from '../../core/trust/trustMark.js'
import { draftManifest } from '../../core/upgrade/draftManifest.js'
import { encodeManifest, type FirstManifest, type Manifest, type SignedManifest } from '../../core/upgrade/manifest.js'
import type { Upgrade } from '../../core/upgrade/upgrade.js'
import { memoryRepository, memoryStore } from '../../transports/memory/index.js'
import { manifestAfter, system } from '../support/signedManifests.js'
import type { Gate } from '../support/testSystem.js'
import { ManualClock } from './manualClock.js'

export const anybody = { isUpgraderKey: () => true, verify: () => true }

/** The history of an upgrade server, which hosts ask for it. */
export class Server {
  readonly manifests: SignedManifest[] = []
  readonly bundles = new Map<string, Uint8Array>()
  dead = 0
  final = 0
  wanted: string[] = []
  /** Of its answer, where it tells of more than it gives. */
  version: number | undefined
  nonsense: string | null = null
  /** Of each question by its first word: why it is not answered. */
  readonly refusals = new Map<string, Fault>()

  install(more: Partial<FirstManifest> = {}): Manifest {
    const manifest = manifestAfter(this.manifests.at(-1), more)
    this.manifests.push({ bytes: encodeManifest(manifest), signature: null })
    return manifest
  }

  /** Its bundle is its title. */
  installUpgrade(upgrade: Upgrade, more: Partial<FirstManifest> = {}): string {
    const bundle = new TextEncoder().encode(upgrade.title)
    const draft = draftManifest(upgrade, bundle)
    this.bundles.set(draft.bundle.digest, bundle)
    this.install({ ...draft, ...more })
    return draft.bundle.digest
  }
}

export async function open(server = new Server(), memory = memoryStore()) {
  const clock = new ManualClock()
  const store = await memory.open()
  const journal = new Journal(store, clock)
  const repository = memoryRepository()
  const events: HostEvent[] = []
  const asked: string[] = []
  const waits = new Map<string, Gate>()
  const ask = async <T>(what: string, answer: () => T): Promise<T> => {
    asked.push(what)
    const refusal = server.refusals.get(what.split(' ')[0]!)
    if (refusal !== undefined) throw refusal
    const found = answer()
    await waits.get(what.split(' ')[0]!)?.pass()
    return found
  }
  const client = {
    head: () =>
      ask('head', () => ({
        version: server.version ?? server.manifests.length,
        digest: null,
        dead: server.dead,
        final: server.final,
        directives: 0,
        log: null,
        wanted: server.wanted,
        nonsense: server.nonsense,
      })),
    manifests: (from: number, to: number) => ask(`manifests ${from}-${to}`, () => server.manifests.slice(from - 1, to)),
    bundle: ({ digest }: Manifest['bundle']) =>
      ask('bundle', () => {
        const found = server.bundles.get(digest)
        if (found === undefined) throw new Fault('upgrade.fetch', 'no such bundle')
        return found
      }),
  }
  const teaching = {
    heard: async (...args: unknown[]) => void asked.push(`teach ${JSON.stringify(args)}`),
    doesNotFollow: async (newest: number) => void asked.push(`does not follow ${newest}`),
  }
  const verified = readVerified(store, new VerifiedHistory(system, undefined, anybody))
  const heard: number[] = []
  const contacts = { know: (newest: number) => void heard.push(newest), newer: new Signal<number>() }
  const history = new UpgradeHistory(
    store,
    repository,
    clock,
    { ...defaultSettings, system, hostId: 'h1', unknownVersionMs: 100 },
    (event) => void events.push(event),
    journal,
    client as unknown as UpgradeServerClient,
    verified,
    teaching as unknown as HostHistoryRestore,
    { mark: nobodysMark, isSaid: true },
    contacts as unknown as Contacts,
  )
  const newer: number[] = []
  let ended = 0
  history.newer.on((version) => newer.push(version))
  history.ended.on(() => ended++)
  /** Waits for what commits meanwhile. */
  const through = async <T>(work: Promise<T>): Promise<T> => {
    let isOver = false
    const watched = work.finally(() => {
      isOver = true
    })
    watched.catch(() => {})
    for (let i = 0; i < 200 && !isOver; i++) {
      clock.endTurn()
      await new Promise((resolve) => setImmediate(resolve))
    }
    return await watched
  }
  const adopt = (...upgrades: readonly Upgrade[]) => {
    for (const upgrade of upgrades) repository.add(digestOf(new TextEncoder().encode(upgrade.title)), upgrade)
  }
  const count = (what: string) => asked.filter((each) => each.startsWith(what)).length
  return {
    ...{
      clock,
      memory,
      store,
      journal,
      repository,
      events,
      asked,
      waits,
      contacts,
      history,
      newer,
      heard,
      through,
      adopt,
      count,
    },
    ended: () => ended,
    server,
  }
}

export const message = (text: string | RegExp) => ({ message: text })
