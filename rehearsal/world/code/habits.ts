/**
 * Habits: ways in which the code of a plan's classes and upgrades behaves, beside what every plan has. Each
 * is a dimension of its own: a plan has none, one or several, and each has a file of its own in this folder.
 */

/**
 * - `walks`: commands that call from node to node, and may come back (`walks.ts`)
 * - `reentrant`: the classes let such calls run inside the call that they are made for
 * - `unawaited`: a walk may not await what it calls, or may fail while that still runs
 * - `cycles`: at rest, walks go to and fro between two nodes: none may wait for itself
 * - `keptRefs`: objects keep the references that they made once
 * - `callingSOs`: simulation objects walk themselves, with calls of their own
 * - `table`: records under keys of every kind, which are overwritten, deleted, and read by range (`table.ts`)
 * - `oddValues`: values whose form in memory is not the one that is stored
 * - `oddThrows`: methods that throw values without text
 * - `hugeFaults`: methods that throw an error larger than a message
 * - `thenables`: methods that return a thenable that is no promise
 * - `endless`: calls that do not end before the troubles are over
 * - `handsOut`: methods return what their state is made of, and who gets it changes it
 * - `ticks`: `start()` sets a timer whose command sets the next (`ticks.ts`)
 * - `lookers`: scheduling functions read the collections of their node (`schedules.ts`)
 * - `unnamedServers`: scheduling functions wait for their servers without naming them
 * - `rumours`: an upgrade introduces an event (`rumours.ts`)
 * - `sameNames`: a class that was undone is published anew under the same name, with other behaviour
 * - `tables`: scheduling functions wait for a table of the upgrade database
 * - `canaries`: an upgrade of some nodes only is undone, and its undo perhaps too
 */
export const habits = [
  'walks',
  'reentrant',
  'unawaited',
  'cycles',
  'keptRefs',
  'callingSOs',
  'table',
  'oddValues',
  'oddThrows',
  'hugeFaults',
  'thenables',
  'endless',
  'handsOut',
  'ticks',
  'lookers',
  'unnamedServers',
  'rumours',
  'sameNames',
  'tables',
  'canaries',
] as const

export type Habit = (typeof habits)[number]

/** Those that a plan may have where a run does not say which. */
export const usualHabits: readonly Habit[] = [
  'walks',
  'reentrant',
  'unawaited',
  'cycles',
  'keptRefs',
  'callingSOs',
  'table',
  'oddValues',
  'oddThrows',
  'hugeFaults',
  'thenables',
  'handsOut',
  'endless',
  'ticks',
  'lookers',
  'unnamedServers',
  'rumours',
  'sameNames',
  'tables',
  'canaries',
]

/** The habits that are of no use without another. */
export const needs: { readonly [Name in Habit]?: Habit } = {
  reentrant: 'walks',
  unawaited: 'walks',
  cycles: 'walks',
  keptRefs: 'walks',
  callingSOs: 'walks',
  oddValues: 'table',
}
