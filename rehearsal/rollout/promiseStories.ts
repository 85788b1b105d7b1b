/**
 * Whether the promises of an upgrade hold, in many stories of its rollout: each seed is one, and the same
 * seed is the same story, whichever others are told.
 */
import { promiseText } from '../../core/schedules/rolloutPromise.js'
import type { RehearsedRollout } from './rehearsedRollout.js'
import { playStory, type RolloutStory } from './rolloutStory.js'
import type { Proposal } from './situation.js'
import { SystemRehearsal } from './systemRehearsal.js'

export interface StoryChances {
  /** The seed of the first story; the next ones follow. */
  readonly seed: number
  readonly stories: number
  /** Hosts that fail in each. None: no transform is slow, and nobody pauses. */
  readonly failures: number
}

export interface PromiseFindings {
  /** As people read them. */
  readonly promises: readonly string[]
  readonly stories: number
  readonly failures: number
  /** Stories in which all hold and the rollout goes on. */
  readonly kept: number
  /** Stories in which an upgrade server pauses the rollout, and all hold. */
  readonly paused: number
  readonly broken: number
  /** The one in which most is missing; without a broken promise, the first that is paused. */
  readonly worst: Omit<RolloutStory, 'rollout'> | null
}

/** The seed of the rehearsal by which it is known how long a rollout takes: the same for all stories. */
const horizonSeed = 1
/** Where nobody arrives. */
const horizonMsMin = 60_000

export async function tellStories(proposal: Proposal, { seed, stories, failures }: StoryChances): Promise<PromiseFindings> {
  const horizonMs = failures === 0 ? 0 : await horizonOf(proposal)
  let [paused, broken] = [0, 0]
  let worst: RolloutStory | null = null
  for (let i = 0; i < stories; i++) {
    const story = await playStory(proposal, { seed: seed + i, failures, horizonMs })
    if (story.broken !== null) broken++
    else if (story.paused !== null) paused++
    if (isWorse(story, worst)) worst = story
  }
  return {
    promises: (proposal.draft.promises ?? []).map(promiseText),
    ...{ stories, failures, kept: stories - paused - broken, paused, broken },
    worst: worst && { seed: worst.seed, broken: worst.broken, paused: worst.paused, lines: worst.lines },
  }
}

function isWorse({ broken, paused }: RolloutStory, than: RolloutStory | null): boolean {
  if (broken !== null) return broken.missing > (than?.broken?.missing ?? 0)
  return paused !== null && than === null
}

async function horizonOf(proposal: Proposal): Promise<number> {
  return Math.max(horizonMsMin, lengthOf(await new SystemRehearsal(proposal, horizonSeed).play()))
}

/** Until the last arrives; -1 if nobody does. */
export function lengthOf({ outcomes }: RehearsedRollout): number {
  return outcomes.reduce((longest, { arrivesMs }) => Math.max(longest, arrivesMs ?? -1), -1)
}
