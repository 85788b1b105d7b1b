/**
 * The acts of an operator on a running system: publishes upgrades, looks at the upgrade
 * database, calls a method by name.
 */
import { inject, injectable } from 'tsyringe'
import { Fault } from '../../core/base/fault.js'
import { firstRelease } from '../../core/base/formats.js'
import type { Version } from '../../core/base/ids.js'
import { firstLevel, type Level, newestLevel, raised } from '../../core/base/level.js'
import type { Placement } from '../../core/control/control.js'
import type { OrderResult } from '../../core/control/directive.js'
import { checkNeeds, levelAfter } from '../../core/control/neededLevel.js'
import { leftBehind, readersOf } from '../../core/control/readers.js'
import type { ServerRow, UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import type { HostObserver } from '../../core/inspection/hostEvents.js'
import type { InspectionFilter } from '../../core/inspection/inspection.js'
import type { MethodKind } from '../../core/model/methods.js'
import type { HostOffer } from '../../core/model/shardOffer.js'
import { checkTable } from '../../core/model/tables.js'
import type { Clock } from '../../core/ports/clock.js'
import type { ShardLog } from '../../core/ports/log.js'
import { type Random, randomName } from '../../core/ports/random.js'
import type { Transport } from '../../core/ports/transport.js'
import type { Pace } from '../../core/schedules/rolloutPace.js'
import type { Signed } from '../../core/trust/signed.js'
import type { TrustMark } from '../../core/trust/trustMark.js'
import { checkFits } from '../../core/upgrade/lineageCheck.js'
import { decodeManifest, formatOf, type Manifest, type SignedManifest } from '../../core/upgrade/manifest.js'
import { subjectsOf } from '../../core/wire/subjects.js'
import type { HostSettings } from '../base/settings.js'
import { type Signing, tokens } from '../base/tokens.js'
import { CallTable } from '../calls/callTable.js'
import { UpgradeServerClient } from '../history/upgradeServerClient.js'
import { type InspectionBatch, InspectionClient } from '../inspection/inspectionClient.js'
import { ShardReplacement } from '../shards/shardReplacement.js'
import { type CallSample, type RecordedBatch, startRecording } from './callRecordings.js'
import { type CallTarget, subjectOfCall } from './callTarget.js'
import { Directives } from './directives.js'
import { Documents } from './documents.js'
import { type BuiltUpgrade, Publisher, type PublishOptions, type UndoOptions } from './publisher.js'
import { ServiceMoves } from './serviceMove.js'
import { awaitShard, hearOffers, type Listening, placeOf, type ShardMove, type ShardSeen, shardsOf } from './shardsSeen.js'
import type { SystemLevel } from './systemLevel.js'

/** So many questions find an upgrade server of release 0.1.0 among a few with near certainty. */
const serversAsked = 16
/** Hosts are heard for so many of their rounds: each tells of itself at least twice. */
const roundsHeard = 2.5

@injectable()
export class Operator {
  readonly #publisher: Publisher
  readonly #directives: Directives

  constructor(
    @inject(tokens.database) readonly database: UpgradeDatabase,
    @inject(tokens.clock) private readonly clock: Clock,
    @inject(tokens.random) private readonly random: Random,
    @inject(tokens.settings) private readonly settings: HostSettings,
    @inject(CallTable) private readonly calls: CallTable,
    @inject(UpgradeServerClient) private readonly server: UpgradeServerClient,
    @inject(tokens.signing) signing: Signing,
    @inject(tokens.beginsAt) private readonly beginsAt: Level,
    @inject(InspectionClient) private readonly inspectionClient: InspectionClient,
    @inject(tokens.transport) private readonly transport: Transport,
  ) {
    const documents = new Documents({ clock, server, signing })
    this.#publisher = new Publisher({ clock, settings, server, signing, documents })
    this.#directives = new Directives({ clock, settings, database, server, signing, documents })
  }

  /**
   * Signs the upgrade, installs it as the next version and returns that version. Throws `upgrade.*` if the
   * upgrade server refuses it.
   */
  publish(upgrade: BuiltUpgrade, options: PublishOptions = {}): Promise<Version> {
    return this.#publisher.publish(upgrade, options)
  }

  /**
   * Installs what was signed elsewhere, as the version for which it was signed, and returns that version.
   * Throws `upgrade.*` if the upgrade server refuses it: `upgrade.conflict` if another version comes next.
   *
   * @param bundle null where it is stored already: that of an undo
   */
  publishSigned(bundle: Uint8Array | null, signed: SignedManifest): Promise<Version> {
    return this.#publisher.publishSigned(bundle, signed)
  }

  /**
   * Has an order carried out that was signed elsewhere, and answers what came of it. Throws
   * `upgrade.conflict` where another order, or another version, came in between: then it is
   * made and signed anew.
   */
  sendSigned(directive: Signed): Promise<OrderResult> {
    return this.#directives.sendSigned(directive)
  }

  /**
   * Holds a built upgrade against the running system as the upgrade server will. Throws
   * `upgrade.invalid` if it would refuse it.
   */
  async check({ manifest }: BuiltUpgrade): Promise<void> {
    const history = await this.history()
    const version = history.length + 1
    checkFits(history, { ...manifest, version }, await this.database.nodes())
    checkNeeds({ runtime: manifest.runtime, format: formatOf(manifest), version }, levelAfter(history, this.beginsAt))
  }

  /**
   * Installs the upgrade that undoes another one, as the next version, and returns that version: it means
   * what the version before the undone one meant. Nodes that have gone forward go back by the inverse; those
   * that have not need not go there. An undo can be undone. Throws `upgrade.invalid` where there is no way
   * back. With `version`, only that one is undone: one that is undone already stays so, and the answer is the
   * version that undid it; `upgrade.conflict` names the later version that is in the way.
   */
  undo(options: UndoOptions = {}): Promise<Version> {
    return this.#publisher.undo(options)
  }

  /**
   * No node goes to this version until `resume`; those on their way arrive. An undo is never
   * held; the undo of an undo is.
   */
  pause(version: Version, reason: string): Promise<void> {
    return this.#directives.set({ kind: 'pause', version, reason, since: this.clock.now() })
  }

  /** False if the version was not paused. */
  resume(version: Version, reason = ''): Promise<boolean> {
    return this.#directives.remove({ kind: 'pause', version }, reason)
  }

  /**
   * So many of each service's nodes go to this version now, the first by id, whatever their SFs say;
   * `percent` is 1 to 100. They pass the pause that is in force now, and no later one. Null: bakes of steps
   * that are under way end. Hosts of release 0.1.0 pass it over, and its upgrade servers refuse it.
   */
  promote(version: Version, percent: number | null, reason = ''): Promise<void> {
    return this.#directives.promote(version, percent, reason)
  }

  /**
   * Other figures than those that the schedules of this version name, for nodes that have not gone; null in
   * all three: theirs again. Older releases treat it as they do a promotion.
   */
  changePace(version: Version, pace: Pace, reason = ''): Promise<void> {
    return this.#directives.changePace(version, pace, reason)
  }

  /** The node goes nowhere until `release`. */
  hold(nodeId: string, reason: string): Promise<void> {
    return this.#directives.set({ kind: 'hold', nodeId, reason, since: this.clock.now() })
  }

  /** False if the node was not held. */
  release(nodeId: string, reason = ''): Promise<boolean> {
    return this.#directives.remove({ kind: 'hold', nodeId }, reason)
  }

  /**
   * The node goes to the version after its own now: its SF is not asked, a pause does not hold it; its
   * service's limit does. Returns that version. Throws `config.invalid` for a node at the newest version.
   */
  async upgradeNow(nodeId: string, reason = ''): Promise<Version> {
    const row = (await this.database.nodes()).find((found) => found.nodeId === nodeId)
    if (row === undefined) throw new Fault('config.invalid', `there is no node ${nodeId} in the upgrade database`)
    const version = row.version + 1
    // A control that is kept for a version that does not exist yet would pass a pause one day,
    // when nobody remembers it.
    const { version: newest } = await this.database.head()
    if (version > newest) throw new Fault('config.invalid', `node ${nodeId} is at version ${row.version}, the newest there is`)
    await this.#directives.set({ kind: 'now', nodeId, version, since: this.clock.now() }, reason)
    return version
  }

  /** Nodes that are stalled or rejected on their way to this version try again. */
  async retry(version: Version, reason = ''): Promise<void> {
    const token = randomName(this.random)
    await this.#directives.set({ kind: 'retry', version, token, since: this.clock.now() }, reason)
  }

  /**
   * Removes a node that will not come back, with its permit and what it was told: an order like
   * the others. Upgrade servers of release 0.1.0 do not know it; then it is removed with the
   * rights of this login, as that release does.
   */
  forget(nodeId: string, reason = ''): Promise<void> {
    return this.#directives.forget(nodeId, reason)
  }

  /** Tells the audit that a copy of the upgrade database is taken: an order. `digest` is the file's. */
  async recordBackup(digest: string, version: Version, reason = ''): Promise<void> {
    await this.#directives.direct({ order: 'backup', digest, version }, reason)
  }

  /** The same of what is given back from one, before it is. */
  async recordRestore(digest: string, version: Version, reason = ''): Promise<void> {
    await this.#directives.direct({ order: 'restore', digest, version }, reason)
  }

  /** Has hosts record calls, and hears of them until that ends, or until the result is called. */
  recordCalls(sample: CallSample, hear: (batch: RecordedBatch) => void, reason = ''): Promise<() => void> {
    const { clock, random, inspectionClient } = this
    return startRecording(sample, hear, { clock, random, inspectionClient, directives: this.#directives, reason })
  }

  async setInTable(table: string, key: string, value: string, reason = ''): Promise<void> {
    checkTable(table, key, value)
    await this.#directives.direct({ order: 'setInTable', table, key, value }, reason)
  }

  /** False if there was no such entry. */
  async removeFromTable(table: string, key: string, reason = ''): Promise<boolean> {
    checkTable(table, key)
    return (await this.#directives.direct({ order: 'removeFromTable', table, key }, reason)) === true
  }

  /**
   * Nobody goes back from this version any more, nor from those before: states that only an undo needs are
   * dropped. Answers what is final afterwards: less than `version` while a registered node is not there yet.
   */
  async finalize(version: Version, reason = ''): Promise<Version> {
    return (await this.#directives.direct({ order: 'finalize', version }, reason)) as Version
  }

  /**
   * Installs a version that changes no class, and says who may install from then on: how keys are exchanged.
   * The keys of those who go and of those who come may be in force together for a while.
   */
  setUpgraders(
    upgraders: NonNullable<PublishOptions['upgraders']>,
    options: Omit<PublishOptions, 'upgraders'> = {},
  ): Promise<Version> {
    return this.#publisher.setUpgraders(upgraders, options)
  }

  /**
   * T3. The newest number of each format that may be written, as the upgrade server's history has it, the
   * newest that this release could write, and those who do not read that.
   */
  async systemLevel(): Promise<SystemLevel> {
    const [history, rows, known, older] = await Promise.all([
      this.history(),
      this.database.nodes(),
      this.database.servers(),
      this.#olderServers(),
    ])
    const servers = [...known, ...older]
    const level = levelAfter(history, this.beginsAt)
    const newest = raised(level, newestLevel)
    return { level, newest, readers: readersOf(rows, servers), behind: leftBehind(newest, rows, servers) }
  }

  /** Those of release 0.1.0 are in no row. Any server of the system may answer, so several are asked. */
  async #olderServers(): Promise<readonly ServerRow[]> {
    const answers = await Promise.all(Array.from({ length: serversAsked }, () => this.server.who()))
    return answers.includes(null) ? [{ id: '-', software: { release: firstRelease, reads: firstLevel, since: 0 } }] : []
  }

  /**
   * Raises the level to the newest numbers that this release writes, as a version that changes no class: it
   * is signed as an upgrade is, never lowered, and can't be undone. From then on no release that does not
   * read them can come back. Throws `upgrade.level` if somebody registered does not read them.
   */
  async raiseLevel(options: Pick<PublishOptions, 'reason'> = {}): Promise<Version> {
    const { newest } = await this.systemLevel()
    return this.#publisher.raiseLevel(newest, options)
  }

  /**
   * The newest version of an upgrade server; its name and its clock, in milliseconds since
   * 1970, where it tells.
   */
  async askServer(): Promise<{
    readonly version: Version
    readonly digest: string | null
    readonly server: string | null
    readonly now: number | null
    readonly trust: TrustMark | null
  }> {
    const { version, digest } = await this.server.head()
    const who = await this.server.who()
    return { version, digest, server: who?.server ?? null, now: who?.now ?? null, trust: who?.trust ?? null }
  }

  /** Throws unless orders and upgrades reach an upgrade server. Changes nothing. */
  reachInstall(): Promise<void> {
    return this.server.reachInstall()
  }

  /** The manifests of all versions, oldest first, as the upgrade server has them: not verified. */
  async history(): Promise<readonly Manifest[]> {
    return (await this.signedHistory()).map(({ bytes }) => decodeManifest(bytes))
  }

  /** The same, as they were signed. */
  async signedHistory(): Promise<readonly SignedManifest[]> {
    const { version } = await this.server.head()
    return version === 0 ? [] : this.server.manifests(1, version)
  }

  /**
   * Looks at all hosts of the system: who runs what, with which chain, every phase, the calls per version,
   * and what the upgrade managers' statecharts do, with what hosts remember of past upgrades first; or what
   * `only` asks for alone. A host of before this filter tells everything to everybody, and no figures.
   * Returns what ends that.
   */
  look(hear: (batch: InspectionBatch) => void, only: InspectionFilter = {}): () => void {
    return this.inspectionClient.start(hear, only)
  }

  /**
   * Calls a method by name. `target` is a node or a service; `kind` decides whether a lost
   * answer is asked for again.
   */
  call(
    target: CallTarget,
    method: string,
    args: readonly unknown[],
    options: { readonly version: Version; readonly deadlineMs?: number; readonly kind?: MethodKind },
  ): Promise<unknown> {
    const subjects = subjectsOf(this.settings.system)
    return this.calls.call(
      { nodeId: this.settings.hostId, incarnation: this.calls.incarnation, className: 'Operator', version: options.version },
      {
        subject: subjectOfCall(subjects, target),
        label: options.version,
        method,
        kind: options.kind ?? 'command',
        args,
        deadline: this.clock.monotonicMs() + (options.deadlineMs ?? this.settings.callDeadlineMs),
        expects: null,
        path: null,
        service: 'service' in target ? target.service : null,
        trace: null,
      },
    )
  }

  /** The shards of all sharded services, and who has them, as hosts tell within about a second. */
  async shards(): Promise<readonly ShardSeen[]> {
    return shardsOf(await this.shardHosts())
  }

  /** The hosts that offer sharded services, as they tell of themselves within about a second. */
  shardHosts(): Promise<readonly HostOffer[]> {
    return hearOffers(this.#listening, this.settings.shardOfferMs * roundsHeard)
  }

  /**
   * The order that `moveShard` gives, for `placeShard`: nothing is changed. Throws `config.invalid` where no
   * such host offers the service.
   */
  async planShardMove({ service, shard, to }: ShardMove, reason = ''): Promise<Placement> {
    const place = placeOf(await this.shardHosts(), { service, shard, to })
    return { kind: 'place', service, shard, ...place, reason, since: this.clock.now() }
  }

  placeShard(placement: Placement): Promise<void> {
    return this.#directives.set(placement)
  }

  /**
   * The shard goes to a host and stays there, until `releaseShard`, or until that host stops or no more
   * offers its service. Resolves with that host when the order is given; `shardIsAt` waits. Throws
   * `config.invalid` where no such host offers the service.
   */
  async moveShard(move: ShardMove, reason = ''): Promise<string> {
    const placement = await this.planShardMove(move, reason)
    await this.placeShard(placement)
    return placement.hostId
  }

  /** The shard goes where hashing prefers, when its host has too many. False if it was not placed. */
  releaseShard(service: string, shard: number, reason = ''): Promise<boolean> {
    return this.#directives.remove({ kind: 'place', service, shard }, reason)
  }

  /** Waits until the host has the shard; false if it has not after `timeoutMs`. */
  shardIsAt(service: string, shard: number, hostId: string, timeoutMs: number): Promise<boolean> {
    return awaitShard(this.#listening, { service, shard, hostId }, timeoutMs)
  }

  get serviceMoves(): ServiceMoves {
    return new ServiceMoves(this, this.#directives, this.clock)
  }

  get #listening(): Listening {
    return { transport: this.transport, clock: this.clock, system: this.settings.system }
  }

  /** Puts another state in the place of a shard's that nobody owns. Its methods do it, step by step. */
  shardReplacement(log: ShardLog, name: string, observe: HostObserver): ShardReplacement {
    return new ShardReplacement(log, name, { clock: this.clock, random: this.random, observe })
  }
}
