/** The memory that a message takes once it was read: its bytes say little of that. */

/** About what a value takes, beside its bytes. */
export const bytesPerValue = 128

export function weightOf(payload: Uint8Array, values: number): number {
  return payload.length + values * bytesPerValue
}
