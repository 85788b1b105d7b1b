/** What an operator does with a running system: publishes upgrades, looks at the upgrade database, calls a method by name. */
import { inject, injectable } from 'tsyringe'
import { isFault } from '../core/fault.js'
import type { Version } from '../core/ids.js'
import { rfc3339 } from '../core/instant.js'
import { decodeManifest, encodeManifest, type Manifest, type ManifestDraft } from '../core/manifest.js'
import type { MethodKind } from '../core/methods.js'
import type { Clock } from '../core/ports/clock.js'
import type { UpgradeDatabase } from '../core/ports/upgradeDatabase.js'
import { subjectsOf } from '../core/subjects.js'
import { CallTable } from './callTable.js'
import type { HostSettings } from './settings.js'
import { tokens } from './tokens.js'
import { UpgradeServerClient } from './upgradeServerClient.js'

/** An upgrade as `natsctl upgrade build` makes it. */
export interface BuiltUpgrade {
  readonly manifest: ManifestDraft
  readonly bundle: Uint8Array
}

export interface PublishOptions {
  /** Why; kept in the history. */
  readonly reason?: string
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
  ) {}

  /** Installs the upgrade as the next version and returns that version. Throws `upgrade.*` if the upgrade server refuses it. */
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
        upgrader: null,
      }
      try {
        await this.server.install({ bytes: encodeManifest(manifest), signature: null })
        return manifest.version
      } catch (error) {
        if (!isFault(error) || error.code !== 'upgrade.conflict' || tries >= publishTriesMax) throw error
      }
    }
  }

  /** The manifests of all versions, oldest first. */
  async history(): Promise<readonly Manifest[]> {
    const { version } = await this.server.head()
    return version === 0 ? [] : (await this.server.manifests(1, version)).map(({ bytes }) => decodeManifest(bytes))
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
