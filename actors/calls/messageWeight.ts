/** What a message that was read takes in memory: its bytes say little of that. */

/** About what a value takes, beside its bytes. */
export const bytesPerValue = 128

export function weightOf(payload: Uint8Array, values: number): number {
  return payload.length + values * bytesPerValue
}
