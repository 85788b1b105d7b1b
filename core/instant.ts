/** A given instant, for people. Not a clock: nothing here says what time it is now. */

/** Milliseconds since 1970 as RFC 3339 in UTC. */
export function rfc3339(ms: number): string {
  // biome-ignore lint/style/noRestrictedGlobals: formats an instant that came from the Clock port
  return new Date(ms).toISOString()
}
