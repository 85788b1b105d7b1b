/**
 * Durations as a Prometheus histogram counts them, in plain numbers: a call adds to two of
 * them. prom-client makes a key of the labels at every observation, which costs more than a
 * call; here labels are put together when somebody asks.
 */
import { Histogram, type HistogramConfiguration, type MetricObjectWithValues, type MetricValueWithName } from 'prom-client'

export class Distribution {
  readonly #counts: Float64Array
  #sum = 0

  /** @param bounds the upper bounds of the buckets, ascending; one more, without a bound, is the last. */
  constructor(private readonly bounds: readonly number[]) {
    this.#counts = new Float64Array(bounds.length + 1)
  }

  add(value: number): void {
    const { bounds } = this
    let bucket = 0
    while (bucket < bounds.length && value > bounds[bucket]!) bucket++
    this.#counts[bucket]!++
    this.#sum += value
  }

  get sum(): number {
    return this.#sum
  }

  /** Of each bucket with all that are smaller, as the exposition has them; the last is the number of all. */
  get cumulative(): readonly number[] {
    let total = 0
    return [...this.#counts].map((count) => (total += count))
  }
}

export interface Labelled<L extends string> {
  readonly labels: Readonly<Record<L, string | number>>
  readonly distribution: Distribution
}

/** A histogram of prom-client whose values are kept elsewhere. */
export class DistributionHistogram<L extends string> extends Histogram<L> {
  readonly #configuration: HistogramConfiguration<L>
  readonly #all: () => Iterable<Labelled<L>>

  constructor(configuration: HistogramConfiguration<L> & { readonly buckets: number[] }, all: () => Iterable<Labelled<L>>) {
    super(configuration)
    this.#configuration = configuration
    this.#all = all
  }

  /** The method by which a registry of prom-client writes a page; its types do not say so. */
  getForPromString(): Promise<MetricObjectWithValues<MetricValueWithName<L>>> {
    return this.get()
  }

  override async get(): Promise<MetricObjectWithValues<MetricValueWithName<L>>> {
    const { name, help, buckets = [] } = this.#configuration
    const values: unknown[] = []
    for (const { labels, distribution } of this.#all()) {
      const { cumulative } = distribution
      cumulative.forEach((value, i) => {
        values.push({ labels: { ...labels, le: buckets[i] ?? '+Inf' }, value, metricName: `${name}_bucket` })
      })
      values.push({ labels, value: distribution.sum, metricName: `${name}_sum` })
      values.push({ labels, value: cumulative.at(-1), metricName: `${name}_count` })
    }
    return { name, help, type: 'histogram', values, aggregator: 'sum' } as unknown as MetricObjectWithValues<
      MetricValueWithName<L>
    >
  }
}
