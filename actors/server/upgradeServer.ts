/**
 * The upgrade server (§3): "a logically centralized upgrade server maintains a version number that counts how
 * many upgrades have been installed in the past". Several may run at once over one UDB: they share a queue
 * group, and the version number advances by one compare-and-set there.
 */

import { Fault, toFault } from '../../core/base/fault.js'
import { isVersion, type Version } from '../../core/base/ids.js'
import { type Level, softwareSince } from '../../core/base/level.js'
import type { Audited } from '../../core/control/audit.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import type { HostObserver } from '../../core/inspection/hostEvents.js'
import { refusedReason } from '../../core/inspection/hostStatus.js'
import type { Clock } from '../../core/ports/clock.js'
import type { Signatures } from '../../core/ports/signatures.js'
import type { Message, Subscription, Transport } from '../../core/ports/transport.js'
import type { Trust } from '../../core/trust/trust.js'
import { type TrustMark, trustMark } from '../../core/trust/trustMark.js'
import { type Counted, decode, encodeAnnouncement, encodeFault, encodeRefusal, encodeReply } from '../../core/wire/codec.js'
import { answerFormat, type CallEnvelope, callId, kinds, type Replier } from '../../core/wire/envelope.js'
import { isInbox, notAnInbox, serverQueue, subjectsOf } from '../../core/wire/subjects.js'
import { ChunkQueue, type Question } from '../base/chunkQueue.js'
import { InFlight, type InFlightMax } from '../base/inFlight.js'
import { weightOf } from '../calls/messageWeight.js'
import { Audit, type Change } from './audit.js'
import { badArguments } from './badArguments.js'
import { BundleKeeper } from './bundleKeeper.js'
import { Chunks, onlyItsChunk } from './chunks.js'
import { DeathRounds } from './deathRounds.js'
import { type GateMode, GateRounds } from './gateRounds.js'
import { type EndedVersions, HeadAnswers } from './headAnswers.js'
import { InstalledHistory } from './installedHistory.js'
import { Installer } from './installer.js'
import { LevelRounds } from './levelRounds.js'
import { type NeighbourAccess, NeighbourVersions } from './neighbourVersions.js'
import { Orders } from './orders.js'
import { repeatEvery } from './rounds.js'
import { ServedBundles } from './servedBundles.js'
import { ServerHistoryRestore } from './serverHistoryRestore.js'
import { TrustMismatches } from './trustMismatches.js'

/** Manifests in one answer. */
const manifestsMax = 16
/**
 * Pages of manifests on their way to the transport at once, each of some ten KB; and those who wait for one.
 */
export const pagesAtOnce = 64
export const pagesWaitingMax = 1000
/** The calls in hand at once, but for chunks and pages; more are refused with `unavailable.overloaded`. */
export const questionsMax: InFlightMax = { count: 1000, bytes: 16 * 1024 * 1024 }
export const changesMax: InFlightMax = { count: 100, bytes: 64 * 1024 * 1024 }
export const restoresMax: InFlightMax = { count: 100, bytes: 64 * 1024 * 1024 }
/** Chunks on their way to the transport at once: 4 MiB. */
export const chunksAtOnce = 16
/** Those who wait for a chunk. */
export const chunksWaitingMax = 1000

/** How often an upgrade server looks which versions nobody runs any more. */
export const deathRoundMs = 10_000

/** How often an upgrade server looks whether the rollout goes well. */
export const gateRoundMs = 2_000

export interface UpgradeServerOptions {
  readonly system: string
  readonly transport: Transport
  readonly database: UpgradeDatabase
  readonly clock: Clock
  readonly signatures: Signatures
  /** The upgraders who may install, at version 0. Left out: nobody has to sign. */
  readonly trust?: Trust | undefined
  /** That of version 0. Left out: what release 0.1.0 reads. */
  readonly level?: Level
  /**
   * How long after its declaration a death takes effect: the longest deadline a call of the system can have.
   * Ten minutes by default.
   */
  readonly deathDelayMs?: number
  readonly deathRoundMs?: number
  readonly gate?: GateMode
  readonly gateRoundMs?: number
  /** Tells it from the others of its system, when somebody asks who they are. */
  readonly name?: string
  readonly observe?: HostObserver
  /** The other systems that this one's classes may call. Closed with the server. */
  readonly neighbours?: readonly NeighbourAccess[]
}

type CarryOut = (call: CallEnvelope) => Promise<unknown>
/** `bytes`: its share of the message that it came in. */
type Take = (call: CallEnvelope, replyTo: string | undefined, bytes: number, caller: string | undefined) => void

export class UpgradeServer {
  readonly #options: UpgradeServerOptions
  readonly #replier: Replier = { node: 'upgrade-server', className: 'UpgradeServer', version: 0 }
  #subscriptions: readonly Subscription[] | undefined
  #cancelRounds: readonly (() => void)[] = []
  readonly #questions = new InFlight('questions', questionsMax)
  readonly #changes = new InFlight('orders and upgrades', changesMax)
  readonly #restores = new InFlight('lessons', restoresMax)
  readonly #heads: HeadAnswers
  readonly #historyRestore: ServerHistoryRestore
  readonly #audit: Audit
  readonly #deaths: DeathRounds
  readonly #gate: GateRounds
  readonly #kept: BundleKeeper
  readonly #neighbours: NeighbourVersions
  readonly #chunkQueue: ChunkQueue
  readonly #pageQueue: ChunkQueue
  readonly #history: InstalledHistory
  readonly #installer: Installer
  readonly #orders: Orders
  readonly #chunks: Chunks
  readonly #mark: TrustMark
  readonly #trusts: TrustMismatches
  readonly #levels: LevelRounds

  constructor(options: UpgradeServerOptions) {
    this.#options = options
    const { transport, clock, database, observe } = options
    this.#mark = trustMark(options.trust)
    this.#trusts = new TrustMismatches(this.#mark, options)
    this.#history = new InstalledHistory(options)
    this.#orders = new Orders(options, this.#history, (log) => this.#audit.noticed(log))
    this.#audit = new Audit(options, () => this.#orders.log())
    const tell = (what: Audited) => this.#audit.own(what)
    this.#levels = new LevelRounds({ database, history: this.#history })
    this.#deaths = new DeathRounds({ ...options, history: this.#history, software: softwareSince(clock.now()), tell })
    this.#gate = new GateRounds({ ...options, tell })
    this.#kept = new BundleKeeper(database)
    const history = this.#history
    this.#historyRestore = new ServerHistoryRestore(
      database,
      (head) => history.at(head),
      (known) => history.keep(known),
    )
    this.#neighbours = new NeighbourVersions(options)
    for (const neighbour of options.neighbours ?? []) this.#neighbours.add(neighbour)
    const bundles = new ServedBundles(database)
    this.#chunks = new Chunks({ database, transport, history, bundles, historyRestore: this.#historyRestore })
    this.#installer = new Installer(options, {
      history,
      checkForks: () => this.#historyRestore.checkForks(),
      checkInstallable: () => this.#deaths.checkInstallable(),
      prepareNeighbours: (manifest) => this.#neighbours.prepare(manifest),
      announce: (version, digest) => this.#announce(version, digest),
    })
    const queueOf = (atOnce: number, waitingMax: number, carryOut: CarryOut, idOf: (question: Question) => string) =>
      new ChunkQueue({
        idOf,
        atOnce,
        waitingMax,
        clock,
        answer: async ({ call, replyTo }) => this.#send(replyTo, await this.#answerTo(call, () => carryOut(call))),
        refuse: ({ call, replyTo }, fault) => this.#send(replyTo, this.#faultTo(call, fault)),
        flush: () => transport.flush(),
      })
    this.#chunkQueue = queueOf(chunksAtOnce, chunksWaitingMax, ({ args }) => this.#chunks.get(args), byAsker)
    this.#pageQueue = queueOf(pagesAtOnce, pagesWaitingMax, ({ args }) => this.#manifests(args[0], args[1]), byInbox)
    const sources = {
      log: () => this.#orders.log(),
      wanted: () => this.#historyRestore.wanted(),
      restoreEnded: (ended: EndedVersions) => this.#deaths.restoreEnded(ended),
    }
    this.#heads = new HeadAnswers({ database, clock, observe, ...sources })
  }

  /** Answers questions from now on, and announces the newest version to those that are up already. */
  async start(): Promise<void> {
    const { system, transport, database } = this.#options
    const subjects = subjectsOf(system)
    const queue = { queue: serverQueue }
    this.#subscriptions = [
      transport.subscribe(subjects.server, (message) => this.#receive(message, this.#takeQuestion), queue),
      transport.subscribe(subjects.install, (message) => this.#receive(message, this.#takeChange), queue),
      transport.subscribe(subjects.teach, (message) => this.#receive(message, this.#takeRestore), queue),
    ]
    await transport.flush()
    const needed: readonly string[] = [subjects.server, subjects.install, subjects.teach]
    const refused = transport.refused.filter((subject) => needed.includes(subject))
    if (refused.length > 0) throw new Fault('config.invalid', refusedReason(refused))
    await this.#levels.check()
    const head = await database.head()
    // It may have been stopped meanwhile.
    if (this.#subscriptions === undefined) return
    if (head.version > 0) this.#announce(head.version, head.digest)
    const { deathRoundMs: deathMs = deathRoundMs, gateRoundMs: gateMs = gateRoundMs, gate } = this.#options
    const again = (ms: number, without: string, work: () => Promise<void>) => repeatEvery(this.#options, ms, without, work)
    this.#cancelRounds = [
      this.#deaths.attend(),
      again(deathMs, 'no versions are declared dead', () => this.#deaths.declare()),
      ...(gate === 'off' ? [] : [again(gateMs, 'nobody guards the rollout', () => this.#gate.guard())]),
      again(deathMs, 'neighbours are not told which of their versions are called', () => this.#keepPins()),
      again(deathMs, 'a level that the upgrade database has lost is not given back', () => this.#levels.restore()),
      again(deathMs, 'bundles of versions that others install may go', () => this.#kept.keep()),
    ]
  }

  async stop(): Promise<void> {
    for (const cancel of this.#cancelRounds) cancel()
    const subscriptions = this.#subscriptions ?? []
    this.#subscriptions = undefined
    await Promise.all(subscriptions.map((subscription) => subscription.drain()))
    this.#chunkQueue.close()
    this.#pageQueue.close()
    await this.#audit.stop()
    await this.#neighbours.close()
  }

  /** Another system that this one's classes may call, from now on. */
  addNeighbour(neighbour: NeighbourAccess): void {
    this.#neighbours.add(neighbour)
  }

  async #keepPins(): Promise<void> {
    await this.#neighbours.keepPins((await this.#history.at(await this.#options.database.head())).manifests)
  }

  readonly #takeQuestion: Take = (call, replyTo, bytes) => {
    // Nobody waits who can't be answered.
    if (replyTo === undefined) return
    if (call.method === 'chunk') this.#chunkQueue.enter({ call: onlyItsChunk(call), replyTo })
    else if (call.method === 'manifests')
      this.#pageQueue.enter({ call: { ...call, args: call.args.slice(0, 2).filter(isVersion) }, replyTo })
    else void this.#answer(this.#questions, bytes, call, replyTo, (each) => this.#question(each))
  }

  readonly #takeRestore: Take = (call, replyTo, bytes, caller) => {
    const carryOut: CarryOut = (each) => this.#audit.of(each, caller, (change) => this.#restore(each, change, caller))
    void this.#answer(this.#restores, bytes, call, replyTo, carryOut)
  }

  readonly #takeChange: Take = (call, replyTo, bytes, caller) => {
    const carryOut: CarryOut = (each) => this.#audit.of(each, caller, (change) => this.#change(each, change))
    void this.#answer(this.#changes, bytes, call, replyTo, carryOut)
  }

  #receive(message: Message, take: Take): void {
    const { replyTo, payload } = message
    if (replyTo !== undefined && !isInbox(replyTo)) {
      this.#options.observe?.({ type: 'deadLetter', subject: message.subject, fault: notAnInbox(replyTo) })
      return
    }
    try {
      const counted: Counted = { max: Number.POSITIVE_INFINITY, values: 0 }
      const envelopes = decode(payload, counted)
      const weight = Math.ceil(weightOf(payload, counted.values) / envelopes.length)
      for (const envelope of envelopes) {
        if (envelope.kind !== kinds.call) throw new Fault('protocol.bad-envelope', `kind ${envelope.kind} is no call`)
        if (envelope.refusal === undefined) take(envelope, replyTo, weight, message.caller)
        else if (replyTo !== undefined) this.#send(replyTo, this.#faultTo(envelope, envelope.refusal))
      }
    } catch (thrown) {
      const fault = toFault(thrown, 'protocol.bad-envelope')
      const bytesMax = this.#options.transport.payloadBytesMax
      if (replyTo !== undefined) this.#send(replyTo, encodeRefusal(payload, fault, this.#replier, bytesMax))
      else this.#options.observe?.({ type: 'deadLetter', subject: message.subject, fault })
    }
  }

  async #answer(
    inFlight: InFlight,
    bytes: number,
    call: CallEnvelope,
    replyTo: string | undefined,
    carryOut: CarryOut,
  ): Promise<void> {
    const answer = await this.#answerTo(call, () => inFlight.with(bytes, () => carryOut(call)))
    if (replyTo !== undefined) this.#send(replyTo, answer)
  }

  async #answerTo(call: CallEnvelope, carryOut: CarryOut): Promise<Uint8Array> {
    try {
      const { payloadBytesMax } = this.#options.transport
      const reply = encodeReply(call.label, call.seq, await carryOut(call), this.#replier, 0, answerFormat(call))
      if (reply.length <= payloadBytesMax) return reply
      throw new Fault('protocol.too-large', `an answer of ${reply.length} bytes; the transport takes ${payloadBytesMax}`)
    } catch (thrown) {
      return this.#faultTo(call, toFault(thrown, 'upgrade.fetch'))
    }
  }

  #faultTo(call: Pick<CallEnvelope, 'label' | 'seq' | 'origin'>, fault: Fault): Uint8Array {
    const { payloadBytesMax } = this.#options.transport
    return encodeFault(call.label, call.seq, fault, this.#replier, payloadBytesMax, answerFormat(call))
  }

  #question(call: CallEnvelope): Promise<unknown> {
    const { method } = call
    switch (method) {
      case 'head':
        return this.#head(call)
      case 'who':
        return this.#who()
      default:
        throw noSuchMethod(method)
    }
  }

  async #restore(call: CallEnvelope, change: Change, caller: string | undefined): Promise<unknown> {
    const { method, args } = call
    switch (method) {
      case 'teachDenials':
        return this.#audit.denied(call, caller)
      case 'teach':
        return this.#restoreManifest(args[0], args[1], change)
      case 'teachChunk':
        return this.#chunks.restore(args)
      default:
        throw noSuchMethod(method)
    }
  }

  async #change({ method, args }: CallEnvelope, change: Change): Promise<unknown> {
    switch (method) {
      case 'putChunk':
        return this.#chunks.put(args)
      case 'install':
        return this.#installer.install(args[0], args[1], change)
      case 'direct':
        return this.#orders.direct(args[0], args[1], change)
      default:
        throw noSuchMethod(method)
    }
  }

  async #head(call: CallEnvelope): Promise<unknown> {
    const [known] = call.args
    this.#trusts.check(known)
    const answer = await this.#heads.answer(known)
    await this.#levels.follow(answer)
    this.#levels.checkAsker(call)
    return answer
  }

  async #who(): Promise<unknown> {
    const { name, clock } = this.#options
    return { server: name ?? null, now: clock.now(), trust: this.#mark }
  }

  async #manifests(from: unknown, to: unknown): Promise<unknown> {
    if (!isVersion(from) || !isVersion(to) || to - from >= manifestsMax)
      throw badArguments(`manifests(from, to): two versions, at most ${manifestsMax} of them`)
    const found = await this.#options.database.manifests(from, to)
    // As many as fit into one message; the asker goes on after the last.
    let left = this.#options.transport.payloadBytesMax / 2
    const fitting = found.filter(({ bytes }, i) => {
      left -= bytes.length
      return left >= 0 || i === 0
    })
    return fitting.map(({ bytes, signature }) => [bytes, signature])
  }

  async #restoreManifest(bytes: unknown, signature: unknown, change: Change): Promise<null> {
    if (!(bytes instanceof Uint8Array)) throw badArguments('teach(manifest, signature)')
    const signed = { bytes, signature: signature instanceof Uint8Array ? signature : null }
    const { added } = await this.#historyRestore.restoreManifest(signed, this.#options.clock.now())
    if (added === undefined) return null
    change.isDone = true
    change.by = this.#history.signersOf(added.version)
    // With versions rows are lost too, and perhaps the log of directives.
    await this.#options.database.doubt(this.#deaths.session)
    await this.#orders.beginAnew()
    this.#announce(added.version, added.digest)
    return null
  }

  #announce(version: Version, digest: string | null): void {
    this.#send(subjectsOf(this.#options.system).announcements, encodeAnnouncement(version, digest))
  }

  #send(subject: string, payload: Uint8Array): void {
    try {
      this.#options.transport.publish(subject, payload)
    } catch (error) {
      // The asker asks again, and those who miss an announcement ask by themselves.
      this.#options.observe?.({ type: 'warning', message: `not sent to ${subject}`, error })
    }
  }
}

/** Pages are small: one that is asked for again costs less than to find out whether it is. */
function byInbox({ call, replyTo }: Question): string {
  return `${callId(call)}/${replyTo}`
}

/**
 * A question that is asked again has another reply subject in the same inbox, which nobody else
 * knows. The call's id alone is its asker's word: with another's id it could take that
 * one's place in the queue, and the answer.
 */
function byAsker({ call, replyTo }: Question): string {
  const inbox = replyTo.slice(0, Math.max(0, replyTo.lastIndexOf('.')))
  // Of one token it would be everybody's.
  return `${callId(call)}/${inbox.includes('.') ? inbox : replyTo}`
}

function noSuchMethod(method: string): Fault {
  return new Fault('protocol.no-such-method', `the upgrade server has no method ${method} on this subject`)
}
