/**
 * A strict reader of Prometheus's text exposition format, for what `promtool check metrics` looks at and a
 * little more: a page that is wrong in one line throws, with that line.
 */
export interface Family {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram' | 'summary'
  readonly samples: readonly ExpositionSample[]
}

export interface ExpositionSample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

const metricName = '[a-zA-Z_:][a-zA-Z0-9_:]*'
const helpLine = new RegExp(`^# HELP (${metricName}) (\\S.*)$`)
const typeLine = new RegExp(`^# TYPE (${metricName}) (counter|gauge|histogram|summary)$`)
const sampleLine = new RegExp(`^(${metricName})(?:\\{(.*)\\})? (\\S+)$`)
const label = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/

export function readExposition(text: string): readonly Family[] {
  if (!text.endsWith('\n')) throw new Error('the last line does not end')
  const families: (Family & { samples: ExpositionSample[] })[] = []
  const series = new Set<string>()
  let help: readonly [name: string, text: string] | undefined
  for (const line of text.split('\n')) {
    if (line === '') continue
    const wrong = (why: string): never => {
      throw new Error(`${why}: ${line}`)
    }
    const helped = helpLine.exec(line)
    if (helped !== null) {
      help = [helped[1]!, helped[2]!]
      continue
    }
    const typed = typeLine.exec(line)
    if (typed !== null) {
      const [, name, type] = typed
      if (help?.[0] !== name) wrong('a type without its help before it')
      if (families.some((family) => family.name === name)) wrong('a family twice')
      families.push({ name: name!, help: help![1], type: type as Family['type'], samples: [] })
      continue
    }
    const [, name, labelText = '', number] = sampleLine.exec(line) ?? wrong('not a line of this format')
    const family = families.at(-1)
    if (family === undefined || !namesOf(family).includes(name!)) wrong('a sample outside its family')
    const labels = readLabels(labelText, wrong)
    const key = `${name} ${JSON.stringify(Object.entries(labels).sort())}`
    if (series.has(key)) wrong('a series twice')
    series.add(key)
    const value = number === '+Inf' ? Number.POSITIVE_INFINITY : Number(number)
    if (Number.isNaN(value) && !/^nan$/i.test(number!)) wrong('not a number')
    family!.samples.push({ name: name!, labels, value })
  }
  for (const family of families) checkFamily(family)
  return families
}

function readLabels(text: string, wrong: (why: string) => never): Record<string, string> {
  const labels: Record<string, string> = {}
  for (let rest = text; rest !== ''; ) {
    const found = label.exec(rest) ?? wrong('labels that are none')
    if (found[1]! in labels) wrong('a label twice')
    labels[found[1]!] = found[2]!
    rest = rest.slice(found[0].length)
  }
  return labels
}

function namesOf({ name, type }: Family): readonly string[] {
  if (type === 'histogram') return [`${name}_bucket`, `${name}_sum`, `${name}_count`]
  if (type === 'summary') return [name, `${name}_sum`, `${name}_count`]
  return [name]
}

function checkFamily({ name, type, help, samples }: Family): void {
  const wrong = (why: string): never => {
    throw new Error(`${name}: ${why}`)
  }
  if (help.trim() === '') wrong('no help')
  if ((type === 'counter') !== name.endsWith('_total')) wrong('counters, and they alone, end with _total')
  if (/_(ms|milliseconds|micros|minutes|hours|kb|mb)(_|$)/.test(name)) wrong('no base unit')
  if (/[A-Z]/.test(name)) wrong('not in snake case')
  if (type !== 'histogram' && samples.some(({ labels }) => 'le' in labels)) wrong('the label le is for histograms')
  if (type === 'counter' && samples.some(({ value }) => value < 0)) wrong('a counter below zero')
  if (type === 'histogram') checkHistogram(name, samples, wrong)
}

function checkHistogram(name: string, samples: readonly ExpositionSample[], wrong: (why: string) => never): void {
  const groups = Map.groupBy(samples, ({ labels: { le: _, ...others } }) => JSON.stringify(Object.entries(others).sort()))
  for (const of of groups.values()) {
    const buckets = of.filter((sample) => sample.name === `${name}_bucket`)
    const bounds = buckets.map(({ labels: { le } }) => (le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le)))
    if (bounds.some(Number.isNaN) || bounds.at(-1) !== Number.POSITIVE_INFINITY) wrong('buckets without +Inf at their end')
    for (let i = 1; i < buckets.length; i++) {
      if (bounds[i]! <= bounds[i - 1]!) wrong('bounds do not ascend')
      if (buckets[i]!.value < buckets[i - 1]!.value) wrong('buckets are not cumulative')
    }
    const count = of.filter((sample) => sample.name === `${name}_count`)
    const sum = of.filter((sample) => sample.name === `${name}_sum`)
    if (count.length !== 1 || sum.length !== 1) wrong('no count, or no sum')
    if (count[0]!.value !== buckets.at(-1)!.value) wrong('the count is not that of the last bucket')
  }
}
