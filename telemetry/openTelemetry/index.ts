export { type OpenTelemetryOptions, openTelemetry } from './openTelemetry.js'
