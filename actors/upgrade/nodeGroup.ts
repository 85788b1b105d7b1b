/**
 * A group: nodes of one host that go through every version together (DESIGN §5, "Groups"). It knows its
 * members, and which of their calls must still be let in while they drain.
 */
import type { Version } from '../../core/base/ids.js'
import type { Phase } from '../../core/base/phases.js'
import { IncomingCall } from '../serving/incomingCall.js'
import type { Mailbox, Turn } from '../serving/mailbox.js'
import type { NodeRecordStore } from '../software/nodeRecordStore.js'
import { GroupUpgrade } from './groupUpgrade.js'

/** The part of a node that its group needs. */
export interface GroupMember {
  readonly id: string
  readonly mailbox: Mailbox
  readonly recordStore: NodeRecordStore
  readonly isEnding: boolean
  /** Something may be there to upgrade to, or an upgrade is undone. */
  consider(): void
  /** Tells the UDB and the observers. */
  report(phase: Phase, target: Version, reason: string): void
}

export class NodeGroup {
  readonly #upgrades = new Map<Version, GroupUpgrade>()
  readonly #members: GroupMember[] = []

  constructor(readonly name: string) {}

  get members(): readonly GroupMember[] {
    return this.#members
  }

  /** Before any of them starts. */
  join(member: GroupMember): void {
    this.#members.push(member)
  }

  /** Whether that node is another member than the one with this id. */
  hasBeside(id: string, nodeId: string): boolean {
    return nodeId !== id && this.#members.some((member) => member.id === nodeId)
  }

  /** Where the members meet that are not past `target` yet. */
  upgradeTo(target: Version): GroupUpgrade {
    let found = this.#upgrades.get(target)
    if (found === undefined) {
      for (const version of this.#upgrades.keys()) if (version < target) this.#upgrades.delete(version)
      const members = this.members.filter((member) => nextOf(member) <= target)
      this.#upgrades.set(target, (found = new GroupUpgrade(target, members)))
    }
    return found
  }

  /** An upgrade that one member knows to be undone is undone for all of them. */
  considerAll(but: GroupMember): void {
    for (const member of this.members) if (member !== but) member.consider()
  }

  /** While members drain: whether a running call of one of them waits for this turn. */
  needs(turn: Turn): boolean {
    if (!(turn instanceof IncomingCall) || turn.envelope.path === null) return false
    for (const { mailbox } of this.members)
      if (mailbox.running instanceof IncomingCall && turn.isMadeFor(mailbox.running.entryInPaths)) return true
    return false
  }

  /** The members in which a call runs. */
  get busy(): readonly GroupMember[] {
    return this.members.filter(({ mailbox }) => mailbox.running !== undefined)
  }

  /** Resolves when no call of any member runs. To be asked once all their mailboxes are closed. */
  async drained(): Promise<void> {
    for (;;) {
      const { busy } = this
      if (busy.length === 0) return
      await Promise.all(busy.map(({ mailbox }) => mailbox.finished()))
    }
  }

  stopped(member: GroupMember): void {
    for (const upgrade of this.#upgrades.values()) upgrade.stopped(member)
  }
}

/** The version that its next flip, or the one that is not over yet, brings it to. */
function nextOf({ recordStore }: GroupMember): Version {
  const { generation, previous } = recordStore.record
  return previous === null ? generation.version + 1 : generation.version
}
