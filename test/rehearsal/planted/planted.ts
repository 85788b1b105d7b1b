/**
 * The faults that are put back, one by one, and that the deterministic world must find. README.md beside the
 * patches is the table for people.
 */
import type { Habit } from '../../../rehearsal/world/code/habits.js'
import type { Dimension } from '../../../rehearsal/world/operations/dimensions.js'

export interface PlantedFault {
  /** The name of its patch. */
  readonly patch: string
  /** The habit or the dimension of the plans in which it shows; null: any. */
  readonly shownBy: Habit | Dimension | null
  /** Those by which it is found. */
  readonly rules: readonly string[]
  /** The first seed of all plans that finds it, when that was last looked at. */
  readonly firstSeed: number
}

export const plantedFaults: readonly PlantedFault[] = [
  { patch: '01-class-by-its-name', shownBy: 'sameNames', rules: ['C6', 'C12'], firstSeed: 146 },
  { patch: '02-nested-call-outlives-its-outer', shownBy: 'unawaited', rules: ['C2', 'invariant'], firstSeed: 62 },
  { patch: '03-rows-stay-lost', shownBy: 'databaseLosses', rules: ['C10'], firstSeed: 1 },
  { patch: '04-leases-run-while-nobody-is-heard', shownBy: 'pins', rules: ['C8'], firstSeed: 207 },
  { patch: '05-permit-of-a-lost-second', shownBy: 'databaseLosses', rules: ['C10'], firstSeed: 606 },
  { patch: '06-sent-calls-are-not-executed', shownBy: 'stops', rules: ['C4'], firstSeed: 9 },
  { patch: '07-intervals-by-the-time-of-day', shownBy: 'clocks', rules: ['C10'], firstSeed: 45 },
  { patch: '08-two-hosts-serve-a-node', shownBy: 'moves', rules: ['C2', 'C3', 'C10', 'A1'], firstSeed: 15 },
  { patch: '09-comeback-is-an-undo', shownBy: null, rules: ['P1', 'P3', 'C10'], firstSeed: 12 },
  { patch: '11-introduced-event-is-lost', shownBy: 'rumours', rules: ['E1'], firstSeed: 1695 },
  { patch: '12-callers-count-as-servers', shownBy: 'unnamedServers', rules: ['C10'], firstSeed: 19 },
  { patch: '13-dead-pin-holds-up-deaths', shownBy: 'pins', rules: ['C10'], firstSeed: 20 },
  { patch: '14-schedules-see-two-moments', shownBy: 'lookers', rules: ['S2'], firstSeed: 161 },
  { patch: '15-retry-heeded-at-each-restart', shownBy: 'restarts', rules: ['P4'], firstSeed: 116 },
  { patch: '17-timer-outlives-its-object', shownBy: 'ticks', rules: ['A1'], firstSeed: 6 },
  { patch: '18-timer-is-dropped', shownBy: 'ticks', rules: ['A2'], firstSeed: 65 },
  { patch: '19-text-of-what-was-thrown', shownBy: 'oddThrows', rules: ['C6', 'C10'], firstSeed: 5 },
  { patch: '20-fault-too-large', shownBy: 'hugeFaults', rules: ['C10'], firstSeed: 1 },
  { patch: '21-deaf-node-is-started', shownBy: 'refusals', rules: ['N1'], firstSeed: 3 },
  { patch: '21-refused-subject-stays-away', shownBy: 'refusals', rules: ['C10'], firstSeed: 3 },
  { patch: '22-running-call-hides-its-node', shownBy: 'endless', rules: ['C10'], firstSeed: 26 },
  { patch: '23-start-outlives-its-host', shownBy: 'stops', rules: ['C10', 'world'], firstSeed: 36 },
  { patch: '25-shared-results', shownBy: 'handsOut', rules: ['C6'], firstSeed: 3 },
  { patch: '25-shared-timer-arguments', shownBy: 'handsOut', rules: ['T5'], firstSeed: 30 },
  { patch: '26-memory-is-not-the-disk', shownBy: 'oddValues', rules: ['T5', 'T6'], firstSeed: 58 },
  { patch: '27-foreign-thenables', shownBy: 'thenables', rules: ['C2', 'invariant'], firstSeed: 3 },
  { patch: '28-order-comes-twice', shownBy: 'databaseLosses', rules: ['P5'], firstSeed: 72 },
  { patch: '30-stop-without-bound', shownBy: 'endless', rules: ['C10'], firstSeed: 408 },
  { patch: 'answered-twice', shownBy: null, rules: ['C4'], firstSeed: 388 },
  { patch: 'common-root-is-no-nesting', shownBy: 'walks', rules: ['C2'], firstSeed: 9 },
  { patch: 'deleted-record-comes-back', shownBy: 'table', rules: ['C6', 'T5'], firstSeed: 75 },
  { patch: 'drain-does-not-wait', shownBy: null, rules: ['C2', 'C6', 'C10', 'invariant'], firstSeed: 3 },
  { patch: 'group-flips-one-by-one', shownBy: 'groups', rules: ['C13'], firstSeed: 11 },
  { patch: 'label-of-a-references-making', shownBy: 'keptRefs', rules: ['V1'], firstSeed: 886 },
  { patch: 'label-of-an-so', shownBy: 'callingSOs', rules: ['V1'], firstSeed: 7 },
  { patch: 'lost-original-is-not-waited-for', shownBy: 'lostMoves', rules: ['A1', 'C2', 'C3'], firstSeed: 8473 },
  { patch: 'lost-registration-is-believed', shownBy: 'lostMoves', rules: ['C2', 'C3'], firstSeed: 221 },
  { patch: 'lost-start-is-not-waited-for', shownBy: 'lostMoves', rules: ['A1', 'C2', 'C3'], firstSeed: 18 },
  { patch: 'permit-of-one-that-died-away', shownBy: 'midwayLosses', rules: ['L1'], firstSeed: 410 },
  { patch: 'retry-that-comes-back', shownBy: 'midwayLosses', rules: ['P4'], firstSeed: 522 },
  { patch: 'future-so-missing-in-what-is-kept', shownBy: 'rewinds', rules: ['W3', 'C1', 'C6'], firstSeed: 779 },
  { patch: 'recorder-of-before', shownBy: 'rewinds', rules: ['C2', 'C3'], firstSeed: 785 },
  { patch: 'replay-is-not-counted', shownBy: 'rewinds', rules: ['W3'], firstSeed: 830 },
  { patch: 'range-without-its-limit', shownBy: 'table', rules: ['T5'], firstSeed: 44 },
  { patch: 'answer-of-a-host-that-stood-still', shownBy: 'shards', rules: ['C14'], firstSeed: 2822 },
  { patch: 'claim-that-does-not-wait', shownBy: 'shards', rules: ['C14'], firstSeed: 44 },
  { patch: 'copy-is-trusted', shownBy: 'shards', rules: ['C14', 'C3', 'C2'], firstSeed: 29 },
  { patch: 'reply-before-its-append', shownBy: 'shards', rules: ['C14', 'C3', 'invariant'], firstSeed: 29 },
  { patch: 'shard-without-its-lease', shownBy: 'shards', rules: ['C14'], firstSeed: 29 },
  { patch: 'sleepers-are-forgotten', shownBy: 'shards', rules: ['C10'], firstSeed: 296 },
]
