/**
 * The classes of `notesClasses.ts`, under the path that they had before. Reproductions of faults that are
 * kept outside of this repository import this path, so it stays. Tests here import `notesClasses.ts`.
 */
export {
  ClockV1,
  ClockV2,
  gates,
  NotesV1,
  NotesV2,
  NotesV3,
  type Stars,
  tickerUpgrade,
  toV2,
  toV3,
  type UpgradeParts,
} from './notesClasses.js'
