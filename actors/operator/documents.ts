/** Documents on their way to be signed and to the upgrade server: manifests and directives. */
import { isFault } from '../../core/base/fault.js'
import type { Clock } from '../../core/ports/clock.js'
import type { Signer } from '../../core/ports/signatures.js'
import type { SignedManifest } from '../../core/upgrade/manifest.js'
import type { Signing, ToSign } from '../base/tokens.js'
import type { UpgradeServerClient } from '../history/upgradeServerClient.js'

/** How long a publication waits for a database on probation: two leases. */
const probationWaitMs = 30_000
/** Between two tries. */
const probationPauseMs = 500

export interface DocumentServices {
  readonly clock: Clock
  readonly server: Pick<UpgradeServerClient, 'install' | 'direct'>
  readonly signing: Pick<Signing, 'upgraders' | 'gather'>
}

export class Documents {
  constructor(private readonly services: DocumentServices) {}

  /** Release 0.1.0 reads a document that names no identity, and knows one signature. */
  signers(identity: string | null): readonly Signer[] {
    const { upgraders } = this.services.signing
    return identity === null ? upgraders.slice(0, 1) : upgraders
  }

  /** To the upgrade server, or to whoever gathers signatures. Answers what came of a directive. */
  async send(document: ToSign): Promise<unknown> {
    const { gather } = this.services.signing
    if (gather !== undefined) return gather(document)
    return document.purpose === 'manifest' ? this.give(document) : this.services.server.direct(document)
  }

  /** To the upgrade server; waits while the database is on probation. */
  async give(manifest: SignedManifest): Promise<void> {
    const { clock, server } = this.services
    const until = clock.monotonicMs() + probationWaitMs
    for (;;) {
      try {
        await server.install(manifest)
        return
      } catch (error) {
        if (!isFault(error) || error.code !== 'upgrade.probation' || clock.monotonicMs() >= until) throw error
      }
      await new Promise<void>((resolve) => void clock.after(probationPauseMs, resolve))
    }
  }
}
