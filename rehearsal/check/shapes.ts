/**
 * The values that a method's parameters may have, as plain data: read from types by natsctl, or written by
 * hand. Random arguments are made of them, out of few values, so that calls meet.
 */
import type { Random } from '../../core/ports/random.js'
import { type CodeValues, noCodeValues } from './codeValues.js'

export type Shape =
  | { readonly is: 'string' | 'number' | 'boolean' | 'bytes' | 'date' | 'any' }
  | { readonly is: 'value'; readonly value: unknown }
  | { readonly is: 'list'; readonly of: Shape }
  | { readonly is: 'tuple'; readonly items: readonly Shape[] }
  | { readonly is: 'record'; readonly of: Shape }
  | { readonly is: 'object'; readonly fields: Readonly<Record<string, Field>> }
  | { readonly is: 'oneOf'; readonly shapes: readonly Shape[] }

export interface Field {
  readonly shape: Shape
  readonly isOptional?: boolean
}

/** The parameters of one method; a rest parameter is left out. */
export interface Parameters {
  readonly names: readonly string[]
  readonly shapes: readonly Shape[]
  /** So many have to be there. */
  readonly required: number
}

const texts = ['a', 'b', 'c d', 'Ω']
/** The same in capitals or with blanks, figures, and much: transforms forget these. */
const oddTexts = ['A', ' a ', '007', 'long '.repeat(60)]
const counts = [0, 1, 2, 3, 7, 10, 42, 99, 100, 150, 250]
/** Exact in binary, so that no sum of them is rounded. */
const fractions = [0.5, 20.25]
const negatives = [-1, -20]
const itemsMax = 2

/** Text, numbers and other scalars that calls have had so far: later calls take them again. */
export class ValuePool {
  readonly #texts: string[]
  readonly #numbers: number[]

  /** @param first texts that are taken the most */
  constructor(
    private readonly code: CodeValues = noCodeValues,
    first: readonly string[] = [],
  ) {
    this.#texts = [...new Set([...first, ...texts, ...code.texts])]
    this.#numbers = []
  }

  /** @param name of the parameter or field: some take what others don't */
  text(random: Random, name: string): string {
    const chance = random.next()
    if (chance > 1 - odd) return pick([...oddTexts, ...this.code.oddTexts, ...(prose.test(name) ? [''] : [])], random)
    // The first ones mostly: calls about different things do not disturb one another.
    const most = chance < 0.7 ? Math.min(2, this.#texts.length) : this.#texts.length
    return this.#texts[Math.floor(random.next() * most)]!
  }

  number(random: Random, name: string): number {
    if (this.#numbers.length > 0 && random.next() < 0.3) return pick(this.#numbers, random)
    const chance = random.next()
    if (chance > 1 - odd && !whole.test(name)) return pick(signed.test(name) ? [...fractions, ...negatives] : fractions, random)
    const ofCode = this.code.numbers.filter((each) => each <= (looped.test(name) ? smallMax : Number.POSITIVE_INFINITY))
    return chance > 0.8 && ofCode.length > 0 ? pick(ofCode, random) : pick(counts, random)
  }

  /** Remembers the scalars of an answer or an argument, a bounded number of them. */
  learn(value: unknown, depth = 0): void {
    if (typeof value === 'string') this.#remember(this.#texts, value, value.length <= textLengthMax)
    else if (typeof value === 'number') this.#remember(this.#numbers, value, Number.isFinite(value))
    else if (typeof value === 'object' && value !== null && depth < depthMax)
      for (const each of Object.values(value).slice(0, learnedMax)) this.learn(each, depth + 1)
  }

  #remember<T>(values: T[], value: T, isFit: boolean): void {
    if (isFit && values.length < learnedMax && !values.includes(value)) values.push(value)
  }
}

/** Names of what may be empty: keys and ids may not. */
const prose =
  /text|note|comment|nick|descr|title|caption|message|body|html|remark|memo|bio|phone|address|mail|reason|value|content|answer|motto|status/i
/** Names of what is counted. */
const whole =
  /^(n|i|no|id|by|day|month|year|page|port|version)$|cents|count|number|index|bytes|quantity|qty|pieces|seats|size|length|limit|units|items|stock|points|minutes|seconds|millis|(Id|Ms|No|Day|Month|Year)$|Ms$/
/** Names of what may be below zero. */
const signed = /celsius|degrees|temperature|delta|offset|change|diff|adjust|shift|latitude|longitude/i
/** Names of what a loop may be made of: these stay small. */
const looped = /^(n|i|no|times|days|months|years|rows|copies)$|count|number|quantity|qty|pieces|seats|size|length|units/i
const smallMax = 1_000
/** The share of odd values: calls with them are mostly about something else than the calls before. */
const odd = 0.08
const textLengthMax = 64
const learnedMax = 24
const depthMax = 4

/** @param name of the parameter or field that it is for */
export function randomValue(shape: Shape, pool: ValuePool, random: Random, name = '', depth = 0): unknown {
  const inner = (of: Shape, its = name) => randomValue(of, pool, random, its, depth + 1)
  switch (shape.is) {
    case 'string':
      return pool.text(random, name)
    case 'number':
      return pool.number(random, name)
    case 'boolean':
      return random.next() < 0.5
    case 'bytes':
      return new Uint8Array([Math.floor(random.next() * 4), 1])
    case 'date':
      return new Date(Date.UTC(2026, 0, 1 + Math.floor(random.next() * 3)))
    case 'any':
      return random.next() < 0.5 ? pool.text(random, name) : pool.number(random, name)
    case 'value':
      return shape.value
    case 'list':
      return depth > 2 ? [] : Array.from({ length: Math.floor(random.next() * (itemsMax + 1)) }, () => inner(shape.of))
    case 'tuple':
      return shape.items.map((item) => inner(item))
    case 'record':
      return Object.fromEntries(
        Array.from({ length: Math.floor(random.next() * (itemsMax + 1)) }, () => [pool.text(random, 'key'), inner(shape.of)]),
      )
    case 'object':
      return Object.fromEntries(
        Object.entries(shape.fields)
          .filter(([, { isOptional }]) => isOptional !== true || random.next() < 0.6)
          .map(([field, { shape: its }]) => [field, inner(its, field)]),
      )
    case 'oneOf':
      return inner(pick(shape.shapes, random))
  }
}

/** Smaller values of the same shape, for a history that is made smaller; the smallest last. */
export function simplestOf(shape: Shape): unknown {
  return randomValue(shape, new ValuePool(), { next: () => 0 })
}

export function pick<T>(values: readonly T[], random: Random): T {
  return values[Math.floor(random.next() * values.length)]!
}
