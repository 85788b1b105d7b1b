/** Upgrades proposed to systems that exist as rows only. */

import { command, query } from '../../core/model/methods.js'
import { NodeObject } from '../../core/model/nodeObject.js'
import type { NodeRow } from '../../core/model/nodeRow.js'
import { futureSO, notNeeded, pastSO } from '../../core/model/simulation.js'
import type { Schedule } from '../../core/schedules/schedule.js'
import { draftManifest } from '../../core/upgrade/draftManifest.js'
import type { Manifest } from '../../core/upgrade/manifest.js'
import { type ClassUpgrade, defineUpgrade, type Upgrade, type UpgradeParts, upgradeClass } from '../../core/upgrade/upgrade.js'
import type { Assumptions, Proposal, Situation } from '../../rehearsal/rollout/situation.js'

export class ShopV1 extends NodeObject<{ stock: Record<string, number> }> {
  static override readonly className = 'Shop.v1'
  static override initial() {
    return { stock: {} }
  }
  @command sell(_item: string): void {}
  @query count(item: string): number {
    return this.state.stock[item] ?? 0
  }
}

export class ShopV2 extends NodeObject<{ stock: Record<string, number>; orders: string[] }> {
  static override readonly className: string = 'Shop.v2'
  static override initial() {
    return { stock: {}, orders: [] }
  }
  @command sell(_item: string): void {}
  @command order(_item: string): void {}
  @query count(item: string): number {
    return this.state.stock[item] ?? 0
  }
}

export class TillV1 extends NodeObject<Record<never, never>> {
  static override readonly className = 'Till.v1'
  static override readonly calls = [ShopV1]
  @query total(): number {
    return 0
  }
}

export class TillV2 extends NodeObject<Record<never, never>> {
  static override readonly className: string = 'Till.v2'
  static override readonly calls = [ShopV2]
  @query total(): number {
    return 0
  }
}

export function shops(schedule: Schedule): ClassUpgrade {
  return upgradeClass({
    oldClass: ShopV1,
    newClass: ShopV2,
    futureSO: futureSO({ simulates: ShopV2, over: ShopV1, delegates: ['sell', 'count'], refuses: ['order'], methods: {} }),
    pastSO: pastSO({
      simulates: ShopV1,
      over: ShopV2,
      delegates: ['count'],
      methods: {
        sell(item) {
          if (item === '') return this.refuse('nothing is sold')
          return this.next.sell(item)
        },
      },
    }),
    transform: (old) => ({ stock: old.stock, orders: [] as string[] }),
    schedule,
  })
}

export function tills(schedule: Schedule): ClassUpgrade {
  return upgradeClass({
    oldClass: TillV1,
    newClass: TillV2,
    futureSO: notNeeded,
    pastSO: notNeeded,
    transform: () => ({}),
    inverse: { transform: () => ({}) },
    schedule,
  })
}

export function upgradeOf(classUpgrades: readonly ClassUpgrade[], parts: Partial<UpgradeParts> = {}): Upgrade {
  return defineUpgrade({ title: 'Orders', classUpgrades, ...parts })
}

export const startMs = Date.UTC(2026, 0, 1, 12)

export function row(nodeId: string, change: Partial<NodeRow> = {}): NodeRow {
  return {
    nodeId,
    service: 'shop',
    className: 'Shop.v1',
    version: 0,
    phase: 'current',
    target: null,
    reason: null,
    hostId: `host-of-${nodeId}`,
    directoryId: nodeId,
    since: startMs - 60_000,
    alive: true,
    ...change,
  }
}

export function till(nodeId: string, change: Partial<NodeRow> = {}): NodeRow {
  return row(nodeId, { service: 'till', className: 'Till.v1', uses: ['Shop.v1'], ...change })
}

/** `n1` … `n<count>`, padded so that their order is the order of their numbers. */
export function ids(count: number, letter = 'n'): readonly string[] {
  return Array.from({ length: count }, (_, i) => `${letter}${String(i + 1).padStart(String(count).length, '0')}`)
}

const assumed: Assumptions = { drainMs: 1_000, transformMs: 2_000, limit: { percent: 25 }, withinMs: 7 * 24 * 3_600_000 }

export function proposal(
  upgrade: Upgrade,
  rows: readonly NodeRow[],
  change: {
    readonly situation?: Partial<Situation>
    readonly assumed?: Partial<Assumptions>
    readonly before?: readonly Upgrade[]
  } = {},
): Proposal {
  const before = change.before ?? []
  const manifests = before.map((installed, i) => manifestOf(installed, i + 1))
  const sorted = rows.toSorted((a, b) => (a.nodeId < b.nodeId ? -1 : 1))
  return {
    situation: { rows: sorted, controls: [], tables: new Map(), manifests, dead: 0, nowMs: startMs, ...change.situation },
    draft: draftManifest(upgrade, new TextEncoder().encode(upgrade.title)),
    upgrades: new Map([...before, upgrade].map((each, i) => [i + 1, each])),
    assumed: { ...assumed, ...change.assumed },
  }
}

export function manifestOf(upgrade: Upgrade, version: number): Manifest {
  return {
    ...draftManifest(upgrade, new TextEncoder().encode(`${version} ${upgrade.title}`)),
    system: 'shop',
    version,
    previous: version === 1 ? null : '0'.repeat(64),
    reason: null,
    undoes: null,
    createdAt: '2026-01-01T00:00:00Z',
    upgrader: null,
    upgraders: null,
  }
}
