/**
 * Times as a few counters that can be added up over hosts. A host's clock counts milliseconds: counter 0 has
 * what took less than one, and each further counter reaches to 1.41 times the bound before it.
 */
export const timeBuckets = 35

/**
 * The time below which counter `bucket` counts, in milliseconds: 1, 1.41, 2, 2.83, 4 and so on.
 * The last one has no bound.
 */
export function boundMs(bucket: number): number {
  return 2 ** (bucket / 2)
}

export function bucketOf(ms: number): number {
  if (ms < 1) return 0
  // From the whole number of halvings on, since a logarithm is not exact at a bound.
  let bucket = Math.min(timeBuckets - 1, Math.max(1, Math.floor(2 * Math.log2(ms))))
  while (bucket < timeBuckets - 1 && ms >= boundMs(bucket)) bucket++
  return bucket
}

/**
 * The time that a share of all calls did not take longer than, between the bounds of its counter; undefined
 * where nothing was timed. The calls of the last counter took at least its lower bound.
 */
export function quantileMs(counters: readonly number[], share: number): number | undefined {
  const all = counters.reduce((sum, count) => sum + count, 0)
  if (all === 0) return undefined
  let left = share * all
  for (const [bucket, count] of counters.entries()) {
    if (count > 0 && left <= count) {
      const from = bucket === 0 ? 0 : boundMs(bucket - 1)
      return bucket >= timeBuckets - 1 ? from : from + (boundMs(bucket) - from) * (left / count)
    }
    left -= count
  }
  return boundMs(timeBuckets - 2)
}
