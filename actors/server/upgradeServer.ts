/**
 * The upgrade server (§3): "a logically centralized upgrade server maintains a version number that counts how
 * many upgrades have been installed in the past". Several may run at once over one UDB: they share a queue
 * group, and the version number advances by one compare-and-set there.
 */

import { digestOf, isDigest } from '../../core/base/digest.js'
import { Fault, isFault, toFault } from '../../core/base/fault.js'
import { isVersion, type Version } from '../../core/base/ids.js'
import type { Audited } from '../../core/control/audit.js'
import { type DirectiveLog, decodeDirective, type WhyNotDirected } from '../../core/control/directive.js'
import type { Head, UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import { VerifiedHistory } from '../../core/control/verifiedHistory.js'
import type { HostObserver } from '../../core/inspection/hostEvents.js'
import { refusedReason } from '../../core/inspection/hostStatus.js'
import type { Clock } from '../../core/ports/clock.js'
import type { Signatures } from '../../core/ports/signatures.js'
import type { Message, Subscription, Transport } from '../../core/ports/transport.js'
import type { Signed } from '../../core/trust/signed.js'
import type { Trust } from '../../core/trust/trust.js'
import { type TrustMark, trustMark } from '../../core/trust/trustMark.js'
import { storedBundle } from '../../core/upgrade/bundleParts.js'
import { checkClasses } from '../../core/upgrade/lineCheck.js'
import {
  bundleBytesMax,
  bundleChunkBytes,
  chunkCount,
  decodeManifest,
  type Manifest,
  type SignedManifest,
} from '../../core/upgrade/manifest.js'
import { type Counted, decode, encodeAnnouncement, encodeFault, encodeRefusal, encodeReply } from '../../core/wire/codec.js'
import { type CallEnvelope, callId, kinds, type Replier } from '../../core/wire/envelope.js'
import { isInbox, notAnInbox, serverQueue, subjectsOf } from '../../core/wire/subjects.js'
import { AnswerLine, type Question } from '../base/answerLine.js'
import { InFlight, type InFlightMax } from '../base/inFlight.js'
import { weightOf } from '../calls/messageWeight.js'
import { pieceBytesMax, withPiece } from '../history/chunkPieces.js'
import { Audit, type Change } from './audit.js'
import { DeathRounds } from './deathRounds.js'
import { type GateMode, GateRounds } from './gateRounds.js'
import { HeadAnswers, type Over } from './headAnswers.js'
import { KeptBundles } from './keptBundles.js'
import { OtherTrusts } from './otherTrusts.js'
import { Relearning } from './relearning.js'
import { ServedBundles } from './servedBundles.js'

/** How often a chunk is tried to be written while others write the same bundle. */
const putTriesMax = 8
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
export const teachingsMax: InFlightMax = { count: 100, bytes: 64 * 1024 * 1024 }
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
  readonly #teachings = new InFlight('lessons', teachingsMax)
  readonly #heads: HeadAnswers
  readonly #relearning: Relearning
  readonly #bundles: ServedBundles
  readonly #audit: Audit
  readonly #deaths: DeathRounds
  readonly #gate: GateRounds
  readonly #kept: KeptBundles
  readonly #chunkLine: AnswerLine
  readonly #pageLine: AnswerLine
  /** The history that the last install found in the database. */
  #verified: VerifiedHistory | undefined
  readonly #mark: TrustMark
  readonly #trusts: OtherTrusts
  /** As it was seen last. */
  #log: DirectiveLog | undefined

  constructor(options: UpgradeServerOptions) {
    this.#options = options
    const { transport, clock } = options
    this.#mark = trustMark(options.trust)
    this.#trusts = new OtherTrusts(this.#mark, options)
    this.#audit = new Audit(options, () => this.#directiveLog())
    const tell = (what: Audited) => this.#audit.own(what)
    this.#deaths = new DeathRounds({ ...options, tell })
    this.#gate = new GateRounds({ ...options, tell })
    this.#kept = new KeptBundles(options.database)
    this.#bundles = new ServedBundles(options.database)
    const line = (atOnce: number, waitingMax: number, carryOut: CarryOut, idOf: (question: Question) => string) =>
      new AnswerLine({
        idOf,
        atOnce,
        waitingMax,
        clock,
        answer: async ({ call, replyTo }) => this.#send(replyTo, await this.#answerTo(call, () => carryOut(call))),
        refuse: ({ call, replyTo }, fault) => this.#send(replyTo, this.#faultTo(call, fault)),
        flush: () => transport.flush(),
      })
    this.#chunkLine = line(chunksAtOnce, chunksWaitingMax, ({ args }) => this.#chunk(args), byAsker)
    this.#pageLine = line(pagesAtOnce, pagesWaitingMax, ({ args }) => this.#manifests(args[0], args[1]), byInbox)
    const keep = (history: VerifiedHistory) => {
      this.#verified = history
    }
    this.#relearning = new Relearning(options.database, (head) => this.#history(head), keep)
    const { database, observe } = options
    const sources = {
      log: () => this.#directiveLog(),
      wanted: () => this.#relearning.wanted(),
      takeBack: (over: Over) => this.#deaths.takeBack(over),
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
      transport.subscribe(subjects.teach, (message) => this.#receive(message, this.#takeTeaching), queue),
    ]
    await transport.flush()
    const needed: readonly string[] = [subjects.server, subjects.install, subjects.teach]
    const refused = transport.refused.filter((subject) => needed.includes(subject))
    if (refused.length > 0) throw new Fault('config.invalid', refusedReason(refused))
    const head = await database.head()
    if (head.version > 0) this.#announce(head.version, head.digest)
    const { deathRoundMs: deathMs = deathRoundMs, gateRoundMs: gateMs = gateRoundMs, gate } = this.#options
    this.#cancelRounds = [
      this.#deaths.attend(),
      this.#every(deathMs, 'no versions are declared dead', () => this.#deaths.declare()),
      ...(gate === 'off' ? [] : [this.#every(gateMs, 'nobody guards the rollout', () => this.#gate.guard())]),
      this.#every(deathMs, 'bundles of versions that others install may go', () => this.#kept.keep()),
    ]
  }

  async stop(): Promise<void> {
    for (const cancel of this.#cancelRounds) cancel()
    const subscriptions = this.#subscriptions ?? []
    this.#subscriptions = undefined
    await Promise.all(subscriptions.map((subscription) => subscription.drain()))
    this.#chunkLine.close()
    this.#pageLine.close()
    await this.#audit.stop()
  }

  readonly #takeQuestion: Take = (call, replyTo, bytes) => {
    // Nobody waits who can't be answered.
    if (replyTo === undefined) return
    if (call.method === 'chunk') this.#chunkLine.enter({ call: lineUp(call), replyTo })
    else if (call.method === 'manifests')
      this.#pageLine.enter({ call: { ...call, args: call.args.slice(0, 2).filter(isVersion) }, replyTo })
    else void this.#answer(this.#questions, bytes, call, replyTo, (each) => this.#question(each))
  }

  readonly #takeTeaching: Take = (call, replyTo, bytes, caller) => {
    const teach: CarryOut = (each) => this.#audit.of(each, caller, (change) => this.#taught(each, change, caller))
    void this.#answer(this.#teachings, bytes, call, replyTo, teach)
  }

  readonly #takeChange: Take = (call, replyTo, bytes, caller) => {
    const carryOut: CarryOut = (each) => this.#audit.of(each, caller, (change) => this.#change(each, change))
    void this.#answer(this.#changes, bytes, call, replyTo, carryOut)
  }

  #receive(message: Message, take: Take): void {
    if (message.replyTo !== undefined && !isInbox(message.replyTo)) {
      this.#options.observe?.({ type: 'deadLetter', subject: message.subject, fault: notAnInbox(message.replyTo) })
      return
    }
    try {
      const counted: Counted = { max: Number.POSITIVE_INFINITY, values: 0 }
      const envelopes = decode(message.payload, counted)
      const weight = Math.ceil(weightOf(message.payload, counted.values) / envelopes.length)
      for (const envelope of envelopes) {
        if (envelope.kind !== kinds.call)
          throw new Fault('protocol.bad-envelope', `kind ${envelope.kind} on the upgrade server's subject`)
        take(envelope, message.replyTo, weight, message.caller)
      }
    } catch (thrown) {
      const fault = toFault(thrown, 'protocol.bad-envelope')
      const { payload, replyTo } = message
      const { payloadBytesMax } = this.#options.transport
      if (replyTo !== undefined) this.#send(replyTo, encodeRefusal(payload, fault, this.#replier, payloadBytesMax))
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
      const reply = encodeReply(call.label, call.seq, await carryOut(call), this.#replier, 0)
      if (reply.length <= payloadBytesMax) return reply
      throw new Fault('protocol.too-large', `an answer of ${reply.length} bytes; the transport takes ${payloadBytesMax}`)
    } catch (thrown) {
      return this.#faultTo(call, toFault(thrown, 'upgrade.fetch'))
    }
  }

  #faultTo({ label, seq }: Pick<CallEnvelope, 'label' | 'seq'>, fault: Fault): Uint8Array {
    return encodeFault(label, seq, fault, this.#replier, this.#options.transport.payloadBytesMax)
  }

  #question({ method, args }: CallEnvelope): Promise<unknown> {
    switch (method) {
      case 'head':
        return this.#head(args[0])
      case 'who':
        return this.#who()
      default:
        throw noSuchMethod(method)
    }
  }

  async #taught(call: CallEnvelope, change: Change, caller: string | undefined): Promise<unknown> {
    const { method, args } = call
    switch (method) {
      case 'teachDenials':
        return this.#audit.denied(call, caller)
      case 'teach':
        return this.#teach(args[0], args[1], change)
      case 'teachChunk':
        return this.#teachChunk(args)
      default:
        throw noSuchMethod(method)
    }
  }

  async #change({ method, args }: CallEnvelope, change: Change): Promise<unknown> {
    switch (method) {
      case 'putChunk':
        return this.#putChunk(args)
      case 'install':
        return this.#install(args[0], args[1], change)
      case 'direct':
        return this.#direct(args[0], args[1], change)
      default:
        throw noSuchMethod(method)
    }
  }

  /** D2. A log that counts less than before has lost directives. */
  async #directiveLog(): Promise<DirectiveLog> {
    this.#log = await this.#options.database.directiveLog(this.#log)
    this.#audit.noticed(this.#log)
    return this.#log
  }

  async #head(over: unknown): Promise<unknown> {
    this.#trusts.check(over)
    return this.#heads.answer(over)
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

  async #chunk([digest, index, from = null]: readonly unknown[]): Promise<unknown> {
    if (!isDigest(digest) || !isChunkIndex(index) || !isPlace(from)) throw badArguments('chunk(digest, index, from)')
    const bytes = await this.#bundles.chunk(digest, index)
    if (bytes === undefined) throw new Fault('upgrade.fetch', `there is no chunk ${index} of bundle ${digest}`)
    if (from === null) return bytes
    return bytes.subarray(from, from + pieceBytesMax(this.#options.transport.payloadBytesMax))
  }

  async #teach(bytes: unknown, signature: unknown, change: Change): Promise<null> {
    if (!(bytes instanceof Uint8Array)) throw badArguments('teach(manifest, signature)')
    const signed = { bytes, signature: signature instanceof Uint8Array ? signature : null }
    const { added } = await this.#relearning.teach(signed, this.#options.clock.now())
    if (added === undefined) return null
    change.isDone = true
    change.by = this.#verified?.at(added.version)?.by ?? []
    // With versions rows are lost too, and perhaps the log of directives.
    await this.#options.database.doubt(this.#deaths.session)
    this.#log = await this.#options.database.directiveLog('lost')
    this.#announce(added.version, added.digest)
    return null
  }

  async #teachChunk(args: readonly unknown[]): Promise<unknown> {
    const { digest, index, bytes, answer } = await this.#given(args)
    await this.#relearning.teachChunk(digest, index, bytes)
    return answer
  }

  async #putChunk(args: readonly unknown[]): Promise<unknown> {
    const { database } = this.#options
    const [of] = args
    for (let tries = 0; tries < putTriesMax; tries++) {
      // Another chunk may make it whole, and an install may name it, between this look at it and the writing:
      // then it is looked at again.
      const writes = isDigest(of) ? await database.bundleWrites(of) : null
      const { digest, index, bytes, answer } = await this.#given(args)
      const { manifests } = await this.#history(await database.head())
      const isInstalled = manifests.some(({ bundle }) => bundle.digest === digest)
      if (isInstalled && (await this.#isHere(digest, index))) return answer
      if (await database.putChunk(digest, index, bytes, isInstalled ? 'kept' : 'staged', writes)) return answer
    }
    throw new Fault('unavailable.overloaded', 'others write this bundle: send the chunk again')
  }

  /**
   * An installed bundle is signed, and hosts are still to fetch it: nobody writes over it while it is whole.
   * A caller that sends the same again is answered as done.
   */
  async #isHere(digest: string, index: number): Promise<boolean> {
    return (await this.#options.database.getChunk(digest, index)) !== undefined && (await this.#bundles.isWhole(digest))
  }

  /** A chunk, or what is there of one with the piece that is given. */
  async #given([digest, index, bytes, from = null]: readonly unknown[]) {
    if (!isDigest(digest) || !isChunkIndex(index) || !isChunk(bytes) || !isPlace(from)) throw badArguments(chunkArguments)
    if (from === null) return { digest, index, bytes, answer: null }
    const chunk = withPiece(await this.#options.database.getChunk(digest, index), bytes, from)
    if (chunk === undefined) throw badArguments(`the piece of chunk ${index} before byte ${from} is missing`)
    if (!isChunk(chunk)) throw badArguments(chunkArguments)
    return { digest, index, bytes: chunk, answer: { bytes: chunk.length } }
  }

  /**
   * Installs the manifest after the newest one, once its bundle is stored. The same manifest
   * again is answered as done.
   */
  async #install(bytes: unknown, signature: unknown, change: Change): Promise<unknown> {
    if (!(bytes instanceof Uint8Array)) throw badArguments('install(manifest, signature)')
    const { database, system, clock } = this.#options
    const manifest = decodeManifest(bytes)
    const digest = digestOf(bytes)
    const signed: SignedManifest = { bytes, signature: signature instanceof Uint8Array ? signature : null }
    if (manifest.system !== system)
      throw new Fault('upgrade.invalid', `the upgrade is for system ${manifest.system}, this is ${system}`)
    const head = await database.head()
    if (head.version === manifest.version && head.digest === digest) return { version: head.version }
    if (head.version !== manifest.version - 1 || head.digest !== manifest.previous) throw conflict(manifest, head.version)
    await this.#relearning.checkForks()
    const history = await this.#history(head)
    // First of all: who is not trusted has nothing further looked at.
    const verified = history.check(signed, clock.now())
    change.by = verified.by
    await this.#deaths.checkInstallable()
    const writes = await database.bundleWrites(manifest.bundle.digest)
    await this.#checkBundle(manifest.bundle)
    await this.#checkClasses(history.manifests, manifest)
    const before = { version: manifest.version - 1, digest: manifest.previous }
    const { tables, undoes, bundle } = manifest
    if (!(await database.install(before, digest, signed, tables, undoes, bundle.digest, writes))) {
      const now = await database.head()
      if (now.version === manifest.version && now.digest === digest) return { version: now.version }
      if (now.version === before.version && now.digest === before.digest) {
        // The version that it undoes may have become final meanwhile.
        await this.#checkClasses(history.manifests, manifest)
        if ((await database.bundleWrites(bundle.digest)) !== writes)
          throw new Fault('unavailable.overloaded', 'others write the bundle of this upgrade: install it again')
      }
      throw conflict(manifest, now.version)
    }
    change.isDone = true
    this.#verified = history.with(verified)
    this.#announce(manifest.version, digest)
    return { version: manifest.version }
  }

  /**
   * The installed history, verified: whoever may write to the database could have put anything there, a list
   * of upgraders too. All of it is checked again only when it is not what was checked before with one more
   * manifest. Several installs have it in hand at once: none changes it.
   */
  async #history(head: Head): Promise<VerifiedHistory> {
    const { database, system, trust, signatures } = this.#options
    const known = this.#verified
    const isKnown =
      known !== undefined && (known.at(head.version)?.digest ?? null) === head.digest && known.head.version === head.version
    if (isKnown) return known
    const history = new VerifiedHistory(system, trust, signatures)
    try {
      for (const signed of await database.manifests(1, head.version)) history.append(history.check(signed))
      if (history.head.version !== head.version || history.head.digest !== head.digest)
        throw new Fault('upgrade.predecessor', `its head is not version ${history.head.version}, the last that is there`)
    } catch (error) {
      if (!isFault(error)) throw error
      const message = `nothing is installed after a history that can't be verified: ${error.message}`
      throw new Fault(error.code, message, error.details, { cause: error })
    }
    this.#verified = history
    return history
  }

  async #checkClasses(history: readonly Manifest[], manifest: Manifest): Promise<void> {
    const { database } = this.#options
    checkClasses(history, manifest, await database.nodes(), manifest.undoes === null ? 0 : await database.finalized())
  }

  async #checkBundle({ digest, bytes }: { digest: string; bytes: number }): Promise<void> {
    const { database } = this.#options
    const stored = await storedBundle(database, digest, bytes)
    if (stored.state === 'incomplete')
      throw new Fault('upgrade.invalid', `bundle ${digest} is not stored whole: chunk ${stored.chunk}`)
    if (stored.state === 'otherDigest') throw new Fault('upgrade.digest', `bundle ${digest}: the bytes have another digest`)
  }

  /** Carries out what an upgrader orders, once. */
  async #direct(bytes: unknown, signature: unknown, change: Change): Promise<unknown> {
    if (!(bytes instanceof Uint8Array)) throw badArguments('direct(directive, signature)')
    const { database, system, clock } = this.#options
    const signed: Signed = { bytes, signature: signature instanceof Uint8Array ? signature : null }
    const directive = decodeDirective(bytes)
    if (directive.system !== system)
      throw new Fault('config.invalid', `the directive is for system ${directive.system}, this is ${system}`)
    const head = await database.head()
    const history = await this.#history(head)
    change.by = history.checkDirective(directive, signed, clock.now())
    await this.#directiveLog()
    const directed = await database.direct(directive, signed, head)
    change.isDone = directed.done
    if (directed.done) return { result: directed.result }
    const { why, log, earlier } = directed
    const message = `directive ${directive.number} is not carried out: ${whyNotDirected(why, log)}`
    // It may be asked twice, when its answer was lost: then this is the answer.
    throw new Fault('upgrade.conflict', message, { next: log.count + 1, ...(earlier === undefined ? {} : { earlier }) })
  }

  #every(ms: number, what: string, work: () => Promise<void>): () => void {
    const { clock, observe } = this.#options
    let cancel = () => {}
    let senseless: string | undefined
    const failed = (error: unknown) => {
      // That something there makes no sense changes only when somebody repairs it: it is said once.
      const isSenseless = isFault(error) && error.code === 'upgrade.invalid'
      if (isSenseless && error.message === senseless) return
      senseless = isSenseless ? error.message : undefined
      const why = isSenseless ? 'can’t be read' : 'is away'
      observe?.({ type: 'warning', message: `the upgrade database ${why}: ${what}`, error })
    }
    const later = () => {
      cancel = clock.after(ms, () => {
        work()
          .catch(failed)
          .finally(() => {
            if (this.#subscriptions !== undefined) later()
          })
      })
    }
    later()
    return () => cancel()
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

const chunkArguments = `digest, index, bytes, from: at most ${bundleChunkBytes} bytes`

/** Where a piece of a chunk begins; null: it is the whole chunk. */
function isPlace(value: unknown): value is number | null {
  return value === null || (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < bundleChunkBytes)
}

function isChunk(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array && value.length <= bundleChunkBytes
}

function isChunkIndex(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < chunkCount(bundleBytesMax)
}

function conflict({ version }: Manifest, newest: Version): Fault {
  return new Fault('upgrade.conflict', `version ${version} does not follow the newest version, ${newest}`, { newest })
}

/** Pages are small: one that is asked for again costs less than to find out whether it is. */
function byInbox({ call, replyTo }: Question): string {
  return `${callId(call)}/${replyTo}`
}

/**
 * A question that is asked again has another reply subject in the same inbox, which nobody else
 * knows. The call's id alone is its asker's word: with another's id it could take that
 * one's place in the line, and the answer.
 */
function byAsker({ call, replyTo }: Question): string {
  const inbox = replyTo.slice(0, Math.max(0, replyTo.lastIndexOf('.')))
  // Of one token it would be everybody's.
  return `${callId(call)}/${inbox.includes('.') ? inbox : replyTo}`
}

/**
 * Those who wait for a chunk hold no more of their question than that: others are refused when
 * it is their turn.
 */
function lineUp(call: CallEnvelope): CallEnvelope {
  const [digest, index, from] = call.args
  return { ...call, args: isDigest(digest) && isChunkIndex(index) && isPlace(from ?? null) ? [digest, index, from] : [] }
}

function noSuchMethod(method: string): Fault {
  return new Fault('protocol.no-such-method', `the upgrade server has no method ${method} on this subject`)
}

function badArguments(expected: string): Fault {
  return new Fault('protocol.bad-arguments', `expected ${expected}`)
}

function whyNotDirected(why: WhyNotDirected, { count }: DirectiveLog): string {
  switch (why) {
    case 'number':
      return `it is not the next one: that is ${count + 1}`
    case 'head':
      return 'it names another history than the newest version ends: sign it anew'
    case 'log':
      return 'it was made for another log of directives: the upgrade database was restarted or restored since. Sign it anew'
    case 'older':
      return 'it may be older than the last loss of the upgrade database. Sign it anew, on a machine whose clock is right'
  }
}
