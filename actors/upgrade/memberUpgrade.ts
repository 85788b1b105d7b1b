/**
 * The effects of the upgrade statechart on a member of a group (DESIGN §5, "Groups"). Its part of each step
 * is that of any node; it ends when the parts of all members have (groupUpgrade.ts). A member whose class the
 * upgrade leaves alone goes with the others: it has no SF, and its object stays.
 */
import type { Version } from '../../core/base/ids.js'
import { invariant } from '../../core/base/invariant.js'
import type { NodeRecord } from '../../core/model/nodeRecord.js'
import type { LimitedSchedule } from '../../core/schedules/serviceLimit.js'
import { advanced } from '../../core/upgrade/generations.js'
import { backoffMs, sleep, within } from '../base/timeouts.js'
import { isConcerned } from '../history/classRegistry.js'
import { sweepLeftRecordings } from '../rewind/recordingSweep.js'
import { commitTogether, type RecordChange } from '../software/nodeRecordStore.js'
import { CompanionChange } from './companionChange.js'
import type { GroupStepName, GroupUpgrade, Step } from './groupUpgrade.js'
import type { NodeGroup } from './nodeGroup.js'
import { NodeUpgrade } from './nodeUpgrade.js'
import { drainedLate, type SharedMoments } from './objectChange.js'
import { classUpgradeOf, learn, type UpgradingNode, undoesFor } from './upgradingNode.js'

/** A record as it is to be, made when all are there. */
export interface NextRecord {
  readonly node: Pick<UpgradingNode, 'recordStore'> & { readonly services: Pick<UpgradingNode['services'], 'journal'> }
  next(): NodeRecord
}

/** In the step that the member is in. */
class GroupMoments implements SharedMoments {
  step: Step | undefined

  constructor(
    private readonly node: UpgradingNode,
    private readonly group: NodeGroup,
  ) {}

  /** First all mailboxes close: until then a call of one could lead to another that has drained. */
  async close(timeoutMs: number): Promise<void> {
    const { group, node } = this
    const step = this.step!
    void node.close((turn) => group.needs(turn))
    const drained = step.meet('closed', node, undefined).then(() => step.unlessFailed(group.drained()))
    const late = () => {
      step.failedAt(group.busy[0] ?? node, drainedLate(timeoutMs))
      return drainedLate(timeoutMs)
    }
    await within(node.services.clock, timeoutMs, drained, late)
    // Nothing runs that could need it: a member that returns before the others would find no object here.
    void node.close()
  }

  commit(next: () => NodeRecord): Promise<void> {
    const { node } = this
    return this.step!.meet<NextRecord>('commit', node, { node, next }, commitAll)
  }

  readonly started = (next: () => NodeRecord) => this.commit(next)
}

/** C13. One commit for all members, which are in one store; and afterwards all are at one version. */
export async function commitAll(all: readonly NextRecord[]): Promise<void> {
  const changes = all.map(({ node, next }): RecordChange => ({ recordStore: node.recordStore, record: next() }))
  const versions = new Set(changes.map(({ record }) => record.generation.version))
  invariant(versions.size === 1, `C13: one commit would leave a group at versions ${[...versions].join(' and ')}`)
  await commitTogether(all[0]!.node.services.journal, changes)
}

export class MemberUpgrade extends NodeUpgrade {
  readonly #moments: GroupMoments
  readonly #companion: CompanionChange
  readonly #upgrade: GroupUpgrade

  constructor(
    node: UpgradingNode,
    target: Version,
    private readonly group: NodeGroup,
  ) {
    const moments = new GroupMoments(node, group)
    super(node, target, moments)
    this.#moments = moments
    this.#companion = new CompanionChange(node, target, this.admission, moments)
    this.#upgrade = group.upgradeTo(target)
  }

  #together<T>(name: GroupStepName, part: (step: Step) => Promise<T>, signal?: AbortSignal): Promise<T> {
    return this.#upgrade.together(
      name,
      this.node,
      (step) => {
        this.#moments.step = step
        return part(step)
      },
      signal,
    )
  }

  get #does(): NodeUpgrade['change'] | CompanionChange {
    return this.isConcerned ? this.change : this.#companion
  }

  /** A group passes over an upgrade together. */
  protected override concerns(version: Version): boolean {
    const { classes } = this.node.services
    return this.group.members.some(({ recordStore }) => isConcerned(recordStore.lineage(classes), version))
  }

  protected override isBackAt(version: Version): boolean {
    const { classes } = this.node.services
    const lineages = this.group.members.map(({ recordStore }) => recordStore.lineage(classes))
    return lineages.every((lineage) => lineage[version] === lineage[this.target - 1])
  }

  /** Every upgrade takes a group through all phases, so that its members are at one version. */
  override verify(): Promise<{ readonly concerned: boolean }> {
    return this.#together('verifying', async () => {
      await super.verify()
      return { concerned: true }
    })
  }

  override schedule(signal: AbortSignal): Promise<void> {
    this.#tellOthers(signal)
    const part = async (step: Step) => {
      if (this.isConcerned) await this.#scheduleIn(step, signal)
      this.#tellMissing(step)
    }
    return this.#together('scheduling', part, signal)
  }

  /** An SF is ended when another member's has failed. */
  async #scheduleIn(step: Step, signal: AbortSignal): Promise<void> {
    const over = new AbortController()
    const signalled = super.schedule(AbortSignal.any([signal, over.signal]))
    try {
      await step.unlessFailed(signalled)
    } catch (error) {
      signalled.catch(() => {})
      over.abort()
      throw error
    }
  }

  /** The members that have signalled say for which they wait. */
  #tellMissing(step: Step): void {
    const missing = step.missingAt('end').filter(({ id }) => id !== this.node.id)
    if (missing.length === 0) return
    const reason = `waits for ${missing.map(({ id }) => id).join(', ')} of its group`
    for (const member of this.#upgrade.members) if (!missing.includes(member)) member.report('scheduled', this.target, reason)
  }

  override claim(signal: AbortSignal): Promise<void> {
    this.#tellOthers(signal)
    const part = (step: Step) => step.meet('all', this.node, { member: this as MemberUpgrade, signal }, claimAll)
    return this.#together('claiming', part, signal)
  }

  /** An undo may reach one member first: it goes past the upgrade, and the others must not stall for that. */
  #tellOthers(signal: AbortSignal): void {
    const tell = () => {
      if (this.isUndone) this.group.considerAll(this.node)
    }
    signal.addEventListener('abort', tell, { once: true })
  }

  get #limit(): LimitedSchedule {
    return this.isConcerned ? classUpgradeOf(this.node, this.target).schedule : {}
  }

  /** For all members: permits of all, or of none. An upgrade that concerns no member needs none. */
  static async claimAll(members: readonly MemberUpgrade[], signal: AbortSignal): Promise<void> {
    if (!members.some(({ isConcerned }) => isConcerned)) return
    const { clock, random, settings } = members[0]!.node.services
    // All groups ask in the same order: none waits for a place of another that waits for one of its own.
    const inOrder = [...members].sort((a, b) => compare(a.#place, b.#place))
    for (let failures = 0; ; ) {
      try {
        for (const { admission } of inOrder) await admission.queueUp(signal)
        const refused = await MemberUpgrade.#firstRefused(inOrder, signal)
        if (refused === undefined) return
        failures = 0
        for (const member of inOrder) {
          member.admission.giveBack()
          if (member !== refused) member.admission.tellWaiting(`the permit of ${refused.node.id}, of its group`)
        }
        await sleep(clock, settings.slotPauseMs * (1 + random.next()), signal)
      } catch {
        for (const { admission, node } of inOrder) {
          if (!node.isEnding) admission.giveBack()
          else admission.end()
          if (!signal.aborted) admission.tellWaiting('the upgrade database, which does not answer')
        }
        signal.throwIfAborted()
        await sleep(clock, backoffMs(failures++, settings.backoffMs, settings.backoffMsMax, random.next()), signal)
      }
    }
  }

  static async #firstRefused(inOrder: readonly MemberUpgrade[], signal: AbortSignal): Promise<MemberUpgrade | undefined> {
    for (const member of inOrder) if (!(await member.admission.attempt(member.#limit, signal))) return member
    return undefined
  }

  get #place(): string {
    return `${this.node.recordStore.record.service}/${this.node.id}`
  }

  override async drain(): Promise<void> {
    let come: 'nowhere' | 'to the drain' | 'past it' = 'nowhere'
    try {
      // Nobody closes before all can: meanwhile their calls go on.
      await this.#together('gathering', () => this.#gather())
      await this.#together('draining', async () => {
        come = 'to the drain'
        await this.#does.drain()
        come = 'past it'
      })
    } catch (error) {
      if (come === 'nowhere') this.admission.giveBack()
      // A drain that fails serves again by itself.
      else if (come === 'past it') await this.returnToOld()
      throw error
    }
  }

  async #gather(): Promise<void> {
    const { node } = this
    await node.whenRestarted()
    await learn(node, this.target)
    await node.whenRestarted()
  }

  override transform(): Promise<void> {
    return this.#together('transforming', async () => {
      if (this.isConcerned) await this.change.transform()
    })
  }

  override check(): Promise<void> {
    return this.#together('checking', async () => {
      if (this.isConcerned) await this.change.check()
    })
  }

  override flip(): Promise<void> {
    return this.#together('flipping', () => this.#does.flip())
  }

  override recover(startsFailed: number): Promise<void> {
    return this.#together('recovering', () => this.#does.recover(startsFailed))
  }

  override flipBack(reason: string): Promise<void> {
    return this.#together('flippingBack', () => this.#does.flipBack(reason))
  }

  override returnToOld(): Promise<void> {
    return this.#does.returnToOld()
  }

  /** A member that tries again takes the others along. */
  override async awaitRetry(signal: AbortSignal): Promise<void> {
    const asked = super.awaitRetry(signal)
    const follow = this.#upgrade.whenOthersTry(this.node).then(() => this.node.learning.reconsider())
    asked.catch(() => {})
    await Promise.race([asked, follow])
  }

  /** All go past the undone version in one commit. */
  override async skip(): Promise<void> {
    const { node } = this
    this.group.considerAll(node)
    await this.learnUndo()
    await this.#together('skipping', (step) => this.#skip(step))
  }

  async #skip(step: Step): Promise<void> {
    const { node } = this
    const { settings } = node.services
    await node.whenRestarted()
    await step.meet('here', node, undefined)
    node.beginUpgrade()
    try {
      await this.#moments.close(settings.advanceTimeoutMs)
      await node.state.settled()
      await this.#moments.commit(() => advanced(node.recordStore.record, this.undo, undoesFor(node)))
      node.software.rebuildChain()
      void sweepLeftRecordings(node)
    } catch (error) {
      if (node.state.isLost) node.crashInUpgrade(error)
      else node.serveAfterUpgrade()
      throw error
    }
    this.admission.end()
    node.serveAfterUpgrade()
  }

  override stop(): void {
    super.stop()
    this.group.stopped(this.node)
  }
}

interface Claiming {
  readonly member: MemberUpgrade
  readonly signal: AbortSignal
}

function claimAll(all: readonly Claiming[]): Promise<void> {
  return MemberUpgrade.claimAll(
    all.map(({ member }) => member),
    AbortSignal.any(all.map(({ signal }) => signal)),
  )
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
