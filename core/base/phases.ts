/** The stage of an upgrade that a phase belongs to: its meaning for callers and for an operator. */
export type PhaseStage =
  /** It serves, with no upgrade under way. */
  | 'idle'
  /** It serves, and gets the upgrade. */
  | 'preparing'
  /** It serves both versions, and waits for its time. */
  | 'waiting'
  /** It holds its calls, and has a permit. */
  | 'changing'
  /** It serves the old version, and goes no further without help. */
  | 'stuck'
  /** It does not come back, and keeps its permit. */
  | 'failed'

/**
 * The phases of one node's upgrade (DESIGN §5), in their order. Code that tells several phases apart asks for
 * their stage, so that another phase is one more row here.
 */
const stages = {
  current: 'idle',
  fetching: 'preparing',
  verifying: 'preparing',
  scheduled: 'waiting',
  draining: 'changing',
  transforming: 'changing',
  checking: 'changing',
  flipping: 'changing',
  recovering: 'changing',
  stalled: 'stuck',
  rejected: 'stuck',
  failed: 'failed',
} as const satisfies Record<string, PhaseStage>

export type Phase = keyof typeof stages
export type PhaseOf<S extends PhaseStage> = { [P in Phase]: (typeof stages)[P] extends S ? P : never }[Phase]

export const phases = Object.keys(stages) as readonly Phase[]

export function isPhase(value: unknown): value is Phase {
  return phases.includes(value as Phase)
}

export function stageOf(phase: Phase): PhaseStage {
  return stages[phase]
}

export function isOfStage<S extends PhaseStage>(phase: Phase, ...among: readonly S[]): phase is PhaseOf<S> {
  return among.some((stage) => stages[phase] === stage)
}

/**
 * A node in one of these does not serve: it holds a permit under its service's limit until it
 * serves again or is forgotten.
 */
export const notServing: ReadonlySet<Phase> = new Set(phases.filter((phase) => isOfStage(phase, 'changing', 'failed')))
