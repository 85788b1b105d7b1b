/**
 * The upgrade manager's statechart: takes one node through one upgrade (§3, DESIGN §5).
 *
 *   phase         effect            done →          fails →
 *   fetching      fetch             verifying       fetching, after a back-off
 *   verifying     verify            scheduled       rejected; fetching, after a back-off, where only
 *                                                   something could not be had or written
 *                                   current, where the upgrade leaves the node's class alone; stalled while a
 *                                   call runs that does not end
 *   scheduled     schedule, claim   draining        stalled
 *   draining      drain             transforming    scheduled, after a pause; stalled after `drainTriesMax`
 *   transforming  transform         checking        returning → stalled
 *   checking      check             flipping        returning → stalled
 *   flipping      flip              recovering      returning → stalled
 *   recovering    recover           current         recovering, after a back-off; flipping back →
 *                                                   stalled after `startTriesMax`
 *
 * An upgrade that is undone while the node is not on its way (`fetching`, `scheduled`, `stalled`, `rejected`)
 * is skipped: `current`, past it and its undo; `stalled` while a call runs that does not end. A node on its
 * way goes forward or comes back first.
 *
 * C10. Every upgrade ends: at the new version (`current`), or serving the old one with the reason where an
 * operator sees it (`stalled`, `rejected`).
 *
 * The chart decides; it names its effects, and `actors/` provides them. It is resumed from the node's own
 * record, not from a snapshot.
 */
import { assign, fromPromise, setup } from 'xstate'
import { isFault, reasonOf } from '../base/fault.js'
import type { Version } from '../base/ids.js'
import { InvariantViolation } from '../base/invariant.js'
import type { Phase } from '../base/phases.js'
import { ending } from './endingStatechart.js'

export const drainTriesMax = 5
export const startTriesMax = 3

/**
 * Under this key context and inputs carry whatever the provided effects act upon. A symbol: those who look at
 * a statechart see texts and numbers, and nothing of this.
 */
export const actingKey = Symbol('acting')

export interface UpgradeContext {
  readonly [actingKey]?: unknown
  readonly target: Version
  readonly resume: ResumePoint
  /** The phase that was entered last; `returning` keeps the phase that failed. */
  readonly phase: Phase
  readonly reason: string | null
  readonly fetchesFailed: number
  readonly drainsFailed: number
  readonly startsFailed: number
}

/** Where a restart takes up the upgrade: what the node's record says. */
export type ResumePoint = 'beginning' | 'recovering' | 'stalled'

export interface UpgradeInput {
  readonly [actingKey]?: unknown
  readonly target: Version
  readonly resume: ResumePoint
  readonly reason: string | null
  readonly startsFailed: number
}

/**
 * `retry`: an operator asks a stalled or rejected upgrade to try again. `undone`: the upgrade
 * after this one undoes it.
 */
export type UpgradeEvent = { readonly type: 'retry' } | { readonly type: 'undone' }

/** The input of an effect. */
export interface EffectInput {
  readonly [actingKey]?: unknown
  readonly target: Version
  readonly startsFailed: number
  readonly reason: string | null
}

const effect = fromPromise<void, EffectInput>(() => {
  throw new InvariantViolation('an effect of the upgrade statechart was not provided')
})
const verification = fromPromise<{ readonly concerned: boolean }, EffectInput>(() => {
  throw new InvariantViolation('an effect of the upgrade statechart was not provided')
})

const enter = (phase: Phase) => [
  assign<UpgradeContext, any, undefined, any, any>({ phase }),
  { type: 'entered' as const, params: { phase } },
]
const keepReason = assign<UpgradeContext, any, undefined, any, any>({
  reason: ({ event }) => reasonOf((event as { error?: unknown }).error),
})
const input = ({ context }: { context: UpgradeContext }): EffectInput => ({
  target: context.target,
  startsFailed: context.startsFailed,
  reason: context.reason,
  [actingKey]: context[actingKey],
})

/** Whether trying again can help: the upgrade is not known to be unfit. */
function isPassing(error: unknown): boolean {
  return isFault(error) && (error.code === 'upgrade.fetch' || error.kind === 'unavailable')
}

/** Whether it is a running call that did not end in time. */
function isLate(error: unknown): boolean {
  return isFault(error) && error.code === 'upgrade.drain'
}

const unlessUndone = {
  always: { guard: 'isUndone', target: '#upgrade.skipping' },
  on: { undone: '#upgrade.skipping' },
} as const

const forgetFailures = assign<UpgradeContext, any, undefined, any, any>({ drainsFailed: 0, startsFailed: 0 })
/** An operator's word reaches a node that is stalled or rejected also through the upgrade database. */
const retried = {
  src: 'awaitRetry',
  input,
  onDone: { target: '#upgrade.fetching', actions: forgetFailures },
  // The node stops.
  onError: {},
} as const

const chart = setup({
  types: {
    context: {} as UpgradeContext,
    input: {} as UpgradeInput,
    events: {} as UpgradeEvent,
  },
  actors: {
    fetch: effect,
    verify: verification,
    schedule: effect,
    claim: effect,
    drain: effect,
    transform: effect,
    check: effect,
    flip: effect,
    recover: effect,
    advance: effect,
    skip: effect,
    awaitRetry: effect,
    returnToOld: effect,
    flipBack: effect,
  },
  actions: {
    /** Tells the node, and through it the UDB and the observers, which phase begins. */
    entered: (_, _params: { readonly phase: Phase }) => {},
  },
  guards: {
    /** Whether the upgrade has been undone: there may be nobody left to say so once more. */
    isUndone: () => false,
  },
  delays: {
    fetchBackoff: () => 1000,
    drainPause: () => 1000,
    startBackoff: () => 1000,
  },
}).createMachine({
  id: 'upgrade',
  context: ({ input: { target, resume, reason, startsFailed, [actingKey]: acting } }) => ({
    [actingKey]: acting,
    target,
    resume,
    phase: 'current',
    reason,
    fetchesFailed: 0,
    drainsFailed: 0,
    startsFailed,
  }),
  initial: 'boot',
  states: {
    boot: {
      always: [
        { guard: ({ context }) => context.resume === 'recovering', target: 'recovering' },
        { guard: ({ context }) => context.resume === 'stalled', target: 'stalled' },
        { target: 'fetching' },
      ],
    },
    fetching: {
      entry: enter('fetching'),
      ...unlessUndone,
      initial: 'asking',
      states: {
        asking: {
          invoke: {
            src: 'fetch',
            input,
            onDone: '#upgrade.verifying',
            onError: {
              target: 'waiting',
              actions: [keepReason, assign({ fetchesFailed: ({ context }) => context.fetchesFailed + 1 })],
            },
          },
        },
        waiting: { after: { fetchBackoff: 'asking' } },
      },
    },
    verifying: {
      entry: enter('verifying'),
      invoke: {
        src: 'verify',
        input,
        onDone: [{ guard: ({ event }) => event.output.concerned, target: 'scheduled' }, { target: 'advancing' }],
        onError: [
          {
            guard: ({ event }) => isPassing(event.error),
            target: '#upgrade.fetching.waiting',
            actions: [keepReason, assign({ fetchesFailed: ({ context }) => context.fetchesFailed + 1 })],
          },
          { target: 'rejected', actions: keepReason },
        ],
      },
    },
    /**
     * The upgrade leaves the node's class alone: "the node is unaffected and immediately
     * advances its version number" (§3).
     */
    advancing: {
      invoke: { src: 'advance', input, onDone: 'current', onError: { target: 'stalled', actions: keepReason } },
    },
    /** Not taken: the node advances past the upgrade and its undo. */
    skipping: {
      invoke: {
        src: 'skip',
        input,
        onDone: 'current',
        onError: [
          // C10. A call that does not end keeps the node where it is, and must not leave it without a reason.
          {
            guard: ({ event, context }) =>
              isLate(event.error) && !(context.phase === 'stalled' && context.reason === reasonOf(event.error)),
            target: 'skippingLater',
            actions: [keepReason, ...enter('stalled')],
          },
          { target: 'skippingLater', actions: keepReason },
        ],
      },
    },
    skippingLater: { after: { fetchBackoff: 'skipping' } },
    scheduled: {
      ...unlessUndone,
      entry: [assign({ reason: ({ context }) => (context.drainsFailed > 0 ? context.reason : null) }), ...enter('scheduled')],
      initial: 'deciding',
      states: {
        deciding: {
          invoke: { src: 'schedule', input, onDone: 'claiming', onError: { target: '#upgrade.stalled', actions: keepReason } },
        },
        /**
         * The permit under the service's limit, outside the SF: a wrong SF can be late, never dangerous.
         * Resolves when claimed.
         */
        claiming: {
          invoke: {
            src: 'claim',
            input,
            onDone: '#upgrade.draining',
            onError: { target: '#upgrade.stalled', actions: keepReason },
          },
        },
        pausing: { after: { drainPause: 'claiming' } },
      },
    },
    draining: {
      entry: enter('draining'),
      invoke: {
        src: 'drain',
        input,
        onDone: 'transforming',
        onError: [
          {
            guard: ({ context }) => context.drainsFailed + 1 < drainTriesMax,
            target: 'scheduled.pausing',
            actions: [keepReason, assign({ drainsFailed: ({ context }) => context.drainsFailed + 1 })],
          },
          { target: 'stalled', actions: keepReason },
        ],
      },
    },
    transforming: {
      entry: enter('transforming'),
      invoke: { src: 'transform', input, onDone: 'checking', onError: { target: 'returning', actions: keepReason } },
    },
    checking: {
      entry: enter('checking'),
      invoke: { src: 'check', input, onDone: 'flipping', onError: { target: 'returning', actions: keepReason } },
    },
    flipping: {
      entry: enter('flipping'),
      invoke: { src: 'flip', input, onDone: 'recovering', onError: { target: 'returning', actions: keepReason } },
    },
    recovering: {
      entry: enter('recovering'),
      initial: 'starting',
      states: {
        starting: {
          invoke: {
            src: 'recover',
            input,
            onDone: '#upgrade.current',
            onError: [
              {
                guard: ({ context }) => context.startsFailed + 1 < startTriesMax,
                target: 'waiting',
                actions: [keepReason, assign({ startsFailed: ({ context }) => context.startsFailed + 1 })],
              },
              { target: 'flippingBack', actions: keepReason },
            ],
          },
        },
        waiting: { after: { startBackoff: 'starting' } },
        flippingBack: {
          invoke: { src: 'flipBack', input, onDone: '#upgrade.stalled', onError: { target: 'waiting', actions: keepReason } },
        },
      },
    },
    /** Drops the new generation, restarts the old object and opens the mailbox. */
    returning: {
      invoke: { src: 'returnToOld', input, onDone: 'stalled', onError: { target: 'stalled', actions: keepReason } },
    },
    stalled: {
      entry: enter('stalled'),
      invoke: retried,
      always: unlessUndone.always,
      // From the beginning: what is here already costs nothing, and an advance that stalled has
      // nothing to schedule.
      on: { retry: { target: 'fetching', actions: forgetFailures }, undone: '#upgrade.skipping' },
    },
    rejected: {
      entry: enter('rejected'),
      invoke: retried,
      always: unlessUndone.always,
      on: { retry: 'fetching', undone: '#upgrade.skipping' },
    },
    current: {
      entry: enter('current'),
      type: 'final',
    },
  },
})

export const upgradeStatechart = ending(chart, ['stalled', 'rejected'])
