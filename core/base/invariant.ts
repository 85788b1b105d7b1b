/**
 * A condition that must always hold. A broken invariant is a bug of ours: it is never caught, never travels
 * as a fault, and restarts the node (DESIGN §7). The first argument of the message names the invariant
 * (`C1`), so that a log line leads to the file that owns it.
 */
export class InvariantViolation extends Error {
  override readonly name = 'InvariantViolation'
}

/** Of anything that was thrown: of a revoked proxy nothing can be asked. */
export function isInvariantViolation(thrown: unknown): thrown is InvariantViolation {
  try {
    return thrown instanceof InvariantViolation
  } catch {
    return false
  }
}

export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InvariantViolation(message)
}

/** For the `default` of nothing: makes a missing case of a union a compile error. */
export function unreachable(value: never): never {
  throw new InvariantViolation(`unreachable: ${JSON.stringify(value)}`)
}
