/** The phases of one node's upgrade (DESIGN §5). `failed` is a node that does not come back. */
export const phases = [
  'current',
  'fetching',
  'verifying',
  'scheduled',
  'draining',
  'transforming',
  'checking',
  'flipping',
  'recovering',
  'stalled',
  'rejected',
  'failed',
] as const

export type Phase = (typeof phases)[number]

export function isPhase(value: unknown): value is Phase {
  return phases.includes(value as Phase)
}

/**
 * A node in one of these does not serve: it holds a permit under its service's limit until it
 * serves again or is forgotten.
 */
export const notServing: ReadonlySet<Phase> = new Set<Phase>([
  'draining',
  'transforming',
  'checking',
  'flipping',
  'recovering',
  'failed',
])
