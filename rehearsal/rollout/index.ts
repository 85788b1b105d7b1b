/**
 * The entry `theseus-actors/rollout`: an upgrade looked at before it is published, against a running system
 * and against what it changes.
 */
export type {
  ClassChange,
  Differences,
  MeantDifference,
  OpenMethod,
  StateChange,
  Treatment,
} from './classChange.js'
export { changesOf } from './combinedChanges.js'
export { installedUpgrades } from './installedUpgrades.js'
export type { PromiseFindings } from './promiseStories.js'
export type { Refusals } from './refusals.js'
export type { Obstacle } from './rehearsedRollout.js'
export { type Absence, planRollout, type RolloutPlan, type ServicePlan } from './rolloutPlan.js'
export type { Situation } from './situation.js'
