export { type JetStreamOptions, jetStreamLogs } from './jetStreamLogs.js'
export { testedServer } from './testedServers.js'
