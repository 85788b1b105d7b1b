/**
 * One step that the members of a group take together (DESIGN §5, "Groups"). Each enters it, does its part,
 * and meets the others at points inside it.
 *
 * G1. A step ends in the same way for all members: all have done their parts, or all hear why one has not.
 */
import { Fault, toFault } from '../../core/base/fault.js'
import { isInvariantViolation } from '../../core/base/invariant.js'

/** Members come to a point of a step, each with a value. */
interface Point {
  readonly values: Map<Named, unknown>
  readonly ended: PromiseWithResolvers<void>
}

interface Named {
  readonly id: string
}

const nothing = async () => {}

export class GroupStep<Member extends Named> {
  #failure: Error | undefined
  /** Something is done for all: as that ends, so does the step. */
  #isDecided = false
  readonly #failed = Promise.withResolvers<never>()
  readonly #points = new Map<string, Point>()
  readonly #entered = new Set<Member>()
  readonly #left = new Set<Member>()

  constructor(private readonly members: readonly Member[]) {
    this.#failed.promise.catch(() => {})
  }

  /** Why it has failed, if it has. */
  get failure(): Error | undefined {
    return this.#failure
  }

  /** Nobody is still to go through it. */
  get isOver(): boolean {
    return this.#left.size === this.members.length
  }

  /** Whether the member has come to it. */
  has(member: Member): boolean {
    return this.#entered.has(member)
  }

  enter(member: Member): void {
    this.#entered.add(member)
  }

  leave(member: Member): void {
    this.#left.add(member)
  }

  /** The members that have not come to this point yet. */
  missingAt(point: string): readonly Member[] {
    const { values } = this.#points.get(point) ?? { values: undefined }
    return this.members.filter((member) => values?.has(member) !== true)
  }

  /**
   * Resolves when all members have come to this point, and the last one has done `forAll` with the values of
   * all. Rejects when the step fails.
   */
  meet<Value>(
    point: string,
    member: Member,
    value: Value,
    forAll: (values: readonly Value[]) => Promise<void> = nothing,
  ): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    let found = this.#points.get(point)
    if (found === undefined) this.#points.set(point, (found = { values: new Map(), ended: Promise.withResolvers() }))
    const { values, ended } = found
    values.set(member, value)
    if (values.size === this.members.length) {
      this.#isDecided = true
      forAll(this.members.map((each) => values.get(each) as Value)).then(
        () => {
          this.#isDecided = false
          ended.resolve()
        },
        (error) => {
          this.#isDecided = false
          this.fail(isInvariantViolation(error) ? error : toFault(error, 'unavailable.storage'))
        },
      )
    }
    return this.unlessFailed(ended.promise)
  }

  /** As `work` ends, or rejects when the step fails; then `work` goes on, but nobody listens. */
  unlessFailed<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#failed.promise])
  }

  /** A member could not do its part. */
  failedAt(member: Member, error: unknown): void {
    const { code, message } = toFault(error, isInvariantViolation(error) ? 'upgrade.invalid' : 'upgrade.start')
    this.fail(new Fault(code, `${member.id}: ${message}`, {}, { cause: error }))
  }

  /** Not while something is done for all: as that ends, so does the step. */
  fail(failure: Error): void {
    if (this.#failure !== undefined || this.#isDecided) return
    this.#failure = failure
    this.#failed.reject(failure)
  }
}
