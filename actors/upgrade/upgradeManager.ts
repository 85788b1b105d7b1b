/**
 * The upgrade manager of one node (§3): runs the statechart as an XState actor while an upgrade is under way,
 * one upgrade after the other. Between upgrades there is no actor.
 */

import { type Actor, createActor, fromPromise, type InspectionEvent } from 'xstate'
import { reasonOf } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import { InvariantViolation, isInvariantViolation } from '../../core/base/invariant.js'
import type { Phase } from '../../core/base/phases.js'
import { actingKey, type EffectInput, type ResumePoint, upgradeStatechart } from '../../core/upgrade/upgradeStatechart.js'
import { backoffMs } from '../base/timeouts.js'
import { isConcerned } from '../history/classRegistry.js'
import type { Inspection } from '../inspection/inspection.js'
import { MemberUpgrade } from './memberUpgrade.js'
import { NodeUpgrade } from './nodeUpgrade.js'
import type { UpgradeServices, UpgradingNode } from './upgradingNode.js'

/** Of its host, for an upgrade manager. */
export interface ManagerServices extends UpgradeServices {
  readonly inspection: Inspection
  /** Hears what the statecharts do, in this process. */
  readonly inspect: ((event: InspectionEvent) => void) | undefined
}

export interface ManagedNode extends UpgradingNode {
  readonly services: ManagerServices
}

type UpgradeActor = Actor<typeof statechart>

/** The objects that the statechart of one upgrade acts upon. */
interface Acting {
  readonly upgrade: NodeUpgrade
  pause(failures: number): number
  /**
   * An error that nobody foresaw is told of, and restarts the node if an invariant is broken. The upgrade
   * goes on to its end (C10).
   */
  failed(error: unknown): void
}

const actingOf = (of: { readonly [actingKey]?: unknown }) => of[actingKey] as Acting

const effect = <Done = void>(run: (upgrade: NodeUpgrade, input: EffectInput, signal: AbortSignal) => Promise<Done>) =>
  fromPromise<Done, EffectInput>(async ({ input, signal }) => {
    const { upgrade, failed } = actingOf(input)
    try {
      return await run(upgrade, input, signal)
    } catch (error) {
      if (isInvariantViolation(error)) failed(error)
      throw error
    }
  })

/** Made once for all upgrades of all nodes. */
const statechart = upgradeStatechart.provide({
  actors: {
    fetch: effect((upgrade) => upgrade.fetch()),
    verify: effect((upgrade) => upgrade.verify()),
    advance: effect((upgrade) => upgrade.advance()),
    skip: effect((upgrade) => upgrade.skip()),
    awaitRetry: effect((upgrade, _, signal) => upgrade.awaitRetry(signal)),
    schedule: effect((upgrade, _, signal) => upgrade.schedule(signal)),
    claim: effect((upgrade, _, signal) => upgrade.claim(signal)),
    drain: effect((upgrade) => upgrade.drain()),
    transform: effect((upgrade) => upgrade.transform()),
    check: effect((upgrade) => upgrade.check()),
    flip: effect((upgrade) => upgrade.flip()),
    recover: effect((upgrade, { startsFailed }) => upgrade.recover(startsFailed)),
    flipBack: effect((upgrade, { reason }) => upgrade.flipBack(reason ?? 'the new object could not be started')),
    returnToOld: effect((upgrade) => upgrade.returnToOld()),
  },
  actions: {
    entered: ({ context }, { phase }: { readonly phase: Phase }) => {
      const { upgrade, failed } = actingOf(context)
      try {
        upgrade.entered(phase, context.reason)
      } catch (error) {
        // The chart would end here, and the upgrade with it (C10).
        failed(error)
      }
    },
  },
  guards: { isUndone: ({ context }) => actingOf(context).upgrade.isUndone },
  delays: {
    fetchBackoff: ({ context }) => actingOf(context).pause(context.fetchesFailed),
    drainPause: ({ context }) => actingOf(context).pause(context.drainsFailed),
    startBackoff: ({ context }) => actingOf(context).pause(context.startsFailed),
  },
})

export class UpgradeManager {
  #actor: UpgradeActor | undefined
  #upgrade: NodeUpgrade | undefined
  #stopped = false

  constructor(private readonly node: ManagedNode) {}

  /** Takes up the next upgrade, if there is one and none is under way. */
  consider(): void {
    const { generation } = this.node.recordStore.record
    if (
      this.#actor !== undefined &&
      this.node.services.history.undoOf(generation.version + 1) !== null &&
      this.#upgrade!.isUndone
    )
      this.#actor.send({ type: 'undone' })
    if (this.#actor !== undefined || this.#stopped || this.node.services.history.heard <= generation.version) return
    // A call can teach it while its node starts, before `resume`.
    if (this.node.recordStore.record.upgrade !== null) this.resume()
    else this.#begin('beginning')
  }

  /** Takes up the upgrade that the node's record tells of: the host was ended meanwhile. */
  resume(): void {
    // Two at once would both take the object away, and each would go one version on.
    if (this.#stopped || this.#actor !== undefined) return
    const { upgrade } = this.node.recordStore.record
    if (upgrade === null) this.consider()
    else if (upgrade.phase === 'recovering') this.#begin('recovering', null, upgrade.startsFailed)
    // It stalled for a call that ended with the host. A group stalls for all its members.
    else if (this.node.group === undefined && !this.#isConcerned(upgrade.target)) this.#begin('beginning')
    else this.#begin('stalled', upgrade.reason || 'the reason was not kept')
  }

  #isConcerned(target: Version): boolean {
    const { classes, history } = this.node.services
    return history.newest < target || isConcerned(this.node.recordStore.lineage(classes), target)
  }

  /** Lets a stalled or rejected upgrade try again. */
  retry(): void {
    void this.node.learning.reconsider().then(() => this.#actor?.send({ type: 'retry' }))
  }

  /**
   * Tells once more which phase the upgrade under way is in, and why: the node came back from disk, where
   * that may be missing. False if none is under way.
   */
  tellAgain(): boolean {
    if (this.#actor === undefined) return false
    const { phase, reason } = this.#actor.getSnapshot().context
    this.#upgrade?.tell(phase, reason)
    return true
  }

  stop(): void {
    this.#stopped = true
    this.#actor?.stop()
    this.#actor = undefined
    this.#upgrade?.stop()
  }

  #begin(resume: ResumePoint, reason: string | null = null, startsFailed = 0): void {
    const { node } = this
    const { generation } = node.recordStore.record
    const target = resume === 'recovering' ? generation.version : generation.version + 1
    const { group } = node
    const upgrade = group === undefined ? new NodeUpgrade(node, target) : new MemberUpgrade(node, target, group)
    const { random, settings, clock } = node.services
    const failed = (error: unknown) => {
      if (isInvariantViolation(error)) node.crash(error)
      else node.services.observe({ type: 'warning', message: `${node.id}: its phase could not be told`, error })
    }
    const pause = (failures: number) => backoffMs(failures, settings.backoffMs, settings.backoffMsMax, random.next())
    const actor = createActor(statechart, {
      input: { target, resume, reason, startsFailed, [actingKey]: { upgrade, pause, failed } satisfies Acting },
      clock: {
        setTimeout: (action: (...args: any[]) => void, ms: number) => clock.after(ms, action),
        clearTimeout: (cancel: () => void) => cancel(),
      },
      ...(node.services.inspect === undefined ? {} : { inspect: node.services.inspect }),
    })
    this.#actor = actor
    this.#upgrade = upgrade
    actor.subscribe({
      complete: () => {
        this.#actor = undefined
        this.consider()
      },
      error: (error) => {
        this.#actor = undefined
        upgrade.stop()
        const what = `C10: the upgrade of ${node.id} to version ${target} ended nowhere: ${reasonOf(error)}`
        node.crash(new InvariantViolation(what))
      },
    })
    node.services.inspection.follow(node.id, target, actor)
    actor.start()
  }
}
