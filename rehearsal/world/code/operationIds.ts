/** How operations are named: by the step that asks for them, and by the way that led to them. */

export function opOf(step: number): string {
  return `#${step}`
}

/** The step that an operation comes from; undefined if it comes from none. */
export function stepOf(op: string): number | undefined {
  const found = /^#(\d+)/.exec(op)
  return found === null ? undefined : Number(found[1])
}

/** The operation that a client asked for, of all that are done for it. */
export function rootOf(op: string): string {
  return /^#\d+/.exec(op)?.[0] ?? op
}

/** The operation that a timer set by another carries out. */
export function timerOf(op: string): string {
  return `${op}t`
}

/** The n-th operation that another asks for in turn. */
export function hopOf(op: string, n: number): string {
  return `${op}.${n}`
}

/** Whether an operation is made for another, directly or not, or is that one. */
export function isMadeFor(op: string, outer: string): boolean {
  return op === outer || op === lateOf(outer) || op.startsWith(`${outer}.`)
}

/** The text that an operation writes when it has paused. */
export function lateOf(op: string): string {
  return `${op}z`
}

/** The operation that writes this one when it has paused; itself, if none does. */
export function earlyOf(op: string): string {
  return op.endsWith('z') ? op.slice(0, -1) : op
}
