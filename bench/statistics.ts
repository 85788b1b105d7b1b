export function median(values: readonly number[]): number {
  return percentile(values, 0.5)
}

/** The smallest value that at least this part of them does not exceed. */
export function percentile(values: readonly number[], part: number): number {
  return percentiles(values, [part])[0]!
}

/** The same for several parts, of millions of values too. */
export function percentiles(values: readonly number[], parts: readonly number[]): readonly number[] {
  const sorted = Float64Array.from(values).sort()
  return parts.map((part) => sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? 0)
}
