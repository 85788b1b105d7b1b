/**
 * For thousands of plans or messages with faults by the dozen: to take the stack of each fault is a tenth of
 * the work. Assertions belong outside, for they have none either. A plan that fails is played again, with
 * stacks, by `npm run rehearse`.
 */
export async function withoutStacks<Result>(work: () => Promise<Result>): Promise<Result> {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    return await work()
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}
