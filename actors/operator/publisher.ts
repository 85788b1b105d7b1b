/** Publishes upgrades: makes the manifest of the next version, has it signed, and installs it. */
import { digestOf } from '../../core/base/digest.js'
import { Fault, isFault } from '../../core/base/fault.js'
import { release } from '../../core/base/formats.js'
import type { Version } from '../../core/base/ids.js'
import { rfc3339 } from '../../core/base/instant.js'
import type { Level } from '../../core/base/level.js'
import type { Clock } from '../../core/ports/clock.js'
import { signed } from '../../core/trust/signed.js'
import { identityAt } from '../../core/trust/trust.js'
import type { Need, TrustedKey } from '../../core/trust/trustRoot.js'
import { undoDraft } from '../../core/upgrade/draftManifest.js'
import {
  decodeManifest,
  encodeManifest,
  levelIn,
  type Manifest,
  type ManifestDraft,
  manifestFormat,
  manifestOf,
  type SignedManifest,
} from '../../core/upgrade/manifest.js'
import { runtimeInterfaces } from '../../core/upgrade/runtimeInterface.js'
import { undoneBy } from '../../core/upgrade/undo.js'
import { laterObstacle } from '../../core/upgrade/undoable.js'
import type { HostSettings } from '../base/settings.js'
import type { Signing } from '../base/tokens.js'
import type { UpgradeServerClient } from '../history/upgradeServerClient.js'
import type { Documents } from './documents.js'

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

export interface UndoOptions {
  /** Why; kept in the history. */
  readonly reason?: string
  /** The version that is undone; where it is left out, the newest. Nothing that came later may rest on it. */
  readonly version?: Version
  /**
   * Nodes bring back the state of before their flip, and carry out again what was done since (§8). Those that
   * have no whole recording go back by the inverse.
   */
  readonly rewind?: boolean
  /**
   * The version is paused in the same moment: no node goes there that has not heard of the undo. One order,
   * signed once. An upgrade server of a release before 0.2.0 undoes it alone.
   */
  readonly abort?: boolean
}

/** How often a publication is tried when another one comes in between. */
const publishTriesMax = 5

export interface PublisherServices {
  readonly clock: Clock
  readonly settings: Pick<HostSettings, 'system'>
  readonly server: Pick<UpgradeServerClient, 'head' | 'manifests' | 'putBundle'>
  readonly signing: Signing
  readonly documents: Documents
}

export class Publisher {
  constructor(private readonly services: PublisherServices) {}

  async publish({ manifest, bundle }: BuiltUpgrade, options: PublishOptions = {}): Promise<Version> {
    // It is sent with the signatures: what is kept for no manifest is kept for minutes.
    if (this.services.signing.gather === undefined) await this.services.server.putBundle(manifest.bundle.digest, bundle)
    const { asVersion } = options
    return this.#install(options, async (newest) => {
      if (asVersion !== undefined && newest + 1 !== asVersion)
        throw new Fault('upgrade.conflict', `version ${newest + 1} comes next, and not ${asVersion}`, { newest })
      return { ...manifest, undoes: null }
    })
  }

  async publishSigned(bundle: Uint8Array | null, signed: SignedManifest): Promise<Version> {
    const { version, bundle: named, system } = decodeManifest(signed.bytes)
    if (system !== this.services.settings.system)
      throw new Fault('upgrade.invalid', `the upgrade is signed for system ${system}, this is ${this.services.settings.system}`)
    if (bundle !== null) await this.services.server.putBundle(named.digest, bundle)
    try {
      await this.services.documents.give(signed)
    } catch (error) {
      if (!isFault(error) || error.code !== 'upgrade.conflict') throw error
      // The answer was lost, and others have gone on from there.
      if (!(await this.#isInstalled(version, digestOf(signed.bytes)))) throw error
    }
    return version
  }

  undo(options: UndoOptions = {}): Promise<Version> {
    return this.#install(options, async (newest) => {
      const history =
        newest === 0 ? [] : (await this.services.server.manifests(1, newest)).map(({ bytes }) => decodeManifest(bytes))
      const by = options.version === undefined ? null : undoneBy(history, options.version)
      if (by !== null && options.rewind === true && history[by - 1]!.rewinds !== true)
        throw new Fault('upgrade.conflict', `version ${by} has undone version ${options.version} by the inverse`, { newest })
      if (by !== null) return { installed: by }
      const version = options.version ?? newest
      const undone = history[version - 1]
      if (undone === undefined)
        throw new Fault('upgrade.conflict', `there is no version ${version} to undo: the newest is ${newest}`, { newest })
      const hint = options.version === undefined ? '; an upgrade before it can: say which version' : ''
      if (levelIn(undone) !== null)
        throw new Fault(
          'upgrade.invalid',
          `version ${version} has raised the level, which is never lowered: it can't be undone${hint}`,
        )
      const rewinds = options.rewind === true
      const obstacle = laterObstacle(history, undone, rewinds)
      if (obstacle !== undefined) throw new Fault('upgrade.conflict', obstacle, { newest })
      const draft = { ...undoDraft(undone, history, rewinds), undoes: version }
      return { ...draft, ...(rewinds ? { rewinds } : {}), ...(options.abort === true ? { aborts: true } : {}) }
    })
  }

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

  /** T3. A version that changes no class: from then on everybody writes these numbers. */
  async raiseLevel(level: Level, options: Pick<PublishOptions, 'reason'> = {}): Promise<Version> {
    const bundle = new Uint8Array(0)
    const draft: ManifestDraft = {
      format: manifestFormat,
      runtime: runtimeInterfaces.oldest,
      title: `Level: ${Object.entries(level)
        .map(([name, number]) => `${name} ${number}`)
        .join(', ')}`,
      bundle: { digest: digestOf(bundle), bytes: 0 },
      classUpgrades: [],
      tables: {},
      gate: null,
    }
    if (this.services.signing.gather === undefined) await this.services.server.putBundle(draft.bundle.digest, bundle)
    try {
      return await this.#install({ ...options, level }, async () => ({ ...draft, undoes: null }))
    } catch (error) {
      if (!isFault(error) || error.code !== 'upgrade.invalid' || error.details.field !== 'format') throw error
      const message = 'the level is not raised: an upgrade server of an older release runs, which does not read it: replace it'
      throw new Fault('upgrade.level', message, {}, { cause: error })
    }
  }

  async #install(
    { reason, upgraders, need, level = null }: PublishOptions & { readonly level?: Level | null },
    draftAfter: (
      newest: Version,
    ) => Promise<(ManifestDraft & Pick<Manifest, 'undoes' | 'rewinds' | 'aborts'>) | { readonly installed: Version }>,
  ): Promise<Version> {
    const { clock, documents, server, settings, signing } = this.services
    for (let tries = 1; ; tries++) {
      const head = await server.head()
      const draft = await draftAfter(head.version)
      if ('installed' in draft) return draft.installed
      const { undoes, rewinds, aborts, ...built } = draft
      const version = head.version + 1
      const identity = identityAt(signing.trust, version)
      const keys = upgraders?.map((each) => (typeof each === 'string' ? { key: each } : each))
      const ends = keys?.flatMap(({ key, until }) => (until === undefined ? [] : [[key, until] as const])) ?? []
      const manifest = manifestOf(built, {
        ...{ identity, system: settings.system, version, previous: head.digest, undoes },
        ...(rewinds === true ? { rewinds } : {}),
        ...(aborts === true ? { aborts } : {}),
        ...{ reason: reason ?? null, createdAt: rfc3339(clock.now()) },
        ...{ upgrader: signing.upgraders[0]?.publicKey ?? null, upgraders: keys?.map(({ key }) => key) ?? null },
        ...{ until: Object.fromEntries(ends), need: need ?? null, level, release },
      })
      const bytes = encodeManifest(manifest)
      try {
        await documents.send({ purpose: 'manifest', ...signed('manifest', bytes, ...documents.signers(identity)) })
        return manifest.version
      } catch (error) {
        if (!isFault(error) || error.code !== 'upgrade.conflict') throw error
        // The answer was lost, and others have gone on from there: once more would take back what they did.
        if (await this.#isInstalled(manifest.version, digestOf(bytes))) return manifest.version
        if (tries >= publishTriesMax) throw error
      }
    }
  }

  async #isInstalled(version: Version, digest: string): Promise<boolean> {
    const { version: newest } = await this.services.server.head()
    if (newest < version) return false
    const [found] = await this.services.server.manifests(version, version)
    return found !== undefined && digestOf(found.bytes) === digest
  }
}
