/**
 * The acts of an operator on a running system: publishes upgrades, looks at the upgrade
 * database, calls a method by name.
 */
import { inject, injectable } from 'tsyringe'
import { digestOf } from '../../core/base/digest.js'
import { Fault, isFault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import { rfc3339 } from '../../core/base/instant.js'
import { type Control, type ControlName, checkControl } from '../../core/control/control.js'
import { directiveOf, encodeDirective, type Order, type OrderResult } from '../../core/control/directive.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import type { LookFilter } from '../../core/inspection/inspection.js'
import type { MethodKind } from '../../core/model/methods.js'
import { checkTable } from '../../core/model/tables.js'
import type { Clock } from '../../core/ports/clock.js'
import { type Random, randomName } from '../../core/ports/random.js'
import type { Signer } from '../../core/ports/signatures.js'
import { type Signed, signed } from '../../core/trust/signed.js'
import { identityAt } from '../../core/trust/trust.js'
import type { TrustMark } from '../../core/trust/trustMark.js'
import type { Need, TrustedKey } from '../../core/trust/trustRoot.js'
import { undoDraft } from '../../core/upgrade/draftManifest.js'
import { checkFits } from '../../core/upgrade/lineCheck.js'
import {
  decodeManifest,
  encodeManifest,
  type Manifest,
  type ManifestDraft,
  manifestFormat,
  manifestOf,
  type SignedManifest,
} from '../../core/upgrade/manifest.js'
import { runtimeInterfaces } from '../../core/upgrade/runtimeInterface.js'
import { undoneBy } from '../../core/upgrade/undo.js'
import { subjectsOf } from '../../core/wire/subjects.js'
import type { HostSettings } from '../base/settings.js'
import { type Signing, type ToSign, tokens } from '../base/tokens.js'
import { CallTable } from '../calls/callTable.js'
import { UpgradeServerClient } from '../history/upgradeServerClient.js'
import { type LookBatch, Looking } from '../inspection/looking.js'

/** An upgrade as `natsctl upgrade build` makes it. */
export interface BuiltUpgrade {
  readonly manifest: ManifestDraft
  readonly bundle: Uint8Array
}

export interface PublishOptions {
  /** Why; kept in the history. */
  readonly reason?: string
  /**
   * The public keys of those who may install what comes after this upgrade, in place of those who may now;
   * with their ends, if any.
   */
  readonly upgraders?: readonly (string | TrustedKey)[]
  /** How many of them have to sign what comes after it. Left out: as many as before. */
  readonly need?: Need
  /**
   * As this version or not at all: `upgrade.conflict` where another one comes next, be it that the upgrade
   * database has lost the one before. Left out: as the next, whichever that is.
   */
  readonly asVersion?: Version
}

/** How often a publication is tried when another one comes in between. */
const publishTriesMax = 5
/** How long a publication waits for a database on probation: two leases. */
const probationWaitMs = 30_000
/** Between two tries. */
const probationPauseMs = 500

@injectable()
export class Operator {
  constructor(
    @inject(tokens.database) readonly database: UpgradeDatabase,
    @inject(tokens.clock) private readonly clock: Clock,
    @inject(tokens.random) private readonly random: Random,
    @inject(tokens.settings) private readonly settings: HostSettings,
    @inject(CallTable) private readonly calls: CallTable,
    @inject(UpgradeServerClient) private readonly server: UpgradeServerClient,
    @inject(tokens.signing) private readonly signing: Signing,
    @inject(Looking) private readonly looking: Looking,
  ) {}

  /**
   * Signs the upgrade, installs it as the next version and returns that version. Throws `upgrade.*` if the
   * upgrade server refuses it.
   */
  async publish({ manifest, bundle }: BuiltUpgrade, options: PublishOptions = {}): Promise<Version> {
    // It is sent with the signatures: what is kept for no manifest is kept for minutes.
    if (this.signing.gather === undefined) await this.server.putBundle(manifest.bundle.digest, bundle)
    const { asVersion } = options
    return this.#install(options, async (newest) => {
      if (asVersion !== undefined && newest + 1 !== asVersion)
        throw new Fault('upgrade.conflict', `version ${newest + 1} comes next, and not ${asVersion}`, { newest })
      return { ...manifest, undoes: null }
    })
  }

  /**
   * Installs what was signed elsewhere, as the version for which it was signed, and returns that version.
   * Throws `upgrade.*` if the upgrade server refuses it: `upgrade.conflict` if another version comes next.
   *
   * @param bundle null where it is stored already: that of an undo
   */
  async publishSigned(bundle: Uint8Array | null, signed: SignedManifest): Promise<Version> {
    const { version, bundle: named, system } = decodeManifest(signed.bytes)
    if (system !== this.settings.system)
      throw new Fault('upgrade.invalid', `the upgrade is signed for system ${system}, this is ${this.settings.system}`)
    if (bundle !== null) await this.server.putBundle(named.digest, bundle)
    try {
      await this.#give(signed)
    } catch (error) {
      if (!isFault(error) || error.code !== 'upgrade.conflict') throw error
      // The answer was lost, and others have gone on from there.
      if (!(await this.#isInstalled(version, digestOf(signed.bytes)))) throw error
    }
    return version
  }

  /**
   * Has an order carried out that was signed elsewhere, and answers what came of it. Throws
   * `upgrade.conflict` where another order, or another version, came in between: then it is
   * made and signed anew.
   */
  async sendSigned(directive: Signed): Promise<OrderResult> {
    try {
      return (await this.server.direct(directive)) as OrderResult
    } catch (error) {
      const result = resultBefore(error)
      if (result === undefined) throw error
      return result
    }
  }

  /**
   * Holds a built upgrade against the running system as the upgrade server will. Throws
   * `upgrade.invalid` if it would refuse it.
   */
  async check({ manifest }: BuiltUpgrade): Promise<void> {
    const history = await this.history()
    const version = history.length + 1
    checkFits(history, { ...manifest, version }, await this.database.nodes())
  }

  /**
   * Installs the upgrade that undoes the newest one, as the next version, and returns that version: it means
   * what the version before the newest meant. Nodes that have gone forward go back by the inverse; those that
   * have not need not go there. An undo can be undone. Throws `upgrade.invalid` where there is no way back.
   * With `version`, only that one is undone: one that is undone already stays so, and the answer is the
   * version that undid it; `upgrade.conflict` if it is not the newest any more.
   */
  undo(
    options: Omit<PublishOptions, 'upgraders' | 'need' | 'asVersion'> & { readonly version?: Version } = {},
  ): Promise<Version> {
    return this.#install(options, async (newest) => {
      const history = newest === 0 ? [] : (await this.server.manifests(1, newest)).map(({ bytes }) => decodeManifest(bytes))
      const by = options.version === undefined ? null : undoneBy(history, options.version)
      if (by !== null) return { installed: by }
      if (newest === 0 || (options.version !== undefined && options.version !== newest))
        throw new Fault('upgrade.conflict', `only the newest version can be undone: that is ${newest}`, { newest })
      return { ...undoDraft(history[newest - 1]!, history), undoes: newest }
    })
  }

  async #install(
    { reason, upgraders, need }: PublishOptions,
    draftAfter: (newest: Version) => Promise<(ManifestDraft & Pick<Manifest, 'undoes'>) | { readonly installed: Version }>,
  ): Promise<Version> {
    for (let tries = 1; ; tries++) {
      const head = await this.server.head()
      const draft = await draftAfter(head.version)
      if ('installed' in draft) return draft.installed
      const { undoes, ...built } = draft
      const version = head.version + 1
      const identity = identityAt(this.signing.trust, version)
      const keys = upgraders?.map((each) => (typeof each === 'string' ? { key: each } : each))
      const ends = keys?.flatMap(({ key, until }) => (until === undefined ? [] : [[key, until] as const])) ?? []
      const manifest = manifestOf(built, {
        ...{ identity, system: this.settings.system, version, previous: head.digest, undoes },
        ...{ reason: reason ?? null, createdAt: rfc3339(this.clock.now()) },
        ...{ upgrader: this.signing.upgraders[0]?.publicKey ?? null, upgraders: keys?.map(({ key }) => key) ?? null },
        ...{ until: Object.fromEntries(ends), need: need ?? null },
      })
      const bytes = encodeManifest(manifest)
      try {
        await this.#send({ purpose: 'manifest', ...signed('manifest', bytes, ...this.#signers(identity)) })
        return manifest.version
      } catch (error) {
        if (!isFault(error) || error.code !== 'upgrade.conflict') throw error
        // The answer was lost, and others have gone on from there: once more would take back what they did.
        if (await this.#isInstalled(manifest.version, digestOf(bytes))) return manifest.version
        if (tries >= publishTriesMax) throw error
      }
    }
  }

  /** To the upgrade server; waits while the database is on probation. */
  async #give(manifest: SignedManifest): Promise<void> {
    const until = this.clock.monotonicMs() + probationWaitMs
    for (;;) {
      try {
        await this.server.install(manifest)
        return
      } catch (error) {
        if (!isFault(error) || error.code !== 'upgrade.probation' || this.clock.monotonicMs() >= until) throw error
      }
      await new Promise<void>((resolve) => void this.clock.after(probationPauseMs, resolve))
    }
  }

  /** Release 0.1.0 reads a document that names no identity, and knows one signature. */
  #signers(identity: string | null): readonly Signer[] {
    const { upgraders } = this.signing
    return identity === null ? upgraders.slice(0, 1) : upgraders
  }

  /** To the upgrade server, or to whoever gathers signatures. Answers what came of a directive. */
  async #send(document: ToSign): Promise<unknown> {
    const { gather } = this.signing
    if (gather !== undefined) return gather(document)
    return document.purpose === 'manifest' ? this.#give(document) : this.server.direct(document)
  }

  async #isInstalled(version: Version, digest: string): Promise<boolean> {
    const { version: newest } = await this.server.head()
    if (newest < version) return false
    const [found] = await this.server.manifests(version, version)
    return found !== undefined && digestOf(found.bytes) === digest
  }

  /**
   * No node goes to this version until `resume`; those on their way arrive. An undo is never
   * held; the undo of an undo is.
   */
  async pause(version: Version, reason: string): Promise<void> {
    await this.#set({ kind: 'pause', version, reason, since: this.clock.now() })
  }

  /** False if the version was not paused. */
  resume(version: Version): Promise<boolean> {
    return this.#remove({ kind: 'pause', version })
  }

  /** The node goes nowhere until `release`. */
  async hold(nodeId: string, reason: string): Promise<void> {
    await this.#set({ kind: 'hold', nodeId, reason, since: this.clock.now() })
  }

  /** False if the node was not held. */
  release(nodeId: string): Promise<boolean> {
    return this.#remove({ kind: 'hold', nodeId })
  }

  /**
   * The node goes to the version after its own now: its SF is not asked, a pause does not hold it; its
   * service's limit does. Returns that version. Throws `config.invalid` for a node at the newest version.
   */
  async upgradeNow(nodeId: string): Promise<Version> {
    const row = (await this.database.nodes()).find((found) => found.nodeId === nodeId)
    if (row === undefined) throw new Fault('config.invalid', `there is no node ${nodeId} in the upgrade database`)
    const version = row.version + 1
    // A control that is kept for a version that does not exist yet would pass a pause one day,
    // when nobody remembers it.
    const { version: newest } = await this.database.head()
    if (version > newest) throw new Fault('config.invalid', `node ${nodeId} is at version ${row.version}, the newest there is`)
    await this.#set({ kind: 'now', nodeId, version, since: this.clock.now() })
    return version
  }

  /** Nodes that are stalled or rejected on their way to this version try again. */
  async retry(version: Version): Promise<void> {
    const token = randomName(this.random)
    await this.#set({ kind: 'retry', version, token, since: this.clock.now() })
  }

  /**
   * Removes a node that will not come back, with its slot and what it was told: an order like
   * the others. Upgrade servers of release 0.1.0 do not know it; then it is removed with the
   * rights of this login, as that release does.
   */
  async forget(nodeId: string): Promise<void> {
    try {
      await this.#direct({ order: 'forget', nodeId })
    } catch (error) {
      if (!isFault(error) || error.code !== 'config.invalid' || !error.message.includes(unknownOrder)) throw error
      await this.#forgetAsBefore(nodeId)
    }
  }

  async #forgetAsBefore(nodeId: string): Promise<void> {
    try {
      await this.database.forget(nodeId)
    } catch (error) {
      if (isFault(error) && error.details.why !== 'refused') throw error
      const message = `node ${nodeId} is not forgotten: the upgrade server is of an older release, which knows no such order, and this login may not remove nodes: update the upgrade servers`
      throw new Fault('config.invalid', message, {}, { cause: error })
    }
    for (const control of await this.database.controls()) {
      if (!('nodeId' in control) || control.nodeId !== nodeId) continue
      try {
        await this.#remove(control)
      } catch (error) {
        if (!isFault(error)) throw error
        const message = `node ${nodeId} is forgotten, but a ${control.kind} of it is left, which only a directive removes: ${error.message}`
        throw new Fault(error.code, message, error.details, { cause: error })
      }
    }
  }

  /**
   * Tells the audit that a copy of the upgrade database is taken: an order like the others. `digest` is the
   * file's, `version` the newest in it.
   */
  async recordBackup(digest: string, version: Version): Promise<void> {
    await this.#direct({ order: 'backup', digest, version })
  }

  /** The same of what is given back from one, before it is. */
  async recordRestore(digest: string, version: Version): Promise<void> {
    await this.#direct({ order: 'restore', digest, version })
  }

  async setInTable(table: string, key: string, value: string): Promise<void> {
    checkTable(table, key, value)
    await this.#direct({ order: 'setInTable', table, key, value })
  }

  /** False if there was no such entry. */
  async removeFromTable(table: string, key: string): Promise<boolean> {
    checkTable(table, key)
    return (await this.#direct({ order: 'removeFromTable', table, key })) === true
  }

  /**
   * Nobody goes back from this version any more, nor from those before: states that only an undo needs are
   * dropped. Answers what is final afterwards: less than `version` while a registered node is not there yet.
   */
  async finalize(version: Version): Promise<Version> {
    return (await this.#direct({ order: 'finalize', version })) as Version
  }

  async #set(control: Control): Promise<void> {
    checkControl(control)
    await this.#direct({ order: 'set', control })
  }

  async #remove(control: ControlName): Promise<boolean> {
    return (await this.#direct({ order: 'remove', control })) === true
  }

  /** Signs the order and has it carried out, once: whoever comes in between takes its number. */
  async #direct(what: Order): Promise<unknown> {
    const { upgraders, trust } = this.signing
    let isReadByAll = true
    for (let tries = 1; ; tries++) {
      const { version, directives, log, digest } = await this.server.head()
      const identity = identityAt(trust, version + 1)
      const order = {
        system: this.settings.system,
        number: directives + 1,
        what,
        createdAt: rfc3339(this.clock.now()),
        upgrader: upgraders[0]?.publicKey ?? null,
      }
      const bytes = encodeDirective(directiveOf(order, digest, isReadByAll ? log : null, identity))
      try {
        return await this.#send({ purpose: 'directive', ...signed('directive', bytes, ...this.#signers(identity)) })
      } catch (error) {
        if (!isFault(error) || tries >= publishTriesMax) throw error
        const result = resultBefore(error)
        if (result !== undefined) return result
        // Of several upgrade servers, one of release 0.1.0 may have been asked.
        const isTooNew = error.code === 'config.invalid' && isReadByAll && identity === null
        if (isTooNew) isReadByAll = false
        else if (error.code !== 'upgrade.conflict') throw error
      }
    }
  }

  /**
   * Installs a version that changes no class, and says who may install from then on: how keys are exchanged.
   * The keys of those who go and of those who come may be in force together for a while.
   */
  setUpgraders(
    upgraders: NonNullable<PublishOptions['upgraders']>,
    options: Omit<PublishOptions, 'upgraders'> = {},
  ): Promise<Version> {
    const bundle = new Uint8Array(0)
    const manifest: ManifestDraft = {
      format: manifestFormat,
      runtime: runtimeInterfaces.oldest,
      title: `Upgraders: ${upgraders.map((each) => (typeof each === 'string' ? each : each.key)).join(', ')}`,
      bundle: { digest: digestOf(bundle), bytes: bundle.length },
      classUpgrades: [],
      tables: {},
      gate: null,
    }
    return this.publish({ manifest, bundle }, { ...options, upgraders })
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
  look(hear: (batch: LookBatch) => void, only: LookFilter = {}): () => void {
    return this.looking.start(hear, only)
  }

  /**
   * Calls a method by name. `target` is a node or a service; `kind` decides whether a lost
   * answer is asked for again.
   */
  call(
    target: { readonly node: string } | { readonly service: string },
    method: string,
    args: readonly unknown[],
    options: { readonly version: Version; readonly deadlineMs?: number; readonly kind?: MethodKind },
  ): Promise<unknown> {
    const subjects = subjectsOf(this.settings.system)
    return this.calls.call(
      { nodeId: this.settings.hostId, incarnation: this.calls.incarnation, className: 'Operator', version: options.version },
      {
        subject: 'node' in target ? subjects.node(target.node) : subjects.service(target.service),
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
}

/** How an upgrade server, of whichever release, refuses an order that it does not know. */
const unknownOrder = 'it orders nothing that there is'

/** The result of the very same order before, where its answer was lost. */
function resultBefore(error: unknown): OrderResult | undefined {
  if (!isFault(error) || error.code !== 'upgrade.conflict') return undefined
  return (error.details as { readonly earlier?: { readonly result: OrderResult } }).earlier?.result
}
