/** What an operator does with a running system: publishes upgrades, looks at the upgrade database, calls a method by name. */
import { inject, injectable } from 'tsyringe'
import { isFault } from '../core/fault.js'
import type { Version } from '../core/ids.js'
import { rfc3339 } from '../core/instant.js'
import {
  decodeManifest,
  digestOf,
  encodeManifest,
  type Manifest,
  type ManifestDraft,
  manifestFormat,
  runtimeInterface,
  type SignedManifest,
} from '../core/manifest.js'
import type { MethodKind } from '../core/methods.js'
import type { Clock } from '../core/ports/clock.js'
import type { UpgradeDatabase } from '../core/ports/upgradeDatabase.js'
import { signed } from '../core/signed.js'
import { subjectsOf } from '../core/subjects.js'
import { CallTable } from './callTable.js'
import type { HostSettings } from './settings.js'
import { type Signing, tokens } from './tokens.js'
import { UpgradeServerClient } from './upgradeServerClient.js'

/** An upgrade as `natsctl upgrade build` makes it. */
export interface BuiltUpgrade {
  readonly manifest: ManifestDraft
  readonly bundle: Uint8Array
}

export interface PublishOptions {
  /** Why; kept in the history. */
  readonly reason?: string
  /** The public keys of those who may install what comes after this upgrade, in place of those who may now. */
  readonly upgraders?: readonly string[]
}

/** How often a publication is tried when another one comes in between. */
const publishTriesMax = 5

@injectable()
export class Operator {
  constructor(
    @inject(tokens.database) readonly database: UpgradeDatabase,
    @inject(tokens.clock) private readonly clock: Clock,
    @inject(tokens.settings) private readonly settings: HostSettings,
    @inject(CallTable) private readonly calls: CallTable,
    @inject(UpgradeServerClient) private readonly server: UpgradeServerClient,
    @inject(tokens.signing) private readonly signing: Signing,
  ) {}

  /**
   * Signs the upgrade, installs it as the next version and returns that version. Throws `upgrade.*` if the upgrade server refuses it.
   */
  async publish({ manifest: draft, bundle }: BuiltUpgrade, options: PublishOptions = {}): Promise<Version> {
    await this.server.putBundle(draft.bundle.digest, bundle)
    for (let tries = 1; ; tries++) {
      const head = await this.server.head()
      const manifest: Manifest = {
        ...draft,
        system: this.settings.system,
        version: head.version + 1,
        previous: head.digest,
        reason: options.reason ?? null,
        createdAt: rfc3339(this.clock.now()),
        upgrader: this.signing.upgrader?.publicKey ?? null,
        upgraders: options.upgraders ?? null,
      }
      try {
        await this.server.install(signed('manifest', encodeManifest(manifest), this.signing.upgrader))
        return manifest.version
      } catch (error) {
        if (!isFault(error) || error.code !== 'upgrade.conflict' || tries >= publishTriesMax) throw error
      }
    }
  }

  /**
   * Installs a version that changes no class, and says who may install from then on: how keys are exchanged. The keys of those who go and of
   * those who come may be in force together for a while.
   */
  setUpgraders(upgraders: readonly string[], options: Omit<PublishOptions, 'upgraders'> = {}): Promise<Version> {
    const bundle = new Uint8Array(0)
    const manifest: ManifestDraft = {
      format: manifestFormat,
      runtime: runtimeInterface,
      title: `Upgraders: ${upgraders.join(', ')}`,
      bundle: { digest: digestOf(bundle), bytes: bundle.length },
      classUpgrades: [],
      tables: {},
    }
    return this.publish({ manifest, bundle }, { ...options, upgraders })
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

  /** Calls a method by name. `target` is a node or a service; `kind` decides whether a lost answer is asked for again. */
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
        deadline: this.clock.now() + (options.deadlineMs ?? this.settings.callDeadlineMs),
        expects: null,
        path: null,
      },
    )
  }
}
