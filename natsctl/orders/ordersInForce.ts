/** The orders that are in force, with the nodes that each concerns now, or why it concerns nobody. Pure. */
import type { NodeRow, Version } from 'theseus-actors'
import {
  type Control,
  controlKey,
  describeOrder,
  type Manifest,
  moveProgress,
  takesBack,
  undoesIn,
  undoneBy,
} from 'theseus-actors/operator'
import { isPartOfRollout } from '../rollout/rolloutSummary.js'

export interface OrderInForce {
  readonly key: string
  readonly kind: Exclude<Control['kind'], 'gate'>
  /** As people read it. */
  readonly words: string
  readonly since: number
  readonly reason: string | null
  /** The ids of the nodes. */
  readonly concerns: readonly string[]
  /** Why it concerns nobody; null where it concerns somebody. */
  readonly nobody: string | null
}

export interface SystemFacts {
  readonly controls: readonly Control[]
  readonly rows: readonly NodeRow[]
  readonly newest: Version
  readonly manifests: readonly Manifest[]
}

type Given = Exclude<Control, { kind: 'gate' }>

/** The oldest first. The memory of the health gate is no order. */
export function ordersInForce(facts: SystemFacts): readonly OrderInForce[] {
  const given = facts.controls.filter((control): control is Given => control.kind !== 'gate')
  return given
    .toSorted((a, b) => a.since - b.since)
    .map((control) => {
      const concerns = concernedBy(control, facts).map(({ nodeId }) => nodeId)
      const reason = 'reason' in control && control.reason !== '' ? control.reason : null
      const nobody = concerns.length > 0 ? null : `nobody: ${whyNobody(control, facts)}`
      const words = describeOrder({ order: 'set', control })
      return { key: controlKey(control), kind: control.kind, words, since: control.since, reason, concerns, nobody }
    })
}

function concernedBy(control: Given, { rows, newest, manifests }: SystemFacts): readonly NodeRow[] {
  switch (control.kind) {
    case 'pause': {
      const { version } = control
      if (version > newest || isBack(manifests, version) || undoneBy(manifests, version) !== null) return []
      return rows.filter((row) => isPartOfRollout(row) && row.version < version)
    }
    case 'promote':
    case 'pace':
    case 'retry': {
      const { version } = control
      if (version > newest) return []
      const isWaiting = ({ phase }: NodeRow) => control.kind !== 'retry' || phase === 'stalled' || phase === 'rejected'
      return rows.filter((row) => isPartOfRollout(row) && row.version < version && isWaiting(row))
    }
    case 'hold':
      return rows.filter(({ nodeId }) => nodeId === control.nodeId)
    case 'now':
      return rows.filter(({ nodeId, version }) => nodeId === control.nodeId && version < control.version)
    case 'place':
      return rows.filter(({ service, shard }) => service === control.service && shard === control.shard)
    case 'home':
      return moveProgress(
        rows.filter(({ service }) => service === control.service),
        control.to,
      ).left
  }
}

function whyNobody(control: Given, { rows, newest, manifests }: SystemFacts): string {
  switch (control.kind) {
    case 'pause':
    case 'promote':
    case 'pace':
    case 'retry': {
      const { version } = control
      if (version > newest) return `version ${version} is not installed yet`
      const by = undoneBy(manifests, version)
      if (by !== null && control.kind === 'pause') return `version ${version} is undone, by version ${by}`
      if (control.kind === 'pause' && isBack(manifests, version)) return `version ${version} takes another one back`
      if (control.kind === 'retry') return `no node is stalled or rejected before version ${version}`
      return `every node is at version ${version} or past it`
    }
    case 'hold':
    case 'now': {
      const isThere = rows.some(({ nodeId }) => nodeId === control.nodeId)
      return isThere ? `node ${control.nodeId} is there` : `node ${control.nodeId} is not registered`
    }
    case 'place':
      return 'no node of this shard is registered'
    case 'home':
      return `every node of service ${control.service} is there`
  }
}

function isBack(manifests: readonly Manifest[], version: Version): boolean {
  return takesBack(undoesIn(manifests), version)
}
