/** A given instant, for people and in documents. Not a clock: nothing here says what time it is now. */

/** Milliseconds since 1970 as RFC 3339 in UTC. */
export function rfc3339(ms: number): string {
  // biome-ignore lint/style/noRestrictedGlobals: formats an instant that came from the Clock port
  return new Date(ms).toISOString()
}

/** The furthest that can be told in RFC 3339. */
const instantMsMax = 8.64e15

/** Of a number that another process has written. */
export function isInstantMs(value: unknown): value is number {
  return typeof value === 'number' && Math.abs(value) <= instantMsMax
}

/** RFC 3339 as milliseconds since 1970; undefined for anything else. */
export function instantMs(text: unknown): number | undefined {
  if (typeof text !== 'string' || !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/.test(text)) return undefined
  // biome-ignore lint/style/noRestrictedGlobals: reads an instant that somebody wrote
  const ms = Date.parse(text)
  return Number.isNaN(ms) ? undefined : ms
}
