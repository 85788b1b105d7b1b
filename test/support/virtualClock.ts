export { VirtualClock } from '../../rehearsal/check/virtualClock.js'
