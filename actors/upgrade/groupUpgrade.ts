/**
 * The upgrade of a group to one version (DESIGN §5, "Groups"): the upgrade managers of its members meet here,
 * step by step. Each has its own statechart; since every step ends in the same way for all, the statecharts
 * go the same way.
 *
 *   step          ends well when                                      fails with the first member that
 *   verifying     all have their future-SOs                           rejects the upgrade
 *   scheduling    the SFs of all that are concerned have signalled    has an SF that throws
 *   claiming      all have their permits                              –
 *   gathering     all know the version, and none restarts             can't
 *   draining      all mailboxes are closed, no call runs, all is      has a call that does not end in time
 *                 on disk
 *   transforming  all have their new generations                      has a transform that throws or is late
 *   checking      all new objects are content                         has one that is not
 *   flipping      one commit has moved all pointers                   can't
 *   recovering    all new objects have started, and one commit has    has one that does not start
 *                 passed the point of no return of all
 *   flippingBack  one commit has moved all pointers back              –
 *   skipping      one commit has taken all past the undone version    has a call that does not end in time
 *
 * A member that comes to another step than the one in which the others wait for it has begun anew, or goes
 * past an upgrade that is undone: the step of the others is called off.
 */
import { Fault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import { isInvariantViolation } from '../../core/base/invariant.js'
import { GroupStep } from './groupStep.js'
import type { GroupMember } from './nodeGroup.js'

export type GroupStepName =
  | 'verifying'
  | 'scheduling'
  | 'claiming'
  | 'gathering'
  | 'draining'
  | 'transforming'
  | 'checking'
  | 'flipping'
  | 'recovering'
  | 'flippingBack'
  | 'skipping'

export type Step = GroupStep<GroupMember>

export class GroupUpgrade {
  readonly #steps = new Map<GroupStepName, Step>()
  /** Members that are stalled or rejected, and go along when others try again. */
  readonly #following = new Map<GroupMember, () => void>()

  constructor(
    readonly target: Version,
    readonly members: readonly GroupMember[],
  ) {}

  /** Does a member's part of a step. Resolves when all have done theirs; rejects when one could not. */
  async together<T>(
    name: GroupStepName,
    member: GroupMember,
    part: (step: Step) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    const step = this.#enter(name, member)
    try {
      if (step.failure !== undefined) throw step.failure
      const result = await part(step)
      await step.meet('end', member, undefined)
      return result
    } catch (error) {
      // Its upgrade has gone another way: the others hear of that by themselves.
      if (signal?.aborted) throw error
      step.failedAt(member, error)
      throw isInvariantViolation(error) ? error : (step.failure ?? error)
    } finally {
      step.leave(member)
      if (step.isOver && this.#steps.get(name) === step) this.#steps.delete(name)
    }
  }

  #enter(name: GroupStepName, member: GroupMember): Step {
    let step = this.#steps.get(name)
    // It was here before, and has begun anew.
    if (step?.has(member)) {
      step.fail(new Fault('unavailable.upgrading', `${member.id} has begun anew`))
      step = undefined
    }
    // It comes late to a step that has failed, and follows the others from here.
    if (step?.failure === undefined) this.#callOff(name, member)
    if (step === undefined) this.#steps.set(name, (step = new GroupStep(this.members)))
    step.enter(member)
    const ending = this.members.find(({ isEnding }) => isEnding)
    if (ending !== undefined) step.fail(stoppedFault(ending))
    // One that comes late to a try that has failed begins none.
    if (name === 'verifying' && step.failure === undefined) this.#goAlong(member)
    return step
  }

  /** The steps in which others wait for a member that goes another way. */
  #callOff(but: GroupStepName, member: GroupMember): void {
    for (const [name, step] of this.#steps) {
      if (name === but || step.has(member)) continue
      step.fail(new Fault('unavailable.upgrading', `${member.id} has gone another way`))
      if (step.failure === undefined) continue
      step.enter(member)
      step.leave(member)
      if (step.isOver) this.#steps.delete(name)
    }
  }

  /** Resolves when another member tries again, so that this one does too. */
  whenOthersTry(member: GroupMember): Promise<void> {
    const verifying = this.#steps.get('verifying')
    if (verifying?.failure === undefined && verifying?.has(member) === false) return Promise.resolve()
    return new Promise((resolve) => this.#following.set(member, resolve))
  }

  #goAlong(first: GroupMember): void {
    for (const [member, follow] of this.#following) if (member !== first) follow()
    this.#following.clear()
  }

  /** The member's node ends on this host. */
  stopped(member: GroupMember): void {
    for (const step of this.#steps.values()) step.fail(stoppedFault(member))
  }
}

function stoppedFault({ id }: GroupMember): Fault {
  return new Fault('upgrade.drain', `${id} has stopped: start its group again`)
}
