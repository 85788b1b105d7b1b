/**
 * The values that a method's parameters may have, as plain data: read from types by natsctl, or written by
 * hand. Random arguments are made of them, out of few values, so that calls meet.
 */
import type { Random } from '../../core/ports/random.js'

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
const counts = [0, 1, 2, 3, 7, 10, 42, 99, 100, 150, 250]
/** Exact in binary, so that no sum of them is rounded. */
const fractions = [0.5, 20.25]
const itemsMax = 2

/** Text, numbers and other scalars that calls have had so far: later calls take them again. */
export class ValuePool {
  readonly #texts: string[]
  readonly #numbers: number[]

  /**
   * @param literals texts that stand in the code of the classes
   * @param first texts that are taken the most
   */
  constructor(literals: readonly string[] = [], first: readonly string[] = []) {
    this.#texts = [...new Set([...first, ...texts, ...literals])]
    this.#numbers = []
  }

  text(random: Random): string {
    // The first ones mostly: calls about different things do not disturb one another.
    const most = random.next() < 0.75 ? Math.min(2, this.#texts.length) : this.#texts.length
    return this.#texts[Math.floor(random.next() * most)]!
  }

  number(random: Random): number {
    if (this.#numbers.length > 0 && random.next() < 0.3) return pick(this.#numbers, random)
    return random.next() < 0.08 ? pick(fractions, random) : pick(counts, random)
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

const textLengthMax = 64
const learnedMax = 24
const depthMax = 4

export function randomValue(shape: Shape, pool: ValuePool, random: Random, depth = 0): unknown {
  const inner = (of: Shape) => randomValue(of, pool, random, depth + 1)
  switch (shape.is) {
    case 'string':
      return pool.text(random)
    case 'number':
      return pool.number(random)
    case 'boolean':
      return random.next() < 0.5
    case 'bytes':
      return new Uint8Array([Math.floor(random.next() * 4), 1])
    case 'date':
      return new Date(Date.UTC(2026, 0, 1 + Math.floor(random.next() * 3)))
    case 'any':
      return random.next() < 0.5 ? pool.text(random) : pool.number(random)
    case 'value':
      return shape.value
    case 'list':
      return depth > 2 ? [] : Array.from({ length: Math.floor(random.next() * (itemsMax + 1)) }, () => inner(shape.of))
    case 'tuple':
      return shape.items.map(inner)
    case 'record':
      return Object.fromEntries(
        Array.from({ length: Math.floor(random.next() * (itemsMax + 1)) }, () => [pool.text(random), inner(shape.of)]),
      )
    case 'object':
      return Object.fromEntries(
        Object.entries(shape.fields)
          .filter(([, { isOptional }]) => isOptional !== true || random.next() < 0.6)
          .map(([name, field]) => [name, inner(field.shape)]),
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
