/** The clock of all tests, where those of actors have it. */
export { ManualClock } from '../support/manualClock.js'
