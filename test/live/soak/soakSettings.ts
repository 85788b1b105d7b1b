/** The bounds and intervals of a soak's hosts: short enough that half a minute holds many of each. */
import type { HostOptions } from 'theseus-actors'
import type { Plan } from '../../../rehearsal/world/plan.js'

export function soakSettings({ limit }: Plan): NonNullable<HostOptions['settings']> {
  return {
    limit,
    queryResendMs: 500,
    askServerMs: 2_000,
    serverDeadlineMs: 2_000,
    leaseMs: 4_000,
    backoffMsMax: 1_000,
    stopTimeoutMs: 1_000,
    transformRecordsPerCommit: 20,
    sweepKeysPerCommit: 50,
  }
}
