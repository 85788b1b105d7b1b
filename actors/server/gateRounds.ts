/**
 * The actuator of the health gate and of promises: an upgrade server pauses the newest rollout for troubles
 * for which it has not been paused before.
 */
import type { Audited } from '../../core/control/audit.js'
import { controlReasonLengthMax, heededMax } from '../../core/control/control.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import type { HostObserver } from '../../core/inspection/hostEvents.js'
import type { Clock } from '../../core/ports/clock.js'
import type { PromiseTrouble } from '../../core/schedules/promiseTroubles.js'
import { judge, type Trouble } from '../../core/upgrade/healthGate.js'
import { decodeManifest, promisesIn } from '../../core/upgrade/manifest.js'
import { brokenPromises } from '../../core/upgrade/promisedRollout.js'

/** `pause`: a rollout in trouble is paused. `dry-run`: it is only said. `off`: nobody looks. */
export type GateMode = 'pause' | 'dry-run' | 'off'

export interface GateOptions {
  readonly database: UpgradeDatabase
  readonly clock: Clock
  readonly gate?: GateMode
  readonly observe?: HostObserver
  readonly tell?: (what: Audited) => void
}

export class GateRounds {
  constructor(private readonly options: GateOptions) {}

  async guard(): Promise<void> {
    const { database, gate = 'pause', observe, clock, tell } = this.options
    const { version } = await database.head()
    const [signed] = version === 0 ? [] : await database.manifests(version, version)
    if (signed === undefined) return
    const manifest = decodeManifest(signed.bytes)
    const { gate: limits } = manifest
    if (limits === null && promisesIn(manifest).length === 0) return
    const rows = await database.nodes()
    const troubles: readonly (Trouble | PromiseTrouble)[] = [
      ...(limits === null ? [] : judge(rows, version, limits)),
      ...brokenPromises(manifest, rows, clock.now()),
    ]
    if (troubles.length === 0) return
    const known = (await database.controls()).find((control) => control.kind === 'gate' && control.version === version)
    const heeded = known?.kind === 'gate' ? known.heeded : []
    const found = troubles.filter(({ key }) => !heeded.includes(key))
    if (found.length === 0) return
    const reason = `${causeOf(found[0]!)}: ${found[0]!.what}${found.length > 1 ? `, and ${found.length - 1} more` : ''}`
    observe?.({ type: 'gateClosed', version, troubles: found.map(({ what }) => what), isDryRun: gate === 'dry-run' })
    const since = clock.now()
    const keys = [...heeded, ...found.map(({ key }) => key)].slice(-heededMax)
    // The pause first: should the second be lost, it is made once more.
    if (gate === 'pause') {
      await database.setControl({ kind: 'pause', version, reason: reason.slice(0, controlReasonLengthMax), since })
      tell?.({ act: 'gate', version, words: reason, trouble: found[0]!.key })
    }
    await database.setControl({ kind: 'gate', version, heeded: keys, since })
  }
}

function causeOf(trouble: Trouble | PromiseTrouble): string {
  if (!('isBroken' in trouble)) return 'the health gate closed'
  return trouble.isBroken ? 'a promise is broken' : 'a promise is about to be broken'
}
