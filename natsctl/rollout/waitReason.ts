/**
 * The cause of a node's waiting: on whom, since when, and what would move it; from its row, the
 * controls and the history alone.
 */

import type { NodeRow, Version } from 'theseus-actors'
import { type Control, type Manifest, mayBeAsleep, systemOfPin } from 'theseus-actors/operator'

export interface WaitReason {
  readonly node: string
  /** One clause: "its schedule, gradually(…)". Null for a node that waits for nothing. */
  readonly waitsFor: string | null
  /** Others that it waits for, as far as they are known. */
  readonly on: readonly string[]
  readonly since: number
  /** The possible acts of an operator, each a command or a sentence. */
  readonly movedBy: readonly string[]
}

export interface KnownRollout {
  readonly newest: Version
  /** Of versions 1, 2, … */
  readonly manifests: readonly Manifest[]
  readonly controls: readonly Control[]
  /** Why not all manifests are verified, in one line. */
  readonly doubt?: string | undefined
  /** Of all nodes, where they were read. */
  readonly rows?: readonly NodeRow[]
}

/** A node says so that should be rewound, and can't be (core/upgrade/reversedUpgrade.ts). */
const noWayBack = 'no whole recording to replay'

export function waitReasonOf(row: NodeRow, known: KnownRollout): WaitReason {
  const { nodeId, since } = row
  const of = (waitsFor: string | null, movedBy: readonly string[] = [], on: readonly string[] = []): WaitReason => ({
    node: nodeId,
    waitsFor,
    on,
    since,
    movedBy,
  })
  // A pin of another system waits for nothing.
  if (systemOfPin(row) !== undefined) return of(null)
  if (mayBeAsleep(row)) {
    if (row.version >= known.newest) return of(null)
    const owner = `the owner of shard ${row.shard} of ${row.service}`
    return of(`${owner}, which wakes the node and takes it to version ${row.version + 1}`, [
      'natsctl shard ls, to see who that is',
    ])
  }
  if (!row.alive) {
    const movedBy = [`start host ${row.hostId} again`, `natsctl node forget ${nodeId}, if it will not come back`]
    return of(`host ${row.hostId}, which is not heard of; the node was ${row.phase}`, movedBy, [row.hostId])
  }
  switch (row.phase) {
    case 'current':
      if (row.reason !== null)
        return of(`a record that it can't make: ${row.reason}`, ['natsctl rollout undo', 'a call that removes the record'])
      if (row.version >= known.newest) return of(null)
      return of(`word of version ${row.version + 1}`, ['is an upgrade server running? its host asks every half minute'])
    case 'fetching':
    case 'verifying':
      return of(row.reason ?? 'the upgrade’s bundle', ['a running upgrade server that has the bundle'])
    case 'scheduled':
      return scheduled(row, known, of)
    case 'draining':
      return of('the call that runs to end, and stop()', ['it goes back to wait when that takes too long'])
    case 'transforming':
    case 'checking':
    case 'flipping':
      return of(`its own upgrade: it is ${row.phase}`)
    case 'recovering':
      return of('the new object to start', ['after three failed starts it goes back by itself'])
    case 'stalled':
    case 'rejected':
      if (row.reason?.includes(noWayBack)) {
        const why = row.rewind !== undefined && 'ended' in row.rewind ? `its recording ended: ${row.rewind.ended}` : row.reason
        return of(`a way back: it has no inverse and no whole recording (${why})`, [
          `natsctl rollout undo ${row.target ?? ''}, which brings the upgrade again`,
        ])
      }
      return of(`somebody: ${row.reason ?? 'no reason is known'}`, [
        `remove the cause, then natsctl rollout retry ${row.target ?? ''}`.trimEnd(),
        'natsctl rollout undo',
      ])
    case 'failed':
      return of(`its object to start again: ${row.reason ?? 'no reason is known'}`, [
        'remove the cause: its host tries again and again',
      ])
  }
}

function scheduled(
  row: NodeRow,
  { manifests, controls, rows = [] }: KnownRollout,
  of: (waitsFor: string, movedBy: readonly string[], on?: readonly string[]) => WaitReason,
): WaitReason {
  const { nodeId, reason, target, service } = row
  const now = `natsctl node upgrade ${nodeId}`
  const hold = controls.find((control) => control.kind === 'hold' && control.nodeId === nodeId)
  if (hold?.kind === 'hold') return of(withReason('the end of its hold', hold.reason), [`natsctl node release ${nodeId}`])
  const pause = controls.find((control) => control.kind === 'pause' && control.version === target)
  if (pause?.kind === 'pause' && reason !== null)
    return of(withReason(`the end of the pause of version ${target}`, pause.reason), [`natsctl rollout resume ${target}`, now])
  const members = /^waits for (.+) of its group$/.exec(reason ?? '')?.[1]?.split(', ') ?? []
  if (members.length > 0)
    return of(
      `the schedules of ${members.join(', ')}, of its group`,
      members.map((member) => `natsctl node upgrade ${member}`),
      members,
    )
  const holders = /held by (.+)$/.exec(reason ?? '')?.[1]?.split(', ') ?? []
  const serving = holders.filter((holder) =>
    rows.some((each) => each.nodeId === holder && each.phase === 'current' && each.alive),
  )
  if (serving.length > 0 && serving.length === holders.length)
    return of(
      `a permit under the limit of ${service}, held by ${serving.join(', ')}, which ${serving.length === 1 ? 'serves' : 'serve'} all the same`,
      [
        `the host of ${serving.join(', ')}, which gives the permit back when it hears that the upgrade database has lost something`,
        `a restart of that host: a node that serves again gives its permit back`,
      ],
      holders,
    )
  if (holders.length > 0)
    return of(
      `a permit under the limit of ${service}`,
      [`${holders.join(', ')} to serve again`, `natsctl node forget, of one of them that will not`],
      holders,
    )
  if (reason?.includes('the upgrade database, which has lost something'))
    return of(reason.replace(/^waits for /, ''), [
      'all hosts being up and reaching it: it ends by itself, a lease after the last has told',
    ])
  if (reason !== null) return of(reason.replace(/^waits for /, ''), [])
  const schedule =
    target === null ? undefined : manifests[target - 1]?.classUpgrades.find((entry) => entry.service === service)?.schedule
  return of(`its schedule, ${schedule ?? 'which is not known'}`, [now])
}

function withReason(what: string, reason: string): string {
  return reason === '' ? what : `${what}: ${reason}`
}
