/** Rollouts as a test needs them, and pictures of them. */

import type { NodeRow } from 'theseus-actors'
import type { Control } from '../../../core/control/control.js'
import type { Manifest } from '../../../core/upgrade/manifest.js'
import { Rates } from '../../../natsctl/watch/rates.js'
import type { ScreenContent } from '../../../natsctl/watch/screenContent.js'
import { initialScreenState } from '../../../natsctl/watch/screenState.js'
import { watchedRolloutOf } from '../../../natsctl/watch/watchedRollout.js'

export const now = Date.parse('2026-11-22T21:00:00Z')

export function row(nodeId: string, about: Partial<NodeRow> = {}): NodeRow {
  return {
    ...{ nodeId, service: 'pages', className: `Pages.v${(about.version ?? 0) + 1}`, version: 0, phase: 'current' },
    ...{ target: null, reason: null, hostId: 'h1', directoryId: 'd', since: now - 60_000, alive: true },
    ...about,
  }
}

export function manifest(about: Partial<Manifest> & { readonly schedule?: string } = {}): Manifest {
  const { schedule = 'gradually({ every: 10s, probability: 0.2 })', ...rest } = about
  return {
    ...{
      format: 1,
      runtime: 1,
      system: 'demo',
      version: 1,
      previous: null,
      title: 'Readers can comment on a page',
      reason: null,
    },
    ...{ undoes: null, createdAt: '2026-11-22T20:58:00Z', upgrader: null, upgraders: null, tables: {}, gate: null },
    bundle: { digest: '0'.repeat(64), bytes: 5 },
    classUpgrades: [
      {
        ...{ service: 'pages', oldClass: 'Pages.v1', newClass: 'Pages.v2', pastSO: 'none', futureSO: 'so', only: null, schedule },
        ...{ oldMethods: {}, newMethods: {}, oldUses: [], newUses: [], inverse: true },
      },
    ],
    ...rest,
  } as Manifest
}

export interface Scene {
  readonly rows: readonly NodeRow[]
  readonly controls?: readonly Control[]
  readonly manifest?: Manifest
  readonly newest?: number
}

export function content(
  { rows, controls = [], manifest: newestManifest = manifest(), newest = 1 }: Scene,
  about: Partial<ScreenContent> = {},
): ScreenContent {
  const manifests = newest === 0 ? [] : [...new Array<Manifest>(newest - 1).fill(newestManifest), newestManifest]
  return {
    system: 'demo',
    watched: watchedRolloutOf('demo', rows, { newest, manifests, controls }, now),
    rates: [],
    limits: new Rates(),
    state: initialScreenState,
    history: undefined,
    warning: '',
    now,
    ...about,
  }
}

/** Twelve of forty are there; one is in trouble, one away, two on their way. */
export function fortyNodes(): readonly NodeRow[] {
  return Array.from({ length: 40 }, (_, i) => {
    const nodeId = `p${String(i + 1).padStart(2, '0')}`
    if (i < 12) return row(nodeId, { version: 1, since: now - (12 - i) * 5_000 })
    if (i === 12) return row(nodeId, { phase: 'stalled', target: 1, reason: 'upgrade.transform: no such field: title' })
    if (i === 13) return row(nodeId, { phase: 'scheduled', target: 1, alive: false, hostId: 'h2' })
    if (i === 14) return row(nodeId, { phase: 'draining', target: 1, since: now - 2_000 })
    if (i === 15) return row(nodeId, { phase: 'transforming', target: 1, since: now - 1_000 })
    return row(nodeId, { phase: 'scheduled', target: 1 })
  })
}
